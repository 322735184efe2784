//! `.lab/state.json`: what a lab must remember of its machines and cannot ask anyone.
//!
//! Ids, MACs and ports are decided once and kept. What a machine *does* is never read from here: the
//! provider is asked. Every change is written at once, whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::boxes::{BoxImage, Hardware, Mac};
use crate::error::{Error, Kind, Result};
use crate::provider::PortForward;
use crate::versioned;

/// The format's version. Raise it when an older release could not read the file any more.
pub const VERSION: u32 = 1;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// [`VERSION`] of whoever wrote it.
    pub version: u32,
    /// A UUID: what providers and port claims know the lab by.
    pub lab_id: String,
    /// The provider that the machines were made with.
    pub provider: String,
    /// The folder of the sockets.
    pub run_dir: PathBuf,
    /// The private network's number (see [`crate::provider::PrivateNetwork::port`]).
    pub network_port: u16,
    /// The machines by name, each from before it is created until after it is destroyed.
    pub machines: BTreeMap<String, Record>,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// A UUID: what the provider knows it by.
    pub id: String,
    /// The box it was made from.
    pub image: BoxImage,
    /// Its hardware.
    pub hardware: Hardware,
    /// NIC 1's MAC address.
    pub nat_mac: Mac,
    /// NIC 2's MAC address.
    pub private_mac: Mac,
    /// The port on 127.0.0.1 that leads to its ssh.
    pub ssh_port: u16,
    /// Further ports, as they really are (an `auto` one may have moved).
    pub forwards: Vec<PortForward>,
    /// Made anew at each start from off: tells one boot from another.
    pub boot: Option<String>,
    /// The boot in which the machine last became ready.
    pub ready_boot: Option<String>,
    /// When that was, in seconds since 1970.
    pub ready_at: Option<u64>,
    /// In this boot its power button has been pressed, or is about to be: it may go off by itself.
    #[serde(default)]
    pub halting: bool,
    /// The fingerprint of the identity that the guest was given.
    pub identity: Option<String>,
    /// Whether Vagrant's insecure key has been taken out of the guest.
    pub secured: bool,
    /// What has succeeded in the guest, by step id.
    pub steps: BTreeMap<String, StepRecord>,
    /// Why the latest attempt to make it ready failed.
    pub failure: Option<String>,
    /// What was known of it at its snapshots, by their names. A snapshot exists when the provider says so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub snapshots: BTreeMap<String, Kept>,
}

impl Record {
    /// Nothing is known any more of what the guest has been given, and of how that went.
    pub fn forget_guest(&mut self) {
        self.ready_boot = None;
        self.halting = false;
        self.identity = None;
        self.secured = false;
        self.steps.clear();
        self.failure = None;
    }
}

/// What is known of a machine at a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its hardware.
    pub hardware: Hardware,
    /// The boot that its RAM is of.
    pub boot: Option<String>,
    /// See [`Record::identity`].
    pub identity: Option<String>,
    /// See [`Record::secured`].
    pub secured: bool,
    /// What had succeeded in the guest.
    pub steps: BTreeMap<String, StepRecord>,
    /// See [`Record::failure`].
    pub failure: Option<String>,
    /// Whether its host key had been learnt. Before that, it may not have had one.
    pub known_host: bool,
}

impl Kept {
    /// What `record` says now.
    pub fn of(record: &Record, known_host: bool) -> Self {
        let Record { hardware, boot, identity, secured, steps, failure, .. } = record.clone();
        Kept { hardware, boot, identity, secured, steps, failure, known_host }
    }

    /// Puts it back into `record`. Without its RAM, a machine boots with what the Labfile gives it.
    pub fn put_back(&self, record: &mut Record, with_ram: bool) {
        let Kept { hardware, boot, identity, secured, steps, failure, known_host: _ } = self.clone();
        if with_ram {
            record.hardware = hardware;
        }
        record.boot = boot;
        record.ready_boot = None;
        record.halting = false;
        record.identity = identity;
        record.secured = secured;
        record.steps = steps;
        record.failure = failure;
    }
}

/// A step that has succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The digest of what was run, to notice a change.
    pub digest: String,
    /// When it ended, in seconds since 1970.
    pub at: u64,
    /// The boot in which it ran.
    pub boot: Option<String>,
}

/// Reads the state at `path`; `None` where there is none.
///
/// # Errors
/// [`Kind::StateTooNew`], [`Kind::StateDamaged`], [`Kind::Io`].
pub fn read(path: &Path) -> Result<Option<State>> {
    versioned::read(path, VERSION).map_err(|error| match error.kind() {
        Kind::StateDamaged => error
            .hint("if you edited it, undo that; else please report it as a bug of lab and keep the file")
            .hint("to start over: `lab destroy` finds the machines without it, and removes them"),
        _ => error,
    })
}

/// The state in memory, shared by the machines' threads, and its file.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    state: Mutex<State>,
}

impl Store {
    /// A store for `state`, which is written to `path` now.
    pub fn create(path: PathBuf, state: State) -> Result<Self> {
        versioned::write(&path, &state)?;
        Ok(Store { path, state: Mutex::new(state) })
    }

    /// A store for `state`, as it was read from `path`.
    pub fn opened(path: PathBuf, state: State) -> Self {
        Store { path, state: Mutex::new(state) }
    }

    /// A copy of the state.
    pub fn snapshot(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A copy of a machine's record.
    pub fn record(&self, machine: &str) -> Option<Record> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).machines.get(machine).cloned()
    }

    /// Changes the state and writes it. Where writing fails, memory is as before, too.
    pub fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = state.clone();
        let result = change(&mut changed);
        if changed != *state {
            versioned::write(&self.path, &changed)?;
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
