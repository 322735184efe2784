//! Which process it is. A number in a file proves nothing: it may belong to another process by now, and the file may have
//! come from anywhere. So a process is looked at while it is held, and only what was looked at is ended.

use std::path::PathBuf;

/// A process of this user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its command line; a word with a blank in it may come as two where the system does not tell.
    pub args: Vec<String>,
    /// The folder that it works in, where the system tells. One that was removed since ends with ` (deleted)` on Linux.
    pub folder: Option<PathBuf>,
}

impl Process {
    /// Whether `words` stands in one of its arguments: an id that nobody else has, say.
    pub fn mentions(&self, words: &str) -> bool {
        self.args.iter().any(|arg| arg.contains(words))
    }
}

/// Ends the process `pid` at once (SIGKILL) if it is of this user and `is_ours` knows it; tells whether it did. Root looks at
/// everybody's. A program that is just being loaded has no arguments to be known by: whoever expects one asks again.
pub fn kill(pid: u32, is_ours: impl Fn(&Process) -> bool) -> bool {
    sys::kill(pid, &is_ours)
}

/// The process `pid`; `None` where there is none, or it is another user's.
pub fn process(pid: u32) -> Option<Process> {
    sys::look(pid)
}

/// All processes of this user.
pub fn processes() -> Vec<Process> {
    sys::all()
}

#[cfg(target_os = "linux")]
mod sys {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use rustix::io::Errno;
    use rustix::process::{Pid, PidfdFlags, Signal, geteuid, kill_process, pidfd_open, pidfd_send_signal};

    use super::Process;

    pub(super) fn kill(pid: u32, is_ours: &dyn Fn(&Process) -> bool) -> bool {
        let Some(handle) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
        // Held before it is looked at: should it end meanwhile, and its number go to another one, the signal goes nowhere.
        let held = pidfd_open(handle, PidfdFlags::empty());
        if !look(pid).is_some_and(|process| is_ours(&process)) {
            return false;
        }
        match held {
            Ok(held) => pidfd_send_signal(held, Signal::KILL).is_ok(),
            // Kernels before 5.3 (pidfd_open(2)).
            Err(Errno::NOSYS) => kill_process(handle, Signal::KILL).is_ok(),
            Err(_) => false,
        }
    }

    pub(super) fn look(pid: u32) -> Option<Process> {
        let proc = format!("/proc/{pid}");
        let us = geteuid();
        fs::metadata(&proc).ok().filter(|seen| us.is_root() || seen.uid() == us.as_raw())?;
        // A zombie has none.
        let line = fs::read(format!("{proc}/cmdline")).ok().filter(|line| !line.is_empty())?;
        let args = line.strip_suffix(b"\0").unwrap_or(&line).split(|byte| *byte == 0);
        let args = args.map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
        Some(Process { pid, args, folder: fs::read_link(format!("{proc}/cwd")).ok() })
    }

    pub(super) fn all() -> Vec<Process> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| look(entry.file_name().to_str()?.parse().ok()?)).collect()
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
mod sys {
    use std::time::Duration;

    use rustix::process::{Pid, Signal, geteuid, kill_process};

    use super::Process;
    use crate::cancel::Cancel;
    use crate::process::Cmd;

    /// `ps -o lstart` (macOS, BSD): `Fri Nov 27 05:33:23 2026`, five words.
    const BEGUN: usize = 5;

    pub(super) fn kill(pid: u32, is_ours: &dyn Fn(&Process) -> bool) -> bool {
        let Some(handle) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
        let one = || seen(&["-p", &pid.to_string()]).into_iter().next();
        let Some((begun, process)) = one() else { return false };
        // As near to the signal as can be: nothing here holds a process.
        is_ours(&process)
            && one().is_some_and(|(again, _)| again == begun)
            && kill_process(handle, Signal::KILL).is_ok()
    }

    pub(super) fn look(pid: u32) -> Option<Process> {
        seen(&["-p", &pid.to_string()]).into_iter().next().map(|(_, process)| process)
    }

    pub(super) fn all() -> Vec<Process> {
        seen(&["-A"]).into_iter().map(|(_, process)| process).collect()
    }

    /// Processes of this user, each with when it began.
    fn seen(which: &[&str]) -> Vec<(String, Process)> {
        let ps = Cmd::new("ps").args(["-ww", "-o", "uid=,pid=,lstart=,args="]).args(which);
        let said = ps.timeout(Duration::from_secs(5)).run(&Cancel::new()).unwrap_or_default();
        let us = geteuid();
        let read = |line: &str| {
            let mut words = line.split_whitespace();
            let uid: u32 = words.next()?.parse().ok()?;
            let pid = words.next()?.parse().ok()?;
            let begun: Vec<&str> = words.by_ref().take(BEGUN).collect();
            let process = Process { pid, args: words.map(str::to_owned).collect(), folder: None };
            (us.is_root() || uid == us.as_raw()).then(|| (begun.join(" "), process))
        };
        said.lines().filter_map(read).collect()
    }
}

/// Machines are not started here yet.
#[cfg(not(unix))]
mod sys {
    use super::Process;

    pub(super) fn kill(_: u32, _: &dyn Fn(&Process) -> bool) -> bool {
        false
    }

    pub(super) fn look(_: u32) -> Option<Process> {
        None
    }

    pub(super) fn all() -> Vec<Process> {
        Vec::new()
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::process::Cmd;

    #[test]
    fn only_a_process_that_is_known_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut child = Cmd::new("sleep").arg("61.25").dir(dir.path()).daemon(&log).unwrap();
        let pid = child.id();
        // Linux shows no arguments for a moment while a program is being loaded.
        while !process(pid).is_some_and(|process| process.mentions("61.25")) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(!kill(pid, |_| false));
        assert!(!kill(pid, |process| process.mentions("qemu")));
        assert!(child.try_wait().unwrap().is_none());
        let found = processes().into_iter().find(|process| process.mentions("61.25")).unwrap();
        assert_eq!(Some(&found), process(pid).as_ref());
        if cfg!(target_os = "linux") {
            assert_eq!(found.folder, Some(dir.path().canonicalize().unwrap()));
        }
        assert!(kill(pid, |process| process.mentions("61.25")));
        child.wait().unwrap();
        assert!(!kill(pid, |_| true) && process(pid).is_none());
        for none in [0, u32::MAX, i32::MAX as u32] {
            assert!(!kill(none, |_| true), "{none}");
        }
    }

    #[test]
    fn a_process_of_another_user_is_not_seen() {
        if rustix::process::geteuid().is_root() {
            return;
        }
        assert!(process(1).is_none() && !kill(1, |_| true));
    }
}
