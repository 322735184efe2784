//! Into a machine that runs: waiting for its ssh, then one connection for its set-up and all that it
//! still has to run.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::guest::console;
use crate::guest::login::LoginChanged;
use crate::guest::restart::{self, After};
use crate::guest::session::{Cut, Ended};
use crate::guest::setup::Identity;
use crate::guest::step::{Step, StepEvent};
use crate::labfile::model::Machine;
use crate::provider::{MachineSpec, last_lines};

use super::handle::Handle;
use super::steps::Planned;
use super::watch::while_alive;
use crate::lab::disk::state::now;
use crate::lab::tell::event::{Event, Phase};

/// How long ssh may refuse or drop us after its first banner: a guest of today opens its ssh port
/// some seconds before it lets users in (`pam_nologin`, while systemd is still starting), and one
/// made by cloud-init before it has its keys.
const LOGIN_GRACE: Duration = Duration::from_secs(60);
/// How long a guest that has let us in before may refuse our key: it has it, or has lost it.
const KEY_GRACE: Duration = Duration::from_secs(5);
/// Pause between two such tries.
const LOGIN_PAUSE: Duration = Duration::from_secs(1);
/// How many of the console's last lines an error shows.
const CONSOLE_LINES: usize = 12;

/// What a session is to do.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Who the machine is to be, where that has to be set.
    pub identity: Option<&'a Identity>,
    /// What it is to run.
    pub steps: &'a [Planned],
}

/// Where a session got to.
#[derive(Default)]
struct Reached {
    /// We were let in.
    inside: bool,
    /// The step that runs, by its place.
    running: Option<usize>,
    /// The steps that have ended well, or had before.
    done: Vec<usize>,
    /// The first error in writing the state down.
    unnoted: Option<Error>,
}

