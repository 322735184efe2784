//! The only place that starts a process.
//!
//! Whatever is started here has no standard input unless it is given one, speaks English
//! (`LC_ALL=C.UTF-8`: plain `C` makes VBoxManage refuse arguments that are not ASCII), and stands in
//! a process group of its own, so that Ctrl-C reaches `lab` alone and `lab` decides what stops.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};

/// How often a wait looks at the cancel flag and the time limit. Output and exit wake it at once.
const TICK: Duration = Duration::from_millis(50);
/// How long output may be silent after the process itself has ended: a grandchild may hold the pipe.
const DRAIN: Duration = Duration::from_secs(1);
/// How many pieces of output (16 KiB each) wait for whoever takes them in; then the process waits.
const PIECES: usize = 64;

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
    background: bool,
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
            background: false,
            held: None,
        }
    }

    /// Lets it have the processor when nobody else wants it.
    #[must_use]
    pub fn background(mut self) -> Self {
        self.background = true;
        self
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
        self.user_command().status().map_err(|source| self.not_started(&source))
    }

    /// Gives way to it: on Unix this process becomes the program; elsewhere it is waited for and its
    /// status becomes ours. Returns only when it could not be started.
    pub fn exec(&self) -> Error {
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            let source = self.user_command().exec();
            self.not_started(&source)
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
        self.command()
            .stdin(Stdio::null())
            .stdout(clone(log)?)
            .stderr(clone(log)?)
            .spawn()
            .map_err(|source| self.not_started(&source))
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

    /// Starts the process, feeds it (no `feed`: standard input is null) and hands its output on as it
    /// comes; the one wait of this module.
    fn pump<F>(
        &self,
        cancel: &Cancel,
        feed: Option<F>,
        mut on_bytes: impl FnMut(Stream, &[u8]),
    ) -> Result<ExitStatus>
    where
        F: FnOnce(&mut dyn Write) -> io::Result<()> + Send,
    {
        let input = match &self.held {
            _ if feed.is_some() => Stdio::piped(),
            Some(lock) => lock.try_clone().map_or_else(|_| Stdio::null(), Stdio::from),
            None => Stdio::null(),
        };
        let mut child = self
            .command()
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| self.not_started(&source))?;
        if self.background {
            step_back(&child);
        }
        let (send, receive) = mpsc::sync_channel(PIECES);
        if let Some(stdout) = child.stdout.take() {
            read_on_thread(stdout, Stream::Out, send.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            read_on_thread(stderr, Stream::Err, send);
        }
        let stdin = child.stdin.take();
        std::thread::scope(|scope| {
            let feeder =
                feed.zip(stdin).map(|(feed, mut stdin)| scope.spawn(move || (feed(&mut stdin), stdin)));
            let (status, killed) = self.wait(cancel, &mut child, &receive, &mut on_bytes)?;
            // The process is gone, so a feeder that still writes meets a broken pipe and ends.
            let fed = feeder.map(std::thread::ScopedJoinHandle::join);
            match (killed, fed) {
                (Some(error), _) => Err(error),
                (None, None | Some(Ok((Ok(()), _)))) => Ok(status),
                (None, Some(Ok((Err(source), _)))) if source.kind() == io::ErrorKind::BrokenPipe => {
                    Ok(status)
                }
                (None, Some(Ok((Err(source), _)))) => {
                    Err(Error::new(Kind::Io, format!("could not hand data to {}: {source}", self.name())))
                }
                (None, Some(Err(_))) => Err(Error::internal(format!("feeding {} panicked", self.name()))),
            }
        })
    }

    /// Waits for the end of `child`, killing it when cancelled or over its time; says which it was.
    fn wait(
        &self,
        cancel: &Cancel,
        child: &mut Child,
        receive: &Receiver<(Stream, Vec<u8>)>,
        on_bytes: &mut impl FnMut(Stream, &[u8]),
    ) -> Result<(ExitStatus, Option<Error>)> {
        let started = Instant::now();
        let mut pipes_open = true;
        let mut pause = Duration::from_millis(1);
        let mut killed: Option<Error> = None;
        // With the time from which the silence counts.
        let mut ended: Option<(ExitStatus, Instant)> = None;
        loop {
            if pipes_open {
                match receive.recv_timeout(TICK) {
                    Ok((stream, bytes)) => {
                        on_bytes(stream, &bytes);
                        // Whoever takes the output in may be slower than the process was.
                        if let (Some((_, since)), None) = (&mut ended, &killed) {
                            *since = Instant::now();
                        }
                    }
                    Err(RecvTimeoutError::Disconnected) => pipes_open = false,
                    Err(RecvTimeoutError::Timeout) => {}
                }
            } else if ended.is_none() {
                // Output is closed and the process lives: as a rule it is just about to end.
                std::thread::sleep(pause);
                pause = TICK.min(pause * 2);
            }
            if ended.is_none() {
                let status = child.try_wait();
                let status = status
                    .map_err(|source| Error::internal(format!("could not wait for a child: {source}")))?;
                ended = status.map(|status| (status, Instant::now()));
            }
            match ended {
                Some((status, since)) if !pipes_open || since.elapsed() > DRAIN || cancel.is_cancelled() => {
                    return Ok((status, killed));
                }
                Some(_) => {}
                None if killed.is_some() => {}
                None => {
                    killed = self.overdue(cancel, started);
                    if killed.is_some() {
                        // An error means that it ended just now, which the next turn sees.
                        let _ = child.kill();
                    }
                }
            }
        }
    }

    /// Why the process has to be killed now, if it has to.
    fn overdue(&self, cancel: &Cancel, started: Instant) -> Option<Error> {
        if let Err(error) = cancel.check() {
            return Some(error);
        }
        let limit = self.timeout.filter(|limit| started.elapsed() > *limit)?;
        let message = format!("{} did not end within {} s", self.name(), limit.as_secs());
        Some(Error::new(Kind::ProgramTimeout, message).detail(format!("command: {}", self.display())))
    }
}

