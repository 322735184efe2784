//! Ending a connection from this side, and beginning to speak when the guest has said that it listens.

use std::io::Write;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::cancel::Cancel;
use crate::error::Result;
use crate::threads;

/// How often the wish to stop and a time limit are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How often it is looked whether a login that takes its time has failed.
const GREETING_TICK: Duration = Duration::from_millis(100);
/// How long a guest may take from the start of ssh until lab's script runs. A busy, emulated one takes ten seconds.
const GREETING_LIMIT: Duration = Duration::from_secs(150);

/// Does `work`, and looks every [`TICK`] meanwhile whether to hang up.
///
/// # Errors
/// Those of `work`; [`crate::error::Kind::TooManyProcesses`].
pub(super) fn watched<T>(
    hang_up_now: impl Fn() -> bool + Send,
    hang_up: &Cancel,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    std::thread::scope(|scope| {
        // Dropped at the end of the work, which ends the thread.
        let (_done, is_done) = mpsc::channel::<()>();
        threads::spawn_in(scope, "hang-up", move || {
            while let Err(RecvTimeoutError::Timeout) = is_done.recv_timeout(TICK) {
                if hang_up_now() {
                    hang_up.cancel();
                }
            }
        })?;
        work()
    })
}

/// Waits for the guest's mark and answers it with the time (seconds since 1970); tells whether it came.
/// Until then nothing but empty lines is sent, which no shell minds: they meet a broken pipe when there is nobody to
/// wait for any more. A guest that never says its mark is hung up on.
pub(super) fn answer(
    stdin: &mut dyn Write,
    greeting: &Receiver<()>,
    hang_up: &Cancel,
) -> std::io::Result<bool> {
    let started = Instant::now();
    loop {
        match greeting.recv_timeout(GREETING_TICK) {
            Err(RecvTimeoutError::Timeout) if started.elapsed() > GREETING_LIMIT => {
                hang_up.cancel();
                return Ok(false);
            }
            Err(RecvTimeoutError::Timeout) => stdin.write_all(b"\n")?,
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
            Ok(()) => {
                let epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                writeln!(stdin, "{epoch}")?;
                return Ok(true);
            }
        }
    }
}
