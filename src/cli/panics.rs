//! A panic is a defect of lab, in whichever thread: the command ends with that, and not with what follows from it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use crate::error::{Error, Kind, Result};
use crate::ui;

/// What the first panic said.
static FIRST: OnceLock<String> = OnceLock::new();

/// The thread in which the Ruby parser may give up: its panics are caught there, and are an error of their own.
const EXPECTED_IN: &str = "import";

/// Notes panics from now on, with one line instead of a backtrace.
pub(super) fn watch() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        if thread.name() == Some(EXPECTED_IN) {
            return;
        }
        let text = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
        let said = format!("internal error{place}: {text}");
        // The main thread's ends the command, which says it. Of another one somebody may be waiting in vain.
        if thread.name() != Some("main") {
            ui::say_line(&said);
        }
        let _ = FIRST.set(said);
    }));
}

/// Does `work`. Where anything has panicked meanwhile, that is the error.
///
/// # Errors
/// Those of `work`; [`Kind::Internal`].
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let result =
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::internal("lab panicked")));
    let Some(first) = FIRST.get() else { return result };
    let error = Error::internal(first);
    Err(match result {
        Err(other) if other.kind() != Kind::Internal => error.detail(other.message()),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_of_ours() {
        let error = guarded(|| -> Result<()> { panic!("on purpose") }).unwrap_err();
        assert_eq!(error.kind(), Kind::Internal);
        let other = guarded(|| -> Result<()> { Err(Error::new(Kind::NoSsh, "x")) }).unwrap_err();
        assert_eq!(other.kind(), Kind::NoSsh);
        assert_eq!(guarded(|| Ok(7)).unwrap(), 7);
    }
}
