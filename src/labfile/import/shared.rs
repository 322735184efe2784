//! `config.vm.synced_folder`, and what scripts expect to find in `/vagrant`.

use std::collections::BTreeSet;
use std::path::Path;

use lib_ruby_parser::Node;

use super::eval::Eval;
use super::model::{At, Copy};
use super::value::{Scope, Value};

/// Where Vagrant shares the Vagrantfile's folder.
const VAGRANT: &str = "/vagrant";

impl Eval<'_> {
    /// `synced_folder "src/", "/srv/site"`, and version 1's `share_folder "name", "/srv/site", "src/"`.
    pub(super) fn synced_folder(&mut self, node: &Node, scope: Scope, method: &str, arguments: &[Value]) {
        let (line, source) = (self.line(node), self.source(node));
        if let Some(why) = arguments.iter().find_map(Value::why_unknown) {
            return self.note(line, format!("`{source}`: {why}"));
        }
        let mut words = arguments.iter().filter_map(|value| value.word().map(str::to_owned));
        let folders = match method {
            "share_folder" => words.nth(1).and_then(|guest| Some((words.next()?, guest))),
            _ => words.next().and_then(|host| Some((host, words.next()?))),
        };
        let Some((from, to)) = folders else {
            return self.note(line, format!("`{source}`: it names no two folders"));
        };
        let options = arguments.last();
        let flag = |name: &str| options.and_then(|o| o.get(name)).and_then(Value::truth).unwrap_or(false);
        if to.trim_end_matches('/') == VAGRANT {
            self.settings(scope).has_no_vagrant_folder = flag("disabled");
            // The lab's own files stand in it: what scripts use of it is copied, if anything.
            if flag("disabled") || is_here(&from) {
                return;
            }
        }
        if flag("disabled") {
            return;
        }
        if is_here(&from) {
            return self.note(
                line,
                format!("`{source}`: the whole folder cannot be copied, since the lab's own files are in it; name what is needed in `copy`"),
            );
        }
        self.settings(scope).copies.push(At { value: Copy { from, to }, line });
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
