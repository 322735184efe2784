//! Asking programs that may never answer.

use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::Said;
use crate::boxes::Hardware;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::lab::disk::files::Home;
use crate::provider::{Entry, SharedDir};

/// How long a program may take to say what it is. Milliseconds are usual; a first start from a slow stick, with a
/// virus scanner at work, takes seconds.
pub(super) const LIMIT: Duration = Duration::from_secs(8);
/// How often the wish to stop is looked at meanwhile.
const GLANCE: Duration = Duration::from_millis(20);

/// What a provider says of each of `hardware`: the first trouble, else its word on the first.
pub(super) fn check(entry: &Entry, hardware: &[Hardware], home: &Home, cancel: &Cancel) -> Said {
    within(LIMIT, entry.name, cancel, |cancel| {
        let provider = (entry.make)(SharedDir(home.bases()));
        let mut first = None;
        for hardware in hardware {
            let said = provider.check_anew(hardware, cancel)?;
            first.get_or_insert(said);
        }
        first.ok_or_else(|| Error::internal("nothing was asked for"))
    })
}

/// What came of a thread.
pub(super) fn joined(thread: ScopedJoinHandle<'_, Said>) -> Said {
    thread.join().unwrap_or_else(|_| Err(Error::internal("looking at a provider panicked")))
}

/// Does `work`, and has it stop after `limit` at the latest.
fn within<T>(
    limit: Duration,
    whom: &str,
    cancel: &Cancel,
    work: impl FnOnce(&Cancel) -> Result<T>,
) -> Result<T> {
    let (own, begun) = (Cancel::new(), Instant::now());
    thread::scope(|scope| {
        scope.spawn(|| {
            while begun.elapsed() < limit && !cancel.is_cancelled() && own.sleep(GLANCE).is_ok() {}
            own.cancel();
        });
        let result = work(&own);
        own.cancel();
        match result {
            Err(error) if error.kind() == Kind::Interrupted && !cancel.is_cancelled() => Err(Error::new(
                Kind::ProgramTimeout,
                format!("{whom} did not say what it is within {} s", limit.as_secs()),
            )
            .hint("restart this computer, and install the program anew if it hangs again")),
            other => other,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_stopped() {
        let work = |cancel: &Cancel| cancel.sleep(Duration::from_secs(60));
        let begun = Instant::now();
        let error = within(Duration::from_millis(50), "it", &Cancel::new(), work).unwrap_err();
        assert_eq!(error.kind(), Kind::ProgramTimeout);
        assert!(begun.elapsed() < Duration::from_secs(30));
        let stopped = Cancel::new();
        stopped.cancel();
        let error = within(Duration::from_secs(60), "it", &stopped, work).unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted);
        assert_eq!(within(LIMIT, "it", &Cancel::new(), |_| Ok(1)).unwrap(), 1);
    }
}
