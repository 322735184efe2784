//! The process that runs a machine, without asking VBoxManage: VirtualBox's log of the run begins with its number.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::error::Result;
use crate::process::Cmd;
use crate::tail::last_lines;

/// How much of a log's beginning has the process's number, in bytes.
const HEAD: u64 = 16 * 1024;
/// How often the end of a process is looked for.
const TICK: Duration = Duration::from_millis(100);
/// How many of a log's last lines tell how it ended.
const LAST: usize = 200;

/// The process of a machine's latest run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process(u32);

impl Process {
    /// The one that writes, or wrote, `log`.
    pub(super) fn of(log: &Path) -> Option<Self> {
        let mut head = Vec::new();
        File::open(log).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
        number(&String::from_utf8_lossy(&head)).map(Process)
    }

    /// Its number.
    pub(super) fn number(self) -> u32 {
        self.0
    }

    /// Whether it lives. `None` where that cannot be told.
    #[cfg(unix)]
    pub(super) fn lives(self) -> Option<bool> {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.0).ok()?)?;
        match rustix::process::test_kill_process(pid) {
            Ok(()) | Err(rustix::io::Errno::PERM) => Some(true),
            Err(_) => Some(false),
        }
    }

    /// Unknown here.
    #[cfg(not(unix))]
    pub(super) fn lives(self) -> Option<bool> {
        None
    }

    /// Waits for its end, for `patience` at most; tells whether it came, `None` where that cannot be told.
    pub(super) fn wait(self, patience: Duration, cancel: &Cancel) -> Result<Option<bool>> {
        let until = Instant::now() + patience;
        loop {
            match self.lives() {
                Some(true) if Instant::now() < until => cancel.sleep(TICK)?,
                Some(lives) => return Ok(Some(!lives)),
                None => return Ok(None),
            }
        }
    }

    /// Ends it, if it runs the machine `id`: numbers are given out again, so that is looked at first.
    #[cfg(unix)]
    pub(super) fn kill(self, id: &str) {
        let number = self.0.to_string();
        let asked = Cmd::new("ps").args(["-o", "args=", "-p", &number]).timeout(Duration::from_secs(10));
        let runs_it = asked.run(&Cancel::new()).is_ok_and(|said| said.contains(id));
        let pid = i32::try_from(self.0).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid.filter(|_| runs_it) {
            // An error means that it has ended just now.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    /// Left to the user here.
    #[cfg(not(unix))]
    pub(super) fn kill(self, _: &str) {}
}

/// The number in `00:00:00.021088 Process ID: 8811`.
fn number(head: &str) -> Option<u32> {
    head.lines().find_map(|line| line.split_once("Process ID: ")?.1.trim().parse().ok())
}

/// What a log says of how its machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Nothing that matters.
    Fine,
    /// Stopped: this computer's disk is full.
    DiskFull,
    /// VirtualBox has lost it.
    Lost,
}

/// Reads the sign from the log's end. The words are those of 7.2; older versions' are the same as far as is known.
pub(super) fn sign(log: &Path) -> Sign {
    let mut sign = Sign::Fine;
    for line in last_lines(log, 0, LAST) {
        if line.contains("DrvVD_DISKFULL") {
            sign = Sign::DiskFull;
        } else if line.contains("to 'GURU_MEDITATION'") {
            sign = Sign::Lost;
        } else if line.contains("to 'RUNNING'") {
            sign = Sign::Fine;
        }
    }
    sign
}

/// The port that could not be forwarded, where the log says so: the machine then runs all the same.
pub(super) fn refused_port(log: &Path) -> Option<u16> {
    let mut text = Vec::new();
    File::open(log).ok()?.take(1 << 20).read_to_end(&mut text).ok()?;
    port(&String::from_utf8_lossy(&text))
}

/// The port in `NAT#0: configuration error: failed to set up redirection of 2299 to 22. Probably a conflict …`.
fn port(text: &str) -> Option<u16> {
    text.lines().find_map(|line| {
        line.split_once("failed to set up redirection of ")?.1.split(' ').next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "00:00:00.021010 VirtualBox VM 7.2.22_Debian r175245 linux.amd64 (Oct 22 2026 07:33:03) release log\n\
                        00:00:00.021088 Executable: /usr/lib/virtualbox/VBoxHeadless\n\
                        00:00:00.021088 Process ID: 8811\n";

    #[test]
    fn a_log_tells_its_process_and_its_refused_port() {
        assert_eq!(number(HEAD), Some(8811));
        assert_eq!(number("00:00:00.021010 VirtualBox VM 7.2.22\n"), None);
        let refusal = "00:00:00.824501 VMSetError: NAT#0: configuration error: failed to set up redirection of 2299 to 22. Probably a conflict with existing services or other rules\n";
        assert_eq!(port(refusal), Some(2299));
        assert_eq!(port(HEAD), None);
    }

    #[test]
    fn a_log_tells_when_its_machine_was_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("VBox.log");
        let write = |text: &str| std::fs::write(&log, text).unwrap();
        write("00:01 Changing the VM state from 'CREATED' to 'RUNNING'\n");
        assert_eq!(sign(&log), Sign::Fine);
        write(
            "00:01 to 'RUNNING'\n00:02 Console: VM runtime error: fatal=false, errorID=DrvVD_DISKFULL\n00:02 to 'SUSPENDED'\n",
        );
        assert_eq!(sign(&log), Sign::DiskFull);
        write("00:02 errorID=DrvVD_DISKFULL\n00:09 Changing the VM state from 'RESUMING' to 'RUNNING'\n");
        assert_eq!(sign(&log), Sign::Fine);
        write("00:02 Changing the VM state from 'RUNNING' to 'GURU_MEDITATION'\n");
        assert_eq!(sign(&log), Sign::Lost);
    }

    #[cfg(unix)]
    #[test]
    fn a_process_that_ended_is_told_from_one_that_lives() {
        assert_eq!(Process(std::process::id()).lives(), Some(true));
        assert_eq!(Process(i32::MAX as u32 - 1).lives(), Some(false));
    }
}
