//! The handle of one machine: what is known of it, and how it is told of.

use std::time::{Duration, Instant};

use crate::boxes::Store;
use crate::error::{Error, Kind, Result};
use crate::guest::Access;
use crate::labfile::model;
use crate::provider::{Block, MachineSpec, Own, PowerState, SeedUser};

use crate::lab::disk::state::Record;
use crate::lab::opened::Lab;
use crate::lab::tell::event::{Event, Phase};

impl Lab<'_> {
    /// The machine called `name`.
    pub fn handle<'l>(&'l self, name: &'l str) -> Handle<'l> {
        Handle { lab: self, name }
    }

    /// What machines are doing; one that the state does not know is absent.
    ///
    /// # Errors
    /// Those of [`crate::provider::Provider::states`].
    pub fn power_states(&self, names: &[String]) -> Result<Vec<PowerState>> {
        let specs: Vec<_> = names.iter().map(|name| self.handle(name).spec().ok()).collect();
        self.states_of(&specs)
    }
}

/// One machine of a lab: its name, and all that is done with it.
#[derive(Clone, Copy)]
pub struct Handle<'l> {
    pub(super) lab: &'l Lab<'l>,
    /// The machine's name.
    pub name: &'l str,
}

impl<'l> Handle<'l> {
    /// What the Labfile says of it, if that can be read and has it.
    pub fn in_labfile(self) -> Option<&'l model::Machine> {
        self.lab.labfile.as_ref().ok()?.machines.iter().find(|machine| machine.name == self.name)
    }

    /// What the Labfile says of it.
    ///
    /// # Errors
    /// Why the Labfile cannot be read; [`Kind::UnknownMachine`].
    pub fn wanted(self) -> Result<&'l model::Machine> {
        self.lab.labfile()?;
        self.in_labfile().ok_or_else(|| {
            Error::new(Kind::UnknownMachine, format!("{} is not in the Labfile any more", self.name))
        })
    }

    /// What the state says of it, once it has been decided.
    pub fn known(self) -> Option<Record> {
        self.lab.store.record(self.name)
    }

    /// What the state says of it.
    ///
    /// # Errors
    /// [`Kind::Internal`] where nothing has been decided of it.
    pub fn record(self) -> Result<Record> {
        self.known().ok_or_else(|| Error::internal(format!("the state has no machine {}", self.name)))
    }

    /// Changes what the state says of it, on disk at once.
    ///
    /// # Errors
    /// Those of writing the state.
    pub fn update<T>(self, change: impl FnOnce(&mut Record) -> T) -> Result<T> {
        self.lab.store.update_record(self.name, change)
    }

    /// The provider's view of it.
    ///
    /// # Errors
    /// As [`Handle::record`].
    pub fn spec(self) -> Result<MachineSpec> {
        let lab = self.lab;
        let record = self.record()?;
        let machine = self.in_labfile();
        let (for_box, settings) = match machine {
            Some(machine) => {
                (lab.settings_for_box(machine), Block::of(&machine.settings(lab.provider.name()))?)
            }
            None => (Block::default(), Block::default()),
        };
        let public_key = lab.files.public_key();
        let seed = record.login.seeded.then(|| SeedUser { user: record.login.user.clone(), public_key });
        Ok(lab.store.look(|state| MachineSpec {
            name: self.name.to_owned(),
            lab: state.name.clone(),
            lab_id: state.lab_id.clone(),
            id: record.id,
            dir: lab.files.machine(self.name),
            kept_dir: lab.files.kept().join(self.name),
            image: record.image,
            hardware: record.hardware,
            network: state.network,
            forwards: record.forwards,
            seed,
            own: Own { lab: state.own.clone(), machine: record.own, for_box, settings },
        }))
    }

    /// How to get into it. `fresh`: it may not know the lab's own key yet.
    ///
    /// # Errors
    /// Those of [`crate::provider::Provider::reach`].
    pub fn access(self, fresh: bool) -> Result<Access> {
        let lab = self.lab;
        let record = self.record()?;
        let reach = lab.provider.reach(&self.spec()?)?;
        let mut keys = Vec::new();
        if fresh {
            // A box that brings a key of its own is still in the store: nobody removes what a lab uses.
            let image = Store::open(lab.context.home.root())?.image_of(&record.image.digest)?;
            keys.push(image.and_then(|image| image.login.key).unwrap_or_else(|| lab.files.insecure_key()));
        }
        keys.push(lab.files.key());
        Ok(Access {
            machine: self.name.to_owned(),
            address: reach.ssh,
            jump: reach.jump.map(|jump| (jump.user, jump.address)),
            user: record.login.user,
            keys,
            known_hosts: lab.files.known_hosts(self.name),
        })
    }

    /// What it is doing.
    ///
    /// # Errors
    /// Those of [`crate::provider::Provider::states`].
    pub fn power(self) -> Result<PowerState> {
        Ok(self.lab.states_of(&[self.spec().ok()])?.first().copied().unwrap_or(PowerState::Absent))
    }

    /// What it does, once it is no longer between two states: what a killed command had begun goes on without it, and
    /// cutting it short would cost the RAM that it saves. One that does not answer gets some time, since its computer may
    /// merely have much to do.
    ///
    /// # Errors
    /// [`Kind::Interrupted`]; those of [`crate::provider::Provider::states`].
    pub fn settled(self, mut state: PowerState) -> Result<PowerState> {
        let begun = Instant::now();
        while let Some(patience) = patience(state) {
            if begun.elapsed() >= patience {
                break;
            }
            self.lab.context.cancel.sleep(self.lab.provider.pace().settle)?;
            state = self.power()?;
        }
        Ok(state)
    }

    /// Does `work` in `phase`: told as an event, and written down in the lab's log with how it ended.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn doing<T>(self, phase: Phase, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.phase(phase);
        self.lab.context.log.step(self.name, phase.words(), work)
    }

    /// Tells that it enters `phase`.
    pub fn phase(self, phase: Phase) {
        self.lab.context.sink.emit(Event::Phase { machine: self.name.to_owned(), phase });
    }

    /// Tells something worth knowing.
    pub fn note(self, text: impl Into<String>) {
        self.lab.context.sink.emit(Event::Note { machine: Some(self.name.to_owned()), text: text.into() });
    }

    /// Tells something that may bite.
    pub fn warn(self, text: impl Into<String>, hint: impl Into<String>) {
        self.lab.context.sink.emit(Event::Warning {
            machine: Some(self.name.to_owned()),
            text: text.into(),
            hint: Some(hint.into()),
        });
    }
}

/// How long a machine in `state` is waited for; `None` where it stays so.
fn patience(state: PowerState) -> Option<Duration> {
    match state {
        // It saves or loads its RAM: some GiB on a slow stick.
        PowerState::Busy => Some(Duration::from_secs(600)),
        // It gives no answer; then it is taken for a machine that hangs.
        PowerState::Unclear => Some(Duration::from_secs(15)),
        _ => None,
    }
}
