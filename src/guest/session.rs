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

use std::process::ExitStatus;
use std::sync::{Mutex, mpsc};
use std::time::Instant;

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};

use super::access::Access;
use super::hangup::{answer, watched};
use super::keys;
use super::login::LoginChanged;
use super::payload::Payload;
use super::progress::{Progress, lock};
use super::setup::Identity;
use super::step::{STATE_DIR, Step, StepEvent};
use super::sudo;

/// How a session ended.
#[derive(Debug)]
pub enum Ended {
    /// With its last word: everything is done.
    Well(Done),
    /// It broke off within the guest: the guest may have restarted, which [`super::restart::after_break`] tells.
    Cut(Cut),
}

/// What a session that ended well leaves.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    /// Whether Vagrant's insecure keys are gone. They stay where it is not certain that the lab's own key
    /// will be let in; a further session, which logs in with that key alone, then takes them away.
    pub secured: bool,
    /// What decides a login and has changed: then the machine is ready when a new login works.
    pub login: Option<LoginChanged>,
}

/// A session that broke off.
#[derive(Debug)]
pub struct Cut {
    /// The kernel's boot id at its begin, empty where it has none.
    pub boot: String,
    /// What to say where the guest did not restart.
    pub error: Error,
}

/// Over one connection: sets the machine up as `identity` (if given: idempotent, whether on the first boot or
/// later), takes Vagrant's insecure keys away, runs `steps` in order, stopping at the first that fails, and sees that
/// the lab's key, the last of `access`, is still there. Where sudo wants a terminal, it is told once not to.
///
/// # Errors
/// [`Kind::SetupFailed`] with the script's last lines, or where sudo or the login shell lets nothing run;
/// [`Kind::ProvisionFailed`] with the step, its exit status, the last lines of its output, and the line of the
/// script that failed where the shell says it; [`Kind::ProvisionTimeout`]; [`Kind::CopyFailed`], also where the
/// guest has no room; [`Kind::SshRefused`], [`Kind::HostKeyChanged`],
/// [`Kind::NoSsh`] where the connection is refused; [`Kind::Interrupted`] (what ran in the guest is stopped).
pub fn run(
    access: &Access,
    identity: Option<&Identity>,
    steps: &[Step],
    cancel: &Cancel,
    on_event: &mut dyn FnMut(StepEvent<'_>),
) -> Result<Ended> {
    match once(access, identity, steps, cancel, on_event)? {
        Attempt::Ended(ended) => Ok(ended),
        Attempt::WantsTty(error) => {
            if !sudo::allow_without_tty(access, cancel)? {
                return Err(error);
            }
            let user = &access.user;
            let text = format!("sudo wanted a terminal (requiretty); its sudoers now let {user} do without");
            on_event(StepEvent::PutRight { text: &text });
            match once(access, identity, steps, cancel, on_event)? {
                Attempt::Ended(ended) => Ok(ended),
                Attempt::WantsTty(error) => Err(error),
            }
        }
    }
}

enum Attempt {
    Ended(Ended),
    WantsTty(Error),
}

fn once(
    access: &Access,
    identity: Option<&Identity>,
    steps: &[Step],
    cancel: &Cancel,
    on_event: &mut dyn FnMut(StepEvent<'_>),
) -> Result<Attempt> {
    cancel.check()?;
    let token = uuid::Uuid::new_v4().simple().to_string();
    let setup = identity.map(|identity| identity.script(&access.user, ""));
    let key = access.keys.last().and_then(|key| keys::line_beside(key)).unwrap_or_default();
    let payload = Payload::new(setup, steps, &access.user, &key, &token, STATE_DIR)?;
    let command = payload.command(sudo::prefix(access), STATE_DIR);
    // What ends the session: a wish to stop, a time limit, a file that cannot be sent, or its last word.
    let hang_up = Cancel::new();
    let deadline = Mutex::new(None::<Instant>);
    let unsent = Mutex::new(None::<std::io::Error>);
    let (greet, greeting) = mpsc::channel();
    let mut progress = Progress::new(access, steps, &payload, &token, &deadline, greet);
    let hang_up_now = || cancel.is_cancelled() || lock(&deadline).is_some_and(|at| Instant::now() > at);
    let ended = watched(hang_up_now, &hang_up, || {
        let (payload, unsent, hang_up) = (&payload, &unsent, &hang_up);
        access.session().arg(command).stream(
            hang_up,
            move |stdin| {
                let sent = answer(stdin, &greeting, hang_up)
                    .and_then(|greeted| if greeted { payload.write(stdin) } else { Ok(()) });
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
        )
    });
    if let Some(error) = progress.failure.take() {
        return Err(error);
    }
    if progress.ended {
        let login = progress.login_changed.take().map(|what| LoginChanged { what });
        return Ok(Attempt::Ended(Ended::Well(Done { secured: progress.secured, login })));
    }
    if let Some(source) = lock(&unsent).take() {
        return Err(Error::new(
            Kind::CopyFailed,
            format!("could not send a file to {}: {source}", access.machine),
        )
        .hint("run the same command again when nothing writes to it"));
    }
    cancel.check()?;
    let overdue = (*lock(&deadline)).is_some_and(|at| Instant::now() > at);
    if let Some(step) = progress.running().filter(|_| overdue) {
        return Err(progress.heard.overdue(&access.machine, step));
    }
    broken(access, &mut progress, ended)
}

/// A session that ended without its last word.
fn broken(access: &Access, progress: &mut Progress<'_>, ended: Result<ExitStatus>) -> Result<Attempt> {
    match (progress.boot.take(), ended) {
        (None, Ok(status)) => {
            let error = progress.heard.not_entered(access, status.code());
            let wants_tty = sudo::wants_tty(&progress.heard.others()) && access.user != "root";
            if wants_tty { Ok(Attempt::WantsTty(error)) } else { Err(error) }
        }
        // Hung up on, since it never said that it listens.
        (None, Err(error)) if error.kind() == Kind::Interrupted => {
            Err(access.no_mark(&progress.heard.others()))
        }
        (_, Err(error)) => Err(error),
        (Some(_), Ok(status)) if progress.heard.no_room.is_some() => {
            Err(progress.heard.broke_off(access, None, status.code()))
        }
        (Some(boot), Ok(status)) => {
            let error = progress.heard.broke_off(access, progress.running(), status.code());
            Ok(Attempt::Ended(Ended::Cut(Cut { boot, error })))
        }
    }
}
