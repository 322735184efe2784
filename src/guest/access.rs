//! How to reach a machine by ssh: the options, in one place.
//!
//! What OpenSSH understands since when is from its release notes and `ssh_config(5)`:
//! `+` before an algorithm list since 7.0, `StrictHostKeyChecking=accept-new` since 7.6 (2017),
//! which is therefore the oldest client that `lab` works with. `PubkeyAcceptedKeyTypes` is the name
//! before 8.5 of what is `PubkeyAcceptedAlgorithms` now; newer clients take both.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::process::{Cmd, find_on_path};

/// What to tell a user who has no ssh.
pub(super) const MISSING: &str =
    "install the OpenSSH client: `sudo apt install openssh-client` on Debian and Ubuntu";

/// Key exchanges of old servers that today's clients no longer offer by themselves. They go to the
/// end of the list, so that a guest that can do better does better.
const OLD_KEX: &str = "+diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha256";

/// The key exchanges of our own sessions, those first that cost the guest least. They stay on this
/// computer, and an emulated guest feels what ssh would choose: Lucid-like ones agree on
/// `diffie-hellman-group-exchange-sha256` with 3072 bits, which takes 50 ms more of a processor than
/// `diffie-hellman-group14-sha1` (measured under TCG), and today's on a post-quantum exchange.
/// `diffie-hellman-group14-sha256`, since 7.3, is the youngest.
const QUICK_KEX: &str = "KexAlgorithms=curve25519-sha256@libssh.org,ecdh-sha2-nistp256,\
                         diffie-hellman-group14-sha256,diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha256";

/// Makes sure that OpenSSH's client is there, before a machine is made that nobody could get into.
///
/// # Errors
/// [`Kind::ProgramMissing`].
pub fn check_installed() -> Result<()> {
    if find_on_path("ssh").is_none() {
        return Err(Error::new(Kind::ProgramMissing, "ssh is not installed")
            .detail("looked for ssh on PATH")
            .hint(MISSING));
    }
    Ok(())
}

/// Everything that `ssh` needs to get into one machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// The machine's name: what its host key is filed under, and the alias in `ssh-config`.
    pub machine: String,
    /// Where its sshd is reached from this computer.
    pub address: SocketAddr,
    /// The user and address of a host to go through, where this computer has no way of its own. It takes the same keys.
    pub jump: Option<(String, SocketAddr)>,
    /// The user to log in as.
    pub user: String,
    /// Private keys, tried in this order.
    pub keys: Vec<PathBuf>,
    /// The file that its host key is learnt into, and held to from then on.
    pub known_hosts: PathBuf,
}

impl Access {
    /// `ssh` with all options and the host, batch mode, no pseudo-terminal: for our own sessions, whose standard error
    /// nobody sees as it is. ssh says there why it failed, which it keeps to itself at its `LogLevel=ERROR` (seen
    /// with 9.2: all of "no matching key exchange method", "Connection closed"). The remote command is to be added
    /// as a further argument.
    pub(super) fn session(&self) -> Cmd {
        // The first value is the one that counts.
        self.ssh(&["LogLevel=INFO", "BatchMode=yes", "RequestTTY=no", QUICK_KEX])
    }

    /// Like [`Access::session`], with a pseudo-terminal in the guest although there is none here.
    pub(super) fn with_terminal(&self) -> Cmd {
        self.ssh(&["LogLevel=INFO", "BatchMode=yes", "RequestTTY=force", QUICK_KEX])
    }

    /// `ssh` for a person: a terminal where there is one.
    pub fn interactive(&self) -> Cmd {
        self.ssh(&[])
    }

    /// A `Host` block for `~/.ssh/config`.
    pub fn config_block(&self) -> String {
        let mut block = format!("Host {}\n", self.machine);
        for (name, value) in self.options() {
            block.push_str(&format!("  {name} {value}\n"));
        }
        block
    }

    /// `ssh` with `more` options, the common ones, and the machine as the destination.
    fn ssh(&self, more: &[&str]) -> Cmd {
        // The user's own configuration is for the user's own hosts: a `Host *` block with a proxy or a
        // multiplexing socket would get between us and the machine.
        let mut cmd = Cmd::new("ssh").missing_hint(MISSING).args(["-F", "none"]);
        for option in more {
            cmd = cmd.arg("-o").arg(option);
        }
        for (name, value) in self.options() {
            cmd = cmd.arg("-o").arg(format!("{name}={value}"));
        }
        cmd.arg(&self.machine)
    }

