//! Into a machine that runs: waiting for its ssh, then one connection for its set-up and all that it
//! still has to run.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::guest::console;
use crate::guest::login::{self, LoginChanged};
use crate::guest::restart::{self, After};
use crate::guest::session::{self, Cut, Ended};
use crate::guest::setup::Identity;
use crate::guest::step::{Step, StepEvent};
use crate::guest::wait;
use crate::labfile::model::Machine;
use crate::provider::MachineSpec;
use crate::tail::{end_of, last_lines};

use super::Lab;
use super::event::{Event, Phase};
use super::state::{self, Record, StepRecord};
use super::steps::Planned;
use super::watch::while_alive;

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
pub(super) struct Work<'a> {
    /// Who the machine is to be, where that has to be set.
    pub(super) identity: Option<&'a Identity>,
    /// What it is to run.
    pub(super) steps: &'a [Planned],
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

impl Lab<'_> {
    /// Waits for the first sign of the machine's sshd.
    pub(super) fn wait_for_ssh(&self, machine: &Machine, spec: &MachineSpec) -> Result<Duration> {
        let address = self.provider.ssh_address(spec);
        let mut alive = || self.provider.alive(spec);
        let console = self.provider.console_log(spec);
        let mut said = || std::fs::metadata(&console).map_or(0, |log| log.len());
        wait::wait_for_ssh(address, machine.boot_timeout, &self.context.cancel, &mut alive, &mut said)
            .map_err(|error| self.with_console(error, spec))
    }

    /// Does `work` in a running machine, and takes the box's insecure key away where it is still there. When it
    /// returns well, lab is still let in. Where a step has restarted the guest, the rest is done after that.
    pub(super) fn enter(&self, name: &str, work: Work<'_>) -> Result<()> {
        let started = Instant::now();
        let mut said = false;
        let mut left = work.steps.to_vec();
        loop {
            let record = self.record(name)?;
            let spec = self.spec(name, &record);
            let mut reached = Reached::default();
            let work = Work { identity: work.identity, steps: &left };
            let result = self.session(name, &record, &spec, work, &mut reached);
            let grace = match &result {
                _ if reached.inside => Duration::ZERO,
                Err(error) if error.kind() == Kind::NoSsh => LOGIN_GRACE,
                Err(error) if error.kind() == Kind::SshRefused && !record.secured => LOGIN_GRACE,
                Err(error) if error.kind() == Kind::SshRefused => KEY_GRACE,
                _ => Duration::ZERO,
            };
            match result {
                Ok(Ended::Well(done)) => {
                    // The lab's key has not been tried yet, and may not be taken: now it is tried.
                    let untried = !done.secured && work.identity.is_some();
                    if !untried {
                        self.store.update_record(name, |record| record.secured = true)?;
                    }
                    if let Some(changed) = &done.login {
                        self.prove_login(name, &record, &spec, work, changed)?;
                    }
                    if untried {
                        return self.enter(name, Work { identity: None, steps: &[] });
                    }
                    return Ok(());
                }
                Ok(Ended::Cut(cut)) => {
                    left = self.after_restart(name, &record, &spec, work, cut, &reached)?;
                }
                Err(_) if started.elapsed() < grace => {
                    if !std::mem::replace(&mut said, true) {
                        let seconds = grace.as_secs();
                        self.note(name, format!("does not let us in yet; trying for {seconds} s"));
                    }
                    self.context.cancel.sleep(LOGIN_PAUSE)?;
                }
                Err(error) => return Err(self.with_console(error, &spec)),
            }
        }
    }

    /// A new login with the lab's key, after `work` has changed what decides one: what let us in before says nothing.
    fn prove_login(
        &self,
        name: &str,
        record: &Record,
        spec: &MachineSpec,
        work: Work<'_>,
        changed: &LoginChanged,
    ) -> Result<()> {
        let access = self.access(name, record, spec, false);
        let started = Instant::now();
        loop {
            match login::prove(&access, &self.context.cancel) {
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                // An sshd that was just started anew may need a moment.
                Err(_) if started.elapsed() < KEY_GRACE => self.context.cancel.sleep(LOGIN_PAUSE)?,
                Err(error) => {
                    let names: Vec<&str> =
                        work.steps.iter().map(|planned| planned.step.name.as_str()).collect();
                    return Err(changed.locked_out(name, &names, &error));
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    /// What of `work` is left when the guest has restarted, which cut the session off.
    fn after_restart(
        &self,
        name: &str,
        record: &Record,
        spec: &MachineSpec,
        work: Work<'_>,
        cut: Cut,
        reached: &Reached,
    ) -> Result<Vec<Planned>> {
        let running = reached.running.and_then(|index| work.steps.get(index));
        let Some(machine) = self.machine(name).filter(|_| !cut.boot.is_empty()) else {
            return Err(self.with_console(cut.error, spec));
        };
        let access = self.access(name, record, spec, !record.secured && work.identity.is_some());
        let id = running.map(|planned| planned.step.id.as_str());
        let cancel = &self.context.cancel;
        let mut wait = || self.wait_for_ssh(machine, spec).map(|_| ());
        match restart::after_break(&access, &cut.boot, id, machine.boot_timeout, cancel, &mut wait)? {
            After::Restarted { noted } if noted || (running.is_none() && !reached.done.is_empty()) => {
                self.note(name, "restarted; going on with what is left");
                self.note_done(name, record, running)?;
                let is_left = |index: &usize| Some(*index) != reached.running && !reached.done.contains(index);
                let left = (0..work.steps.len()).filter(is_left).filter_map(|index| work.steps.get(index));
                Ok(left.cloned().collect())
            }
            After::Restarted { .. } => match running {
                Some(planned) => Err(restart::cut_off(name, &planned.step)),
                None => Err(cut.error.detail(format!("{name} restarted meanwhile"))),
            },
            After::SameBoot => Err(self.with_console(cut.error, spec)),
        }
    }

    /// One connection: output goes to the machine's logs and to whoever watches, and each success is
    /// noted at once.
    fn session(
        &self,
        name: &str,
        record: &Record,
        spec: &MachineSpec,
        work: Work<'_>,
        reached: &mut Reached,
    ) -> Result<Ended> {
        let mut setup_log = Log::open(&self.files.setup_log(name))?;
        let mut log = Log::open(&self.files.provision_log(name))?;
        // Without a set-up there is nothing for the box's own key to do.
        let access = self.access(name, record, spec, !record.secured && work.identity.is_some());
        let wanted: Vec<Step> = work.steps.iter().map(|planned| planned.step.clone()).collect();
        let sink = self.context.sink;
        let step = |index: usize| {
            work.steps.get(index).map_or_else(String::new, |planned| planned.step.name.clone())
        };
        let machine = || name.to_owned();
        let mut on_event = |event: StepEvent<'_>| match event {
            StepEvent::Entered { .. } => reached.inside = true,
            StepEvent::SettingUp => {
                setup_log.line(&format!("=== set up ({} s since 1970)", state::now()));
            }
            StepEvent::SetUpLine { text } => setup_log.line(text),
            StepEvent::SetUp => {
                let fingerprint = work.identity.map(Identity::fingerprint);
                reached.note(self.store.update_record(name, |record| record.identity = fingerprint));
                if !work.steps.is_empty() {
                    self.phase(name, Phase::Provisioning);
                }
            }
            StepEvent::Started { index } => {
                reached.running = Some(index);
                log.line(&format!("=== {} ({} s since 1970)", step(index), state::now()));
                sink.emit(Event::StepStarted { machine: machine(), step: step(index) });
            }
            StepEvent::Skipped { index } => {
                reached.done.push(index);
                log.line(&format!("=== {}: done before", step(index)));
                reached.note(self.note_done(name, record, work.steps.get(index)));
            }
            StepEvent::Line { index, stream, text } => {
                log.line(text);
                let (step, line) = (step(index), text.to_owned());
                sink.emit(Event::Output { machine: machine(), step, stream, line });
            }
            StepEvent::Finished { index, took } => {
                reached.running = None;
                reached.done.push(index);
                log.line(&format!("=== {}: done in {:.1} s", step(index), took.as_secs_f64()));
                reached.note(self.note_done(name, record, work.steps.get(index)));
                sink.emit(Event::StepFinished { machine: machine(), step: step(index), took });
            }
            StepEvent::GoingDown => self.note(name, "restarts"),
            StepEvent::PutRight { text } => {
                log.line(&format!("=== {text}"));
                self.note(name, text);
            }
        };
        let result = while_alive(self.provider(), spec, &self.context.cancel, |stop| {
            session::run(&access, work.identity, &wanted, stop, &mut on_event)
        });
        if let Err(error) = &result {
            log.line(&format!("=== {error}"));
        }
        match (result, reached.unnoted.take()) {
            (Ok(_), Some(error)) => Err(error),
            (result, _) => result,
        }
    }

    fn note_done(&self, name: &str, record: &Record, planned: Option<&Planned>) -> Result<()> {
        let Some(planned) = planned else { return Ok(()) };
        let done = StepRecord { digest: planned.digest.clone(), at: state::now(), boot: record.boot.clone() };
        self.store.update_record(name, |record| {
            record.steps.insert(planned.step.id.clone(), done);
        })
    }

    /// Adds what the machine's console said last: the only witness of a boot that went wrong.
    fn with_console(&self, mut error: Error, spec: &MachineSpec) -> Error {
        if !matches!(error.kind(), Kind::NoSsh | Kind::Crashed) {
            return error;
        }
        let lines = last_lines(&self.provider.console_log(spec), 0, CONSOLE_LINES);
        error = if lines.is_empty() {
            error.detail("its console said nothing")
        } else {
            error.detail(format!("its console's last lines:\n{}", lines.join("\n")))
        };
        let said = end_of(&self.provider.console_log(spec), console::LOOKED_AT as u64).unwrap_or_default();
        if let Some(cause) = console::cause(&String::from_utf8_lossy(&said)) {
            error = error.detail(format!("{}: {}", cause.what, cause.line)).hint(cause.hint);
        }
        error.hint(format!("`lab logs {}` shows the whole console", spec.name))
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