impl Handle<'_> {
    /// Waits for the first sign of the machine's sshd.
    pub(super) fn wait_for_ssh(self, machine: &Machine) -> Result<Duration> {
        let context = self.lab.context;
        let (spec, access) = (self.spec()?, self.access(false)?);
        let mut alive = || self.lab.provider.alive(&spec);
        let mut console = self.lab.provider.console(&spec)?;
        let mut said = || console.said();
        context
            .guests
            .wait(&access, machine.boot_timeout, &context.cancel, &mut alive, &mut said)
            .map_err(|error| self.with_console(error, &spec))
    }

    /// Does `work` in a running machine, and takes the box's insecure key away where it is still there. When it
    /// returns well, lab is still let in. Where a step has restarted the guest, the rest is done after that.
    pub(super) fn enter(self, work: Work<'_>) -> Result<()> {
        let started = Instant::now();
        let mut said = false;
        let mut left = work.steps.to_vec();
        loop {
            let spec = self.spec()?;
            let secured = self.record()?.readiness.is_secured();
            let mut reached = Reached::default();
            let work = Work { identity: work.identity, steps: &left };
            let result = self.session(&spec, secured, work, &mut reached);
            let grace = match &result {
                _ if reached.inside => Duration::ZERO,
                Err(error) if error.kind() == Kind::NoSsh => LOGIN_GRACE,
                Err(error) if error.kind() == Kind::SshRefused && !secured => LOGIN_GRACE,
                Err(error) if error.kind() == Kind::SshRefused => KEY_GRACE,
                _ => Duration::ZERO,
            };
            match result {
                Ok(Ended::Well(done)) => {
                    // The lab's key has not been tried yet, and may not be taken: now it is tried.
                    let untried = !done.secured && work.identity.is_some();
                    if !untried {
                        self.update(|record| record.readiness.secured())?;
                    }
                    if let Some(changed) = &done.login {
                        self.prove_login(work, changed)?;
                    }
                    if untried {
                        return self.enter(Work { identity: None, steps: &[] });
                    }
                    return Ok(());
                }
                Ok(Ended::Cut(cut)) => left = self.after_restart(&spec, work, cut, &reached)?,
                Err(_) if started.elapsed() < grace => {
                    if !std::mem::replace(&mut said, true) {
                        self.note(format!("does not let us in yet; trying for {} s", grace.as_secs()));
                    }
                    self.lab.context.cancel.sleep(LOGIN_PAUSE)?;
                }
                Err(error) => return Err(self.with_console(error, &spec)),
            }
        }
    }

    /// A new login with the lab's key, after `work` has changed what decides one: what let us in before says nothing.
    fn prove_login(self, work: Work<'_>, changed: &LoginChanged) -> Result<()> {
        let access = self.access(false)?;
        let context = self.lab.context;
        let started = Instant::now();
        loop {
            match context.guests.prove_login(&access, &context.cancel) {
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                // An sshd that was just started anew may need a moment.
                Err(_) if started.elapsed() < KEY_GRACE => context.cancel.sleep(LOGIN_PAUSE)?,
                Err(error) => {
                    let names: Vec<&str> =
                        work.steps.iter().map(|planned| planned.step.name.as_str()).collect();
                    return Err(changed.locked_out(self.name, &names, &error));
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    /// What of `work` is left when the guest has restarted, which cut the session off.
    fn after_restart(
        self,
        spec: &MachineSpec,
        work: Work<'_>,
        cut: Cut,
        reached: &Reached,
    ) -> Result<Vec<Planned>> {
        let running = reached.running.and_then(|index| work.steps.get(index));
        let Some(machine) = self.in_labfile().filter(|_| !cut.boot.is_empty()) else {
            return Err(self.with_console(cut.error, spec));
        };
        let secured = self.record()?.readiness.is_secured();
        let access = self.access(!secured && work.identity.is_some())?;
        let id = running.map(|planned| planned.step.id.as_str());
        let context = self.lab.context;
        let mut wait = || self.wait_for_ssh(machine).map(|_| ());
        let limit = machine.boot_timeout;
        match context.guests.after_break(&access, &cut.boot, id, limit, &context.cancel, &mut wait)? {
            After::Restarted { noted } if noted || (running.is_none() && !reached.done.is_empty()) => {
                self.note("restarted; going on with what is left");
                running.map_or(Ok(()), |planned| self.note_done(planned))?;
                let is_left =
                    |index: &usize| Some(*index) != reached.running && !reached.done.contains(index);
                let left = (0..work.steps.len()).filter(is_left).filter_map(|index| work.steps.get(index));
                Ok(left.cloned().collect())
            }
            After::Restarted { .. } => Err(match running {
                Some(planned) => restart::cut_off(self.name, &planned.step),
                None => cut.error.detail(format!("{} restarted meanwhile", self.name)),
            }),
            After::SameBoot => Err(self.with_console(cut.error, spec)),
        }
    }

    fn note_done(self, planned: &Planned) -> Result<()> {
        self.update(|record| record.readiness.step_done(&planned.step.id, &planned.digest))
    }

    /// One connection: output goes to the machine's logs and to whoever watches, and each success is
    /// noted at once.
    fn session(
        self,
        spec: &MachineSpec,
        secured: bool,
        work: Work<'_>,
        reached: &mut Reached,
    ) -> Result<Ended> {
        let (lab, context) = (self.lab, self.lab.context);
        let mut setup_log = Log::open(&lab.files.setup_log(self.name))?;
        let mut log = Log::open(&lab.files.provision_log(self.name))?;
        // Without a set-up there is nothing for the box's own key to do.
        let access = self.access(!secured && work.identity.is_some())?;
        let wanted: Vec<Step> = work.steps.iter().map(|planned| planned.step.clone()).collect();
        let step = |index: usize| {
            work.steps.get(index).map_or_else(String::new, |planned| planned.step.name.clone())
        };
        let machine = || self.name.to_owned();
        let done = |index: usize| work.steps.get(index).map_or(Ok(()), |planned| self.note_done(planned));
        let mut on_event = |event: StepEvent<'_>| match event {
            StepEvent::Entered { .. } => reached.inside = true,
            StepEvent::SettingUp => {
                setup_log.line(&format!("=== set up ({} s since 1970)", now()));
            }
            StepEvent::SetUpLine { text } => setup_log.line(text),
            StepEvent::SetUp => {
                if let Some(identity) = work.identity {
                    let fingerprint = identity.fingerprint();
                    reached.note(self.update(|record| record.readiness.set_up(fingerprint)));
                }
                if !work.steps.is_empty() {
                    self.phase(Phase::Provisioning);
                }
            }
            StepEvent::Started { index } => {
                reached.running = Some(index);
                log.line(&format!("=== {} ({} s since 1970)", step(index), now()));
                context.sink.emit(Event::StepStarted { machine: machine(), step: step(index) });
            }
            StepEvent::Skipped { index } => {
                reached.done.push(index);
                log.line(&format!("=== {}: done before", step(index)));
                reached.note(done(index));
            }
            StepEvent::Line { index, stream, text } => {
                log.line(text);
                let (step, line) = (step(index), text.to_owned());
                context.sink.emit(Event::Output { machine: machine(), step, stream, line });
            }
            StepEvent::Finished { index, took } => {
                reached.running = None;
                reached.done.push(index);
                log.line(&format!("=== {}: done in {:.1} s", step(index), took.as_secs_f64()));
                reached.note(done(index));
                context.sink.emit(Event::StepFinished { machine: machine(), step: step(index), took });
            }
            StepEvent::GoingDown => self.note("restarts"),
            StepEvent::PutRight { text } => {
                log.line(&format!("=== {text}"));
                self.note(text);
            }
        };
        let result = while_alive(lab.provider(), spec, &context.cancel, |stop| {
            context.guests.session(&access, work.identity, &wanted, stop, &mut on_event)
        });
        if let Err(error) = &result {
            log.line(&format!("=== {error}"));
        }
        match (result, reached.unnoted.take()) {
            (Ok(_), Some(error)) => Err(error),
            (result, _) => result,
        }
    }

    /// Adds what the machine's console said last: the only witness of a boot that went wrong.
    fn with_console(self, mut error: Error, spec: &MachineSpec) -> Error {
        if !matches!(error.kind(), Kind::NoSsh | Kind::Crashed) {
            return error;
        }
        let Ok(mut console) = self.lab.provider.console(spec) else { return error };
        let lines = last_lines(console.as_mut(), CONSOLE_LINES);
        error = if lines.is_empty() {
            error.detail("its console said nothing")
        } else {
            error.detail(format!("its console's last lines:\n{}", lines.join("\n")))
        };
        let from = console.said().saturating_sub(console::LOOKED_AT as u64);
        let said = console.read(from).unwrap_or_default();
        if let Some(cause) = console::cause(&String::from_utf8_lossy(&said)) {
            error = error.detail(format!("{}: {}", cause.what, cause.line)).hint(cause.hint);
        }
        error.hint(format!("`lab logs {}` shows the whole console", self.name))
    }
}

impl Reached {
    fn note(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.unnoted.get_or_insert(error);
        }
    }
}

/// A machine's log. One that cannot be written (a full disk) must not fail a provisioner that succeeds.
struct Log(File);

impl Log {
    fn open(path: &Path) -> Result<Self> {
        let opened = File::options().create(true).append(true).open(path);
        opened.map(Log).map_err(|source| Error::io("open", path, &source))
    }

    fn line(&mut self, line: &str) {
        let _ = writeln!(self.0, "{line}");
    }
}
