//! The store itself: where it is, and the boxes that are in it.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crate::boxes::address::Address;
use crate::boxes::download::Patience;
use crate::boxes::image::BoxImage;
use crate::boxes::index::{Index, Lookup};
use crate::boxes::layout::Layout;
use crate::boxes::manifest::Manifest;
use crate::boxes::progress::{Phase, Progress, Task};
use crate::boxes::source::Source;
use crate::boxes::temp::Temp;
use crate::boxes::{lock, registry};
use crate::error::{Error, Result};
use crate::{atomic, digest};

/// How long to wait for another process that adds the same box. It may be downloading it.
pub(super) const TURN: Duration = Duration::from_secs(2 * 60 * 60);

/// The boxes of a `LAB_HOME`.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) layout: Layout,
    pub(super) patience: Patience,
    /// The address of the registry.
    pub(super) registry: Address,
}

/// A folder for files on the way, see [`Store::workspace`].
#[derive(Debug)]
pub struct Workspace(Temp);

impl Workspace {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Store {
    /// The store of this home; touches nothing.
    pub fn open(home: &Path) -> Result<Self> {
        let home = std::path::absolute(home).map_err(|source| Error::io("find", home, &source))?;
        Ok(Store {
            layout: Layout::new(&home),
            patience: Patience::from_env(),
            registry: registry::of_environment(),
        })
    }

    /// The box that a Labfile's `box =` means, if it is in the store already. Quick: hashes nothing.
    ///
    /// A local file that was changed since it was added is not "in the store".
    pub fn find(&self, reference: &str, base_dir: &Path) -> Result<Option<BoxImage>> {
        let index = Index::read(&self.layout)?;
        if let Some(digest) = index.names.get(reference) {
            return self.image(digest, reference);
        }
        let Some(source) = Source::recognise(reference, base_dir) else { return Ok(None) };
        let source = source?.real();
        match index.lookup(&source) {
            Lookup::Same(digest) | Lookup::Gone(digest) => self.image(&digest, &source.default_name()),
            Lookup::Changed(_) | Lookup::Unknown => Ok(None),
        }
    }

    /// Takes the lock for adding the box of a source, or for looking up a name.
    pub(super) fn turn(&self, key: &str, task: &mut Task<'_>) -> Result<File> {
        let path = self.layout.source_lock(key);
        atomic::create_dirs(path.parent().unwrap_or(self.layout.root()))?;
        lock::wait(&path, TURN, task.cancel, || {
            (task.progress)(Progress { phase: Phase::Waiting, done: 0, total: None });
        })
    }

    /// A folder in the store for files on the way to a box; gone when dropped, or when its process dies
    /// with the next change to the store.
    pub fn workspace(&self) -> Result<Workspace> {
        Temp::new(&self.layout).map(Workspace)
    }

    /// The box of a digest; `None` where it is not in the store.
    pub(super) fn image(&self, digest: &str, name: &str) -> Result<Option<BoxImage>> {
        let dir = self.layout.box_dir(digest);
        let manifest = Manifest::read(&dir)?.filter(|_| digest::is_digest(digest));
        Ok(manifest.map(|manifest| manifest.image(&dir, name)))
    }

    pub(super) fn is_whole(&self, digest: &str) -> bool {
        digest::is_digest(digest) && matches!(Manifest::read(&self.layout.box_dir(digest)), Ok(Some(_)))
    }

    /// Moves a box out of the store in one step, into a folder that is about to be removed.
    pub(super) fn set_aside(&self, digest: &str, temp: &Temp) -> Result<()> {
        let place = self.layout.box_dir(digest);
        match std::fs::rename(&place, temp.bin()) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("remove", &place, &source))
            }
            _ => Ok(()),
        }
    }

    /// What is known of the box of a digest; `None` where it is not in the store.
    pub(super) fn manifest_of(&self, digest: &str) -> Result<Option<Manifest>> {
        Manifest::read(&self.layout.box_dir(digest))
    }
}
