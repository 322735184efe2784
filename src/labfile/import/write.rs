//! From what was found to the text of a Labfile that `lab validate` accepts.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::describe::{Described, forwards};
use super::model::{Found, Place, Settings};
use super::notes::{Notes, Source};
use super::toml::{Lines, text};
use super::{Around, Imported, Note, bad, plan};
use crate::boxes::versions::Constraint;
use crate::error::Result;
use crate::labfile::names::corrected;

/// The box of machines whose Vagrantfile names none that is known.
const NO_BOX: &str = "demo";

/// The Labfile.
pub(super) fn labfile(mut found: Found, files: &[Source], around: &Around<'_>) -> Result<Imported> {
    if !found.configured {
        return Err(bad(format!("{} configures no machines", around.shown))
            .hint("a Vagrantfile has a block `Vagrant.configure(\"2\") do |config| … end`")
            .hint("`lab init` writes a Labfile to start from"));
    }
    let alone = found.machines.is_empty();
    if alone {
        if let Some((place, why)) = found.lost.take() {
            return Err(no_machine(found, place, &why, files, around));
        }
        let all = std::mem::take(&mut found.all);
        let name =
            all.hostname.as_ref().map_or("default", |at| at.value.split('.').next().unwrap_or_default());
        found.machines.push((name.to_owned(), Settings { hostname: None, ..all.clone() }));
        if let Some(at) = all.hostname.filter(|at| at.value.contains('.')) {
            let words = format!("the machine is called {}, and not {}", found.machines[0].0, at.value);
            found.notes.add(at.place, words);
        }
    }
    rename(&mut found);
    plan::spread(&mut found);
    plan::windows(&mut found);
    let network = plan::network(&mut found);
    plan::forwards(&mut found);

    let mut body = String::new();
    let Found { all, machines, notes, .. } = &mut found;
    let mut lab = Lines::new("[lab]");
    let common = image(all, around);
    // Vagrant has a box for every machine or does not start; a Labfile must name one as well.
    let missing = common.is_none() && machines.iter().any(|(_, own)| image(own, around).is_none());
    if missing {
        notes.add(
            Place::default(),
            format!("no box is named, or none that is known: `{NO_BOX}` stands in for it"),
        );
    }
    let common = common.or_else(|| missing.then(|| NO_BOX.to_owned()));
    if let Some(image) = &common {
        lab.key("box", &text(image));
        lab.key_if("box_version", version(all, image, notes));
    }
    let mut described = Described { around, notes, root: all.clone() };
    described.common(&mut lab, all);
    body += &lab.finish(true);

    if let Some(network) = network {
        let mut lines = Lines::new("[network]");
        lines.key("private", &text(&network));
        body += "\n";
        body += &lines.finish(false);
    }
    for (name, own) in machines.iter() {
        let mut lines = Lines::new(&format!("[machine.{name}]"));
        if let Some(image) = image(own, around).filter(|image| common.as_ref() != Some(image)) {
            lines.key("box", &text(&image));
            lines.key_if("box_version", version(own, &image, described.notes));
        } else if let Some(image) = common.as_ref().filter(|_| all.image_version != own.image_version) {
            lines.key_if("box_version", version(own, image, described.notes));
        }
        if let Some(ip) = own.addresses.iter().find_map(|at| at.value.as_ref()) {
            lines.key("ip", &text(&ip.ip.to_string()));
        }
        if let Some(at) = own.hostname.as_ref().or(all.hostname.as_ref())
            && at.value != *name
        {
            let subject = format!("{name}, not {}", at.value);
            described.notes.about(at.place, subject, "a machine's host name is its name: {}");
        }
        forwards(&mut lines, &own.forwards);
        described.common(&mut lines, own);
        described.virtualbox(&mut lines, name, all, own);
        body += "\n";
        body += &lines.finish(false);
    }
    let names = found.machines.iter().map(|(name, _)| name.clone()).collect();
    let notes = found.notes.rendered(files);
    Ok(Imported { text: head(&notes, around) + body.trim_start_matches('\n'), machines: names, notes })
}

/// Machines are defined, and none of them could be read: a Labfile would say something else.
fn no_machine(
    found: Found,
    place: Place,
    why: &str,
    files: &[Source],
    around: &Around<'_>,
) -> crate::error::Error {
    let shown = files.get(usize::from(place.file)).map_or(around.shown, |source| &source.shown);
    let mut error = bad(format!("none of the machines of {} could be read", around.shown))
        .detail(format!("{shown}:{}: {why}", place.line));
    for note in found.notes.rendered(files).iter().take(10) {
        error = error.detail(format!("{}:{}: {}", around.shown, note.line, note.text));
    }
    error
        .hint("write the machines' names and numbers into the Vagrantfile in place of what is not run, and import it again")
        .hint("`lab init` writes a Labfile to start from")
}

/// The comment at the top: where it comes from, and what is missing.
fn head(notes: &[Note], around: &Around<'_>) -> String {
    let mut head = format!("# From {}, by `lab import`.\n", printable(around.shown));
    if !notes.is_empty() {
        head += "# What could not be carried over, or is different now, by the Vagrantfile's lines:\n";
    }
    for Note { line, text } in notes {
        let place = if *line == 0 { String::new() } else { format!("line {line}: ") };
        let _ = writeln!(head, "#   {place}{}", printable(text));
    }
    head + "\n"
}

/// Without what TOML takes in no comment.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The box to write: its name where that is enough, else its address.
fn image(settings: &Settings, around: &Around<'_>) -> Option<String> {
    let name = settings.image.as_ref().map(|at| at.value.as_str()).filter(|name| usable(name));
    let url = settings.image_url.as_ref().map(|at| at.value.as_str()).filter(|url| usable(url));
    match (name, url) {
        (Some(name), Some(_)) if (around.knows_box)(name) => Some(name.to_owned()),
        (_, Some(url)) => Some(url.to_owned()),
        (name, None) => name.map(str::to_owned),
    }
}

/// The versions of the box that will do, in TOML: a box of one's own, by its path or address, has none.
fn version(settings: &Settings, image: &str, notes: &mut Notes) -> Option<String> {
    let at = settings.image_version.as_ref()?;
    let of_a_registry = image.split('/').count() == 2 && !image.contains(':') && !image.starts_with('.');
    if of_a_registry && at.value.parse::<Constraint>().is_ok() {
        return Some(text(&at.value));
    }
    notes.add(at.place, format!("`{}`: {image} has no versions that lab could choose among", at.value));
    None
}

pub(super) fn usable(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(char::is_control)
}

/// Makes the machines' names into host names.
fn rename(found: &mut Found) {
    let mut taken = BTreeSet::new();
    for (name, settings) in &mut found.machines {
        let wanted =
            corrected(name, "m").filter(|name| name != "localhost").unwrap_or_else(|| "machine".to_owned());
        let free = (1..).map(|n| if n == 1 { wanted.clone() } else { format!("{wanted}-{n}") });
        let free = free.into_iter().find(|candidate| !taken.contains(candidate)).unwrap_or(wanted);
        taken.insert(free.clone());
        if free != *name {
            let subject = format!("`{}` is called {free}", printable(name));
            found.notes.about(settings.defined, subject, "a machine's name is its host name: {}");
            *name = free;
        }
    }
}
