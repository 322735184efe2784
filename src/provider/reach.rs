//! Where a machine can be reached from this computer.

use std::net::SocketAddr;

use crate::boxes::Mac;

/// How this computer reaches a machine. May change with every start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Where its ssh listens.
    pub ssh: SocketAddr,
    /// A host to go through, where this computer has no way of its own.
    pub jump: Option<Jump>,
    /// The MAC address by which the guest finds its card on the private network.
    pub private_mac: Mac,
    /// Where each forward is reached.
    pub forwards: Vec<Forwarded>,
}

/// An ssh host between this computer and a machine. It takes the lab's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump {
    /// Where its ssh listens.
    pub address: SocketAddr,
    /// The user there.
    pub user: String,
}

/// A forward as it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Forwarded {
    /// Where this computer connects to.
    pub at: SocketAddr,
    /// The port of the guest that it leads to.
    pub guest: u16,
}
