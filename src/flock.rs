//! Locks between processes. The kernel drops them with their holder, so none can be left over.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::nofollow;

const POLL: Duration = Duration::from_millis(20);

/// Opens `path` to be locked, making it (empty) where it is not there. It is for this user alone: whoever can open a file
/// can hold its lock.
///
/// # Errors
/// [`crate::error::Kind::Io`].
pub fn open(path: &Path) -> Result<File> {
    nofollow::open_or_create(path).map_err(|source| nofollow::error("open the lock", path, &source))
}

/// Takes the lock at once; `false` where another process has it, or a share of it.
///
/// # Errors
/// [`crate::error::Kind::Io`].
pub fn try_lock(file: &File, path: &Path) -> Result<bool> {
    taken(file.try_lock(), path)
}

/// Takes a share of the lock at once, which as many as like can have; `false` where another process has it alone.
///
/// # Errors
/// [`crate::error::Kind::Io`].
pub fn try_share(file: &File, path: &Path) -> Result<bool> {
    taken(file.try_lock_shared(), path)
}

fn taken(result: std::result::Result<(), TryLockError>, path: &Path) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(Error::io("lock", path, &source)),
    }
}

/// Takes the lock at `path`, waiting up to `patience`; it is held until the file is dropped. `None` where another process
/// has it for longer. `on_wait` is called again and again meanwhile.
///
/// # Errors
/// [`crate::error::Kind::Io`]; [`crate::error::Kind::Interrupted`] when cancelled.
pub fn wait(path: &Path, patience: Duration, cancel: &Cancel, on_wait: impl FnMut()) -> Result<Option<File>> {
    let file = open(path)?;
    Ok(until(|| try_lock(&file, path), patience, cancel, on_wait)?.then_some(file))
}

/// Calls `take` until it says yes, for up to `patience`; tells whether it did.
///
/// # Errors
/// `take`'s; [`crate::error::Kind::Interrupted`] when cancelled.
pub fn until(
    take: impl Fn() -> Result<bool>,
    patience: Duration,
    cancel: &Cancel,
    mut on_wait: impl FnMut(),
) -> Result<bool> {
    let started = Instant::now();
    while !take()? {
        if started.elapsed() > patience {
            return Ok(false);
        }
        on_wait();
        cancel.sleep(POLL)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn one_has_it_alone_and_many_share_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let (one, other, third) = (open(&path).unwrap(), open(&path).unwrap(), open(&path).unwrap());
        assert!(try_share(&one, &path).unwrap() && try_share(&other, &path).unwrap());
        assert!(!try_lock(&third, &path).unwrap());
        drop((one, other));
        assert!(try_lock(&third, &path).unwrap());
        assert!(!try_share(&open(&path).unwrap(), &path).unwrap());
    }

    #[test]
    fn a_wait_ends_with_the_holder_with_patience_and_with_a_wish_to_stop() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let holder = wait(&path, Duration::ZERO, &Cancel::new(), || {}).unwrap();
        assert!(holder.is_some());
        let mut waits = 0;
        let short = Duration::from_millis(200);
        assert!(wait(&path, short, &Cancel::new(), || waits += 1).unwrap().is_none());
        assert!(waits > 0);
        let cancel = Cancel::new();
        let error = wait(&path, Duration::MAX, &cancel, || cancel.cancel()).unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted);
        let mut holder = holder;
        assert!(wait(&path, Duration::MAX, &Cancel::new(), || holder = None).unwrap().is_some());
    }
}
