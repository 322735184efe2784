//! A lab that exists, or is about to: its Labfile, its state, its provider.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::boxes::catalogue::Catalogue;
use crate::error::Result;
use crate::guest::keys::LabKey;
use crate::labfile::Labfile;
use crate::labfile::model::{Machine, NetworkKind};
use crate::provider::{Block, BoxRef, MachineSpec, PowerState, PrivateNetwork, Provider};

use super::choose;
use super::context::Context;
use super::disk::files::LabFiles;
use super::disk::lock::Lock;
use super::disk::ports::Ports;
use super::disk::state::{self, Record, State};
use super::disk::{self, Entry, Found, Place, remove};
use super::select::select;

/// A lab that exists, or is about to.
pub struct Lab<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) files: LabFiles,
    /// The Labfile, or why it cannot be read: `destroy` and `ssh` do without it.
    pub(super) labfile: Result<Labfile>,
    pub(super) store: state::Store,
    pub(super) provider: Box<dyn Provider>,
    pub(super) ports: Ports<'a>,
    pub(super) lock: Option<Lock>,
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
    /// [`crate::error::Kind::LabLocked`], those of reading the state, and [`crate::error::Kind::NoProvider`].
    pub fn open(context: &'a Context<'a>, place: Place, change: bool) -> Result<Option<Self>> {
        let files = place.files();
        let own = match find(context, &place)? {
            Found::Deleted(entry) => {
                if change {
                    end_strays(context, &files, &entry)?;
                }
                return Ok(None);
            }
            found => own_of(found)?,
        };
        if !files.root().is_dir() {
            if change {
                // Somebody has removed it without `lab destroy`.
                choose::forget(&files, context, None)?;
            }
            return Ok(None);
        }
        let take = || Lock::take(&files, &context.command, context.wait());
        let lock = if change { Some(take()?) } else { None };
        if change {
            context.log.begin(&files.log(), &context.command);
        }
        let Some(mut state) = state::read(&files.state())? else {
            if let Some(lock) = lock {
                // A command was killed before it had made anything, or the state is lost.
                choose::forget(&files, context, Some(&own))?;
                remove_all(context, &files, lock)?;
            }
            return Ok(None);
        };
        let provider = choose::by_name(&state.provider, context)?;
        if !own.is_empty() {
            state.own = own;
        }
        Self::with_state(context, place, lock, state, provider).map(Some)
    }

    /// The lab at `place` with what has been read or decided of it.
    ///
    /// # Errors
    /// Those of writing it down in the register of labs, where it is locked.
    pub fn with_state(
        context: &'a Context<'a>,
        place: Place,
        lock: Option<Lock>,
        mut state: State,
        provider: Box<dyn Provider>,
    ) -> Result<Self> {
        let files = place.files();
        if state.name.is_empty()
            && let Ok(labfile) = &place.labfile
        {
            // Of a release that did not keep it; on disk with the next change.
            (state.name, state.network) = shape(labfile);
        }
        let lab = Lab {
            provider,
            ports: Ports::of(&context.home, &state.lab_id, context.wait()),
            store: state::Store::opened(context.home.clone(), files.state(), state),
            labfile: place.labfile,
            key: Mutex::new(None),
            catalogue: OnceLock::new(),
            context,
            files,
            lock,
        };
        if lab.lock.is_some() {
            lab.note_in_register()?;
        }
        Ok(lab)
    }

    /// Writes down in the register of labs what the state says.
    ///
    /// # Errors
    /// Those of [`super::disk::Register::enter`].
    pub(super) fn note_in_register(&self) -> Result<()> {
        let dir = self.files.root().parent().unwrap_or(self.files.root());
        let entry = self.store.look(|state| {
            let machine = |(name, record): (&String, &Record)| {
                let BoxRef { name: image, digest } = record.image.clone();
                (name.clone(), disk::Machine { id: record.id.clone(), digest, image })
            };
            let machines = state.machines.iter().map(machine).collect();
            let own = state.own.as_value().clone();
            Entry { own, machines, ..Entry::new(&state.lab_id, dir, &state.provider) }
        });
        self.context.register().enter(&entry)
    }

    /// The lab's key. Whoever asks first makes it, where there is none; the others wait for it.
    ///
    /// # Errors
    /// Those of making it and of writing it down.
    pub fn key(&self) -> Result<LabKey> {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*key {
            return Ok(key.clone());
        }
        Ok(key.insert(self.context.guests.lab_key(&self.files.key())?).clone())
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

    /// All machine names: the Labfile's in its order, then those that only the state still has.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = match &self.labfile {
            Ok(labfile) => labfile.machines.iter().map(|machine| machine.name.clone()).collect(),
            Err(_) => Vec::new(),
        };
        for name in self.store.look(|state| state.machines.keys().cloned().collect::<Vec<_>>()) {
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

    /// What machines of these specs are doing.
    ///
    /// # Errors
    /// Those of [`Provider::states`].
    pub(super) fn states_of(&self, specs: &[Option<MachineSpec>]) -> Result<Vec<PowerState>> {
        let known: Vec<MachineSpec> = specs.iter().flatten().cloned().collect();
        let mut states = self.provider.states(&known, &self.context.cancel)?.into_iter();
        let state = |spec: &Option<MachineSpec>| spec.as_ref().and_then(|_| states.next());
        Ok(specs.iter().map(state).map(|state| state.unwrap_or(PowerState::Absent)).collect())
    }

    /// What the catalogue has for the provider of a machine's box.
    pub(super) fn settings_for_box(&self, machine: &Machine) -> Block {
        if !self.context.providers.reads_box_settings(self.provider.name()) {
            return Block::default();
        }
        let entry = self.catalogue().get(&machine.image);
        entry.and_then(|entry| Block::of(&entry.settings(self.provider.name())).ok()).unwrap_or_default()
    }

    /// The boxes that are known by name. A catalogue that cannot be read was an error when the box was looked for; a machine
    /// that has been made is no worse for it.
    pub(super) fn catalogue(&self) -> &Catalogue {
        self.catalogue.get_or_init(|| {
            let named = self.labfile.as_ref().ok().and_then(|labfile| labfile.catalogue.as_deref());
            Catalogue::load(named).unwrap_or_default()
        })
    }
}

