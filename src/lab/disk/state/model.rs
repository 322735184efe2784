//! What the state says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::readiness::Readiness;
use crate::boxes::Hardware;
use crate::provider::{Block, BoxRef, PortForward, PrivateNetwork};

/// The format's version. Raise it when an older release could not read the file any more.
pub const VERSION: u32 = 2;

/// The whole file. It holds names and digests, and no path that is followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// [`VERSION`] of whoever wrote it.
    pub version: u32,
    /// A UUID: what providers and port claims know the lab by.
    pub lab_id: String,
    /// The provider that the machines were made with.
    pub provider: String,
    /// The lab's name, as the Labfile last gave it.
    pub name: String,
    /// The private network, as the Labfile last gave it.
    pub network: PrivateNetwork,
    /// What the provider decided of the lab.
    /// [`crate::lab::disk::register::Register`] keeps it, since it holds on this computer alone; a state of the first release has it.
    #[serde(skip)]
    pub own: Block,
    /// The machines by name, each from before it is created until after it is destroyed.
    pub machines: BTreeMap<String, Record>,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// A UUID: what the provider knows it by.
    pub id: String,
    /// The box it was made from.
    pub image: BoxRef,
    /// How that box lets us in.
    pub login: Login,
    /// The hardware that the box was made for.
    pub box_hardware: Hardware,
    /// Its hardware: the box's with what the Labfile says instead.
    pub hardware: Hardware,
    /// Ports of this computer that lead into it, as they really are (an `auto` one may have moved).
    pub forwards: Vec<PortForward>,
    /// What the provider decided of it.
    #[serde(default, skip_serializing_if = "Block::is_empty")]
    pub own: Block,
    /// How far it is.
    pub readiness: Readiness,
    /// What was known of it at its snapshots, by their names. A snapshot exists when the provider says so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub snapshots: BTreeMap<String, AtSnapshot>,
}

/// How a fresh machine of a box lets us in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The box may have no user yet: a seed tells it one.
    #[serde(default)]
    pub seeded: bool,
}

/// What was known of a machine at a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AtSnapshot {
    /// Its hardware.
    pub hardware: Hardware,
    /// How far it was.
    pub readiness: Readiness,
    /// Whether its host key had been learnt. Before that, it may not have had one.
    pub known_host: bool,
}

impl AtSnapshot {
    /// What `record` says now.
    pub fn of(record: &Record, known_host: bool) -> Self {
        let Record { hardware, readiness, .. } = record;
        AtSnapshot { hardware: hardware.clone(), readiness: readiness.clone(), known_host }
    }

    /// Puts it back into `record`. Without its RAM, a machine boots with what the Labfile gives it.
    pub fn put_back(&self, record: &mut Record, with_ram: bool) {
        if with_ram {
            record.hardware.clone_from(&self.hardware);
        }
        record.readiness.put_back(&self.readiness);
    }
}
