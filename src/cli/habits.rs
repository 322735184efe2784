//! Verbs that people bring along from Vagrant, multipass, docker, virsh, limactl and a shell, and what lab has instead.

/// A word that is no verb of lab's, and what to type instead.
type Habit = (&'static [&'static str], &'static str);

/// Of `lab WORD`.
const VERBS: &[Habit] = &[
    (
        &["list", "ls", "ps", "info", "machines", "vms", "show", "inspect", "st", "state"],
        "`lab status` shows the machines",
    ),
    (
        &["global-status", "labs"],
        "`lab status` shows the machines of one lab, in its folder; `lab box list` shows which labs use boxes",
    ),
    (
        &["start", "boot", "launch", "run", "poweron", "power-on"],
        "`lab up` makes the machines ready, or those that are named: `lab up web1`",
    ),
    (
        &["create", "make", "build", "deploy", "apply", "new"],
        "`lab init` writes a Labfile, `lab up` makes its machines",
    ),
    (
        &["restart", "reboot", "recreate"],
        "`lab reload` restarts machines; `lab destroy` and `lab up` make them anew",
    ),
    (
        &["stop", "shutdown", "poweroff", "power-off", "off", "kill"],
        "`lab halt` shuts machines down; `lab halt --force` cuts their power",
    ),
    (&["down"], "`lab halt` shuts machines down and keeps their disks; `lab destroy` removes them"),
    (
        &["pause", "sleep", "freeze", "save", "hibernate"],
        "`lab suspend` puts machines to rest with their RAM on disk",
    ),
    (&["unpause", "continue", "wake", "thaw", "unsuspend"], "`lab resume` wakes suspended machines"),
    (
        &["rm", "delete", "remove", "undefine", "purge", "clean", "del"],
        "`lab destroy` removes machines; `lab box remove` removes a box",
    ),
    (
        &["shell", "connect", "login", "enter", "attach", "bash", "sh", "console", "terminal", "tty"],
        "`lab ssh NAME` opens a shell in a machine; `lab logs NAME --console` shows its console",
    ),
    (
        &["command", "cmd", "execute", "powershell", "winrm"],
        "`lab exec NAME -- COMMAND` runs a command in machines",
    ),
    (
        &[
            "scp",
            "copy",
            "upload",
            "download",
            "push",
            "rsync",
            "rsync-auto",
            "transfer",
            "put",
            "get",
            "sync",
            "cat",
        ],
        "`lab cp` copies files: `lab cp notes.txt web1:` there, `lab cp web1:notes.txt .` back",
    ),
    (
        &["sftp", "mount", "umount", "unmount", "share"],
        "`lab cp` copies files; for sftp and sshfs: `lab ssh-config > lab.ssh`, then `sftp -F lab.ssh web1`",
    ),
    (
        &["ssh_config", "sshconfig", "config"],
        "`lab ssh-config` prints settings for ssh; a lab's own settings stand in its Labfile",
    ),
    (
        &["provisions", "ansible", "setup", "set-up"],
        "`lab provision` runs the provisioners again; `lab inventory` is for Ansible",
    ),
    (
        &["log", "journal", "output", "events"],
        "`lab logs` shows consoles and provisioners, `lab logs --lab` what lab did",
    ),
    (
        &["boxes", "image", "images", "template", "templates", "find"],
        "`lab box list` shows the boxes that are here",
    ),
    (&["pull", "fetch", "add"], "`lab box add NAME` fetches a box; `lab up` does so by itself"),
    (&["package", "export", "commit"], "`lab box package NAME` makes a box of a machine"),
    (&["prune", "gc"], "`lab box prune` removes the boxes that nothing needs"),
    (&["update", "upgrade", "outdated"], "`lab box update` takes the newest boxes that the Labfile allows"),
    (
        &["ports", "forward", "tunnel", "port-forward"],
        "`lab port` shows the forwards; a further one for a while: `lab ssh -L 8080:localhost:80 NAME`",
    ),
    (&["browse", "browser", "url", "web", "share-url"], "`lab open NAME` opens a machine's web page"),
    (
        &["ip", "address", "addresses", "network", "networks", "net"],
        "`lab status` shows the addresses, `lab hosts` the names with them, `lab graph` a picture",
    ),
    (
        &["snapshots", "snap", "checkpoint"],
        "`lab snapshot list` shows the snapshots, `lab snapshot save SNAPSHOT` takes one",
    ),
    (
        &["restore", "rollback", "revert", "undo"],
        "`lab snapshot restore SNAPSHOT` goes back to a snapshot, `lab reset` to when the machines became ready",
    ),
    (
        &["lint", "verify", "test", "tests", "grade"],
        "`lab validate` looks at the Labfile, `lab check` at what has been achieved",
    ),
    (
        &["diagnose", "diag", "debug", "troubleshoot"],
        "`lab doctor` looks at this computer; `lab logs --lab` says what lab did",
    ),
    (&["report", "bug", "bug-report", "support"], "`lab bugreport` collects what a bug report needs"),
    (&["convert", "migrate", "vagrant", "vagrantfile"], "`lab import` turns a Vagrantfile into a Labfile"),
    (
        &["plugin", "plugins", "cloud", "autocomplete", "rdp"],
        "lab does without; `lab --help` shows what there is (`lab completions` for a shell's completion)",
    ),
    (&["edit", "set", "modify"], "edit the Labfile, then `lab validate` and `lab reload`"),
    (&["version"], "`lab --version` prints the version"),
];

