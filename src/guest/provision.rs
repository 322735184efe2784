//! A session: first-boot set-up and everything that a machine still has to run, in one connection. A login costs
//! an emulated guest as much as a tenth of its boot.
//!
//! What has succeeded is noted in the guest itself, at once, so that a `lab` killed between a
//! script's end and its own notes does not run the script twice.
//!
//! All goes in over one standard input (an archive, then silence: the life line) and comes out over
//! one standard output, a script's errors among its other words in the order in which they were said
//! (two streams would keep them apart and lose the order); [`super::marks`] tells the driver's words
//! from the scripts'. When the life line ends, whatever ended it, the guest stops the step that runs.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::process::Stream;

use super::access::Access;
use super::marks::{Mark, Marks, named_line};
use super::refusal::SSH_FAILED;
use super::session::{Payload, STATE_DIR, script_path};
use super::setup::{Identity, as_root, sudo_refused};

/// How many of a step's last lines its error shows.
const LAST_LINES: usize = 10;
/// How often the wish to stop and the step's time limit are looked at.
const TICK: Duration = Duration::from_millis(50);
/// What the guest says when it is ready to be told the time.
const GREETING: &str = "lab: logged in";
/// How often it is looked whether a login that takes its time has failed.
const GREETING_TICK: Duration = Duration::from_millis(100);

/// One thing to do in the guest.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// A stable word of `[a-z0-9-]` for it within the machine: what the guest notes its success under.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// Done even where the guest has noted it as done.
    pub force: bool,
    /// Time limit.
    pub timeout: Option<Duration>,
}

/// What a [`Step`] does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Runs a script: by its `#!` line, or with `sh` where it has none.
    Script {
        /// Its text, as it is.
        text: Vec<u8>,
        /// Its arguments.
        args: Vec<String>,
        /// Its environment, besides the guest's own.
        env: Vec<(String, String)>,
        /// As root in `/`, or as the login user as after a login: in the home folder, with its profile.
        root: bool,
    },
    /// Copies a file or a folder of the host in, as root. Modes are kept, owners become root.
    Copy {
        /// On the host.
        from: PathBuf,
        /// In the guest, absolute. What a folder holds is merged into it; a file is put into it where it is a
        /// folder or ends with `/`, else it is the file's new name.
        to: String,
    },
}

/// What is seen of a running session.
#[derive(Debug, Clone, PartialEq)]
pub enum StepEvent<'a> {
    /// The set-up begins: we are in.
    SettingUp,
    /// A line of the set-up.
    SetUpLine {
        /// The line, without its end.
        text: &'a str,
    },
    /// The set-up ended well: the guest is who it should be, and knows the lab's key.
    SetUp,
    /// Step `index` begins.
    Started {
        /// The step's place in the list.
        index: usize,
    },
    /// Step `index` had been done before; it is not done again.
    Skipped {
        /// The step's place in the list.
        index: usize,
    },
    /// A line of its output.
    Line {
        /// The step's place in the list.
        index: usize,
        /// [`Stream::Out`] for what the step said, [`Stream::Err`] for what `lab` has to say of it.
        stream: Stream,
        /// The line, without its end.
        text: &'a str,
    },
    /// Step `index` ended well.
    Finished {
        /// The step's place in the list.
        index: usize,
        /// How long it ran.
        took: Duration,
    },
}

