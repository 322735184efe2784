//! What providers whose machines run on this computer behind a NAT have in common: a port that leads to a machine's ssh,
//! forwards, and MAC addresses of their own choice.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{Block, Claims, Forwarded, MachineSpec, Planned, Reach, Wish};
use crate::boxes::Mac;
use crate::error::Result;

/// What such a provider decides of a machine and keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Behind {
    /// The port on 127.0.0.1 that leads to the guest's ssh.
    pub(super) ssh_port: u16,
    /// NIC 1's MAC address: the box's, or one made for the machine.
    pub(super) nat_mac: Mac,
    /// NIC 2's MAC address.
    pub(super) private_mac: Mac,
}

impl Behind {
    /// What was decided of `machine`.
    pub(super) fn of(machine: &MachineSpec) -> Result<Self> {
        machine.own.machine.read()
    }

    /// Decides what is not decided yet, and another port in the place of one that is taken.
    pub(super) fn plan(wish: Wish<'_>, known: &Block, claims: &dyn Claims) -> Result<Planned> {
        let mut notes = Vec::new();
        let mut own: Behind = known.read()?;
        if known.is_empty() {
            own.nat_mac = wish.base_mac.unwrap_or_else(random_mac);
            own.private_mac = random_mac();
        }
        if own.ssh_port == 0 || !claims.is_free(own.ssh_port) {
            let taken = own.ssh_port;
            own.ssh_port = claims.ssh_port(wish.name)?;
            if taken != 0 {
                notes.push(format!("port {taken} is taken: ssh moves to {}", own.ssh_port));
            }
        }
        Ok(Planned { own: Block::of(&own)?, notes })
    }

    /// All ports of this computer that lead to `machine`, ssh's first, each with the guest's.
    pub(super) fn ports(&self, machine: &MachineSpec) -> Vec<(u16, u16)> {
        let forwards = machine.forwards.iter().map(|forward| (forward.host, forward.guest));
        std::iter::once((self.ssh_port, 22)).chain(forwards).collect()
    }

    /// Where `machine` is reached.
    pub(super) fn reach(machine: &MachineSpec) -> Result<Reach> {
        let own = Self::of(machine)?;
        let here = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let forwards = machine.forwards.iter();
        Ok(Reach {
            ssh: here(own.ssh_port),
            jump: None,
            private_mac: own.private_mac,
            forwards: forwards.map(|port| Forwarded { at: here(port.host), guest: port.guest }).collect(),
        })
    }
}

/// A MAC address of the range that VirtualBox's own machines use: some guests know it.
fn random_mac() -> Mac {
    let [a, b, c, ..] = uuid::Uuid::new_v4().into_bytes();
    Mac([0x08, 0x00, 0x27, a, b, c])
}
