//! Settings as the lines of a Labfile, and notes of what cannot be written.

use std::collections::BTreeSet;
use std::path::Path;

use super::model::{At, Place, Provisioner, Settings, VagrantFolder};
use super::notes::Notes;
use super::toml::{Lines, text};
use super::write::{printable, usable};
use super::{Around, plan};
use crate::labfile::model::Forward;
use crate::labfile::units;

/// What repeats a copy: `lab cp` writes as the login user, and a copy belongs to root.
const AGAIN: &str = "; `lab provision` makes it anew, and repeats the scripts, too";

/// Writes settings, and notes what cannot be.
pub(super) struct Described<'a, 'n> {
    pub(super) around: &'a Around<'a>,
    pub(super) notes: &'n mut Notes,
    /// What holds for all machines.
    pub(super) root: Settings,
}

impl Described<'_, '_> {
    /// What may stand under `[lab]` as well as under a machine.
    pub(super) fn common(&mut self, lines: &mut Lines, settings: &Settings) {
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
                self.notes.add(
                    other.place,
                    format!(
                        "`{key} = {}` is for {provider}; VirtualBox's {} is taken",
                        other.value, at.value
                    ),
                );
            }
        }
        if (least..=most).contains(&at.value) {
            return Some(at.value);
        }
        self.notes.add(at.place, format!("`{key}` cannot be {}: the box decides", at.value));
        None
    }

    /// A path of the Vagrantfile as the Labfile has to write it; noted and `None` where it cannot be had.
    fn path(&mut self, place: Place, written: &str, wants_file: bool) -> Option<String> {
        let what = if wants_file { "script" } else { "file or folder" };
        let refused = if written.starts_with("http://") || written.starts_with("https://") {
            Some(format!("the script {written} is left out: download it to this folder first"))
        } else if written.starts_with('~') || !usable(written) || written.contains('\\') {
            Some(format!("{} is left out: name a {what} beside the Labfile", printable(written)))
        } else {
            let path = self.around.dir.join(written);
            match std::fs::metadata(&path) {
                Ok(about) if about.is_dir() && !wants_file && self.holds_the_lab(&path) => Some(format!(
                    "the folder {written} cannot be copied, since the lab's own files are in it; name what is needed in `copy`"
                )),
                Ok(about) if about.is_file() || (about.is_dir() && !wants_file) => None,
                Ok(_) => Some(format!("{written} is left out: it is no {what}")),
                Err(_) => Some(format!("{written} is left out: there is no such {what}")),
            }
        };
        if let Some(why) = refused {
            self.notes.add(place, why);
            return None;
        }
        let path = self.around.prefix.join(super::files::lexical(written));
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
            let Some(from) = self.path(at.place, &at.value.from, false) else { continue };
            let Some(to) = self.in_guest(at.place, &at.value.to) else { continue };
            copy(&mut items, &from, &to);
            self.notes.add(at.place, format!("a copy, made once, which belongs to root{AGAIN}"));
        }
        let mut script_before = false;
        for file in &settings.provisioners {
            script_before |= file.kind == "shell";
            if file.kind != "file" || file.dropped {
                continue;
            }
            let (Some(source), Some(destination)) = (&file.source, &file.destination) else {
                self.notes.add(file.place, "a file provisioner without source or destination is left out");
                continue;
            };
            let Some(from) = self.path(file.place, source, false) else { continue };
            let Some(to) = self.in_guest(file.place, destination) else { continue };
            copy(&mut items, &from, &to);
            if script_before {
                self.notes
                    .add(file.place, format!("{to} is copied before every script, not after those above it"));
            }
        }
        let said = settings.vagrant_folder.or(self.root.vagrant_folder);
        if let Some(At { value: VagrantFolder::Shared, place }) = settings.vagrant_folder {
            self.notes.add(place, "/vagrant is not shared: name what is needed of it in `copy`");
        }
        if said.is_none_or(|at| at.value == VagrantFolder::Shared) {
            // The scripts of all machines see the folder that this one has.
            let mut scripts: Vec<&Provisioner> = settings.provisioners.iter().collect();
            let root = self.root.provisioners.clone();
            if settings.vagrant_folder.is_some()
                && self.root.vagrant_folder.is_some_and(|at| at.value != VagrantFolder::Shared)
            {
                scripts.extend(&root);
            }
            for name in self.used_of_vagrant(&scripts) {
                let from = self.around.prefix.join(&name);
                copy(&mut items, &from.to_string_lossy(), &format!("/vagrant/{name}"));
            }
        }
        items
    }

    /// Whether the Labfile's folder lies in `folder`, or is it.
    fn holds_the_lab(&self, folder: &Path) -> bool {
        match (self.around.dir.canonicalize(), folder.canonicalize()) {
            (Ok(dir), Ok(folder)) => dir.starts_with(folder),
            _ => false,
        }
    }

    /// What the scripts use of `/vagrant` and is there.
    fn used_of_vagrant(&mut self, scripts: &[&Provisioner]) -> Vec<String> {
        let mut names = BTreeSet::new();
        for script in scripts.iter().filter(|script| !script.dropped) {
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
                let rest = rest.join(" and ").replace("/vagrant/ ", "/vagrant ");
                let words = format!(
                    "/vagrant is not shared; this script uses {} of it: add what it needs to `copy`",
                    rest.trim_end_matches('/')
                );
                self.notes.add(script.place, words);
            }
            if !there.is_empty() {
                self.notes.add(
                    script.place,
                    format!("{} of /vagrant: copied, not shared{AGAIN}", there.join(", ")),
                );
            }
            names.extend(there);
        }
        names.into_iter().collect()
    }

    /// An absolute path in the guest. Vagrant's begin at the user's home.
    fn in_guest(&mut self, place: Place, path: &str) -> Option<String> {
        let rest = ["~/", "$HOME/", "~vagrant/"].iter().find_map(|home| path.strip_prefix(home));
        let absolute = match (rest, path) {
            (None, "~" | "$HOME" | "." | "") => "/home/vagrant".to_owned(),
            (None, path) if path.starts_with('/') => path.to_owned(),
            (rest, path) => format!("/home/vagrant/{}", rest.unwrap_or(path).trim_start_matches("./")),
        };
        if absolute.split('/').any(|part| part == "..")
            || !usable(&absolute)
            || absolute.contains(['$', '\\'])
        {
            self.notes
                .add(place, format!("the copy to {} is left out: write an absolute path", printable(path)));
            return None;
        }
        if absolute != path {
            self.notes.add(place, format!("{path} is written {absolute}; it belongs to root there"));
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
                let written = self.path(script.place, path, true)?;
                let source = plan::small_file(&self.around.dir.join(path)).unwrap_or_default();
                if !source.starts_with("#!") && plan::needs_bash(&source) {
                    self.notes.add(script.place, format!("{path} has no `#!` line: lab runs it with sh, Vagrant did with bash; begin it with #!/bin/bash"));
                }
                parts.push(format!("script = {}", text(&written)));
            }
            _ => {
                self.notes.add(script.place, "a shell provisioner without a script is left out");
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
                false => {
                    self.notes
                        .add(script.place, format!("`{}` cannot name a variable; left out", printable(name)));
                }
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

    pub(super) fn virtualbox(&mut self, lines: &mut Lines, name: &str, all: &Settings, own: &Settings) {
        let commands: Vec<String> = all
            .customize
            .iter()
            .chain(&own.customize)
            .filter(|words| !words.is_empty() && !words.iter().any(|word| word.contains('\0')))
            .map(|words| format!("[{}]", words.iter().map(|word| text(word)).collect::<Vec<_>>().join(", ")))
            .collect();
        let gui = own.gui.or(all.gui).unwrap_or(false);
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

pub(super) fn forwards(lines: &mut Lines, forwards: &[At<Forward>]) {
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