/// Over one connection: sets the machine up as `identity` (if given: idempotent, whether on the first boot or
/// later), takes Vagrant's insecure keys away, and runs `steps` in order, stopping at the first that fails.
///
/// Tells whether the insecure keys are gone. They stay where it is not certain that the lab's own key
/// will be let in; a further session, which logs in with that key alone, then takes them away.
///
/// # Errors
/// [`crate::error::Kind::SetupFailed`] with the script's last lines;
/// [`crate::error::Kind::ProvisionFailed`] with the step, its exit status, the last lines of its output, and the line of the
/// script that failed where the shell says it; [`crate::error::Kind::ProvisionTimeout`];
/// [`crate::error::Kind::CopyFailed`]; [`crate::error::Kind::SshRefused`], [`crate::error::Kind::HostKeyChanged`],
/// [`crate::error::Kind::NoSsh`] where the connection is refused or breaks; [`crate::error::Kind::Interrupted`] (what
/// ran in the guest is stopped).
pub fn run(
    access: &Access,
    identity: Option<&Identity>,
    steps: &[Step],
    cancel: &Cancel,
    on_event: &mut dyn FnMut(StepEvent<'_>),
) -> Result<bool> {
    cancel.check()?;
    let token = uuid::Uuid::new_v4().simple().to_string();
    let setup = identity.map(|identity| identity.script(&access.user, ""));
    let payload = Payload::new(setup, steps, &access.user, &token, STATE_DIR)?;
    let command = payload.command(&as_root(access, ""), STATE_DIR);
    // What ends the session: a wish to stop, a time limit, a file that cannot be sent, or its last word.
    let hang_up = Cancel::new();
    let deadline = Mutex::new(None::<Instant>);
    let unsent = Mutex::new(None::<std::io::Error>);
    let (greet, greeting) = mpsc::channel();
    let mut progress = Progress::new(access, steps, &payload, &token, &deadline, identity.map(|_| greet));
    let ended = std::thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        let deadline = &deadline;
        let hang_up_now = || cancel.is_cancelled() || lock(deadline).is_some_and(|at| Instant::now() > at);
        scope.spawn({
            let hang_up = &hang_up;
            move || until_done(&is_done, hang_up_now, hang_up)
        });
        let (payload, unsent, hang_up) = (&payload, &unsent, &hang_up);
        let ended = access.session().arg(command).stream(
            hang_up,
            move |stdin| {
                let sent = tell_time(stdin, &greeting).and_then(|()| payload.write(stdin));
                if let Err(error) = sent
                    && error.kind() != std::io::ErrorKind::BrokenPipe
                {
                    // The guest would wait for the rest for ever.
                    *lock(unsent) = Some(error);
                    hang_up.cancel();
                }
                Ok(())
            },
            |stream, line| {
                progress.take(stream, line, on_event);
                if progress.ended {
                    // Nothing more comes, and services left behind in the guest may keep the connection open.
                    hang_up.cancel();
                }
            },
        );
        drop(done);
        ended
    });
    if let Some(error) = progress.failure.take() {
        return Err(error);
    }
    if progress.ended {
        return Ok(progress.secured);
    }
    if let Some(source) = lock(&unsent).take() {
        return Err(Error::new(
            Kind::CopyFailed,
            format!("could not send a file to {}: {source}", access.machine),
        )
        .hint("run the same command again when nothing writes to it"));
    }
    cancel.check()?;
    if let Some(error) = progress.overdue() {
        return Err(error);
    }
    let status = ended?;
    Err(progress.broke_off(status.code()))
}

/// Tells a guest that is to be set up the time, when it has logged us in. Empty lines meanwhile meet a broken
/// pipe when there is nobody to wait for any more. Where there is no set-up, nobody greets.
fn tell_time(stdin: &mut dyn std::io::Write, greeting: &Receiver<()>) -> std::io::Result<()> {
    loop {
        match greeting.recv_timeout(GREETING_TICK) {
            Err(RecvTimeoutError::Timeout) => stdin.write_all(b"\n")?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Ok(()) => {
                let epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                return writeln!(stdin, "{epoch}");
            }
        }
    }
}

