//! From what was found to the text of a Labfile that `lab validate` accepts.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::model::{At, Found, Provisioner, Settings};
use super::toml::{Lines, text};
use super::{Around, Imported, Note, plan};
use crate::boxes::versions::Constraint;
use crate::error::Result;
use crate::labfile::model::Forward;
use crate::labfile::names::corrected;
use crate::labfile::units;

/// The box of machines whose Vagrantfile names none that is known.
const NO_BOX: &str = "demo";

/// The Labfile.
pub(super) fn labfile(mut found: Found, around: &Around<'_>) -> Result<Imported> {
    let alone = found.machines.is_empty();
    if alone {
        let all = std::mem::take(&mut found.all);
        let name =
            all.hostname.as_ref().map_or("default", |at| at.value.split('.').next().unwrap_or_default());
        found.machines.push((name.to_owned(), Settings { hostname: None, ..all.clone() }));
        if let Some(at) = all.hostname.filter(|at| at.value.contains('.')) {
            found.notes.push(note(
                at.line,
                format!("the machine is called {} alone, without its domain", found.machines[0].0),
            ));
        }
    }
    rename(&mut found);
    let network = plan::network(&mut found);
    plan::forwards(&mut found);

    let mut body = String::new();
    let Found { all, machines, notes, .. } = &mut found;
    let mut lab = Lines::new("[lab]");
    let common = image(all, around);
    // Vagrant has a box for every machine or does not start; a Labfile must name one as well.
    let missing = common.is_none() && machines.iter().any(|(_, own)| image(own, around).is_none());
    if missing {
        notes.push(note(0, format!("no box is named, or none that is known: `{NO_BOX}` stands in for it")));
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
    let several = machines.len() > 1;
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
        if several
            && let Some(at) = &own.hostname
            && at.value != *name
        {
            let words = format!("the machine's host name is {name}, not {}", at.value);
            described.notes.push(note(at.line, words));
        }
        forwards(&mut lines, &own.forwards);
        described.common(&mut lines, own);
        described.virtualbox(&mut lines, name, all, own);
        body += "\n";
        body += &lines.finish(false);
    }
    found.notes.sort();
    found.notes.dedup();
    let names = found.machines.iter().map(|(name, _)| name.clone()).collect();
    Ok(Imported {
        text: head(&found.notes, around) + body.trim_start_matches('\n'),
        machines: names,
        notes: found.notes,
    })
}

