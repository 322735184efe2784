//! Temporary folders of the store; those of killed processes are removed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::download::partial;
use super::layout::{self, Layout};
use super::lock;
use crate::atomic;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::flock;
use crate::unlink;

/// The store's own lock is held for moments only.
const PATIENCE: Duration = Duration::from_secs(60);

/// Takes the lock for changes to the index and to `tmp/`.
pub(super) fn lock_store(layout: &Layout) -> Result<File> {
    // Not the user's cancel: the work under this lock is short, and often cleans up.
    lock::wait(&layout.store_lock(), PATIENCE, &Cancel::new(), || {})
}

/// A download that has not continued for so long is removed.
const STALE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// A folder in `tmp/`, removed with its contents when dropped.
#[derive(Debug)]
pub(super) struct Temp {
    dir: PathBuf,
    /// Held until the work is done: it shows other processes that this one lives.
    lock: Option<File>,
}

impl Temp {
    /// Makes a folder, and removes the folders of dead processes.
    pub(super) fn new(layout: &Layout) -> Result<Self> {
        let parent = layout.temp();
        atomic::create_dirs(&parent)?;
        // Other processes must not look at the folder before its lock is taken.
        let _store = lock_store(layout)?;
        sweep(&parent)?;
        // Every write of the index holds the same lock.
        atomic::sweep(layout.root());
        sweep_partials(layout);
        let dir = parent.join(uuid::Uuid::new_v4().simple().to_string());
        std::fs::create_dir(&dir).map_err(|source| Error::io("create the folder", &dir, &source))?;
        let path = dir.join(layout::TEMP_LOCK);
        let file = flock::open(&path)?;
        if !flock::try_lock(&file, &path)? {
            return Err(Error::internal(format!("a new lock is taken: {}", path.display())));
        }
        Ok(Temp { dir, lock: Some(file) })
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.dir
    }

    /// The folder in which a box is put together, to be renamed when it is whole.
    pub(super) fn box_dir(&self) -> PathBuf {
        self.dir.join(layout::TEMP_BOX)
    }

    /// A place for something that is to be removed.
    pub(super) fn bin(&self) -> PathBuf {
        self.dir.join("removed")
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // Windows does not remove open files. Another process may now remove the folder too, which does no harm.
        drop(self.lock.take());
        // The next add removes files that cannot be removed now.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Removes the temporary folders that no living process holds. The store's lock is held.
fn sweep(parent: &Path) -> Result<()> {
    let entries = std::fs::read_dir(parent).map_err(|source| Error::io("list", parent, &source))?;
    for entry in entries.flatten() {
        let path = entry.path().join(layout::TEMP_LOCK);
        // No lock file: its process died between making the folder and the lock, or while removing.
        let dead = match File::open(&path) {
            Ok(file) => flock::try_lock(&file, &path)?,
            Err(_) => true,
        };
        if dead {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Removes downloads that nobody has continued for a long time. A failure here does no harm.
fn sweep_partials(layout: &Layout) {
    for entry in std::fs::read_dir(layout.partials()).into_iter().flatten().flatten() {
        if partial::age(&entry.path()).is_some_and(|age| age >= STALE) {
            let _ = discard_partial(layout, &entry.file_name().to_string_lossy());
        }
    }
}

/// Removes the unfinished download with this key; `false` where another command works on it.
pub(super) fn discard_partial(layout: &Layout, key: &str) -> Result<bool> {
    let path = layout.key_lock(key);
    let file = flock::open(&path)?;
    if !flock::try_lock(&file, &path)? {
        return Ok(false);
    }
    unlink::folder(&layout.partials().join(key)).map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_folders_are_swept_and_living_ones_are_not() {
        let home = tempfile::tempdir().unwrap();
        let layout = Layout::new(home.path());
        let alive = Temp::new(&layout).unwrap();
        std::fs::create_dir(alive.box_dir()).unwrap();
        let killed = layout.temp().join("killed");
        std::fs::create_dir_all(killed.join("box/files")).unwrap();
        std::fs::write(killed.join(layout::TEMP_LOCK), "").unwrap();
        let early = layout.temp().join("killed-before-its-lock");
        std::fs::create_dir_all(&early).unwrap();
        let next = Temp::new(&layout).unwrap();
        assert!(alive.box_dir().exists());
        assert!(!killed.exists() && !early.exists());
        drop((alive, next));
        assert_eq!(std::fs::read_dir(layout.temp()).unwrap().count(), 0);
    }
}
