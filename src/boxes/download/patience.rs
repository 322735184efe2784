//! How long and how often a download is tried.

use std::time::Duration;

use super::failure::{Failure, Fate};

/// The environment variable that sets how many seconds nothing may come before a connection is given up.
const TIMEOUT_VARIABLE: &str = "LAB_HTTP_TIMEOUT";

/// Longer than anybody waits, and short enough to be added to any moment.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A try that brought this many bytes was not in vain.
const PROGRESS: u64 = 64 << 10;
/// A server may ask for a pause (`Retry-After`), but not for a longer one.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// How patient a download is.
#[derive(Debug, Clone, Copy)]
pub(in crate::boxes) struct Patience {
    /// For a connection, and for the first line of an answer.
    pub(in crate::boxes) connect: Duration,
    /// For the next bytes of an answer. There is no limit on the whole.
    pub(in crate::boxes) stall: Duration,
    /// Before the second try; it doubles with every further one.
    pub(in crate::boxes) pause: Duration,
    /// It doubles no further than this.
    pub(in crate::boxes) longest_pause: Duration,
    /// How many tries in vain there are before anything has come.
    pub(in crate::boxes) tries: u32,
    /// How many tries in vain there are after some bytes have come: with half of a box there is more to lose.
    pub(in crate::boxes) tries_midway: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            connect: Duration::from_secs(20),
            stall: Duration::from_secs(30),
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(15),
            tries: 4,
            tries_midway: 12,
        }
    }
}

impl Patience {
    /// The usual patience, but for what [`TIMEOUT_VARIABLE`] says.
    pub(in crate::boxes) fn from_env() -> Self {
        let said = std::env::var(TIMEOUT_VARIABLE).ok().and_then(|text| text.trim().parse().ok());
        match said.filter(|seconds| *seconds > 0) {
            Some(seconds) => {
                let limit = Duration::from_secs(seconds).min(LONGEST);
                Patience { connect: limit, stall: limit, ..Patience::default() }
            }
            None => Patience::default(),
        }
    }
}

/// The tries of one download.
#[derive(Debug)]
pub(super) struct Tries {
    patience: Patience,
    /// The furthest that a try has got.
    furthest: u64,
    in_vain: u32,
}

impl Tries {
    /// None yet; `have` bytes are there from an earlier time.
    pub(super) fn new(patience: Patience, have: u64) -> Self {
        Tries { patience, furthest: have, in_vain: 0 }
    }

    /// How long to wait before the next try, when one failed after `reached` bytes; `None` to give up.
    pub(super) fn next(&mut self, failure: &Failure, reached: u64) -> Option<Duration> {
        let Fate::Passing { asked } = failure.fate else { return None };
        if reached >= self.furthest.saturating_add(PROGRESS) {
            self.in_vain = 0;
            self.furthest = reached;
        }
        self.in_vain += 1;
        let tries = if self.furthest > 0 { self.patience.tries_midway } else { self.patience.tries };
        if self.in_vain >= tries {
            return None;
        }
        let doubled = self.patience.pause.saturating_mul(1 << (self.in_vain - 1).min(16));
        let pause = doubled.min(self.patience.longest_pause);
        Some(uneven(pause).max(asked.unwrap_or_default().min(LONGEST_ASKED)))
    }
}

/// Up to a quarter more: a class that was cut off at one moment does not come back at one moment.
fn uneven(pause: Duration) -> Duration {
    let (byte, ..) = uuid::Uuid::new_v4().as_fields();
    pause + pause.mul_f64(f64::from(byte % 256) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_and_progress_starts_them_anew() {
        let patience = Patience { tries_midway: 6, ..Patience::default() };
        let passing = Failure::passing("cut");
        let seconds = |pause: Option<Duration>| pause.map(|pause| pause.as_secs_f64());
        let near = |found: Option<f64>, wanted: f64| {
            found.is_some_and(|found| found >= wanted && found <= wanted * 1.25)
        };
        let mut tries = Tries::new(patience, 0);
        for wanted in [1.0, 2.0, 4.0] {
            assert!(near(seconds(tries.next(&passing, 0)), wanted));
        }
        assert_eq!(tries.next(&passing, 100), None, "the fourth in vain");

        let mut tries = Tries::new(patience, 0);
        tries.next(&passing, 0);
        assert!(near(seconds(tries.next(&passing, 1 << 20)), 1.0), "that one got further");
        for wanted in [2.0, 4.0, 8.0, 15.0] {
            assert!(near(seconds(tries.next(&passing, (1 << 20) + 5)), wanted));
        }
        assert_eq!(tries.next(&passing, (1 << 20) + 9), None);
    }

    #[test]
    fn what_is_final_is_not_tried_again_and_a_server_may_ask_for_time() {
        let mut tries = Tries::new(Patience::default(), 1 << 30);
        assert_eq!(tries.next(&Failure::last("gone"), 0), None);
        let asking =
            |seconds| Failure { fate: Fate::Passing { asked: Some(seconds) }, ..Failure::passing("") };
        assert_eq!(tries.next(&asking(Duration::from_secs(30)), 0), Some(Duration::from_secs(30)));
        assert_eq!(tries.next(&asking(Duration::from_secs(86_400)), 0), Some(LONGEST_ASKED));
    }
}
