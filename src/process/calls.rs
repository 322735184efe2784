//! What is told of every program that is started, for a lab's log and `--verbose`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Cmd;

/// Longest command that is told, in characters: what a guest is to run comes as one argument of ssh's.
const LIMIT: usize = 1000;

/// A program that was started, or has ended.
#[derive(Debug, Clone)]
pub struct Call {
    /// Counts this process's calls, so that an end can be told from those of others.
    pub number: u64,
    /// The command, as one could type it; without line ends, and cut off where it is long.
    pub command: String,
    /// Which it was.
    pub moment: Moment,
}

/// What of a call is told.
#[derive(Debug, Clone)]
pub enum Moment {
    /// It begins.
    Started,
    /// It is over.
    Ended {
        /// "exit status 3", "killed: stopped".
        how: String,
        /// How long it ran.
        took: Duration,
    },
}

type Listener = Box<dyn Fn(Call) + Send + Sync>;

static LISTENER: OnceLock<Listener> = OnceLock::new();
static CALLS: AtomicU64 = AtomicU64::new(1);

/// Has `listener` hear of every call from now on. It is this process's only one: the first stays.
pub fn listen(listener: impl Fn(Call) + Send + Sync + 'static) {
    let _ = LISTENER.set(Box::new(listener));
}

/// A call that goes on; costs nothing where nobody listens.
#[must_use]
pub(super) struct Running(Option<(u64, String, Instant)>);

impl Running {
    /// Tells that `cmd` is about to be started.
    pub(super) fn begin(cmd: &Cmd) -> Self {
        let Some(listener) = LISTENER.get() else { return Running(None) };
        let number = CALLS.fetch_add(1, Ordering::Relaxed);
        let command = brief(&cmd.display());
        listener(Call { number, command: command.clone(), moment: Moment::Started });
        Running(Some((number, command, Instant::now())))
    }

    /// Tells how it ended.
    pub(super) fn end(self, how: impl FnOnce() -> String) {
        if let (Running(Some((number, command, since))), Some(listener)) = (self, LISTENER.get()) {
            let moment = Moment::Ended { how: how(), took: since.elapsed() };
            listener(Call { number, command, moment });
        }
    }
}

fn brief(command: &str) -> String {
    let mut brief: String =
        command.chars().take(LIMIT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if command.chars().nth(LIMIT).is_some() {
        brief.push('…');
    }
    brief
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_told_in_one_line_of_bounded_length() {
        assert_eq!(brief("ssh 'a\nb'"), "ssh 'a b'");
        assert_eq!(brief(&"x".repeat(LIMIT)).chars().count(), LIMIT);
        assert!(brief(&"x".repeat(LIMIT + 1)).ends_with("x…"));
    }
}
