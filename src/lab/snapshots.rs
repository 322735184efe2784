//! Snapshots of machines, and the way back to them.
//!
//! The provider has the machine; the state has what was known of it then (what had run in it, its hardware),
//! under the same name: written before there is a snapshot, removed after it is gone.
//!
//! **`ready`** is the snapshot that `reset` goes back to. A machine gets it when it becomes ready and
//! has none; and it moves on when the machine becomes ready by provisioners that have changed.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::labfile::model::Machine;
use crate::provider::{PowerState, Snapshots};

use super::event::{Outcome, Phase};
use super::session::Work;
use super::state::{self, Kept, Record};
use super::{Lab, Report, steps};

/// The snapshot of a machine that has become ready.
pub const READY: &str = "ready";

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
    pub fn save_snapshot(&self, names: &[String], snapshot: &str) -> Result<Report> {
        self.snapshooter()?;
        self.each_existing(names, &|name, state| {
            if state == PowerState::Absent {
                return Err(Error::new(Kind::WrongState, format!("{name} has not been created yet"))
                    .hint(format!("`lab up {name}` makes it")));
            }
            self.settled(name, state)?;
            self.take(name, snapshot)?;
            Ok(Outcome::Saved)
        })
    }

    /// Brings each of `names` back to a snapshot; those that have their RAM there go on, if `start` says so.
    pub fn restore_snapshot(&self, names: &[String], snapshot: &str, start: bool) -> Result<Report> {
        if start {
            self.prepare_some(names)?;
        }
        self.each_existing(names, &|name, state| {
            self.settled(name, state)?;
            let state = self.put_back(name, snapshot)?;
            match self.machine(name) {
                Some(machine) if start && state == PowerState::Suspended => self.go_on(machine),
                _ => Ok(Outcome::Restored),
            }
        })
    }

    /// Gives a snapshot of each of `names` up.
    pub fn delete_snapshot(&self, names: &[String], snapshot: &str) -> Result<Report> {
        let snapshots = self.snapshooter()?;
        self.each_existing(names, &|name, state| {
            self.settled(name, state)?;
            self.phase(name, Phase::DeletingSnapshot);
            self.drop_snapshot(snapshots, name, snapshot)?;
            Ok(Outcome::Deleted)
        })
    }

    /// The snapshots of `names`.
    pub fn list_snapshots(&self, names: &[String]) -> Result<Listing> {
        let snapshots = self.snapshooter()?;
        let mut machines = Vec::new();
        for name in names {
            let Some(record) = self.store.record(name) else { continue };
            let seconds = |taken: SystemTime| {
                taken.duration_since(SystemTime::UNIX_EPOCH).as_ref().map(Duration::as_secs).ok()
            };
            let listed = snapshots.list(&self.spec(name, &record))?.into_iter().map(|found| Listed {
                name: found.name,
                taken: found.taken.and_then(seconds),
                with_ram: found.with_ram,
            });
            machines.push(OfMachine { name: name.clone(), snapshots: listed.collect() });
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
            names.retain(|name| self.store.record(name).is_some());
        }
        for name in &names {
            self.in_labfile(name)?;
        }
        self.with_snapshot(&names, READY)
    }

    /// Brings each of `names` back to what it was when it became ready, and makes it ready again.
    pub fn reset(&self, names: &[String]) -> Result<Report> {
        self.prepare_some(names)?;
        self.each_existing(names, &|name, state| {
            self.settled(name, state)?;
            let result = self.put_back(name, READY).and_then(|state| {
                // Its clock is set and its addresses are looked at on the way.
                self.converge(self.in_labfile(name)?, state)
            });
            if let Err(error) = &result
                && error.kind() != Kind::Interrupted
            {
                self.note_failure(name, error);
            }
            result
        })
    }

    /// Sees to it that a machine that has just become ready can be reset. `ran`: provisioners ran for it.
    ///
    /// It is called before the machine is noted as ready, so that whoever is killed over it comes here again.
    ///
    /// # Errors
    /// [`Kind::Interrupted`]. That there is no snapshot is told, and makes no machine less ready.
    pub(super) fn keep_ready(&self, name: &str, ran: bool) -> Result<()> {
        let wanted = self.labfile().is_ok_and(|labfile| labfile.ready_snapshot);
        let Some(snapshots) = self.provider.snapshots().filter(|_| wanted) else { return Ok(()) };
        match self.renew_ready(snapshots, name, ran) {
            Err(error) if error.kind() != Kind::Interrupted => {
                let why = error.message().replacen(&format!("{name}: "), "", 1);
                let text = format!("cannot be reset to what it is now: {why}");
                self.warn(name, text, format!("`lab snapshot save {READY} {name}` tries again"));
                Ok(())
            }
            result => result,
        }
    }

    fn renew_ready(&self, snapshots: &dyn Snapshots, name: &str, ran: bool) -> Result<()> {
        let record = self.record(name)?;
        let there = snapshots.list(&self.spec(name, &record))?.iter().any(|found| found.name == READY);
        if there {
            let kept = record.snapshots.get(READY);
            if !ran || kept.is_none_or(|kept| same_steps(kept, &record)) {
                return Ok(());
            }
            // Until there is another one, it is not ready: the next `up` comes here again.
            self.store.update_record(name, |record| record.ready_boot = None)?;
            self.drop_snapshot(snapshots, name, READY)?;
        }
        self.take_new(snapshots, name, READY)
    }

    fn take(&self, name: &str, snapshot: &str) -> Result<()> {
        let snapshots = self.snapshooter()?;
        let spec = self.spec(name, &self.record(name)?);
        if snapshots.list(&spec)?.iter().any(|found| found.name == snapshot) {
            // The provider's own words for it; what is known of that one stays.
            return snapshots.take(&spec, snapshot, &self.context.cancel);
        }
        self.take_new(snapshots, name, snapshot)
    }

    /// Takes one whose name is free.
    fn take_new(&self, snapshots: &dyn Snapshots, name: &str, snapshot: &str) -> Result<()> {
        let record = self.record(name)?;
        let spec = self.spec(name, &record);
        self.phase(name, Phase::TakingSnapshot);
        let kept = Kept::of(&record, self.files.known_hosts(name).exists());
        self.store.update_record(name, |record| record.snapshots.insert(snapshot.to_owned(), kept))?;
        let taken = self
            .context
            .log
            .step(name, "take a snapshot", || snapshots.take(&spec, snapshot, &self.context.cancel));
        if taken.is_err() {
            let _ = self.store.update_record(name, |record| record.snapshots.remove(snapshot));
        }
        taken
    }

    fn drop_snapshot(&self, snapshots: &dyn Snapshots, name: &str, snapshot: &str) -> Result<()> {
        let spec = self.spec(name, &self.record(name)?);
        self.context
            .log
            .step(name, "delete a snapshot", || snapshots.delete(&spec, snapshot, &self.context.cancel))?;
        self.store.update_record(name, |record| record.snapshots.remove(snapshot)).map(drop)
    }

    /// Any state → what it was at the snapshot: suspended or off; tells which.
    fn put_back(&self, name: &str, snapshot: &str) -> Result<PowerState> {
        let snapshots = self.snapshooter()?;
        let record = self.record(name)?;
        let spec = self.spec(name, &record);
        self.phase(name, Phase::Restoring);
        // Should we be killed, nobody knows whether it is what it was before or after. What has run in
        // it, it knows itself; and it is tried whether it takes the lab's key.
        self.store.update_record(name, Record::forget_guest)?;
        self.context
            .log
            .step(name, "restore a snapshot", || snapshots.restore(&spec, snapshot, &self.context.cancel))?;
        let state = self.provider.states(std::slice::from_ref(&spec))?.first().copied();
        let state = state.unwrap_or(PowerState::Off);
        if let Some(kept) = record.snapshots.get(snapshot) {
            if !kept.known_host {
                self.forget_host(name)?;
            }
            self.store.update_record(name, |record| {
                kept.put_back(record, state == PowerState::Suspended);
            })?;
        }
        Ok(state)
    }

    /// Lets a machine go on with the RAM of a snapshot, and sets it up as far as it was then.
    fn go_on(&self, machine: &Machine) -> Result<Outcome> {
        let name = machine.name.as_str();
        let record = self.record(name)?;
        if record.identity.is_some() && steps::pending(&steps::plan(machine)?, &record).is_empty() {
            return self.converge(machine, PowerState::Suspended);
        }
        let was_set_up = record.identity.is_some();
        self.bring_to_run(machine, PowerState::Suspended)?;
        if was_set_up {
            let spec = self.spec(name, &self.record(name)?);
            self.phase(name, Phase::Booting);
            self.context.log.step(name, "wait for ssh", || self.wait_for_ssh(machine, &spec))?;
            self.phase(name, Phase::SettingUp);
            let identity = self.identity(machine)?;
            let work = Work { identity: Some(&identity), steps: &[] };
            self.context.log.step(name, "set up", || self.enter(name, work))?;
        }
        Ok(Outcome::Restored)
    }

    /// What machines that are about to start need of this computer.
    fn prepare_some(&self, names: &[String]) -> Result<()> {
        let machines: Vec<&Machine> = names.iter().filter_map(|name| self.machine(name)).collect();
        self.prepare(&machines, None)
    }

    fn in_labfile(&self, name: &str) -> Result<&Machine> {
        self.labfile()?;
        self.machine(name)
            .ok_or_else(|| Error::new(Kind::UnknownMachine, format!("{name} is not in the Labfile any more")))
    }

    fn snapshooter(&self) -> Result<&dyn Snapshots> {
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

/// Whether the same has run in the machine as at the snapshot.
fn same_steps(kept: &Kept, record: &Record) -> bool {
    let digests = |steps: &std::collections::BTreeMap<String, state::StepRecord>| {
        steps.iter().map(|(id, step)| (id.clone(), step.digest.clone())).collect::<Vec<_>>()
    };
    digests(&kept.steps) == digests(&record.steps)
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
