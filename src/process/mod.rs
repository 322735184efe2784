//! The only place that starts a process.
//!
//! Whatever is started here has no standard input unless it is given one, speaks English
//! (`LC_ALL=C.UTF-8`: plain `C` makes VBoxManage refuse arguments that are not ASCII), and stands in
//! a process group of its own, so that Ctrl-C reaches `lab` alone and `lab` decides what stops.

mod calls;
mod lines;
mod proof;
mod pump;
mod usage;
mod words;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};

use calls::Running;
pub use calls::{Call, Moment, listen};
use lines::LineBuffer;
pub use proof::{Process, kill, process, processes};
use pump::NoFeed;
pub use usage::{Usage, usage};
pub use words::{describe, find_on_path, quote};

/// Where a line of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What a finished process said.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Its standard error, invalid UTF-8 replaced.
    pub stderr: String,
}

/// A program to run, with its arguments.
#[derive(Debug)]
pub struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    dir: Option<PathBuf>,
    timeout: Option<Duration>,
    missing_hint: Option<String>,
    held: Option<File>,
}

impl Cmd {
    /// A command that runs `program`: a path, or a name looked up on `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Cmd {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            envs: Vec::new(),
            dir: None,
            timeout: None,
            missing_hint: None,
            held: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.envs.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// Kills it after `limit`; that is an error of kind [`Kind::ProgramTimeout`].
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Gives it the open file `lock` as its standard input, from which there is nothing to read: on Unix a lock on
    /// the file's description (`File::lock`) then lasts until the process has ended, even where we end first.
    ///
    /// # Errors
    /// [`Kind::Io`] when the file cannot be opened twice.
    pub fn holding(mut self, lock: &File) -> Result<Self> {
        let held = lock.try_clone();
        let held =
            held.map_err(|source| Error::new(Kind::Io, format!("could not open a lock twice: {source}")))?;
        self.held = Some(held);
        Ok(self)
    }

    /// What to tell a user who does not have the program.
    #[must_use]
    pub fn missing_hint(mut self, hint: impl Into<String>) -> Self {
        self.missing_hint = Some(hint.into());
        self
    }