    /// The options, in the words of `ssh_config(5)`; values are quoted where they need it.
    pub fn options(&self) -> Vec<(&'static str, String)> {
        let mut options = vec![
            ("HostName", self.address.ip().to_string()),
            ("Port", self.address.port().to_string()),
            ("User", quoted(&self.user)),
            ("IdentitiesOnly", "yes".into()),
            ("IdentityAgent", "none".into()),
            ("PasswordAuthentication", "no".into()),
            ("KbdInteractiveAuthentication", "no".into()),
            ("UserKnownHostsFile", quoted_path(&self.known_hosts)),
            ("GlobalKnownHostsFile", "/dev/null".into()),
            // All machines are at one address, on ports that change: the key is filed under the name.
            ("HostKeyAlias", self.machine.clone()),
            ("CheckHostIP", "no".into()),
            // Learns the key of a machine that it knows nothing of, refuses another one from then on.
            ("StrictHostKeyChecking", "accept-new".into()),
            ("UpdateHostKeys", "no".into()),
            ("HostKeyAlgorithms", "+ssh-rsa".into()),
            ("PubkeyAcceptedKeyTypes", "+ssh-rsa".into()),
            ("KexAlgorithms", OLD_KEX.into()),
            // An emulated guest under load takes its time; a user network answers for a guest that is
            // not there yet. Covers the connection up to the server's banner.
            ("ConnectTimeout", "60".into()),
            ("ServerAliveInterval", "15".into()),
            ("ServerAliveCountMax", "8".into()),
            ("ForwardAgent", "no".into()),
            ("ControlMaster", "no".into()),
            ("ControlPath", "none".into()),
            ("LogLevel", "ERROR".into()),
        ];
        options.extend(self.keys.iter().map(|key| ("IdentityFile", quoted_path(key))));
        options
    }
}

/// A path as a value: ssh expands `%` in it.
fn quoted_path(path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%%");
    // Windows' ssh takes both, and a backslash is ssh's escape character.
    quoted(&if cfg!(windows) { path.replace('\\', "/") } else { path })
}

/// A value in double quotes where it would not be one word without them.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,+@%~".contains(c) || !c.is_ascii();
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""))
    }
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
            keys: vec!["/home/a b/.lab/id_rsa".into(), "/k/100%/insecure".into()],
            known_hosts: "/home/a b/.lab/known_hosts".into(),
        }
    }

    #[test]
    fn paths_with_spaces_and_percent_signs_are_one_value() {
        let options = access().options();
        let value =
            |name| options.iter().filter(|(n, _)| *n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
        assert_eq!(value("UserKnownHostsFile"), ["\"/home/a b/.lab/known_hosts\""]);
        assert_eq!(value("IdentityFile"), ["\"/home/a b/.lab/id_rsa\"", "/k/100%%/insecure"]);
    }

    #[test]
    fn quotes_in_a_path_are_escaped() {
        assert_eq!(quoted(r#"/a"b\c"#), r#""/a\"b\\c""#);
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("/Übung/x"), "/Übung/x");
    }

    #[test]
    fn our_own_sessions_ask_nothing_and_a_person_gets_a_terminal() {
        let (batch, person) = (access().session().display(), access().interactive().display());
        assert!(batch.starts_with("ssh -F none ") && batch.ends_with(" web1"), "{batch}");
        assert!(batch.contains("BatchMode=yes") && batch.contains("RequestTTY=no"), "{batch}");
        assert!(!person.contains("BatchMode") && !person.contains("RequestTTY"), "{person}");
    }

    #[test]
    fn the_block_reads_like_ssh_config() {
        let block = access().config_block();
        assert!(
            block.starts_with("Host web1\n  HostName 127.0.0.1\n  Port 2222\n  User vagrant\n"),
            "{block}"
        );
        assert!(block.contains("\n  IdentityFile \"/home/a b/.lab/id_rsa\"\n"), "{block}");
    }
}
