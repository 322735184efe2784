//! Bad luck with real machines: guests that say nothing or lock us out, scripts that fail, hang and
//! flood, emulators that are killed or stopped, disks that are full, and Ctrl-C.

mod disk;
mod emulator;
mod guest;
mod scripts;
mod signals;

use std::process::Child;
use std::time::{Duration, Instant};

use crate::common::{Run, TestLab, wait_for};

/// The emulator of a machine, from its own file: its command line does not name the lab's folder.
fn emulator(lab: &TestLab, machine: &str) -> u32 {
    let path = lab.dir().join(".lab/machines").join(machine).join("qemu.pid");
    wait_for("the emulator's process id", Duration::from_secs(30), || {
        std::fs::read_to_string(&path).ok()?.trim().parse().ok()
    })
}

/// Starts `lab ARGS` and returns it once standard error holds `words`, with all that it says later.
fn start_until(lab: &TestLab, args: &[&str], words: &str) -> Running {
    use std::io::{BufRead, BufReader};
    let (mut child, started) = lab.start_piped(args);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    while !said.contains(words) {
        match lines.next() {
            Some(line) => said += &(line.unwrap() + "\n"),
            None => panic!("it ended without {words:?}:\n{said}"),
        }
    }
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    Running { child, started, said, rest }
}

/// A command that runs.
struct Running {
    child: Child,
    started: Instant,
    said: String,
    rest: std::thread::JoinHandle<String>,
}

impl Running {
    fn signal(&self, signal: rustix::process::Signal) {
        crate::common::signal(self.child.id(), signal);
    }

    /// Waits for its end; `took` is the time of this wait.
    fn finish(mut self) -> Run {
        let asked = Instant::now();
        let status = self.child.wait().unwrap();
        let took = asked.elapsed();
        assert!(self.started.elapsed() < Duration::from_secs(300));
        let stderr = self.said + &self.rest.join().unwrap();
        Run { code: status.code().unwrap_or(-1), stdout: String::new(), stderr, took }
    }
}
