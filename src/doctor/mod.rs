//! Whether this computer is fit to run a lab: looked at before anything is downloaded, changing nothing.
//!
//! A file for each group of checks. What reads the computer goes through [`Host`], so that every check
//! can be seen to fail; the providers say of themselves what they can ([`crate::provider::Provider::check`]).

mod labfile;
mod limits;
mod needs;
mod network;
mod patience;
mod report;
mod size;
mod ssh;
mod virtualisation;

use std::path::{Path, PathBuf};
use std::thread;

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::lab::disk::files::Home;
use crate::lab::disk::state::State;
use crate::labfile::Labfile;
use crate::provider::table::TABLE;
use crate::provider::{Availability, Entry, Examined};

pub use crate::finding::{Check, Outcome};
pub use crate::host::Host;
pub use report::text;

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
    let (said, ssh) = thread::scope(|scope| {
        let hardware = &needs.hardware;
        let ask = |entry: &'static Entry| {
            (entry, scope.spawn(move || patience::check(entry, hardware, subject.home, cancel)))
        };
        let asked: Vec<_> = TABLE.entries().map(ask).collect();
        let ssh = ssh::checks(host, needs.legacy, cancel);
        let said = asked.into_iter().map(|(entry, thread)| (entry, patience::joined(thread)));
        (said.collect::<Vec<_>>(), ssh)
    });
    cancel.check()?;
    let chosen = labfile::provider(subject, &said);
    let mut checks = vec![labfile::check(&subject.lab)];
    checks.extend(virtualisation::checks(host, cancel));
    let network = subject.lab.labfile().map(Labfile::private_network);
    for (entry, said) in &said {
        let chosen = chosen.entry.map(|entry| entry.name);
        checks.extend((entry.examine)(&Examined { host, said, chosen, network }));
    }
    checks.push(chosen.check);
    checks.extend(size::checks(subject, &needs, cancel));
    checks.extend(network::checks(subject, chosen.entry));
    checks.extend(ssh);
    checks.extend(limits::checks(subject));
    cancel.check()?;
    Ok(checks)
}
