//! One wait for everything: a child's output, its end, its time limit and the wish to stop.

use std::io::{self, Read, Write};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use super::calls::Running;
use super::{Cmd, Stream, how};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};

/// How often a wait looks at the cancel flag and the time limit. Output and exit wake it at once.
const TICK: Duration = Duration::from_millis(50);
/// How long output may be silent after the process itself has ended: a grandchild may hold the pipe.
const DRAIN: Duration = Duration::from_secs(1);
/// How many pieces of output (16 KiB each) wait for whoever takes them in; then the process waits.
const PIECES: usize = 64;

/// A feed for those who have nothing to say.
pub(super) type NoFeed = fn(&mut dyn Write) -> io::Result<()>;

impl Cmd {
    /// Runs the process as [`Cmd::run_fed`] does, and tells whoever listens.
    pub(super) fn pump<F>(
        &self,
        cancel: &Cancel,
        feed: Option<F>,
        on_bytes: impl FnMut(Stream, &[u8]),
    ) -> Result<ExitStatus>
    where
        F: FnOnce(&mut dyn Write) -> io::Result<()> + Send,
    {
        let call = Running::begin(self);
        let ended = self.run_fed(cancel, feed, on_bytes);
        call.end(|| how(&ended));
        ended
    }

    /// Starts the process, feeds it (no `feed`: standard input is null) and hands its output on as it
    /// comes; the one wait of this module.
    fn run_fed<F>(
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
