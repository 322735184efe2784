//! The orchestration: from a Labfile and what is really there to machines that are ready, or gone.
//!
//! - [`up`] brings machines forward ([`records`] decides, [`converge`] takes the steps, [`session`] works
//!   in the guest), [`down`] takes them back, [`snapshots`] keeps them, [`run`] uses ready ones, [`check`] and [`status`] look;
//! - [`place`] says where a lab is, [`mod@select`] which of its machines a command is for, [`report`] how they came out;
//! - [`crew`] lets all machines go side by side;
//! - [`supply`] gets the boxes that a Labfile asks for, and holds the lab to them; [`package`] makes a box of a
//!   machine; [`shelf`] knows the boxes together with the labs and base images that hang on them;
//! - [`state`], [`log`], [`lock`], [`ports`] and [`files`] are what stands on disk;
//! - [`event`] is what is reported meanwhile; [`bugreport`] collects what tells how it went, [`redact`] what not
//!   to tell.

pub mod bugreport;
pub mod check;
mod converge;
pub mod crew;
pub mod down;
pub mod event;
pub mod files;
pub mod graph;
pub mod hosts;
pub mod lock;
pub mod log;
pub mod package;
mod place;
pub mod ports;
pub mod providers;
mod records;
pub mod redact;
mod report;
pub mod run;
mod select;
mod session;
pub mod shelf;
pub mod snapshots;
pub mod state;
pub mod status;
pub mod steps;
pub mod supply;
pub mod up;
mod watch;

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::boxes::catalogue::Catalogue;
use crate::boxes::{self, Task};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::guest::Access;
use crate::guest::keys::{self, LabKey};
use crate::labfile::Labfile;
use crate::labfile::model::{Machine, NetworkKind};
use crate::provider::{MachineSpec, PrivateNetwork, Provider, Settings};

use event::{Bytes, Event, Outcome, Phase, Sink};
use files::{Home, LabFiles};
use lock::Lock;
use log::LabLog;
use ports::Ports;
use state::{Record, State};

pub use place::Place;
pub use report::Report;
pub use select::select;

/// What every command has: where to keep things, whom to tell, when to stop.
pub struct Context<'a> {
    /// What all labs share.
    pub home: Home,
    /// The wish to stop.
    pub cancel: Cancel,
    /// Whom to tell.
    pub sink: &'a dyn Sink,
    /// What is done to a lab is written down here.
    pub log: &'a LabLog,
    /// The command as typed, for the lock and the log: "lab up web1".
    pub command: String,
}

impl Context<'_> {
    /// Does `work` on the box `name`, telling how far it is.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn with_box<T>(&self, name: &str, work: impl FnOnce(&mut Task<'_>) -> Result<T>) -> Result<T> {
        let name = boxes::without_credentials(name);
        let mut phase = None;
        let mut progress = |progress: boxes::Progress| {
            let words = progress.phase.words();
            if phase.replace(progress.phase) != Some(progress.phase) {
                self.sink.note(format!("box {name}: {words}"));
            }
            let fraction = progress.total.map(|total| progress.done as f64 / total.max(1) as f64);
            let bytes = (progress.phase == boxes::Phase::Downloading)
                .then_some(Bytes { done: progress.done, total: progress.total });
            self.sink.emit(Event::Progress { what: format!("box {name}: {words}"), fraction, bytes });
        };
        let result = work(&mut Task { cancel: &self.cancel, progress: &mut progress });
        self.sink.emit(Event::ProgressEnd { what: format!("box {name}") });
        result
    }
}

/// A lab that exists, or is about to: its Labfile, its state, its provider.
pub struct Lab<'a> {
    context: &'a Context<'a>,
    files: LabFiles,
    /// The Labfile, or why it cannot be read: `destroy` and `ssh` do without it.
    labfile: Result<Labfile>,
    store: state::Store,
    provider: Box<dyn Provider>,
    ports: Ports,
    lock: Option<Lock>,
    /// The lab's key, once it has been asked for.
    key: Mutex<Option<LabKey>>,
    /// Once it has been asked for.
    catalogue: OnceLock<Catalogue>,
}

