//! Locks on boxes, and the error where another command holds one.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::flock;

/// Takes the lock at `path`, waiting up to `patience`; it is held until the file is dropped.
/// `on_wait` is called again and again while another process has it.
///
/// # Errors
/// [`Kind::BoxLocked`] after `patience`, [`Kind::Interrupted`] when cancelled.
pub(super) fn wait(path: &Path, patience: Duration, cancel: &Cancel, on_wait: impl FnMut()) -> Result<File> {
    flock::wait(path, patience, cancel, on_wait)?.ok_or_else(|| locked(path, patience))
}

/// Takes a share of the lock, which as many as like can have while nobody has it alone.
///
/// # Errors
/// Those of [`wait`].
pub(super) fn share(file: &File, path: &Path, patience: Duration, cancel: &Cancel) -> Result<()> {
    let shared = flock::until(|| flock::try_share(file, path), patience, cancel, || {})?;
    if shared { Ok(()) } else { Err(locked(path, patience)) }
}

fn locked(path: &Path, patience: Duration) -> Error {
    let message = format!("another lab has been working on this box for {} s", patience.as_secs());
    Error::new(Kind::BoxLocked, message)
        .detail(format!("its lock: {}", path.display()))
        .hint("let it finish or stop it, then run the same command again")
}
