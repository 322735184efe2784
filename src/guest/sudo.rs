//! Becoming root in a guest, and what to do where sudo refuses.

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::process::Stream;

use super::access::Access;
use super::shell::Mark;

/// What sudo says where `requiretty` is set and there is no terminal.
const NO_TTY: &[&str] = &["must have a tty", "you must have a terminal"];

/// Allows sudo without a terminal to the login user, and to root, who becomes the login user for a provisioner. The
/// last setting counts (sudoers(5)), so ours goes behind all others: into a file of the folder that sudoers reads at
/// its end, or else into sudoers itself. A file that sudo cannot read would lock everybody out: visudo looks first.
const ALLOW: &str = r#"file=/etc/sudoers
[ -d /etc/sudoers.d ] && last=$(grep -v '^[[:space:]]*$' /etc/sudoers | tail -n 1) &&
case $last in *includedir*/etc/sudoers.d*) file=/etc/sudoers.d/zzz-lab ;; esac
umask 227
rm -f /etc/sudoers.lab-new
{ [ "$file" != /etc/sudoers ] || cat "$file"; printf '%s\n' '# Written by lab, which has no terminal.' "Defaults:$user !requiretty" 'Defaults:root !requiretty'; } >/etc/sudoers.lab-new || exit 1
chmod 440 /etc/sudoers.lab-new
visudo -c -f /etc/sudoers.lab-new >/dev/null || { rm -f /etc/sudoers.lab-new; exit 1; }
mv -f /etc/sudoers.lab-new "$file"
"#;

/// `sudo -n `, or nothing for who logs in as root: what goes before a command.
pub(super) fn prefix(access: &Access) -> &'static str {
    if access.user == "root" { "" } else { "sudo -n " }
}

/// Whether sudo refused for want of a terminal.
pub(super) fn wants_tty(said: &str) -> bool {
    said.contains("sudo: ") && NO_TTY.iter().any(|phrase| said.contains(phrase))
}

/// Takes `requiretty` from the login user, over a connection that has a terminal. Tells whether that worked.
///
/// # Errors
/// As [`crate::process::Cmd::lines`].
pub(super) fn allow_without_tty(access: &Access, cancel: &Cancel) -> Result<bool> {
    let mark = Mark::new();
    let script = super::shell::assign("user", &access.user) + ALLOW;
    let script = format!("sudo -n /bin/sh -c {}", crate::process::quote(&script));
    let mut begun = false;
    let status = access.with_terminal().arg(mark.command(&script)).lines(cancel, |stream, line| {
        // A terminal ends lines with CR LF.
        begun |= stream == Stream::Out && mark.is(line.trim_end_matches('\r'));
    })?;
    Ok(begun && status.success())
}

/// The error where sudo is not there, or wants a password or a terminal; `said` is what it said.
pub(super) fn refused(access: &Access, said: &str) -> Option<Error> {
    let Access { machine, user, .. } = access;
    let is_sudo = said.contains("sudo: ");
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| said.contains(phrase));
    let missing =
        says(&["sudo: not found", "sudo: command not found", "sudo: No such file", "Unknown command: sudo"])
            || says(&["sudo: Command not found"]);
    let broken = ["syntax error", "parse error", "no valid sudoers", "is world writable", "owned by uid"];
    let expired = ["account validation failure", "Account or password is expired"];
    let password = [
        "password is required",
        "terminal is required",
        "no tty present",
        "not in the sudoers",
        "may not run sudo",
        "not allowed",
    ];
    let error = if wants_tty(said) {
        Error::new(Kind::SetupFailed, format!("sudo in {machine} wants a terminal, which lab does not have"))
            .hint(format!(
                "take `requiretty` (a tty) out of its sudoers, or add `Defaults:{user},root !requiretty`"
            ))
    } else if missing {
        Error::new(Kind::SetupFailed, format!("{machine} has no sudo, by which {user} would become root"))
            .hint("install sudo in the box, or take a box whose login user is root")
    } else if is_sudo && says(&broken) {
        Error::new(Kind::SetupFailed, format!("sudo in {machine} does not work any more")).hint(format!(
            "a file of its sudoers is damaged or has wrong permissions: `lab reset {machine}` goes back to its snapshot"
        ))
    } else if is_sudo && says(&expired) {
        Error::new(Kind::SetupFailed, format!("sudo in {machine} refuses the account of {user}"))
            .hint(format!("its password may have expired: the box needs `chage -M -1 {user}`"))
    } else if is_sudo && says(&password) {
        Error::new(Kind::SetupFailed, format!("{user} cannot become root in {machine} without a password"))
            .hint(format!("the box needs the line `{user} ALL=(ALL) NOPASSWD: ALL` in its sudoers, as Vagrant's boxes have"))
    } else {
        return None;
    };
    Some(error.detail(said.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access {
            machine: "web1".into(),
            address: "127.0.0.1:2222".parse().unwrap(),
            jump: None,
            user: "vagrant".into(),
            keys: Vec::new(),
            known_hosts: "/lab/known".into(),
        }
    }

    #[test]
    fn the_words_of_sudo_have_a_hint_each() {
        for (said, hint) in [
            ("sudo: sorry, you must have a tty to run sudo", "requiretty"),
            ("sudo: a password is required", "NOPASSWD"),
            ("sudo: no tty present and no askpass program specified", "NOPASSWD"),
            ("sudo: a terminal is required to read the password; either use the -S option", "NOPASSWD"),
            ("vagrant is not in the sudoers file.\nsudo: a password is required", "NOPASSWD"),
            ("sh: 1: exec: sudo: not found", "install sudo"),
            ("exec: sudo: Command not found.", "install sudo"),
            (
                ">>> /etc/sudoers.d/x: syntax error near line 1 <<<\nsudo: no valid sudoers sources found, quitting",
                "damaged",
            ),
            ("sudo: /etc/sudoers.d/x is world writable\nsudo: a password is required", "permissions"),
            ("sudo: account validation failure, is your account locked?", "chage"),
        ] {
            let error = refused(&access(), said).unwrap();
            assert!(error.hints().iter().any(|text| text.contains(hint)), "{said}: {error:?}");
        }
        assert!(refused(&access(), "tar: sudo: cannot open").is_none());
        assert!(refused(&access(), "something else").is_none());
    }
}
