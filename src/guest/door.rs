//! The way into guests, as one thing: over ssh, or what a test puts in its place.

use std::path::Path;
use std::time::Duration;

use super::access::{self, Access};
use super::check::{self, Answer, Probe};
use super::keys::{self, LabKey};
use super::login;
use super::restart::{self, After};
use super::session::{self, Ended};
use super::setup::Identity;
use super::step::{Step, StepEvent};
use super::wait;
use crate::cancel::Cancel;
use crate::error::Result;

/// What is done in guests.
pub trait Guests: Sync {
    /// Makes sure that what is needed on this computer is there.
    ///
    /// # Errors
    /// [`crate::error::Kind::ProgramMissing`].
    fn check_installed(&self) -> Result<()>;

    /// The lab's key in the file `path`, made where it is not there.
    ///
    /// # Errors
    /// Those of [`keys::lab_key`].
    fn lab_key(&self, path: &Path) -> Result<LabKey>;

    /// Waits until a guest's ssh server says its first word: see [`wait::wait_for_ssh`].
    ///
    /// # Errors
    /// As there.
    fn wait(
        &self,
        access: &Access,
        limit: Duration,
        cancel: &Cancel,
        alive: &mut dyn FnMut() -> Result<()>,
        said: &mut dyn FnMut() -> u64,
    ) -> Result<Duration>;

    /// Sets a guest up and runs steps in it: see [`session::run`].
    ///
    /// # Errors
    /// As there.
    fn session(
        &self,
        access: &Access,
        identity: Option<&Identity>,
        steps: &[Step],
        cancel: &Cancel,
        on_event: &mut dyn FnMut(StepEvent<'_>),
    ) -> Result<Ended>;

    /// Logs in anew and leaves: see [`login::prove`].
    ///
    /// # Errors
    /// As there.
    fn prove_login(&self, access: &Access, cancel: &Cancel) -> Result<()>;

    /// Looks whether a guest has restarted since its connection broke: see [`restart::after_break`].
    ///
    /// # Errors
    /// As there.
    fn after_break(
        &self,
        access: &Access,
        before: &str,
        id: Option<&str>,
        limit: Duration,
        cancel: &Cancel,
        wait: &mut dyn FnMut() -> Result<()>,
    ) -> Result<After>;

    /// Looks what has been achieved in a guest: see [`check::run`].
    ///
    /// # Errors
    /// As there.
    fn answers(&self, access: &Access, probes: &[Probe<'_>], cancel: &Cancel) -> Result<Vec<Option<Answer>>>;
}

/// Over the system's own ssh.
#[derive(Debug, Clone, Copy)]
pub struct OverSsh;

impl Guests for OverSsh {
    fn check_installed(&self) -> Result<()> {
        access::check_installed()
    }

    fn lab_key(&self, path: &Path) -> Result<LabKey> {
        keys::lab_key(path)
    }

    fn wait(
        &self,
        access: &Access,
        limit: Duration,
        cancel: &Cancel,
        alive: &mut dyn FnMut() -> Result<()>,
        said: &mut dyn FnMut() -> u64,
    ) -> Result<Duration> {
        wait::wait_for_ssh(access.address, limit, cancel, alive, said)
    }

    fn session(
        &self,
        access: &Access,
        identity: Option<&Identity>,
        steps: &[Step],
        cancel: &Cancel,
        on_event: &mut dyn FnMut(StepEvent<'_>),
    ) -> Result<Ended> {
        session::run(access, identity, steps, cancel, on_event)
    }

    fn prove_login(&self, access: &Access, cancel: &Cancel) -> Result<()> {
        login::prove(access, cancel)
    }

    fn after_break(
        &self,
        access: &Access,
        before: &str,
        id: Option<&str>,
        limit: Duration,
        cancel: &Cancel,
        wait: &mut dyn FnMut() -> Result<()>,
    ) -> Result<After> {
        restart::after_break(access, before, id, limit, cancel, wait)
    }

    fn answers(&self, access: &Access, probes: &[Probe<'_>], cancel: &Cancel) -> Result<Vec<Option<Answer>>> {
        check::run(access, probes, cancel)
    }
}