/// Whose lab stands at `place`. One that was moved is written down where it is now.
///
/// # Errors
/// Why it is not to be entered: it is a copy, or came from elsewhere.
pub(super) fn find(context: &Context<'_>, place: &Place) -> Result<Found> {
    let found = context.register().find(&place.dir)?;
    if let Some(refusal) = found.refusal() {
        return Err(refusal);
    }
    if let Found::Moved { entry, .. } = &found {
        context.register().enter(entry)?;
    }
    Ok(found)
}

/// What the provider decided of a lab that was found.
pub(super) fn own_of(found: Found) -> Result<Block> {
    match found {
        Found::Ours(entry) | Found::Moved { entry, .. } => Block::of(&entry.own),
        _ => Ok(Block::default()),
    }
}

/// Ends what still runs of a lab whose `.lab` was deleted, and forgets the lab.
///
/// # Errors
/// Those of the providers.
pub(super) fn end_strays(context: &Context<'_>, files: &LabFiles, entry: &Entry) -> Result<()> {
    let own = Block::of(&entry.own)?;
    for name in choose::strays(files, context, &own)? {
        context.sink.note(format!("{name}: still ran though its files were deleted; it is ended now"));
    }
    choose::forget(files, context, Some(&own))?;
    Ports::of(&context.home, &entry.lab_id, context.wait()).release_all()?;
    context.register().leave(&entry.lab_id)
}

/// Removes `.lab/`, the lock in it last, and says what else is in it.
///
/// # Errors
/// Those of [`remove::lab`].
pub(super) fn remove_all(context: &Context<'_>, files: &LabFiles, lock: Lock) -> Result<()> {
    tell_what_stays(context, &remove::lab(files, lock, &context.providers.files())?);
    Ok(())
}

/// Says what is in a lab's folder that lab did not make.
pub(super) fn tell_what_stays(context: &Context<'_>, left: &[PathBuf]) {
    for path in left {
        context.sink.note(format!("{} was not made by lab, and stays", path.display()));
    }
}

/// What a provider is told of a lab as a whole.
pub(super) fn shape(labfile: &Labfile) -> (String, PrivateNetwork) {
    let network = PrivateNetwork {
        address: labfile.network.address,
        prefix: labfile.network.prefix,
        internal: labfile.network_kind == NetworkKind::Internal,
    };
    (labfile.name.clone(), network)
}
