//! QEMU as a process that outlives `lab`: starting it, telling whether it lives, ending it.
//!
//! **The liveness test.** The machine's log is opened and locked, and QEMU is started with its output
//! going there. A lock of this kind (`flock`) belongs to the open file, which QEMU inherits: it is held
//! from before QEMU exists until QEMU is gone, however it ends, and by nobody else, since `lab` closes
//! its own end. So there is no moment at which a killed `lab` leaves a QEMU that is not found, no
//! process id that means something else by now, and nothing to clean up. Not promised on file systems
//! that emulate `flock` by locks of a process (NFS): there, QEMU's own lock on the disk still
//! keeps a machine from being started twice.
//!
//! `-daemonize` is not used: it forks, which Apple's frameworks (HVF) do not survive.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use super::failure;
use super::files::{Channel, Files};
use super::qmp::{Failure, Qmp};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::flock;
use crate::nofollow;
use crate::process::{self, Cmd, Process};
use crate::tail::last_lines;
use crate::unlink;

/// Pause between looks at something that cannot be waited for.
const GLANCE: Duration = Duration::from_millis(10);
/// How long the lock may be held by somebody who only looks at it.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// Within this time of writing its number, a QEMU has made its sockets.
const START_OF_SOCKETS: Duration = Duration::from_secs(3);
/// A log longer than this many bytes is begun anew at the next start.
const LOG_LIMIT: u64 = 1 << 20;
/// How many of QEMU's last lines go into an error.
const LAST_WORDS: usize = 8;
/// How long a killed process may take to be gone: the kernel has its memory to free.
const KILL_PATIENCE: Duration = Duration::from_secs(15);

/// Whether the machine's QEMU lives.
pub(super) fn is_alive(files: &Files<'_>) -> Result<bool> {
    let path = files.log();
    let log = match File::open(&path) {
        Ok(log) => log,
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(Error::io("open", &path, &source)),
    };
    // Shared, so that two who look at once do not take each other for QEMU.
    Ok(!flock::try_share(&log, &path)?)
}

/// Whether the sockets of a QEMU that lives have been removed. One that was just started makes them right after the file
/// with its number.
pub(super) fn is_cut_off(files: &Files<'_>) -> bool {
    let age = files.pid().metadata().and_then(|about| about.modified()).map(|begun| begun.elapsed());
    let is_up = age.is_ok_and(|age| age.is_ok_and(|age| age > START_OF_SOCKETS));
    is_up && Channel::ALL.into_iter().all(|channel| !files.socket(channel).exists())
}

/// Waits until QEMU has ended, for `limit` at most; tells whether it has.
pub(super) fn wait_for_end(files: &Files<'_>, limit: Duration) -> Result<bool> {
    let until = Instant::now() + limit;
    while is_alive(files)? {
        if Instant::now() >= until {
            return Ok(false);
        }
        thread::sleep(GLANCE);
    }
    Ok(true)
}