    /// The command as one could type it into a POSIX shell; for logs and messages, never run.
    pub fn display(&self) -> String {
        std::iter::once(&self.program)
            .chain(&self.args)
            .map(|word| quote(&word.to_string_lossy()))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Runs it to its end and returns all it said, whatever its exit status.
    ///
    /// # Errors
    /// [`Kind::ProgramMissing`], [`Kind::ProgramNotStarted`], [`Kind::ProgramTimeout`], and
    /// [`Kind::Interrupted`] when cancelled (the process is killed).
    pub fn output(&self, cancel: &Cancel) -> Result<Output> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let status = self.pump(cancel, None::<NoFeed>, |stream, bytes| match stream {
            Stream::Out => stdout.extend_from_slice(bytes),
            Stream::Err => stderr.extend_from_slice(bytes),
        })?;
        Ok(Output {
            status,
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }

    /// Runs it to its end and returns its standard output; an exit status other than 0 is an error.
    ///
    /// # Errors
    /// As [`Cmd::output`], and [`Kind::ProgramFailed`] with the command and what it said.
    pub fn run(&self, cancel: &Cancel) -> Result<String> {
        let output = self.output(cancel)?;
        if output.status.success() { Ok(output.stdout) } else { Err(self.failed(&output)) }
    }

    /// The error for an unsuccessful [`Output`] of this command.
    pub fn failed(&self, output: &Output) -> Error {
        let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
        let mut error =
            Error::new(Kind::ProgramFailed, format!("{} failed ({})", self.name(), describe(output.status)))
                .detail(format!("command: {}", self.display()));
        if !said.trim().is_empty() {
            error = error.detail(said.trim_end());
        }
        error
    }

    /// Runs it with `feed` writing its standard input and `on_line` getting each line of output as
    /// it comes, without its line end (invalid UTF-8 replaced).
    ///
    /// Standard input stays open after `feed` returned, until the process ends: a remote side may
    /// take its closing as "the caller is gone". `feed` runs on a thread of its own; an error of
    /// kind `BrokenPipe` from it is ignored, since then the exit status tells more.
    ///
    /// # Errors
    /// As [`Cmd::output`]; a failing `feed` is an error too, once the process has ended.
    pub fn stream(
        &self,
        cancel: &Cancel,
        feed: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send,
        on_line: impl FnMut(Stream, &str),
    ) -> Result<ExitStatus> {
        self.pump_lines(cancel, Some(feed), on_line)
    }

    /// Runs it without standard input, `on_line` getting each line of output as [`Cmd::stream`] does.
    ///
    /// # Errors
    /// As [`Cmd::output`].
    pub fn lines(&self, cancel: &Cancel, on_line: impl FnMut(Stream, &str)) -> Result<ExitStatus> {
        self.pump_lines(cancel, None::<NoFeed>, on_line)
    }

    fn pump_lines<F>(
        &self,
        cancel: &Cancel,
        feed: Option<F>,
        mut on_line: impl FnMut(Stream, &str),
    ) -> Result<ExitStatus>
    where
        F: FnOnce(&mut dyn Write) -> io::Result<()> + Send,
    {
        let mut lines = (LineBuffer::default(), LineBuffer::default());
        let status = self.pump(cancel, feed, |stream, bytes| match stream {
            Stream::Out => lines.0.push(bytes, |line| on_line(stream, line)),
            Stream::Err => lines.1.push(bytes, |line| on_line(stream, line)),
        })?;
        lines.0.finish(|line| on_line(Stream::Out, line));
        lines.1.finish(|line| on_line(Stream::Err, line));
        Ok(status)
    }

    /// Runs it without standard input, `on_bytes` getting what it says as it comes.
    ///
    /// # Errors
    /// As [`Cmd::output`].
    pub fn bytes(&self, cancel: &Cancel, on_bytes: impl FnMut(Stream, &[u8])) -> Result<ExitStatus> {
        self.pump(cancel, None::<NoFeed>, on_bytes)
    }

    /// Runs it on the user's own terminal (standard streams inherited, same process group) and
    /// returns its status.
    ///
    /// # Errors
    /// [`Kind::ProgramMissing`] and [`Kind::ProgramNotStarted`].
    pub fn interactive(&self) -> Result<ExitStatus> {
        let call = Running::begin(self);
        let ended = self.user_command().status().map_err(|source| self.not_started(&source));
        call.end(|| how(&ended));
        ended
    }

    /// Gives way to it: on Unix this process becomes the program; elsewhere it is waited for and its
    /// status becomes ours. Returns only when it could not be started.
    pub fn exec(&self) -> Error {
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            let call = Running::begin(self);
            let error = self.not_started(&self.user_command().exec());
            call.end(|| error.message().to_owned());
            error
        }
        #[cfg(not(unix))]
        match self.interactive() {
            Ok(status) => std::process::exit(status.code().unwrap_or(1)),
            Err(error) => error,
        }
    }

    /// Starts it to live on after us: standard input null, output and errors appended to `log`.
    ///
    /// A lock on `log`'s open file description (`File::try_lock`) goes over to the process and
    /// is held for as long as it lives.
    ///
    /// # Errors
    /// [`Kind::ProgramMissing`] and [`Kind::ProgramNotStarted`].
    pub fn daemon(&self, log: &File) -> Result<Child> {
        let clone = |file: &File| {
            file.try_clone()
                .map_err(|source| Error::new(Kind::Io, format!("could not open a log twice: {source}")))
        };
        let (stdout, stderr) = (clone(log)?, clone(log)?);
        let call = Running::begin(self);
        let child = self
            .command()
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .map_err(|source| self.not_started(&source));
        call.end(|| match &child {
            Ok(child) => format!("lives on as process {}", child.id()),
            Err(error) => error.message().to_owned(),
        });
        child
    }

    fn name(&self) -> String {
        Path::new(&self.program).file_name().unwrap_or(&self.program).to_string_lossy().into_owned()
    }

    /// The command as the user would have typed it: their language, their terminal.
    fn user_command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(self.envs.iter().map(|(name, value)| (name, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    /// The command as a tool of ours: its language pinned, in its own process group.
    fn command(&self) -> Command {
        let mut command = self.user_command();
        command.env("LC_ALL", "C.UTF-8").env_remove("LANGUAGE");
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }

    fn not_started(&self, source: &io::Error) -> Error {
        if source.kind() == io::ErrorKind::NotFound {
            let error = Error::new(Kind::ProgramMissing, format!("{} is not installed", self.name()))
                .detail(format!("looked for {} on PATH", self.program.to_string_lossy()));
            match &self.missing_hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        } else {
            Error::new(Kind::ProgramNotStarted, format!("could not start {}: {source}", self.name()))
                .detail(format!("command: {}", self.display()))
        }
    }
}

/// How a process ended, or why it never began.
fn how(ended: &Result<ExitStatus>) -> String {
    ended.as_ref().map_or_else(|error| error.message().to_owned(), |status| describe(*status))
}

#[cfg(all(test, unix))]
mod tests;