impl<'a> Lab<'a> {
    /// The lab at `place`, as it is; `None` where nothing of it has been made yet.
    ///
    /// With `change`, its lock is held until the value is dropped.
    ///
    /// # Errors
    /// [`crate::error::Kind::LabLocked`], those of reading the state, and those of [`providers::by_name`].
    pub fn open(context: &'a Context<'a>, place: Place, change: bool) -> Result<Option<Self>> {
        let files = place.files();
        if !files.root().is_dir() {
            if change {
                // Somebody has removed it without `lab destroy`.
                providers::forget(&files, &context.home)?;
            }
            return Ok(None);
        }
        let take = || Lock::take(&files.lock(), &context.command, &context.cancel, context.sink);
        let lock = if change { Some(take()?) } else { None };
        if change {
            context.log.begin(&files.log(), &context.command);
        }
        let Some(state) = state::read(&files.state())? else {
            if let Some(lock) = lock {
                // A command was killed before it had made anything, or the state is lost.
                providers::forget(&files, &context.home)?;
                down::remove_lab_dir(&files, lock)?;
            }
            return Ok(None);
        };
        let provider = providers::by_name(&state.provider, &context.home)?;
        Self::with_state(context, place, lock, state, provider).map(Some)
    }

    fn with_state(
        context: &'a Context<'a>,
        place: Place,
        lock: Option<Lock>,
        state: State,
        provider: Box<dyn Provider>,
    ) -> Result<Self> {
        let files = place.files();
        Ok(Lab {
            provider,
            ports: Ports::of(&context.home, &state.lab_id, &place.dir),
            store: state::Store::opened(files.state(), state),
            labfile: place.labfile,
            key: Mutex::new(None),
            catalogue: OnceLock::new(),
            context,
            files,
            lock,
        })
    }

    /// The lab's key. Whoever asks first makes it, where there is none; the others wait for it.
    fn key(&self) -> Result<LabKey> {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*key {
            return Ok(key.clone());
        }
        Ok(key.insert(keys::lab_key(&self.files.key())?).clone())
    }

