//! The wish to stop, seen by everything that waits.
//!
//! One [`Cancel`] is made per command and handed down. Ctrl-C (SIGINT), SIGTERM and SIGHUP set it;
//! whoever sleeps does so through [`Cancel::sleep`] and so wakes at once.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};

/// A shared flag that says "stop where you are, leave things true".
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Cancel {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag and wakes every sleeper.
    pub fn cancel(&self) {
        *self.0.set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }

    /// Whether the flag is set.
    pub fn is_cancelled(&self) -> bool {
        *self.0.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Err` of kind [`Kind::Interrupted`] once the flag is set.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(interrupted()) } else { Ok(()) }
    }

    /// Sleeps for `duration`, or until the flag is set; then it is an error like [`Cancel::check`]'s.
    pub fn sleep(&self, duration: Duration) -> Result<()> {
        let until = Instant::now() + duration;
        let mut set = self.0.set.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if *set {
                return Err(interrupted());
            }
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            else {
                return Ok(());
            };
            set = self.0.changed.wait_timeout(set, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "stopped")
        .hint("the same command goes on where this one stopped; `lab destroy` cleans up")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_wakes_when_cancelled() {
        let cancel = Cancel::new();
        let other = cancel.clone();
        let started = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(move || other.cancel());
            let woken = cancel.sleep(Duration::from_secs(60));
            assert_eq!(woken.map_err(|error| error.kind()), Err(Kind::Interrupted));
        });
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
