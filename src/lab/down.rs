//! Backward: halt, suspend, destroy.

use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::provider::PowerState;

use super::disk::{Found, remove};
use super::event::{Event, Outcome, Phase};
use super::files::{LabFiles, remove_run_dir};
use super::lock::Lock;
use super::ports::{Ports, Purpose};
use super::{Context, Lab, Place, Report, crew, providers, state};

/// How long a graceful shutdown may take where the Labfile cannot be asked.
const PATIENCE: Duration = Duration::from_secs(30);

impl Lab<'_> {
    /// Shuts machines down: gracefully, then firmly after `halt_timeout`; firmly at once with `force`.
    pub fn halt(&self, names: &[String], force: bool) -> Result<Report> {
        self.each_existing(names, &|name, state| {
            let state = if force { state } else { self.settled(name, state)? };
            match state {
                PowerState::Absent | PowerState::Off => return Ok(Outcome::Unchanged),
                PowerState::Suspended if !force => {
                    self.note(name, "is suspended: its RAM is on disk. `lab resume` wakes it");
                    return Ok(Outcome::Unchanged);
                }
                _ => self.phase(name, Phase::Halting),
            }
            if force {
                let spec = self.spec(name, &self.record(name)?);
                self.context.log.step(name, "power off", || self.provider.power_off(&spec))?;
            } else {
                let patience = self.machine(name).map_or(PATIENCE, |machine| machine.halt_timeout);
                self.finish_halt(name, state, patience)?;
            }
            Ok(Outcome::Halted)
        })
    }

    /// Presses the power button, again where it has been pressed, and cuts the power after `patience`.
    pub(super) fn finish_halt(&self, name: &str, state: PowerState, patience: Duration) -> Result<()> {
        let spec = self.spec(name, &self.record(name)?);
        self.context.log.step(name, "halt", || {
            if matches!(state, PowerState::Running | PowerState::Paused) {
                // Before it is true: should we be killed, nobody takes the machine for a ready one.
                self.store.update_record(name, |record| record.halting = true)?;
                if self.provider.shut_down(&spec, patience, &self.context.cancel)? {
                    return Ok(());
                }
                let waited = patience.as_secs();
                self.note(name, format!("did not shut down within {waited} s: cutting its power"));
            }
            self.provider.power_off(&spec)
        })
    }

    /// Writes machines' RAM to disk and stops them.
    pub fn suspend(&self, names: &[String]) -> Result<Report> {
        if !self.provider.features().suspend {
            let message = format!("{} cannot suspend machines", self.provider.name());
            return Err(Error::new(Kind::WrongState, message).hint("`lab halt` shuts them down"));
        }
        self.each_existing(names, &|name, state| {
            let state = self.settled(name, state)?;
            if !matches!(state, PowerState::Running | PowerState::Paused) {
                return Ok(Outcome::Unchanged);
            }
            let record = self.record(name)?;
            let spec = self.spec(name, &record);
            self.phase(name, Phase::Suspending);
            self.context.log.step(name, "suspend", || self.provider.suspend(&spec, &self.context.cancel))?;
            Ok(Outcome::Suspended)
        })
    }

    /// Removes machines and everything of theirs; and the lab's own folder with the last of them.
    pub fn destroy(self, names: &[String]) -> Result<Report> {
        let jobs = self.jobs(names);
        let report = self.for_each(&jobs, jobs.len(), &|name| {
            let Some(record) = self.store.record(name) else { return Ok(Outcome::Unchanged) };
            self.phase(name, Phase::Destroying);
            let spec = self.spec(name, &record);
            self.context.log.step(name, "destroy", || self.provider.destroy(&spec))?;
            if spec.kept_dir.exists() {
                let kept = spec.kept_dir.display();
                self.context
                    .sink
                    .note(format!("{name}: disks in its folder that lab did not make are now in {kept}"));
            }
            tell_what_stays(self.context, &remove::machine(&self.files, name, &providers::made())?);
            self.ports.release(name, Purpose::Ssh)?;
            self.ports.release(name, Purpose::Forward)?;
            self.store.update(|state| state.machines.remove(name))?;
            self.context.register().update(&self.store.snapshot().lab_id, |entry| {
                entry.machines.remove(name);
            })?;
            Ok(Outcome::Destroyed)
        });
        if self.store.snapshot().machines.is_empty() {
            self.vanish()?;
        }
        Ok(report)
    }

    /// Removes what a lab without machines still has: its sockets' folder, its ports, its own folder.
    pub(super) fn vanish(self) -> Result<()> {
        remove_run_dir(&self.store.snapshot().run_dir)?;
        self.ports.release_all()?;
        self.context.register().leave(&self.store.snapshot().lab_id)?;
        match self.lock {
            Some(lock) => remove_lab_dir(self.context, &self.files, lock),
            None => Ok(()),
        }
    }

    /// `work` over the machines of `names` that the state knows, with what each is doing.
    pub(super) fn each_existing(
        &self,
        names: &[String],
        work: &(dyn Fn(&str, PowerState) -> Result<Outcome> + Sync),
    ) -> Result<Report> {
        let states = self.power_states(names)?;
        let jobs = self.jobs(names);
        Ok(self.for_each(&jobs, jobs.len(), &|name| {
            let state = names.iter().position(|known| known == name).and_then(|place| states.get(place));
            work(name, state.copied().unwrap_or(PowerState::Absent))
        }))
    }

    fn jobs(&self, names: &[String]) -> Vec<crew::Job> {
        names.iter().map(|name| crew::Job { machine: name.clone(), after: Vec::new() }).collect()
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
    let found = context.register().find(&place.dir)?;
    if let Some(refusal) = found.refusal() {
        return Err(refusal);
    }
    let lock = Lock::take(&files, &context.command, context.wait())?;
    context.log.begin(&files.log(), &context.command);
    let Some(Wreck { damage, machines }) = wreck(place) else {
        return Err(Error::new(Kind::WrongState, "another command has just changed the lab")
            .hint("run the same command again"));
    };
    context.log.line(&format!("{}: {}", damage.message(), damage.details().join("; ")));
    let begun = Instant::now();
    providers::forget(&files, &context.home)?;
    remove_lab_dir(context, &files, lock)?;
    for machine in machines {
        let took = begun.elapsed();
        context.sink.emit(Event::Done { machine, outcome: Outcome::Destroyed, took });
    }
    if let Found::Ours(entry) | Found::Moved { entry, .. } = found {
        context.register().leave(&entry.lab_id)?;
    }
    // Claims of labs that are gone go with any look at the register.
    Ports::of(&context.home, "", context.wait()).release_all()
}

/// Removes `.lab/`, the lock in it last, and says what else is in it.
pub(super) fn remove_lab_dir(context: &Context<'_>, files: &LabFiles, lock: Lock) -> Result<()> {
    tell_what_stays(context, &remove::lab(files, lock, &providers::made())?);
    Ok(())
}

/// Removes a `.lab` that is not believed, and nothing else: no machine is reached through it.
///
/// # Errors
/// Those of [`remove::unbelieved`].
pub fn remove_unbelieved(context: &Context<'_>, place: &Place) -> Result<()> {
    tell_what_stays(context, &remove::unbelieved(&place.files(), &providers::made())?);
    Ok(())
}

fn tell_what_stays(context: &Context<'_>, left: &[std::path::PathBuf]) {
    for path in left {
        context.sink.note(format!("{} was not made by lab, and stays", path.display()));
    }
}
