//! The only place that runs VBoxManage.
//!
//! What it works around was seen with 7.2.22: answers that come after a warning on standard output (Debian's
//! wrapper), failures that exit with 0, failures that pass by themselves when tried again, and calls that end 10 s
//! after they have said all they had to say.

use std::ffi::OsStr;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::version::{self, Version};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::process::{Cmd, Stream};

/// How long a call may take that has little to do. Most end within 0.3 s; one in forty took 10 s more at its
/// exit, and the first one of a day starts VirtualBox's server.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a call may take that writes a disk, or the RAM of a machine.
const LONG_PATIENCE: Duration = Duration::from_secs(3600);
/// For how long a failure that passes by itself is tried again.
const RETRY_FOR: Duration = Duration::from_secs(15);
/// Pause before the first of these tries; doubled from one to the next, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What VBoxManage said.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// On standard output.
    pub(super) out: String,
    /// On standard error.
    pub(super) err: String,
}

/// VBoxManage, as one operation uses it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manage<'a> {
    program: &'a Program,
    /// A lock that a call holds until it ends, though we be killed meanwhile: its standard input.
    held: Option<&'a File>,
}

/// Where VBoxManage is, and its version; looked for once.
#[derive(Debug, Default)]
pub(super) struct Program {
    path: OnceLock<Result<PathBuf>>,
    version: OnceLock<Result<Version>>,
}

impl Program {
    #[cfg(test)]
    pub(super) fn at(path: PathBuf) -> Self {
        Program { path: OnceLock::from(Ok(path)), version: OnceLock::new() }
    }

    /// For calls that need hold no lock.
    pub(super) fn manage(&self) -> Manage<'_> {
        Manage { program: self, held: None }
    }

    /// For calls that hold the lock of `held` until they end. The next `lab` so never meets a call of one that
    /// was killed. (VirtualBox's server, which a call may start, does not inherit it.)
    pub(super) fn holding<'a>(&'a self, held: &'a File) -> Manage<'a> {
        Manage { program: self, held: Some(held) }
    }

    /// VirtualBox's version, asked at most once.
    ///
    /// # Errors
    /// [`Kind::ProgramMissing`], [`Kind::ProgramTooOld`], and those of running it.
    pub(super) fn version(&self) -> Result<Version> {
        self.version_unless(&Cancel::new())
    }

    /// The same, given up when cancelled: it only looks.
    ///
    /// # Errors
    /// Those of [`Program::version`], and [`Kind::Interrupted`].
    pub(super) fn version_unless(&self, cancel: &Cancel) -> Result<Version> {
        let ask = || {
            let said = self.manage().until(["--version"], |_| false, cancel)?.map_err(Error::from)?.out;
            let version = Version::parse(&said).ok_or_else(|| {
                Error::new(Kind::ProgramFailed, "VBoxManage did not say its version").detail(said.trim_end())
            })?;
            version.require()
        };
        self.version.get_or_init(ask).clone()
    }

    fn path(&self) -> Result<&PathBuf> {
        self.path.get_or_init(version::find).as_ref().map_err(Clone::clone)
    }
}

impl Manage<'_> {
    /// Makes a call, and again where its failure is one that passes. Nothing interrupts it: it is over in a moment,
    /// and half of it would be worse.
    pub(super) fn call<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Result<Answer, Failure>> {
        self.until(arguments, |_| false, &Cancel::new())
    }

    /// What `list` says of `what`. It goes on after what it cannot read (a machine of the user's whose disk is not
    /// plugged in), tells of that on standard error, and ends well.
    pub(super) fn list(&self, what: &[&str]) -> Result<String> {
        let arguments = std::iter::once("list").chain(what.iter().copied());
        Ok(self.until(arguments, |status| status.success(), &Cancel::new())?.map_err(Error::from)?.out)
    }

    /// Makes a call, and again where its failure is one that passes; `good` says which exit status is a success
    /// whatever was said.
    fn until<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        good: impl Fn(ExitStatus) -> bool,
        cancel: &Cancel,
    ) -> Result<Result<Answer, Failure>> {
        let command = self.command(arguments)?.timeout(PATIENCE);
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let output = command.output(cancel)?;
            let answer = Answer { out: output.stdout, err: output.stderr };
            if good(output.status) {
                return Ok(Ok(answer));
            }
            let failure = match Failure::of(&command.display(), output.status, &answer) {
                None => return Ok(Ok(answer)),
                Some(failure) => failure,
            };
            if !failure.passes() || started.elapsed() > RETRY_FOR {
                return Ok(Err(failure));
            }
            cancel.sleep(pause)?;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// [`Manage::call`] for those to whom a failure is nothing but that; returns its standard output.
    pub(super) fn ask<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<String> {
        Ok(self.call(arguments)?.map_err(Error::from)?.out)
    }

    /// Makes a call that may take long, telling how far it is from 0.0 to 1.0. Not tried again.
    ///
    /// # Errors
    /// [`Kind::Interrupted`] when cancelled; what was begun may go on in VirtualBox's server for a moment.
    pub(super) fn work<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        cancel: &Cancel,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Result<Answer, Failure>> {
        let command = self.command(arguments)?.timeout(LONG_PATIENCE);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = command.bytes(cancel, |stream, bytes| match stream {
            Stream::Out => out.extend_from_slice(bytes),
            Stream::Err => {
                err.extend_from_slice(bytes);
                if let Some(percent) = percent(&err) {
                    progress(f64::from(percent) / 100.0);
                }
            }
        })?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let answer = Answer { out: text(out), err: text(err) };
        Ok(match Failure::of(&command.display(), status, &answer) {
            None => Ok(answer),
            Some(failure) => Err(failure),
        })
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Cmd> {
        let command = Cmd::new(self.program.path()?).args(arguments);
        Ok(match self.held {
            Some(lock) => command.holding(lock)?,
            None => command,
        })
    }
}

/// The last number of `0%...10%...20%`.
fn percent(said: &[u8]) -> Option<u8> {
    let end = said.iter().rposition(|byte| *byte == b'%')?;
    let start = said.get(..end)?.iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |at| at + 1);
    std::str::from_utf8(said.get(start..end)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read() {
        assert_eq!(percent(b"0%...10%...20%.."), Some(20));
        assert_eq!(percent(b"100%\n"), Some(100));
        assert_eq!(percent(b"0%...VBOX_E_FILE_ERROR"), Some(0));
        assert_eq!(percent(b"Interpreting"), None);
    }
}
