//! Locks between processes. The kernel drops them with their holder, so none can be left over.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};

const POLL: Duration = Duration::from_millis(50);

/// Opens `path` to be locked, making it (empty) where it is not there.
pub(super) fn open(path: &Path) -> Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    file.map_err(|source| Error::io("open the lock", path, &source))
}

/// Takes the lock at once, or says `false`.
pub(super) fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(Error::io("lock", path, &source)),
    }
}

/// Takes the lock at `path`, waiting up to `patience`; it is held until the file is dropped.
/// `on_wait` is called again and again while another process has it.
///
/// # Errors
/// [`Kind::BoxLocked`] after `patience`, [`Kind::Interrupted`] when cancelled.
pub(super) fn wait(path: &Path, patience: Duration, cancel: &Cancel, on_wait: impl FnMut()) -> Result<File> {
    let file = open(path)?;
    until(|| try_lock(&file, path), path, patience, cancel, on_wait)?;
    Ok(file)
}

/// Takes a share of the lock, which as many as like can have while nobody has it alone.
///
/// # Errors
/// Those of [`wait`].
pub(super) fn share(file: &File, path: &Path, patience: Duration, cancel: &Cancel) -> Result<()> {
    let take = || match file.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(Error::io("lock", path, &source)),
    };
    until(take, path, patience, cancel, || {})
}

fn until(
    take: impl Fn() -> Result<bool>,
    path: &Path,
    patience: Duration,
    cancel: &Cancel,
    mut on_wait: impl FnMut(),
) -> Result<()> {
    let started = Instant::now();
    while !take()? {
        if started.elapsed() > patience {
            let message = format!("another lab has been working on this box for {} s", patience.as_secs());
            return Err(Error::new(Kind::BoxLocked, message)
                .detail(format!("its lock: {}", path.display()))
                .hint("let it finish or stop it, then run the same command again"));
        }
        on_wait();
        cancel.sleep(POLL)?;
    }
    Ok(())
}
