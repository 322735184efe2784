//! `config.vm.synced_folder`, and what scripts expect to find in `/vagrant`.

use std::collections::BTreeSet;
use std::path::Path;

use lib_ruby_parser::Node;

use super::eval::Eval;
use super::model::{At, Copy, VagrantFolder};
use super::value::{Scope, Value};

/// Where Vagrant shares the Vagrantfile's folder.
const VAGRANT: &str = "/vagrant";

impl Eval<'_> {
    /// `synced_folder "src/", "/srv/site"`, and version 1's `share_folder "name", "/srv/site", "src/"`.
    pub(super) fn synced_folder(&mut self, node: &Node, scope: Scope, method: &str, arguments: &[Value]) {
        let place = self.place(node);
        for value in arguments {
            if let Value::Unknown(reason) = value {
                return self.note_reason(node, reason);
            }
        }
        let mut words = arguments.iter().filter_map(|value| value.word().map(str::to_owned));
        let folders = match method {
            "share_folder" => words.nth(1).and_then(|guest| Some((words.next()?, guest))),
            _ => words.next().and_then(|host| Some((host, words.next()?))),
        };
        let Some((from, to)) = folders else {
            return self.note(node, "it names no two folders");
        };
        let options = arguments.last().filter(|last| matches!(last, Value::Map(_)));
        let disabled = match options.and_then(|options| options.get("disabled")) {
            Some(Value::Unknown(reason)) => {
                let why = self.reason(place, &reason);
                self.note(node, format!("`disabled` is not known, and taken for false: {why}"));
                false
            }
            Some(value) => value.truth() == Some(true),
            None => false,
        };
        if to.trim_end_matches('/') == VAGRANT {
            let value = match (disabled, is_here(&from)) {
                (true, _) => VagrantFolder::Off,
                (false, true) => VagrantFolder::Shared,
                (false, false) => VagrantFolder::Other,
            };
            self.settings(scope).vagrant_folder = Some(At { value, place });
            // The lab's own files stand in it: what scripts use of it is copied, if anything.
            if disabled || is_here(&from) {
                return;
            }
        }
        let copies = &mut self.settings(scope).copies;
        // The later one of two to the same place counts, as in Vagrant.
        copies.retain(|known| known.value.to != to);
        if disabled {
            self.settings(scope).no_copies.push(to);
            return;
        }
        copies.push(At { value: Copy { from, to }, place });
        // How it is shared does not matter to a copy; whose it is, and what is left out, does.
        let lost = |key: &str| {
            matches!(
                key,
                "owner"
                    | "group"
                    | "mount_options"
                    | "rsync__exclude"
                    | "rsync__chown"
                    | "rsync__args"
                    | "extra"
            )
        };
        let mut others = Vec::new();
        for (key, value) in options.map(Value::pairs).unwrap_or_default() {
            let key = key.to_text().unwrap_or_default();
            if lost(&key) && value.truth() != Some(false) {
                others.push(format!("`{key}`"));
            }
        }
        if !others.is_empty() {
            self.note(node, format!("{}: a copy has no such option", others.join(", ")));
        }
    }
}

fn is_here(folder: &str) -> bool {
    matches!(folder.trim_end_matches('/'), "." | "" | "./.")
}

/// The names right below `/vagrant` that a script mentions; an empty one for the folder itself.
pub(super) fn mentioned(script: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in script.match_indices(VAGRANT) {
        let before = script.get(..at).and_then(|before| before.chars().next_back());
        let after = script.get(at + VAGRANT.len()..).unwrap_or_default();
        // `/home/vagrant` and `/vagrant-data` are other folders.
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '}'))
            || after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
        {
            continue;
        }
        let rest = after.strip_prefix('/').unwrap_or_default();
        let end =
            rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))).unwrap_or(rest.len());
        names.insert(rest.get(..end).unwrap_or_default().to_owned());
    }
    names
}

/// Whether `name` in the Vagrantfile's folder can be copied in.
pub(super) fn can_be_copied(dir: &Path, name: &str) -> bool {
    !matches!(name, "" | "." | ".." | ".lab" | ".vagrant" | ".git") && dir.join(name).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_vagrant_are_found() {
        let script =
            "cp /vagrant/conf/a /etc; . /vagrant/setup.sh\ncd /vagrant\nls /home/vagrant/x /vagrant_data";
        let found: Vec<_> = mentioned(script).into_iter().collect();
        assert_eq!(found, ["", "conf", "setup.sh"]);
    }
}