/// Of `lab box WORD`.
const BOX: &[Habit] = &[
    (&["ls", "ps", "status", "images"], "`lab box list` shows the boxes that are here"),
    (&["rm", "delete", "del", "destroy", "uninstall"], "`lab box remove NAME` removes a box"),
    (&["pull", "install", "fetch", "get", "download", "import"], "`lab box add NAME` fetches a box"),
    (&["outdated", "upgrade"], "`lab box update` takes the newest boxes that the Labfile allows"),
    (&["repackage", "create", "build", "export", "make"], "`lab box package NAME` makes a box of a machine"),
    (&["info", "inspect"], "`lab box show NAME` shows all that is known of a box"),
    (&["clean", "gc"], "`lab box prune` removes the boxes that nothing needs"),
    (&["check", "validate", "test"], "`lab box verify` holds boxes to their checksums"),
];

/// Of `lab snapshot WORD`.
const SNAPSHOT: &[Habit] = &[
    (&["push", "take", "create", "add", "make", "new"], "`lab snapshot save SNAPSHOT` takes a snapshot"),
    (
        &["pop", "back", "revert", "rollback", "apply", "go"],
        "`lab snapshot restore SNAPSHOT` goes back to a snapshot",
    ),
    (&["ls", "show", "status"], "`lab snapshot list` shows the snapshots"),
    (&["rm", "remove", "del", "destroy", "drop"], "`lab snapshot delete SNAPSHOT` deletes a snapshot"),
];

/// What to type instead of `lab WORD`, or of `lab FAMILY WORD`.
pub(super) fn instead(family: Option<&str>, word: &str) -> Option<&'static str> {
    let habits = match family {
        None => VERBS,
        Some("box") => BOX,
        Some("snapshot") => SNAPSHOT,
        Some(_) => return None,
    };
    let word = word.to_lowercase();
    habits.iter().find(|(words, _)| words.contains(&word.as_str())).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_habit_leads_to_a_verb_that_there_is() {
        let lab = super::super::command();
        for (family, habits) in [(None, VERBS), (Some("box"), BOX), (Some("snapshot"), SNAPSHOT)] {
            let parent = family.map_or(&lab, |family| lab.find_subcommand(family).unwrap());
            let mut seen = BTreeSet::new();
            for (words, hint) in habits {
                for word in *words {
                    assert!(parent.find_subcommand(word).is_none(), "`{word}` is a verb");
                    assert!(seen.insert(word), "`{word}` stands twice");
                }
                for named in
                    hint.split('`').skip(1).step_by(2).filter_map(|command| command.strip_prefix("lab "))
                {
                    let mut command = &lab;
                    for word in
                        named.split(' ').take_while(|word| word.starts_with(|c: char| c.is_lowercase()))
                    {
                        let Some(below) = command.find_subcommand(word) else { break };
                        command = below;
                    }
                    let option = named.starts_with("--");
                    assert!(option || command.get_name() != "lab", "`lab {named}` is no command");
                }
            }
        }
        assert_eq!(instead(None, "LS"), instead(None, "list"));
        assert_eq!(instead(Some("box"), "rm"), Some("`lab box remove NAME` removes a box"));
        assert_eq!(instead(None, "no-habit"), None);
    }
}
