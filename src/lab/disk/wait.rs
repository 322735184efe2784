//! Waiting for what another command has: with a limit, with a word, and not against the user's wish.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::flock;
use crate::lab::tell::event::Sink;

/// The environment variable that says how many seconds a command waits for a lock.
pub const TIMEOUT_VARIABLE: &str = "LAB_LOCK_TIMEOUT";
/// How long a command waits for a register unless told otherwise. It is held for milliseconds.
const REGISTER: Duration = Duration::from_secs(60);
/// After this time it says so.
const SILENCE: Duration = Duration::from_secs(1);

/// Whom a command that waits tells so, and who can stop it.
#[derive(Clone, Copy)]
pub struct Wait<'a> {
    /// The wish to stop.
    pub cancel: &'a Cancel,
    /// Whom to tell.
    pub sink: &'a dyn Sink,
}

impl std::fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wait")
    }
}

impl Wait<'_> {
    /// Takes the lock at `path`, that of the register `what`; it is held until the file is dropped.
    ///
    /// # Errors
    /// [`Kind::LabLocked`] after [`TIMEOUT_VARIABLE`] seconds; [`Kind::Interrupted`]; [`Kind::Io`].
    pub(super) fn for_register(&self, path: &Path, what: &str) -> Result<File> {
        let (limit, begun, mut said) = (limit(REGISTER)?, Instant::now(), false);
        let tell = || {
            if begun.elapsed() > SILENCE && !std::mem::replace(&mut said, true) {
                self.sink.note(format!("another program has {what} locked; waiting for it to end"));
            }
        };
        flock::wait(path, limit, self.cancel, tell)?.ok_or_else(|| {
            let seconds = limit.as_secs();
            Error::new(Kind::LabLocked, format!("another program has kept {what} locked for {seconds} s"))
                .detail(format!("the lock is {}", path.display()))
                .hint("a `lab` that was stopped (Ctrl-Z) may have it: end that, then run the command again")
                .hint(format!("{TIMEOUT_VARIABLE}=SECONDS sets how long to wait for it"))
        })
    }
}

/// How long to wait: [`TIMEOUT_VARIABLE`], or `otherwise`.
///
/// # Errors
/// [`Kind::Usage`] where the variable is no number.
pub(super) fn limit(otherwise: Duration) -> Result<Duration> {
    match std::env::var(TIMEOUT_VARIABLE) {
        Ok(text) if !text.is_empty() => text.parse().map(Duration::from_secs).map_err(|_| {
            Error::new(Kind::Usage, format!("{TIMEOUT_VARIABLE} is '{text}', which is no number of seconds"))
                .hint(format!("unset it, or set it to a number: {TIMEOUT_VARIABLE}=60"))
        }),
        _ => Ok(otherwise),
    }
}
