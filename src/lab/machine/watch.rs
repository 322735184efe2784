//! Work in a guest that ends when its machine does.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::provider::{MachineSpec, Provider};

/// How soon a wish to stop is handed on.
const TICK: Duration = Duration::from_millis(50);

/// How long an emulator may take to be gone once its connections are: the system has its memory to free.
const DYING: Duration = Duration::from_secs(2);

/// Does `work`, a session with the guest of `spec`, and breaks it off with the machine's own error
/// where the machine is no more to be waited for. A machine that was stopped because this computer's
/// disk is full keeps its connections open: without a look at it, one would wait for minutes, and
/// then hear of the network.
///
/// `work` gets the flag by which it is stopped.
///
/// # Errors
/// Those of `work`; [`Provider::alive`]'s.
pub(super) fn while_alive<T: Send>(
    provider: &dyn Provider,
    spec: &MachineSpec,
    cancel: &Cancel,
    work: impl FnOnce(&Cancel) -> Result<T>,
) -> Result<T> {
    let stop = Cancel::new();
    let (result, dead) = std::thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        let watcher = scope.spawn({
            let stop = &stop;
            move || {
                let pause = provider.pace().alive;
                let mut look_at = Instant::now() + pause;
                while let Err(RecvTimeoutError::Timeout) = is_done.recv_timeout(TICK) {
                    if cancel.is_cancelled() {
                        stop.cancel();
                        return None;
                    }
                    if Instant::now() < look_at {
                        continue;
                    }
                    if let Err(error) = provider.alive(spec) {
                        stop.cancel();
                        return Some(error);
                    }
                    look_at = Instant::now() + pause;
                }
                None
            }
        });
        let result = work(&stop);
        drop(done);
        (result, watcher.join().unwrap_or_else(|_| Some(Error::internal("watching a machine panicked"))))
    });
    match (result, dead) {
        (Ok(value), _) => Ok(value),
        (Err(_), Some(error)) => Err(error),
        // The connection broke before the next look at the machine.
        (Err(error), None) if error.kind() == Kind::NoSsh => {
            Err(died(provider, spec, cancel).unwrap_or(error))
        }
        (Err(error), None) => Err(error),
    }
}

/// The machine's own error, where it has one within [`DYING`].
fn died(provider: &dyn Provider, spec: &MachineSpec, cancel: &Cancel) -> Option<Error> {
    let until = Instant::now() + DYING;
    loop {
        let dead = provider.alive(spec).err();
        if dead.is_some() || Instant::now() >= until || cancel.sleep(TICK).is_err() {
            return dead;
        }
    }
}
