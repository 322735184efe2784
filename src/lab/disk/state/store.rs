//! The state on disk, and in memory while a command works.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use super::model::{Record, State, VERSION};
use super::version_1;
use crate::error::{Error, Kind, Result};
use crate::lab::disk::files::Home;
use crate::lab::disk::seal;
use crate::{atomic, versioned};

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
