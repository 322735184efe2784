//! Random moments at which a test kills `lab`.
#![allow(clippy::new_without_default, reason = "a seed is not a default")]

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use super::{TestLab, signal};

/// Moments, from a seed (splitmix64).
pub struct Moments(Cell<u64>);

impl Moments {
    pub fn new() -> Self {
        let seed = std::env::var("LAB_TEST_SEED").ok().map_or_else(
            || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
            |seed| seed.parse().unwrap(),
        );
        // Shown where the test fails.
        eprintln!("LAB_TEST_SEED={seed}");
        Moments(Cell::new(seed))
    }

    /// A number from 0 to 1.
    pub fn fraction(&self) -> f64 {
        let next = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(next);
        let mut z = next;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Starts `lab ARGS` and kills it after `moment`. Tells whether it was still running.
pub fn kill_after(lab: &TestLab, args: &[&str], moment: Duration) -> bool {
    let mut child = lab.start(args);
    let started = Instant::now();
    while started.elapsed() < moment {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    signal(child.id(), Signal::KILL);
    let status = child.wait().unwrap();
    eprintln!("  {args:?} killed after {:.3} s: {status}", moment.as_secs_f64());
    std::os::unix::process::ExitStatusExt::signal(&status).is_some()
}