/// Looks every [`TICK`] whether to hang up, until the other end of `is_done` is dropped.
pub(super) fn until_done(is_done: &Receiver<()>, hang_up_now: impl Fn() -> bool, hang_up: &Cancel) {
    while let Err(RecvTimeoutError::Timeout) = is_done.recv_timeout(TICK) {
        if hang_up_now() {
            hang_up.cancel();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known of a running session.
struct Progress<'a> {
    access: &'a Access,
    steps: &'a [Step],
    payload: &'a Payload,
    deadline: &'a Mutex<Option<Instant>>,
    marks: Marks,
    /// The step that runs, and since when.
    current: Option<(usize, Instant)>,
    /// The last lines of the step that runs.
    last: VecDeque<String>,
    /// The line of the script that its last message names.
    line: Option<usize>,
    /// What ssh and sudo said.
    errors: VecDeque<String>,
    failure: Option<Error>,
    ended: bool,
    /// To be told when the guest greets.
    greet: Option<mpsc::Sender<()>>,
    setting_up: bool,
    secured: bool,
}

impl<'a> Progress<'a> {
    fn new(
        access: &'a Access,
        steps: &'a [Step],
        payload: &'a Payload,
        token: &str,
        deadline: &'a Mutex<Option<Instant>>,
        greet: Option<mpsc::Sender<()>>,
    ) -> Self {
        Progress {
            access,
            steps,
            payload,
            deadline,
            marks: Marks::new(token),
            current: None,
            last: VecDeque::new(),
            line: None,
            errors: VecDeque::new(),
            failure: None,
            ended: false,
            greet,
            setting_up: false,
            secured: false,
        }
    }

    /// Takes in a line of the session.
    fn take(&mut self, stream: Stream, line: &str, on_event: &mut dyn FnMut(StepEvent<'_>)) {
        if stream == Stream::Err {
            remember(&mut self.errors, line);
            return;
        }
        if line == GREETING
            && let Some(greet) = self.greet.take()
        {
            // An error means that nobody waits any more.
            let _ = greet.send(());
            return;
        }
        let Progress { marks, current, last, errors, line: named, steps, setting_up, .. } = self;
        let mark = marks.read(line, |text| match *current {
            _ if *setting_up => {
                remember(last, text);
                on_event(StepEvent::SetUpLine { text });
            }
            Some((index, _)) => {
                remember(last, text);
                let path = steps.get(index).map(|step| script_path(index, step));
                *named = path.and_then(|path| named_line(text, &path)).or(*named);
                on_event(StepEvent::Line { index, stream: Stream::Out, text });
            }
            // Between the steps only the driver's own shell speaks, and only when something is wrong;
            // or a service that an earlier step left behind.
            None => remember(errors, text),
        });
        match mark {
            None => {}
            Some(Mark::Started(index)) => {
                self.current = Some((index, Instant::now()));
                self.last.clear();
                self.line = None;
                let limit = self.steps.get(index).and_then(|step| step.timeout);
                *lock(self.deadline) = limit.and_then(|limit| Instant::now().checked_add(limit));
                on_event(StepEvent::Started { index });
                for path in self.payload.skipped(index) {
                    let text = format!("left out {}: neither a file, a folder nor a symlink", path.display());
                    on_event(StepEvent::Line { index, stream: Stream::Err, text: &text });
                }
            }
            Some(Mark::Skipped(index)) => on_event(StepEvent::Skipped { index }),
            Some(Mark::Finished(index)) => {
                *lock(self.deadline) = None;
                let took = self.current.take().map_or(Duration::ZERO, |(_, since)| since.elapsed());
                on_event(StepEvent::Finished { index, took });
            }
            Some(Mark::Failed(index, status)) => {
                *lock(self.deadline) = None;
                self.current = None;
                self.failure = Some(self.failed(index, status));
            }
            Some(Mark::SettingUp) => {
                self.setting_up = true;
                on_event(StepEvent::SettingUp);
            }
            Some(Mark::SetUp) => {
                self.setting_up = false;
                on_event(StepEvent::SetUp);
            }
            Some(Mark::SetUpFailed(status)) => self.failure = Some(self.set_up_failed(status)),
            Some(Mark::Secured(secured)) => self.secured = secured,
            Some(Mark::Ended) => self.ended = true,
        }
    }

    fn set_up_failed(&self, status: i32) -> Error {
        let machine = &self.access.machine;
        let said: Vec<_> = self.last.iter().map(String::as_str).collect();
        Error::new(Kind::SetupFailed, format!("setting up {machine} failed with exit status {status}"))
            .detail(said.join("\n"))
            .hint(format!("`lab ssh {machine}` looks into it; `lab up {machine}` tries again"))
    }

    fn failed(&self, index: usize, status: Option<i32>) -> Error {
        let Some(step) = self.steps.get(index) else {
            return Error::internal(format!("{} speaks of a step {index}", self.access.machine));
        };
        let (kind, what) = match step.action {
            Action::Script { .. } => (Kind::ProvisionFailed, "provisioner"),
            Action::Copy { .. } => (Kind::CopyFailed, "the step"),
        };
        let Some(status) = status else {
            return Error::new(
                kind,
                format!("{what} {} ran, and could not be noted as done in the guest", step.name),
            )
            .detail(format!("{STATE_DIR}/steps/{} could not be written", step.id))
            .hint(format!("the guest's disk may be full: `lab exec {} -- df -h`", self.access.machine));
        };
        let mut error = Error::new(kind, format!("{what} {} failed with exit status {status}", step.name));
        if let Action::Script { text, .. } = &step.action {
            error = self.blame(error, text);
            error = match status {
                126 | 127 if self.line.is_none() => error
                    .hint("the program named in the script's `#!` line may not be installed in the guest"),
                137 => error
                    .hint("it was killed, perhaps because memory ran out: give the machine more `memory`"),
                _ => error,
            };
            if text.windows(2).any(|pair| pair == b"\r\n") {
                error = error
                    .hint("the script has Windows line ends (CR LF), which shells take for part of a word");
            }
        }
        self.with_last_lines(error)
    }

    /// The line of the script that its output names.
    fn blame(&self, error: Error, text: &[u8]) -> Error {
        let Some(number) = self.line else { return error };
        let text = String::from_utf8_lossy(text);
        let line = text.lines().nth(number.saturating_sub(1)).unwrap_or_default().trim();
        error.detail(format!("line {number}: {line}"))
    }

    fn with_last_lines(&self, error: Error) -> Error {
        let machine = &self.access.machine;
        let error = if self.last.is_empty() {
            error
        } else {
            let lines: Vec<_> = self.last.iter().map(String::as_str).collect();
            error.detail(format!("its last lines:\n{}", lines.join("\n")))
        };
        error
            .hint(format!(
                "all it said: `lab logs {machine} --provision`; to look around: `lab ssh {machine}`"
            ))
            .hint(format!("once mended, `lab up {machine}` goes on from this step"))
    }

    /// The error for a step over its time.
    fn overdue(&self) -> Option<Error> {
        let at = *lock(self.deadline);
        at.filter(|at| Instant::now() > *at)?;
        let step = self.current.and_then(|(index, _)| self.steps.get(index))?;
        let limit = step.timeout.unwrap_or_default().as_secs_f64();
        let message = format!("provisioner {} did not end within {limit} s and was stopped", step.name);
        Some(self.with_last_lines(Error::new(Kind::ProvisionTimeout, message)))
    }

    /// The error for a session that ended without its last word.
    fn broke_off(&self, status: Option<i32>) -> Error {
        let said: Vec<_> = self.errors.iter().map(String::as_str).collect();
        let said = said.join("\n");
        if status == Some(SSH_FAILED) {
            let error = self.access.refused(&said);
            return match self.current.and_then(|(index, _)| self.steps.get(index)) {
                Some(step) => error.detail(format!("{} was running", step.name)),
                None => error,
            };
        }
        if let Some(error) = sudo_refused(self.access, &said) {
            return error;
        }
        let machine = &self.access.machine;
        let status = status.map_or("no exit status".to_owned(), |status| format!("exit status {status}"));
        let error =
            Error::new(Kind::ProvisionFailed, format!("the provisioning session ended early, with {status}"));
        let error = if said.is_empty() { error } else { error.detail(said.clone()) };
        if said.contains("No space left") {
            error.hint(format!("the guest's disk is full: `lab exec {machine} -- df -h`"))
        } else {
            error.hint(format!("`lab up {machine}` tries again; `lab logs {machine}` shows the console"))
        }
    }
}

fn remember(lines: &mut VecDeque<String>, line: &str) {
    if lines.len() == LAST_LINES {
        lines.pop_front();
    }
    lines.push_back(line.to_owned());
}
