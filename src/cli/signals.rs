//! Ctrl-C: once stops gracefully, twice at once.

use signal_hook::consts::TERM_SIGNALS;
use signal_hook::iterator::Signals;

use crate::cancel::Cancel;
use crate::error::{Error, ExitCode, Kind, Result};
use crate::threads;

/// Sets `cancel` at the first SIGINT, SIGTERM or SIGQUIT (and SIGHUP), and ends the process at the
/// second. Running machines are processes of their own and stay; what the state says stays true.
/// `on_first` is called at the first, to say so where that is worth saying.
pub(super) fn listen(cancel: &Cancel, on_first: impl Fn() + Send + 'static) -> Result<()> {
    let signals = TERM_SIGNALS.iter().copied().chain(hangup());
    let mut signals = Signals::new(signals)
        .map_err(|source| Error::new(Kind::Io, format!("could not listen for signals: {source}")))?;
    let cancel = cancel.clone();
    threads::spawn("signals", move || {
        for _ in signals.forever() {
            if cancel.is_cancelled() {
                std::process::exit(ExitCode::Interrupted as i32);
            }
            on_first();
            cancel.cancel();
        }
    })
    .map(drop)
}

#[cfg(unix)]
fn hangup() -> Option<i32> {
    Some(signal_hook::consts::SIGHUP)
}

#[cfg(not(unix))]
fn hangup() -> Option<i32> {
    None
}
