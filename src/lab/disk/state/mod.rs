//! `.lab/state.json`: what a lab must remember of its machines and cannot ask anyone.
//!
//! Ids, MACs and ports are decided once and kept. What a machine *does* is never read from here: the
//! provider is asked. Every change is written at once, whole.

mod readiness;
mod version_1;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::boxes::Hardware;
use crate::error::{Error, Kind, Result};
use crate::provider::{Block, BoxRef, PortForward, PrivateNetwork};
use crate::{atomic, versioned};

use super::files::Home;
use super::seal;

pub use readiness::{Readiness, StepRecord};

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
    /// [`super::Register`] keeps it, since it holds on this computer alone; a state of the first release has it.
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

/// Reads the state at `path`; `None` where there is none.
///
/// # Errors
/// [`Kind::StateTooNew`], [`Kind::StateDamaged`], [`Kind::Io`].
pub fn read(path: &Path) -> Result<Option<State>> {
    let read = versioned::read_any(path, VERSION, |version, value| match version {
        1 => version_1::upgrade(value),
        _ => State::deserialize(value),
    });
    read.map_err(|error| match error.kind() {
        Kind::StateDamaged => error
            .hint("if you edited it, undo that; else please report it as a bug of lab and keep the file")
            .hint("to start over: `lab destroy` finds the machines without it, and removes them"),
        _ => error,
    })
}

/// Writes a lab's state to `path`, under the seal of `home`.
///
/// # Errors
/// Those of [`seal::encode`] and of writing.
pub fn write(home: &Home, path: &Path, state: &State) -> Result<()> {
    atomic::write(path, &seal::encode(home, state)?)
}

/// The state in memory, shared by the machines' threads, and its file.
#[derive(Debug)]
pub struct Store {
    home: Home,
    path: PathBuf,
    state: Mutex<State>,
}

impl Store {
    /// A store for `state`, as it was read from `path`.
    pub fn opened(home: Home, path: PathBuf, state: State) -> Self {
        Store { home, path, state: Mutex::new(state) }
    }

    /// What `look` finds in the state.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A copy of the state.
    pub fn snapshot(&self) -> State {
        self.look(State::clone)
    }

    /// A copy of a machine's record.
    pub fn record(&self, machine: &str) -> Option<Record> {
        self.look(|state| state.machines.get(machine).cloned())
    }

    /// Changes the state and writes it. Where writing fails, memory is as before, too.
    pub fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = state.clone();
        let result = change(&mut changed);
        if changed != *state {
            write(&self.home, &self.path, &changed)?;
            *state = changed;
        }
        Ok(result)
    }

    /// Changes one machine's record and writes it.
    ///
    /// # Errors
    /// [`Kind::Internal`] where the machine has no record.
    pub fn update_record<T>(&self, machine: &str, change: impl FnOnce(&mut Record) -> T) -> Result<T> {
        self.update(|state| state.machines.get_mut(machine).map(change))?
            .ok_or_else(|| Error::internal(format!("the state has no machine {machine}")))
    }
}

/// Seconds since 1970, for notes of when something happened.
pub fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}
