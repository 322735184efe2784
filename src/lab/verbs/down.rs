//! Backward: halt, suspend, destroy.

use std::time::Instant;

use crate::error::{Error, Kind, Result};
use crate::provider::{Block, PowerState};

use super::each::alone;
use crate::lab::choose;
use crate::lab::disk::lock::Lock;
use crate::lab::disk::ports::{Ports, Purpose};
use crate::lab::disk::state;
use crate::lab::disk::{Found, remove};
use crate::lab::opened;
use crate::lab::tell::event::{Event, Outcome, Phase};
use crate::lab::{Context, Lab, Place, Report};

impl Lab<'_> {
    /// Shuts machines down: gracefully, then firmly after `halt_timeout`; firmly at once with `force`.
    ///
    /// # Errors
    /// Those of asking the provider; a machine's own are in the report.
    pub fn halt(&self, names: &[String], force: bool) -> Result<Report> {
        self.each_existing(names, &|machine, state| {
            let state = if force { state } else { machine.settled(state)? };
            match state {
                PowerState::Absent | PowerState::Off => return Ok(Outcome::Unchanged),
                PowerState::Suspended if !force => {
                    machine.note("is suspended: its RAM is on disk. `lab resume` wakes it");
                    return Ok(Outcome::Unchanged);
                }
                _ if force => machine.doing(Phase::Halting, || machine.cut_power())?,
                _ => machine.shut_down(state)?,
            }
            Ok(Outcome::Halted)
        })
    }

    /// Writes machines' RAM to disk and stops them.
    ///
    /// # Errors
    /// As [`Lab::halt`]; [`Kind::WrongState`] where the provider cannot.
    pub fn suspend(&self, names: &[String]) -> Result<Report> {
        if !self.provider.features().suspend {
            let message = format!("{} cannot suspend machines", self.provider.name());
            return Err(Error::new(Kind::WrongState, message).hint("`lab halt` shuts them down"));
        }
        self.each_existing(names, &|machine, state| {
            let state = machine.settled(state)?;
            if matches!(state, PowerState::Absent | PowerState::Off | PowerState::Suspended) {
                return Ok(Outcome::Unchanged);
            }
            let spec = machine.spec()?;
            machine.doing(Phase::Suspending, || self.provider.suspend(&spec, &self.context.cancel))?;
            Ok(Outcome::Suspended)
        })
    }

    /// Removes machines and everything of theirs; and the lab's own folder with the last of them.
    ///
    /// # Errors
    /// Those of removing what all machines share; a machine's own are in the report.
    pub fn destroy(self, names: &[String]) -> Result<Report> {
        let jobs = alone(names);
        let report = self.each_machine(&jobs, jobs.len(), &|machine, _| {
            if machine.known().is_none() {
                return Ok(Outcome::Unchanged);
            }
            let spec = machine.spec()?;
            machine.doing(Phase::Destroying, || self.provider.destroy(&spec, &self.context.cancel))?;
            if spec.kept_dir.exists() {
                let kept = spec.kept_dir.display();
                machine.note(format!("disks in its folder that lab did not make are now in {kept}"));
            }
            let left = remove::machine(&self.files, machine.name, &self.context.providers.files())?;
            opened::tell_what_stays(self.context, &left);
            // The ports last: while the state has the machine, it may be made again, with the ports that it had.
            self.store.update(|state| state.machines.remove(machine.name))?;
            self.note_in_register()?;
            self.ports.release(machine.name, Purpose::Ssh)?;
            self.ports.release(machine.name, Purpose::Forward)?;
            Ok(Outcome::Destroyed)
        });
        if self.store.look(|state| state.machines.is_empty()) {
            self.vanish()?;
        }
        Ok(report)
    }

    /// Removes what a lab without machines still has: what its provider keeps, its ports, its own folder.
    pub(super) fn vanish(self) -> Result<()> {
        let state = self.store.snapshot();
        self.provider.remove_lab(&state.own)?;
        self.ports.release_all()?;
        if let Some(lock) = self.lock {
            opened::remove_all(self.context, &self.files, lock)?;
        }
        // Last: while the register knows the lab, whoever comes after a kill finishes this.
        self.context.register().leave(&state.lab_id)
    }
}

/// The machines that still run of a lab whose `.lab` was deleted.
///
/// # Errors
/// Those of the register and of the providers.
pub fn strays(context: &Context<'_>, place: &Place) -> Result<Vec<String>> {
    match context.register().find(&place.dir)? {
        Found::Deleted(entry) => choose::strays(&place.files(), context, &Block::of(&entry.own)?),
        _ => Ok(Vec::new()),
    }
}

/// A lab whose state is damaged: why, and its machines as far as their folders tell.
pub struct Wreck {
    /// The state's damage.
    pub damage: Error,
    /// The machines' names.
    pub machines: Vec<String>,
}

/// The lab at `place`, if its state is damaged.
pub fn wreck(place: &Place) -> Option<Wreck> {
    let files = place.files();
    let damage = state::read(&files.state()).err().filter(|error| error.kind() == Kind::StateDamaged)?;
    let entries = std::fs::read_dir(files.machines()).into_iter().flatten().flatten();
    let mut machines: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    machines.sort();
    Some(Wreck { damage, machines })
}

/// Removes a lab whose state is damaged, with all its machines: those that the providers find by where
/// their files lie.
///
/// # Errors
/// [`Kind::LabLocked`], those of a provider that has such a machine and cannot end it, and those of removing
/// the files. [`Kind::WrongState`] where the state is not damaged any more.
pub fn clear(context: &Context<'_>, place: &Place) -> Result<()> {
    let files = place.files();
    let found = opened::find(context, place)?;
    let lock = Lock::take(&files, &context.command, context.wait())?;
    context.log.begin(&files.log(), &context.command);
    let Some(Wreck { damage, machines }) = wreck(place) else {
        return Err(Error::new(Kind::WrongState, "another command has just changed the lab")
            .hint("run the same command again"));
    };
    context.log.line(&format!("{}: {}", damage.message(), damage.details().join("; ")));
    let begun = Instant::now();
    let lab_id = match &found {
        Found::Ours(entry) | Found::Moved { entry, .. } => Some(entry.lab_id.clone()),
        _ => None,
    };
    choose::forget(&files, context, Some(&opened::own_of(found)?))?;
    opened::remove_all(context, &files, lock)?;
    for machine in machines {
        let took = begun.elapsed();
        context.sink.emit(Event::Done { machine, outcome: Outcome::Destroyed, took });
    }
    if let Some(lab_id) = lab_id {
        context.register().leave(&lab_id)?;
    }
    // Claims of labs that are gone go with any look at the register.
    Ports::of(&context.home, "", context.wait()).release_all()
}

/// Removes a `.lab` that is not believed, and nothing else: no machine is reached through it.
///
/// # Errors
/// Those of [`remove::unbelieved`].
pub fn remove_unbelieved(context: &Context<'_>, place: &Place) -> Result<()> {
    opened::tell_what_stays(context, &remove::unbelieved(&place.files(), &context.providers.files())?);
    Ok(())
}