fn note(line: usize, text: impl Into<String>) -> Note {
    Note { line, text: text.into() }
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
fn printable(text: &str) -> String {
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
fn version(settings: &Settings, image: &str, notes: &mut Vec<Note>) -> Option<String> {
    let at = settings.image_version.as_ref()?;
    let of_a_registry = image.split('/').count() == 2 && !image.contains(':') && !image.starts_with('.');
    if of_a_registry && at.value.parse::<Constraint>().is_ok() {
        return Some(text(&at.value));
    }
    notes.push(note(at.line, format!("`{}`: {image} has no versions that lab could choose among", at.value)));
    None
}

fn usable(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(char::is_control)
}

/// Makes the machines' names into host names.
fn rename(found: &mut Found) {
    let mut taken = BTreeSet::new();
    for (name, _) in &mut found.machines {
        let wanted =
            corrected(name, "m").filter(|name| name != "localhost").unwrap_or_else(|| "machine".to_owned());
        let free = (1..).map(|n| if n == 1 { wanted.clone() } else { format!("{wanted}-{n}") });
        let free = free.into_iter().find(|candidate| !taken.contains(candidate)).unwrap_or(wanted);
        taken.insert(free.clone());
        if free != *name {
            found
                .notes
                .push(note(0, format!("the machine `{name}` is called {free}: its name is its host name")));
            *name = free;
        }
    }
}

/// Writes settings, and notes what cannot be.
struct Described<'a, 'n> {
    around: &'a Around<'a>,
    notes: &'n mut Vec<Note>,
    root: Settings,
}

impl Described<'_, '_> {
    /// What may stand under `[lab]` as well as under a machine.
    fn common(&mut self, lines: &mut Lines, settings: &Settings) {
        let memory = self.number(
            &settings.memory_mib,
            "memory",
            i64::from(units::MEMORY_MIN),
            i64::from(units::MEMORY_MAX),
        );
        if let Some(mib) = memory {
            lines.key("memory", &text(&format!("{mib} MiB")));
        }
        if let Some(cpus) = self.number(&settings.cpus, "cpus", 1, 64) {
            lines.key("cpus", &cpus.to_string());
        }
        let (copies, provisioners) = (self.copies(settings), self.provisioners(settings));
        lines.list("copy", &copies);
        lines.list("provision", &provisioners);
        for (key, seconds) in
            [("boot_timeout", settings.boot_timeout), ("halt_timeout", settings.halt_timeout)]
        {
            if let Some(seconds) = seconds
                .filter(|seconds| (1..=units::DURATION_MAX.as_secs()).contains(&seconds.unsigned_abs()))
            {
                lines.key(key, &text(&format!("{} s", seconds.unsigned_abs())));
            }
        }
    }

    /// The number that counts: VirtualBox's last word, else another provider's.
    fn number(&mut self, said: &[(String, At<i64>)], key: &str, least: i64, most: i64) -> Option<i64> {
        let of = |name: &str| said.iter().rev().find(|(provider, _)| provider == name);
        let (_, at) = of("virtualbox").or_else(|| said.last())?;
        for (provider, other) in said {
            if provider != "virtualbox" && other.value != at.value {
                self.notes.push(note(
                    other.line,
                    format!(
                        "`{key} = {}` is for {provider}; VirtualBox's {} is taken",
                        other.value, at.value
                    ),
                ));
            }
        }
        if (least..=most).contains(&at.value) {
            return Some(at.value);
        }
        self.notes.push(note(at.line, format!("`{key}` cannot be {}: the box decides", at.value)));
        None
    }

    /// A path of the Vagrantfile as the Labfile has to write it; noted and `None` where it cannot be had.
    fn path(&mut self, line: usize, written: &str, wants_file: bool) -> Option<String> {
        let what = if wants_file { "script" } else { "file or folder" };
        let refused = if written.starts_with("http://") || written.starts_with("https://") {
            Some(format!("the script {written} is left out: download it to this folder first"))
        } else if written.starts_with('~') || !usable(written) || written.contains('\\') {
            Some(format!("{} is left out: name a {what} beside the Labfile", printable(written)))
        } else {
            let path = self.around.dir.join(written);
            match std::fs::metadata(&path) {
                Ok(about) if about.is_file() || (about.is_dir() && !wants_file) => None,
                Ok(_) => Some(format!("{written} is left out: it is no {what}")),
                Err(_) => Some(format!("{written} is left out: there is no such {what}")),
            }
        };
        if let Some(why) = refused {
            self.notes.push(note(line, why));
            return None;
        }
        let path = self.around.prefix.join(super::builtin::lexical(written));
        path.to_str().map(str::to_owned)
    }

    fn copies(&mut self, settings: &Settings) -> Vec<String> {
        let mut items = Vec::new();
        let copy = |items: &mut Vec<String>, from: &str, to: &str| {
            let item = format!("{{ from = {}, to = {} }}", text(from), text(to));
            if !items.contains(&item) {
                items.push(item);
            }
        };
        for at in &settings.copies {
            if let (Some(from), Some(to)) =
                (self.path(at.line, &at.value.from, false), self.in_guest(at.line, &at.value.to))
            {
                copy(&mut items, &from, &to);
                let words = "made once: `lab cp` brings later changes over";
                self.notes.push(note(at.line, format!("{to} is a copy of {from}, {words}")));
            }
        }
        let mut script_before = false;
        for file in &settings.provisioners {
            script_before |= file.kind == "shell";
            if file.kind != "file" || file.dropped {
                continue;
            }
            let (Some(source), Some(destination)) = (&file.source, &file.destination) else {
                self.notes
                    .push(note(file.line, "a file provisioner without source or destination is left out"));
                continue;
            };
            if script_before {
                self.notes.push(note(
                    file.line,
                    format!("{destination} is copied before every script, not after those above it"),
                ));
            }
            if let (Some(from), Some(to)) =
                (self.path(file.line, source, false), self.in_guest(file.line, destination))
            {
                copy(&mut items, &from, &to);
            }
        }
        if !settings.has_no_vagrant_folder && !self.root.has_no_vagrant_folder {
            for name in self.used_of_vagrant(settings) {
                let from = self.around.prefix.join(&name);
                copy(&mut items, &from.to_string_lossy(), &format!("/vagrant/{name}"));
            }
        }
        items
    }

    /// What the scripts use of `/vagrant` and is there.
    fn used_of_vagrant(&mut self, settings: &Settings) -> Vec<String> {
        let mut names = BTreeSet::new();
        for script in settings.provisioners.iter().filter(|script| !script.dropped) {
            let file = script.path.as_ref().and_then(|path| plan::small_file(&self.around.dir.join(path)));
            let mentioned =
                super::shared::mentioned(script.inline.as_deref().or(file.as_deref()).unwrap_or_default());
            if mentioned.is_empty() {
                continue;
            }
            let (there, rest): (Vec<_>, Vec<_>) =
                mentioned.into_iter().partition(|name| super::shared::can_be_copied(self.around.dir, name));
            if !rest.is_empty() {
                let rest: Vec<String> = rest.iter().map(|name| format!("/vagrant/{name}")).collect();
                self.notes.push(note(
                    script.line,
                    format!(
                        "/vagrant is not shared; this script uses {} of it: add what it needs to `copy`",
                        rest.join(" and ").replace("/vagrant/ ", "/vagrant ").trim_end_matches('/')
                    ),
                ));
            }
            if !there.is_empty() {
                self.notes.push(note(
                    script.line,
                    format!(
                        "{} of /vagrant: copied, not shared; `lab cp` brings changes over",
                        there.join(", ")
                    ),
                ));
            }
            names.extend(there);
        }
        names.into_iter().collect()
    }

    /// An absolute path in the guest. Vagrant's begin at the user's home.
    fn in_guest(&mut self, line: usize, path: &str) -> Option<String> {
        let rest = ["~/", "$HOME/", "~vagrant/"].iter().find_map(|home| path.strip_prefix(home));
        let absolute = match (rest, path) {
            (None, "~" | "$HOME" | "." | "") => "/home/vagrant".to_owned(),
            (None, path) if path.starts_with('/') => path.to_owned(),
            (rest, path) => format!("/home/vagrant/{}", rest.unwrap_or(path).trim_start_matches("./")),
        };
        if absolute.split('/').any(|part| part == "..") || !usable(&absolute) || absolute.contains('$') {
            self.notes.push(note(
                line,
                format!("the copy to {} is left out: write an absolute path", printable(path)),
            ));
            return None;
        }
        if absolute != path {
            self.notes.push(note(line, format!("{path} is written {absolute}; it belongs to root there")));
        }
        Some(absolute)
    }

    fn provisioners(&mut self, settings: &Settings) -> Vec<String> {
        let scripts = settings.provisioners.iter().filter(|script| script.kind == "shell" && !script.dropped);
        scripts.filter_map(|script| self.provisioner(script)).collect()
    }

    fn provisioner(&mut self, script: &Provisioner) -> Option<String> {
        let mut parts = Vec::new();
        match (&script.inline, &script.path) {
            (Some(inline), _) if !inline.trim().is_empty() => {
                parts.push(format!("inline = {}", text(&as_bash(inline))));
            }
            (None, Some(path)) => {
                let written = self.path(script.line, path, true)?;
                let source = plan::small_file(&self.around.dir.join(path)).unwrap_or_default();
                if !source.starts_with("#!") && plan::needs_bash(&source) {
                    self.notes.push(note(script.line, format!("{path} has no `#!` line: lab runs it with sh, Vagrant did with bash; begin it with #!/bin/bash")));
                }
                parts.push(format!("script = {}", text(&written)));
            }
            _ => {
                self.notes.push(note(script.line, "a shell provisioner without a script is left out"));
                return None;
            }
        }
        if !script.args.is_empty() {
            let args: Vec<String> = script.args.iter().map(|arg| text(arg)).collect();
            parts.push(format!("args = [{}]", args.join(", ")));
        }
        let mut env = Vec::new();
        for (name, value) in &script.env {
            let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            match plain {
                true => env.push(format!("{name} = {}", text(value))),
                false => self.notes.push(note(
                    script.line,
                    format!("`{}` cannot name a variable; left out", printable(name)),
                )),
            }
        }
        if !env.is_empty() {
            parts.push(format!("env = {{ {} }}", env.join(", ")));
        }
        if script.user {
            parts.push("as = \"user\"".to_owned());
        }
        if script.always {
            parts.push("run = \"always\"".to_owned());
        }
        if let Some(name) = script.name.as_ref().filter(|name| usable(name)) {
            parts.push(format!("name = {}", text(name)));
        }
        match (parts.as_slice(), parts.first().and_then(|part| part.strip_prefix("script = "))) {
            ([_], Some(path)) => Some(path.to_owned()),
            _ => Some(format!("{{ {} }}", parts.join(", "))),
        }
    }

    fn virtualbox(&mut self, lines: &mut Lines, name: &str, all: &Settings, own: &Settings) {
        let commands: Vec<String> = all
            .customize
            .iter()
            .chain(&own.customize)
            .filter(|words| !words.is_empty() && !words.iter().any(|word| word.contains('\0')))
            .map(|words| format!("[{}]", words.iter().map(|word| text(word)).collect::<Vec<_>>().join(", ")))
            .collect();
        let gui = all.gui || own.gui;
        if commands.is_empty() && !gui {
            return;
        }
        lines.section(&format!("[machine.{name}.virtualbox]"));
        if gui {
            lines.key("gui", "true");
        }
        lines.list("customize", &commands);
    }
}

fn forwards(lines: &mut Lines, forwards: &[At<Forward>]) {
    let item = |at: &At<Forward>| {
        let auto = if at.value.auto { ", auto = true" } else { "" };
        format!("{{ host = {}, guest = {}{auto} }}", at.value.host, at.value.guest)
    };
    lines.list("forward", &forwards.iter().map(item).collect::<Vec<_>>());
}

/// Vagrant hands inline scripts to bash, lab to sh unless they say otherwise.
fn as_bash(script: &str) -> String {
    match script.trim_start().starts_with("#!") {
        true => script.trim_start().to_owned(),
        false if plan::needs_bash(script) => format!("#!/bin/bash\n{script}"),
        false => script.to_owned(),
    }
}
