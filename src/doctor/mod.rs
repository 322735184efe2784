//! Whether this computer is fit to run a lab: looked at before anything is downloaded, changing nothing.
//!
//! A file for each group of checks. What reads the computer goes through [`Host`], so that every check
//! can be seen to fail; the providers say of themselves what they can ([`crate::provider::Provider::check`]).

mod host;
mod labfile;
mod limits;
mod needs;
mod network;
mod patience;
mod qemu;
mod report;
mod size;
mod ssh;
mod virtualbox;
mod virtualisation;

use std::path::{Path, PathBuf};
use std::thread;

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::lab::disk::files::Home;
use crate::lab::disk::state::State;
use crate::labfile::Labfile;
use crate::provider::Availability;

pub use host::Host;
pub use report::text;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was not made: there is no Labfile to hold the computer to, or no way to look on this system.
    Skipped,
    /// All is well.
    Pass,
    /// It may bite.
    Warning,
    /// The lab will not run, or not as the Labfile says.
    Failure,
}

/// One line of the examination.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// What was looked at: a stable word.
    pub name: &'static str,
    /// How it came out.
    pub outcome: Outcome,
    /// What is there.
    pub what: String,
    /// What that means for the lab.
    pub means: String,
    /// What to do.
    pub todo: Option<String>,
}

impl Check {
    fn new(name: &'static str, outcome: Outcome, what: impl Into<String>, means: impl Into<String>) -> Self {
        Check { name, outcome, what: what.into(), means: means.into(), todo: None }
    }

    fn pass(name: &'static str, what: impl Into<String>, means: impl Into<String>) -> Self {
        Check::new(name, Outcome::Pass, what, means)
    }

    fn warning(name: &'static str, what: impl Into<String>, means: impl Into<String>) -> Self {
        Check::new(name, Outcome::Warning, what, means)
    }

    fn failure(name: &'static str, what: impl Into<String>, means: impl Into<String>) -> Self {
        Check::new(name, Outcome::Failure, what, means)
    }

    fn skipped(name: &'static str, what: impl Into<String>) -> Self {
        Check::new(name, Outcome::Skipped, what, "")
    }

    /// An error as it stands: what it says, and its hints as what to do.
    fn of_error(name: &'static str, outcome: Outcome, error: &Error, means: impl Into<String>) -> Self {
        let said = error.details().first().map(|detail| format!(" ({detail})")).unwrap_or_default();
        let check = Check::new(name, outcome, format!("{}{said}", error.message()), means);
        match error.hints() {
            [] => check,
            hints => check.todo(hints.join("; ")),
        }
    }

    fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = Some(todo.into());
        self
    }
}

/// The lab that a computer is held to.
pub enum Lab {
    /// There is none: only the computer is looked at.
    None,
    /// Its Labfile cannot be read.
    Broken(Error),
    /// Its Labfile, and what was made of it already.
    Read(Box<Labfile>, Option<State>),
}

impl Lab {
    fn labfile(&self) -> Option<&Labfile> {
        match self {
            Lab::Read(labfile, _) => Some(labfile),
            Lab::None | Lab::Broken(_) => None,
        }
    }

    fn state(&self) -> Option<&State> {
        match self {
            Lab::Read(_, state) => state.as_ref(),
            Lab::None | Lab::Broken(_) => None,
        }
    }
}

/// What is to be examined.
pub struct Subject<'a> {
    /// The computer.
    pub host: &'a Host,
    /// The folder of the lab, or the one that we work in.
    pub dir: PathBuf,
    /// What all labs share.
    pub home: &'a Home,
    /// The lab.
    pub lab: Lab,
    /// The provider asked for on the command line or by `LAB_PROVIDER`.
    pub provider: Option<String>,
}

/// What a provider said of itself.
type Said = Result<Availability>;

/// Whether keys and disks can lie in `dir`, asked before a lab is made there. A file system that is known to keep no
/// permissions, and keeps them (it was mounted so), is good enough.
///
/// # Errors
/// [`Kind::HostUnfit`], which names the file system.
pub fn can_hold_a_lab(dir: &Path) -> Result<()> {
    let Some(check) = limits::unfit(&Host::here(), dir).filter(|_| !keeps_permissions(dir)) else {
        return Ok(());
    };
    let error =
        Error::new(Kind::HostUnfit, format!("no lab can be made here: {}", check.what)).detail(check.means);
    Err(check.todo.into_iter().fold(error, Error::hint))
}

/// Whether a file that is made for this user alone is so.
fn keeps_permissions(dir: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let made = tempfile::Builder::new().prefix(crate::atomic::HALF_WRITTEN).tempfile_in(dir);
        made.and_then(|file| file.as_file().metadata())
            .is_ok_and(|about| about.permissions().mode() & 0o077 == 0)
    }
    #[cfg(not(unix))]
    true
}

/// Looks at everything. Side by side what asks another program.
///
/// # Errors
/// [`crate::error::Kind::Interrupted`].
pub fn examine(subject: &Subject<'_>, cancel: &Cancel) -> Result<Vec<Check>> {
    let host = subject.host;
    let needs = needs::of(subject);
    let (virtualbox, qemu, ssh) = thread::scope(|scope| {
        let hardware = &needs.hardware;
        let ask = |name| scope.spawn(move || patience::check(name, hardware, subject.home, cancel));
        let (virtualbox, qemu) = (ask("virtualbox"), ask("qemu"));
        let ssh = ssh::checks(host, needs.legacy, cancel);
        (patience::joined(virtualbox), patience::joined(qemu), ssh)
    });
    cancel.check()?;
    let chosen = labfile::provider(subject, &virtualbox, &qemu);
    let mut checks = vec![labfile::check(&subject.lab)];
    checks.extend(virtualisation::checks(host, cancel));
    checks.extend(virtualbox::checks(subject, &virtualbox, chosen.name));
    checks.push(qemu::check(&qemu, chosen.name));
    checks.push(chosen.check);
    checks.extend(size::checks(subject, &needs, cancel));
    checks.extend(network::checks(subject, chosen.name));
    checks.extend(ssh);
    checks.extend(limits::checks(subject));
    cancel.check()?;
    Ok(checks)
}
