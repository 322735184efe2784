//! First-boot set-up: one POSIX shell script, run at the head of a session (see [`super::provision`]).

use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};

use crate::boxes::Mac;
use crate::error::{Error, Kind};
use crate::subnet::Subnet;

use super::access::Access;

/// The script; what it expects before it stands in its head.
const SCRIPT: &str = include_str!("setup.sh");

/// Who a machine is within its lab. All of it can be set again at any time (it is not tied to the
/// first boot), in one connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// Its host name: the machine's name in the Labfile.
    pub hostname: String,
    /// Its address on the private network.
    pub address: Ipv4Addr,
    /// The network's prefix length in bits.
    pub prefix: u8,
    /// NIC 2's MAC address, by which the guest's interface is found.
    pub private_mac: Mac,
    /// The hosts file's entries: every machine of the lab, this one included.
    pub hosts: Vec<(Ipv4Addr, String)>,
    /// The lab's public key line, to be let in.
    pub authorized_key: String,
    /// Releases that left the main mirrors, each with the lines of `sources.list` that lead to its archive.
    /// Whether the guest is of one, it sees itself.
    pub archived: Vec<(String, Vec<String>)>,
}

impl Identity {
    /// A hash of all of it (64 hex digits) and of the set-up script itself: while it is unchanged,
    /// the guest needs no new set-up.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(SCRIPT);
        hash.update(self.assignments());
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The script's variables, each set to one quoted word: whatever a value holds, no shell reads it.
    fn assignments(&self) -> String {
        let netmask = Subnet::around(self.address, self.prefix).netmask();
        let hosts: Vec<_> = self.hosts.iter().map(|(address, name)| format!("{address} {name}")).collect();
        let archived: Vec<_> = self
            .archived
            .iter()
            .flat_map(|(release, lines)| lines.iter().map(move |line| format!("{release} {line}")))
            .collect();
        assign("hostname", &self.hostname)
            + &assign("address", &self.address.to_string())
            + &assign("prefix", &self.prefix.to_string())
            + &assign("netmask", &netmask.to_string())
            + &assign("mac", &self.private_mac.to_string())
            + &assign("hosts", &hosts.join("\n"))
            + &assign("key", &self.authorized_key)
            + &assign("archived", &archived.join("\n"))
    }

    /// The whole text that the guest's shell reads, but for `epoch`, which the session sets. `root` is
    /// empty but in tests.
    pub(super) fn script(&self, user: &str, root: &str) -> String {
        self.assignments() + &assign("user", user) + &assign("root", root) + SCRIPT
    }
}

/// `name='value'`, for a POSIX shell. Quoted always: a word that needs no quotes is no exception.
pub(super) fn assign(name: &str, value: &str) -> String {
    format!("{name}='{}'\n", value.replace('\'', r"'\''"))
}

/// `command` run as root by whoever logs in; it must have no single quotes that matter to sudo.
pub(super) fn as_root(access: &Access, command: &str) -> String {
    if access.user == "root" { command.to_owned() } else { format!("sudo -n {command}") }
}

/// What to do where sudo is not there, or wants a password or a terminal.
pub(super) fn sudo_refused(access: &Access, said: &str) -> Option<Error> {
    let refused = said.contains("sudo: ")
        && ["password is required", "must have a tty", "not in the sudoers", "not allowed", "no tty present"]
            .iter()
            .any(|phrase| said.contains(phrase));
    let missing = said.contains("sudo: not found") || said.contains("sudo: command not found");
    (refused || missing).then(|| {
        let Access { machine, user, .. } = access;
        Error::new(Kind::SetupFailed, format!("{user} cannot become root in {machine} without a password"))
            .detail(said.trim())
            .hint(format!("the box needs the line `{user} ALL=(ALL) NOPASSWD: ALL` in its sudoers, as Vagrant's boxes have"))
    })
}