/// A feed for those who have nothing to say.
type NoFeed = fn(&mut dyn Write) -> io::Result<()>;

/// Hands on what comes out of `pipe` until its end.
fn read_on_thread(mut pipe: impl Read + Send + 'static, stream: Stream, send: SyncSender<(Stream, Vec<u8>)>) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            if send.send((stream, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
}

/// Cuts bytes into lines. A carriage return alone ends a line too: progress bars use it.
#[derive(Debug, Default)]
struct LineBuffer(Vec<u8>);

impl LineBuffer {
    /// Longest piece handed on as one line, in bytes; a program that never ends its line must not
    /// fill our memory.
    const LIMIT: usize = 64 * 1024;

    fn push(&mut self, bytes: &[u8], mut on_line: impl FnMut(&str)) {
        self.0.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(length) = self.0[start..].iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let line = &self.0[start..start + length];
            let carriage_return = self.0[start + length] == b'\r';
            let next = self.0.get(start + length + 1);
            if carriage_return && next.is_none() {
                break; // a line feed may follow with the next bytes
            }
            if !(carriage_return && line.is_empty()) {
                on_line(&String::from_utf8_lossy(line));
            }
            start += length + 1 + usize::from(carriage_return && next == Some(&b'\n'));
        }
        self.0.drain(..start);
        if self.0.len() > Self::LIMIT {
            self.finish(on_line);
        }
    }

    fn finish(&mut self, mut on_line: impl FnMut(&str)) {
        let rest = std::mem::take(&mut self.0);
        let line = rest.strip_suffix(b"\r").unwrap_or(&rest);
        if !line.is_empty() {
            on_line(&String::from_utf8_lossy(line));
        }
    }
}

/// "exit status 3", or the signal's number.
pub fn describe(status: ExitStatus) -> String {
    if let Some(code) = status.code() {
        return format!("exit status {code}");
    }
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("killed by signal {signal}");
    }
    "killed".to_owned()
}

/// Gives a child the lowest priority. It is a courtesy: where that is not possible, all goes on as usual.
fn step_back(child: &Child) {
    #[cfg(unix)]
    {
        const LOWEST: i32 = 19;
        let pid = rustix::process::Pid::from_child(child);
        let _ = rustix::process::setpriority_process(Some(pid), LOWEST);
    }
    #[cfg(not(unix))]
    let _ = child;
}

/// `word` as a POSIX shell would take it for one word.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Where `program` is on `PATH`, if it is.
pub fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|candidate| is_program(candidate))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file() || path.with_extension("exe").is_file()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn sh(script: &str) -> Cmd {
        Cmd::new("sh").arg("-c").arg(script)
    }

    #[test]
    fn output_and_status_come_back() {
        let output = sh("echo out; echo err >&2; exit 3").output(&Cancel::new()).unwrap();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn a_failure_carries_the_command_and_what_it_said() {
        let error = sh("echo no such disk >&2; exit 1").run(&Cancel::new()).unwrap_err();
        assert_eq!(error.kind(), Kind::ProgramFailed);
        assert_eq!(error.message(), "sh failed (exit status 1)");
        assert_eq!(error.details()[1], "no such disk");
    }

    #[test]
    fn a_missing_program_is_told_apart() {
        let error = Cmd::new("no-such-program-here").missing_hint("install it").run(&Cancel::new());
        let error = error.unwrap_err();
        assert_eq!(error.kind(), Kind::ProgramMissing);
        assert_eq!(error.hints(), ["install it"]);
    }

    #[test]
    fn a_time_limit_kills() {
        let error = sh("exec sleep 60").timeout(Duration::from_millis(100)).run(&Cancel::new());
        assert_eq!(error.unwrap_err().kind(), Kind::ProgramTimeout);
    }

    #[test]
    fn cancelling_kills() {
        let cancel = Cancel::new();
        cancel.cancel();
        assert_eq!(sh("exec sleep 60").run(&cancel).unwrap_err().kind(), Kind::Interrupted);
    }

    #[test]
    fn lines_are_streamed_while_stdin_stays_open() {
        let mut seen = Vec::new();
        let feed = |stdin: &mut dyn Write| writeln!(stdin, "hello");
        let status = sh("read word; echo \"$word\"; printf 'a\\rb\\r\\nlast'")
            .stream(&Cancel::new(), feed, |stream, line| seen.push((stream, line.to_owned())))
            .unwrap();
        assert!(status.success());
        let lines: Vec<_> = seen.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(lines, ["hello", "a", "b", "last"]);
    }

    #[test]
    fn a_slow_reader_gets_all_that_was_said() {
        let mut lines = 0;
        let slow = |_: Stream, _: &str| {
            lines += 1;
            std::thread::sleep(Duration::from_micros(100));
        };
        sh("seq 20000").lines(&Cancel::new(), slow).unwrap();
        assert_eq!(lines, 20_000);
    }

    #[test]
    fn a_feed_into_a_process_that_does_not_read_is_no_error() {
        let feed = |stdin: &mut dyn Write| stdin.write_all(&vec![0; 1 << 20]);
        let status = sh("exit 4").stream(&Cancel::new(), feed, |_, _| {}).unwrap();
        assert_eq!(status.code(), Some(4));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quote("/plain/path-1.img"), "/plain/path-1.img");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
