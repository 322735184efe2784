//! Snapshots of machines, and `reset`.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::lab::crew::Turn;
use crate::lab::machine::Until;
use crate::lab::machine::keep::READY;
use crate::lab::tell::event::Outcome;
use crate::lab::{Lab, Report};
use crate::provider::{PowerState, Snapshots};

/// The longest name of a snapshot.
const LONGEST: usize = 64;

/// The version of [`Listing`] in JSON.
const VERSION: u32 = 1;

/// The snapshots of a lab's machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// 1. Raised when a reader would have to change.
    pub version: u32,
    /// The machines that exist, in the Labfile's order.
    pub machines: Vec<OfMachine>,
}

/// A machine's snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfMachine {
    /// The machine.
    pub name: String,
    /// Its snapshots, the oldest first.
    pub snapshots: Vec<Listed>,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// When it was taken, in seconds since 1970, where that is known.
    pub taken: Option<u64>,
    /// Whether it holds RAM.
    pub with_ram: bool,
}

/// Whether a snapshot may be called so.
///
/// # Errors
/// [`Kind::Usage`].
pub fn check_name(name: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && name.len() <= LONGEST && name.chars().all(good) {
        return Ok(());
    }
    Err(Error::new(Kind::Usage, format!("a snapshot cannot be called {name:?}")).hint(format!(
        "a name has letters, digits, `.`, `_` and `-`, begins with a letter or digit, and has at most {LONGEST} of them"
    )))
}