    /// The Labfile.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn labfile(&self) -> Result<&Labfile> {
        self.labfile.as_ref().map_err(Clone::clone)
    }

    /// The lab's files.
    pub fn files(&self) -> &LabFiles {
        &self.files
    }

    /// The lab's provider.
    pub fn provider(&self) -> &dyn Provider {
        self.provider.as_ref()
    }

    /// The state as it is now.
    pub fn state(&self) -> State {
        self.store.snapshot()
    }

    /// What the Labfile says of a machine, if it can be read and has it.
    fn machine(&self, name: &str) -> Option<&Machine> {
        self.labfile.as_ref().ok()?.machines.iter().find(|machine| machine.name == name)
    }

    /// All machine names: the Labfile's in its order, then those that only the state still has.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = match &self.labfile {
            Ok(labfile) => labfile.machines.iter().map(|machine| machine.name.clone()).collect(),
            Err(_) => Vec::new(),
        };
        for name in self.store.snapshot().machines.into_keys() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The machines that a command is about: `asked`, or all of them.
    ///
    /// # Errors
    /// [`crate::error::Kind::UnknownMachine`], with the nearest name.
    pub fn select(&self, asked: &[String]) -> Result<Vec<String>> {
        select(&self.names(), asked)
    }

    /// What the state says of a machine that a command is at work on.
    fn record(&self, name: &str) -> Result<Record> {
        self.store.record(name).ok_or_else(|| Error::internal(format!("the state has no machine {name}")))
    }

    /// The provider's view of a machine.
    fn spec(&self, name: &str, record: &Record) -> MachineSpec {
        let state = self.store.snapshot();
        let machine = self.machine(name);
        let network = self.labfile.as_ref().ok().map(|labfile| labfile.network);
        MachineSpec {
            name: name.to_owned(),
            lab: self.labfile.as_ref().map_or_else(|_| "lab".to_owned(), |labfile| labfile.name.clone()),
            id: record.id.clone(),
            dir: self.files.machine(name),
            kept_dir: self.files.kept().join(name),
            run_dir: state.run_dir,
            image: record.image.clone(),
            hardware: record.hardware.clone(),
            nat_mac: record.nat_mac,
            private_mac: record.private_mac,
            network: PrivateNetwork {
                lab_id: state.lab_id,
                address: network.map_or(std::net::Ipv4Addr::UNSPECIFIED, |network| network.address),
                prefix: network.map_or(0, |network| network.prefix),
                port: state.network_port,
                internal: self
                    .labfile
                    .as_ref()
                    .is_ok_and(|labfile| labfile.network_kind == NetworkKind::Internal),
            },
            ssh_port: record.ssh_port,
            forwards: record.forwards.clone(),
            seed_key: record.image.login.seeded.then(|| self.files.public_key()),
            settings: machine.map_or_else(Settings::default, |machine| Settings {
                qemu_args: machine.qemu.args.clone(),
                qemu_cpu: machine.qemu.cpu.clone(),
                qemu_machine: machine.qemu.machine.clone(),
                vbox_customize: self.customize(machine),
                vbox_gui: machine.virtualbox.gui,
            }),
        }
    }

    /// What VirtualBox is told of a machine besides: for its box's sake, then for the Labfile's.
    fn customize(&self, machine: &Machine) -> Vec<Vec<String>> {
        let for_box = self.catalogue().get(&machine.image).map(|entry| entry.virtualbox.customize.as_slice());
        [for_box.unwrap_or_default(), &machine.virtualbox.customize].concat()
    }

    /// The boxes that are known by name. A catalogue that cannot be read was an error when the box was looked for; a machine
    /// that has been made is no worse for it.
    fn catalogue(&self) -> &Catalogue {
        self.catalogue.get_or_init(|| {
            let named = self.labfile.as_ref().ok().and_then(|labfile| labfile.catalogue.as_deref());
            Catalogue::load(named).unwrap_or_default()
        })
    }

    /// How to get into a machine. `fresh`: it may not know the lab's own key yet.
    fn access(&self, name: &str, record: &Record, spec: &MachineSpec, fresh: bool) -> Access {
        let own = self.files.key();
        let keys = if fresh {
            vec![record.image.login.key.clone().unwrap_or_else(|| self.files.insecure_key()), own]
        } else {
            vec![own]
        };
        Access {
            machine: name.to_owned(),
            address: self.provider.ssh_address(spec),
            user: record.image.login.user.clone(),
            keys,
            known_hosts: self.files.known_hosts(name),
        }
    }

    /// Notes for `status` why a machine is not ready. The error is heard of anyway, so that a note that
    /// cannot be written (a full disk) does not get into its way.
    fn note_failure(&self, name: &str, error: &Error) {
        let message = error.message();
        let why = message.strip_prefix(&format!("{name}: ")).unwrap_or(message).to_owned();
        let _ = self.store.update_record(name, |record| record.failure = Some(why));
    }

    fn phase(&self, machine: &str, phase: Phase) {
        self.context.sink.emit(Event::Phase { machine: machine.to_owned(), phase });
    }

    fn note(&self, machine: &str, text: impl Into<String>) {
        self.context.sink.emit(Event::Note { machine: Some(machine.to_owned()), text: text.into() });
    }

    fn warn(&self, machine: &str, text: impl Into<String>, hint: impl Into<String>) {
        self.context.sink.emit(Event::Warning {
            machine: Some(machine.to_owned()),
            text: text.into(),
            hint: Some(hint.into()),
        });
    }

    /// Lets `work` go over `jobs` side by side, telling how each came out.
    fn for_each(
        &self,
        jobs: &[crew::Job],
        limit: usize,
        work: &(dyn Fn(&str) -> Result<Outcome> + Sync),
    ) -> Report {
        let sink = self.context.sink;
        sink.emit(Event::Begin { machines: jobs.iter().map(|job| job.machine.clone()).collect() });
        let on_wait = |name: &str, on: &[&str]| {
            let on = on.iter().map(|&name| name.to_owned()).collect();
            sink.emit(Event::Waiting { machine: name.to_owned(), on });
        };
        let on_end = |machine: &str, result: &Result<Outcome>, took: Duration| {
            let machine = machine.to_owned();
            sink.emit(match result {
                Ok(outcome) => Event::Done { machine, outcome: *outcome, took },
                Err(error) => Event::Failed { machine, error: error.clone() },
            });
        };
        let results = crew::run(jobs, limit, &self.context.cancel, &on_wait, &on_end, work);
        sink.emit(Event::End);
        let machines = jobs.iter().map(|job| job.machine.clone()).zip(results).collect();
        Report { machines }
    }
}