/// Starts QEMU and returns the connection to its control monitor once it takes commands, within
/// `limit`. After an error nothing of it runs.
///
/// # Errors
/// [`Kind::StartFailed`], [`Kind::PortTaken`] and the like with QEMU's own words;
/// [`Kind::WrongState`] when one runs already; [`Kind::ProgramTooOld`]; [`Kind::Interrupted`].
pub(super) fn launch(
    machine: &str,
    files: &Files<'_>,
    command: &Cmd,
    limit: Duration,
    cancel: &Cancel,
) -> Result<Qmp> {
    let path = files.log();
    let failed = |source: std::io::Error| Error::io("write", &path, &source);
    let mut log = nofollow::append(&path, true).map_err(|source| nofollow::error("write", &path, &source))?;
    lock(machine, &log, &path, cancel)?;
    if log.metadata().map_err(failed)?.len() > LOG_LIMIT {
        log.set_len(0).map_err(failed)?;
    }
    writeln!(log, "$ {}", command.display()).map_err(failed)?;
    let from = log.metadata().map_err(failed)?.len();
    // What a killed QEMU left. A stale process id would be taken for the new one's.
    unlink::file(&files.pid())?;
    for channel in Channel::ALL {
        unlink::file(&files.socket(channel))?;
    }
    cancel.check()?;
    let mut child = command.daemon(&log)?;
    drop(log);
    match first_contact(machine, files, &mut child, from, limit, cancel) {
        Ok(qmp) => {
            // Reaped when it ends, should we still be there to do it.
            thread::spawn(move || child.wait());
            Ok(qmp)
        }
        Err(error) => {
            // It may have ended by itself; either way it is gone after the wait.
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// Locks the log for the QEMU that is about to be started.
fn lock(machine: &str, log: &File, path: &Path, cancel: &Cancel) -> Result<()> {
    if flock::until(|| flock::try_lock(log, path), LOCK_PATIENCE, cancel, || {})? {
        return Ok(());
    }
    Err(Error::new(Kind::WrongState, "a QEMU of it runs already").of(machine).hint("look with `lab status`"))
}

/// Waits until the new QEMU takes commands, or has ended.
fn first_contact(
    machine: &str,
    files: &Files<'_>,
    child: &mut Child,
    from: u64,
    limit: Duration,
    cancel: &Cancel,
) -> Result<Qmp> {
    let until = Instant::now() + limit;
    let socket = files.socket(Channel::Control);
    let mut connection: Option<Qmp> = None;
    loop {
        cancel.check()?;
        let ended = child
            .try_wait()
            .map_err(|source| Error::internal(format!("could not wait for QEMU: {source}")))?;
        if let Some(status) = ended {
            let words = last_lines(&files.log(), from, LAST_WORDS);
            return Err(failure::start_failed(machine, &words, status));
        }
        if Instant::now() >= until {
            let message = format!("QEMU did not answer within {} s of its start", limit.as_secs());
            let error = Error::new(Kind::StartFailed, message).of(machine);
            let words = last_lines(&files.log(), from, LAST_WORDS);
            return Err(words.into_iter().fold(error, Error::detail));
        }
        let greeted = match connection.take() {
            Some(mut qmp) => match qmp.greeting(GLANCE) {
                Ok(version) => {
                    version.require()?;
                    qmp.negotiate(limit).map(|()| Some(qmp))
                }
                // Loading RAM, or a slow computer.
                Err(Failure::Silent) => {
                    connection = Some(qmp);
                    Ok(None)
                }
                Err(failure) => Err(failure),
            },
            None => {
                connection = Qmp::dial(&socket).ok();
                Ok(None)
            }
        };
        match greeted {
            Ok(Some(qmp)) => return Ok(qmp),
            Ok(None) if connection.is_some() => {}
            // Not there yet, or about to end.
            Ok(None) | Err(Failure::Gone) => cancel.sleep(GLANCE)?,
            Err(failure) => return Err(failure.error(machine, "start it")),
        }
    }
}

/// Kills QEMU and waits until it is gone. The process id in its file is believed only where `is_ours` knows the process.
pub(super) fn kill(machine: &str, files: &Files<'_>, is_ours: impl Fn(&Process) -> bool) -> Result<()> {
    let until = Instant::now() + KILL_PATIENCE;
    let mut killed = None;
    while is_alive(files)? {
        // A QEMU just started has not written it yet, nor can it be known by its arguments.
        let pid = read_pid(files);
        if let Some(pid) = pid.filter(|pid| killed != Some(*pid))
            && process::kill(pid, &is_ours)
        {
            killed = Some(pid);
        }
        if Instant::now() >= until {
            let error = Error::new(Kind::Monitor, "its QEMU could not be killed").of(machine);
            return Err(match pid {
                Some(pid) if killed == Some(pid) => {
                    error.hint(format!("process {pid} has to be ended by hand"))
                }
                Some(pid) => error
                    .detail(format!(
                        "process {pid}, which {} names, is another program",
                        files.pid().display()
                    ))
                    .detail(format!("somebody holds {} open and locked", files.log().display())),
                None => error.detail(format!("{} does not say its process id", files.pid().display())),
            });
        }
        thread::sleep(GLANCE);
    }
    Ok(())
}

/// The number of the machine's QEMU, if that lives: then what stands in its file is its own.
pub(super) fn process(files: &Files<'_>) -> Result<Option<u32>> {
    let pid = if is_alive(files)? { read_pid(files) } else { None };
    Ok(pid)
}

fn read_pid(files: &Files<'_>) -> Option<u32> {
    fs::read_to_string(files.pid()).ok()?.trim().parse().ok().filter(|pid| *pid > 1)
}

/// The error for a machine that should run and has no QEMU any more.
pub(super) fn crashed(machine: &str, files: &Files<'_>) -> Error {
    let words: Vec<_> = last_lines(&files.log(), 0, LAST_WORDS)
        .into_iter()
        .rev()
        .take_while(|line| !line.starts_with("$ "))
        .collect();
    let mut error = Error::new(Kind::Crashed, "its QEMU has ended").of(machine);
    for line in words.iter().rev() {
        error = error.detail(line.as_str());
    }
    if words.is_empty() {
        error = error.detail("QEMU said nothing: the guest switched itself off, or QEMU was killed");
    }
    let console = last_lines(&files.console(), 0, 3);
    if !console.is_empty() {
        error = error.detail(format!("the console's last lines:\n{}", console.join("\n")));
    }
    error.hint(format!("`lab logs {machine}` shows the console; `lab up` starts the machine again"))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::path::Path;

    use super::super::tests::machine_in;
    use super::*;

    fn sleeper(dir: &Path) -> Child {
        let log = File::options().append(true).create(true).open(dir.join("qemu.log")).unwrap();
        log.try_lock().unwrap();
        Cmd::new("sleep").arg("60").daemon(&log).unwrap()
    }

    #[test]
    fn a_process_is_alive_until_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine_in(dir.path());
        let files = Files::of(&machine);
        assert!(!is_alive(&files).unwrap());
        let mut child = sleeper(dir.path());
        assert!(is_alive(&files).unwrap());
        assert!(!wait_for_end(&files, Duration::from_millis(30)).unwrap());
        // Dead, though not reaped: a zombie has no files.
        child.kill().unwrap();
        assert!(wait_for_end(&files, Duration::from_secs(10)).unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn those_who_look_are_not_taken_for_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine_in(dir.path());
        let log = File::create(dir.path().join("qemu.log")).unwrap();
        log.try_lock_shared().unwrap();
        assert!(!is_alive(&Files::of(&machine)).unwrap());
    }

    #[test]
    fn killing_waits_for_the_end_and_can_be_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine_in(dir.path());
        let files = Files::of(&machine);
        let mut child = sleeper(dir.path());
        fs::write(files.pid(), format!("{}\n", child.id())).unwrap();
        kill("web1", &files, |process| process.mentions("60")).unwrap();
        assert!(!is_alive(&files).unwrap());
        kill("web1", &files, |process| process.mentions("60")).unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn last_words_are_those_of_the_last_start() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine_in(dir.path());
        fs::write(dir.path().join("qemu.log"), "$ qemu\nold\n$ qemu\nnew\n").unwrap();
        fs::write(dir.path().join("console.log"), "login:").unwrap();
        let error = crashed("web1", &Files::of(&machine));
        assert_eq!(error.details(), ["new", "the console's last lines:\nlogin:"]);
    }

    #[test]
    fn a_program_that_ends_at_once_is_reported_with_its_words() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine_in(dir.path());
        let command = Cmd::new("sh").arg("-c").arg("echo cannot; exit 3");
        let error = launch("web1", &Files::of(&machine), &command, Duration::from_secs(20), &Cancel::new());
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "web1: QEMU ended at once (exit status 3)");
        assert_eq!(error.details(), ["cannot"]);
        assert!(!is_alive(&Files::of(&machine)).unwrap());
    }
}