impl Lab<'_> {
    /// Takes a snapshot of each of `names`.
    ///
    /// # Errors
    /// Where the provider takes none; a machine's own are in the report.
    pub fn save_snapshot(&self, names: &[String], snapshot: &str) -> Result<Report> {
        let snapshots = self.snapshots()?;
        self.each_existing(names, &|machine, state| {
            if state == PowerState::Absent {
                return Err(Error::new(
                    Kind::WrongState,
                    format!("{} has not been created yet", machine.name),
                )
                .hint(format!("`lab up {}` makes it", machine.name)));
            }
            machine.settled(state)?;
            machine.take(snapshots, snapshot)?;
            Ok(Outcome::Saved)
        })
    }

    /// Brings each of `names` back to a snapshot; those that have their RAM there go on, if `start` says so.
    ///
    /// # Errors
    /// As [`Lab::save_snapshot`].
    pub fn restore_snapshot(&self, names: &[String], snapshot: &str, start: bool) -> Result<Report> {
        let snapshots = self.snapshots()?;
        if start {
            self.prepare(names, None)?;
        }
        self.each_existing(names, &|machine, state| {
            machine.settled(state)?;
            let state = machine.put_back(snapshots, snapshot)?;
            if start && state == PowerState::Suspended && machine.in_labfile().is_some() {
                return machine.make_ready(state, Until::AsItWas, &Turn::FREE);
            }
            Ok(Outcome::Restored)
        })
    }

    /// Deletes a snapshot of each of `names`.
    ///
    /// # Errors
    /// As [`Lab::save_snapshot`].
    pub fn delete_snapshot(&self, names: &[String], snapshot: &str) -> Result<Report> {
        let snapshots = self.snapshots()?;
        self.each_existing(names, &|machine, state| {
            machine.settled(state)?;
            machine.delete(snapshots, snapshot)?;
            Ok(Outcome::Deleted)
        })
    }

    /// The snapshots of `names`.
    ///
    /// # Errors
    /// Where the provider takes none; those of asking it.
    pub fn list_snapshots(&self, names: &[String]) -> Result<Listing> {
        let snapshots = self.snapshots()?;
        let mut machines = Vec::new();
        for machine in names.iter().map(|name| self.handle(name)).filter(|machine| machine.known().is_some())
        {
            let seconds = |taken: SystemTime| {
                taken.duration_since(SystemTime::UNIX_EPOCH).as_ref().map(Duration::as_secs).ok()
            };
            let listed = snapshots.list(&machine.spec()?)?.into_iter().map(|found| Listed {
                name: found.name,
                taken: found.taken.and_then(seconds),
                with_ram: found.with_ram,
            });
            machines.push(OfMachine { name: machine.name.to_owned(), snapshots: listed.collect() });
        }
        Ok(Listing { version: VERSION, machines })
    }

    /// The machines of `asked` that have a snapshot called `snapshot`; where nothing is asked, all that have it.
    ///
    /// # Errors
    /// [`Kind::WrongState`] where one that is asked for has none, or none has.
    pub fn with_snapshot(&self, asked: &[String], snapshot: &str) -> Result<Vec<String>> {
        let names = self.select(asked)?;
        let listing = self.list_snapshots(&names)?;
        let has = |name: &String| {
            let machine = listing.machines.iter().find(|machine| machine.name == *name);
            machine.is_some_and(|machine| machine.snapshots.iter().any(|found| found.name == snapshot))
        };
        let (with, without): (Vec<String>, Vec<String>) = names.into_iter().partition(has);
        if with.is_empty() || (!asked.is_empty() && !without.is_empty()) {
            return Err(missing(snapshot, &without));
        }
        Ok(with)
    }

    /// The machines that [`Lab::reset`] is asked for: `asked`, or all that have been made.
    ///
    /// # Errors
    /// [`Kind::WrongState`] where one of them has no snapshot to go back to: nothing is begun then.
    pub fn resettable(&self, asked: &[String]) -> Result<Vec<String>> {
        let mut names = self.select(asked)?;
        if asked.is_empty() {
            names.retain(|name| self.handle(name).known().is_some());
        }
        for name in &names {
            self.handle(name).wanted()?;
        }
        self.with_snapshot(&names, READY)
    }

    /// Brings each of `names` back to what it was when it became ready, and makes it ready again.
    ///
    /// # Errors
    /// As [`Lab::save_snapshot`].
    pub fn reset(&self, names: &[String]) -> Result<Report> {
        let snapshots = self.snapshots()?;
        self.prepare(names, None)?;
        self.each_existing(names, &|machine, state| {
            machine.settled(state)?;
            let state = machine.put_back(snapshots, READY)?;
            // Its clock is set and its addresses are looked at on the way.
            machine.make_ready(state, Until::Ready, &Turn::FREE)
        })
    }

    fn snapshots(&self) -> Result<&dyn Snapshots> {
        self.provider.snapshots().ok_or_else(|| {
            let provider = self.provider.name();
            Error::new(Kind::WrongState, format!("{provider} cannot take snapshots yet"))
                .hint("`lab destroy` and `lab up` make machines anew")
        })
    }
}

fn missing(snapshot: &str, machines: &[String]) -> Error {
    let names = machines.join(", ");
    let has = if machines.len() == 1 { "has" } else { "have" };
    let error = Error::new(Kind::WrongState, format!("{names} {has} no snapshot {snapshot}"));
    if snapshot == READY {
        error
            .hint("`lab up` takes it when a machine becomes ready, unless the Labfile has `ready_snapshot = false`")
            .hint("`lab destroy` and `lab up` make a machine anew")
    } else {
        error.hint("`lab snapshot list` shows what there is")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_words() {
        for name in ["ready", "2026-11-23", "before_apt.1", &"x".repeat(64)] {
            check_name(name).unwrap();
        }
        for name in ["", "-a", ".a", "a b", "a/b", "ü", "a\n", &"x".repeat(65)] {
            let error = check_name(name).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{name:?}");
        }
    }

    #[test]
    fn the_missing_are_named_in_good_english() {
        let names = ["web1", "web2"].map(str::to_owned);
        assert_eq!(missing("x", &names[..1]).message(), "web1 has no snapshot x");
        let error = missing(READY, &names);
        assert_eq!(error.message(), "web1, web2 have no snapshot ready");
        assert!(error.hints()[0].contains("`lab up` takes it"));
    }
}
