//! First-boot set-up: one POSIX shell script, run at the head of a session.

use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};

use crate::boxes::Mac;
use crate::subnet::Subnet;

use super::shell::assign;

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
