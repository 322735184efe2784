//! What ssh's last words mean: from its exit status 255 and standard error to an [`Error`].

use crate::error::{Error, Kind};
use crate::process;

use super::access::Access;

/// The exit status by which ssh says that it failed itself. A remote command can end with it too,
/// which is why what ssh said is looked at first.
pub const SSH_FAILED: i32 = 255;

/// What ssh says, in the order of how telling it is; several can stand in one output.
const REFUSALS: &[(&[&str], Refusal)] = &[
    (&["REMOTE HOST IDENTIFICATION HAS CHANGED", "Host key verification failed"], Refusal::HostKey),
    (&["error in libcrypto"], Refusal::Sha1Forbidden),
    (&["no matching ", "no mutual signature"], Refusal::NothingInCommon),
    (&["Permission denied (", "Too many authentication failures", "This account is"], Refusal::Login),
    (&["Bad configuration option", "command-line line 0", "Bad SSH2 "], Refusal::ClientTooOld),
    (
        &[
            "Connection refused",
            "Connection reset",
            "Connection closed",
            "Connection to ",
            "timed out",
            "No route to host",
            "Network is unreachable",
            "Broken pipe",
            "kex_exchange_identification",
            "ssh_exchange_identification",
            "banner exchange",
            "not responding",
            "client_loop",
        ],
        Refusal::Unreachable,
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    HostKey,
    Sha1Forbidden,
    NothingInCommon,
    Login,
    ClientTooOld,
    Unreachable,
}

fn classify(stderr: &str) -> Option<Refusal> {
    REFUSALS
        .iter()
        .find(|(phrases, _)| phrases.iter().any(|phrase| stderr.contains(phrase)))
        .map(|(_, refusal)| *refusal)
}

impl Access {
    /// The error for an ssh that ended with [`SSH_FAILED`] and said `stderr`.
    ///
    /// Its kind is [`Kind::HostKeyChanged`], [`Kind::SshRefused`], [`Kind::ProgramTooOld`], or
    /// [`Kind::NoSsh`] where there was no connection or it broke.
    pub fn refused(&self, stderr: &str) -> Error {
        let machine = &self.machine;
        let error = match classify(stderr) {
            Some(Refusal::HostKey) => Error::new(
                Kind::HostKeyChanged,
                format!("{machine} has another host key than the one learnt on its first boot"),
            )
            .hint(format!("if you did not reinstall it: `lab destroy {machine}`, then `lab up {machine}`"))
            .hint(format!(
                "if you did: `ssh-keygen -R {machine} -f {}`, and the new key is learnt",
                process::quote(&self.known_hosts.to_string_lossy())
            )),
            Some(Refusal::Sha1Forbidden) => Error::new(
                Kind::SshRefused,
                format!("this computer's crypto policy forbids the SHA-1 signatures that {machine} needs"),
            )
            .hint("`sudo update-crypto-policies --set DEFAULT:SHA1` allows them (RHEL 9, Fedora and kin)"),
            Some(Refusal::NothingInCommon) => Error::new(
                Kind::SshRefused,
                format!("ssh and {machine} have no algorithm in common"),
            )
            .hint("this computer's ssh may have been built or configured without old algorithms: see `ssh -Q kex`, `ssh -Q key`"),
            Some(Refusal::Login) => Error::new(
                Kind::SshRefused,
                format!("{machine} does not let {} in with the lab's key", self.user),
            )
            .hint(format!(
                "if its accounts, its authorized_keys or its sshd were changed, by hand or by a provisioner: `lab reset {machine}`, or \
                 `lab destroy {machine}` and `lab up {machine}`"
            )),
            Some(Refusal::ClientTooOld) => {
                Error::new(Kind::ProgramTooOld, "this computer's ssh does not know an option that lab needs")
                    .hint("OpenSSH 7.6 (2017) is the oldest that works: see `ssh -V`")
            }
            Some(Refusal::Unreachable) | None => Error::new(
                Kind::NoSsh,
                format!("no ssh connection to {machine} at {}, or it broke", self.address),
            )
            .hint(format!("`lab status` says whether it runs, `lab logs {machine}` shows its console")),
        };
        let said = stderr.trim();
        if said.is_empty() { error } else { error.detail(format!("ssh said: {said}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(stderr: &str) -> Kind {
        let access = Access {
            machine: "web1".into(),
            jump: None,
            address: "127.0.0.1:2222".parse().unwrap(),
            user: "vagrant".into(),
            keys: Vec::new(),
            known_hosts: "/lab/known hosts".into(),
        };
        access.refused(stderr).kind()
    }

    #[test]
    fn what_ssh_says_is_told_apart() {
        for (said, expected) in [
            ("vagrant@127.0.0.1: Permission denied (publickey,password).", Kind::SshRefused),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                Kind::HostKeyChanged,
            ),
            (
                "Unable to negotiate with 127.0.0.1 port 2222: no matching host key type found. Their offer: ssh-dss",
                Kind::SshRefused,
            ),
            (
                "Unable to negotiate with 127.0.0.1 port 2222: no matching key exchange method found.",
                Kind::SshRefused,
            ),
            (
                "ssh_dispatch_run_fatal: Connection to 127.0.0.1 port 2222: error in libcrypto",
                Kind::SshRefused,
            ),
            ("kex_exchange_identification: read: Connection reset by peer", Kind::NoSsh),
            ("ssh: connect to host 127.0.0.1 port 2222: Connection refused", Kind::NoSsh),
            ("Connection timed out during banner exchange", Kind::NoSsh),
            ("command-line: line 0: Bad configuration option: updatehostkeys", Kind::ProgramTooOld),
            ("command-line line 0: unsupported option \"accept-new\".", Kind::ProgramTooOld),
            ("", Kind::NoSsh),
        ] {
            assert_eq!(kind(said), expected, "{said}");
        }
    }
}
