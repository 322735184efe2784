//! A machine's snapshots, and the one to which `reset` goes back.
//!
//! The provider has the machine; the state has what was known of it then (what had run in it, its hardware),
//! under the same name: written before there is a snapshot, removed after it is gone.
//!
//! **`ready`** is the snapshot that `reset` goes back to. A machine gets it when it becomes ready and
//! has none; and it moves on when the machine becomes ready by provisioners that have changed.

use std::time::{Duration, Instant};

use crate::error::{Kind, Result};
use crate::guest::power;
use crate::provider::{PowerState, Snapshots};

use super::handle::Handle;
use crate::lab::disk::state::AtSnapshot;
use crate::lab::tell::event::Phase;

/// A machine that stood still for longer has its clock set: several such pauses would add up.
const PAUSE_THAT_COUNTS: Duration = Duration::from_millis(500);

/// The snapshot of a machine that has become ready.
pub const READY: &str = "ready";

impl Handle<'_> {
    /// Sees to it that a machine that has just become ready can be reset. `ran`: provisioners ran for it.
    ///
    /// It is called before the machine is noted as ready, so that whoever is killed over it comes here again.
    ///
    /// # Errors
    /// [`Kind::Interrupted`]. That there is no snapshot is told, and makes no machine less ready.
    pub(super) fn keep_ready(self, ran: bool) -> Result<()> {
        let wanted = self.lab.labfile().is_ok_and(|labfile| labfile.ready_snapshot);
        let Some(snapshots) = self.lab.provider.snapshots().filter(|_| wanted) else { return Ok(()) };
        match self.renew_ready(snapshots, ran) {
            Err(error) if error.kind() != Kind::Interrupted => {
                let text = format!("cannot be reset to what it is now: {}", error.message());
                self.warn(text, format!("`lab snapshot save {READY} {}` tries again", self.name));
                Ok(())
            }
            result => result,
        }
    }

    fn renew_ready(self, snapshots: &dyn Snapshots, ran: bool) -> Result<()> {
        let record = self.record()?;
        let there = snapshots.list(&self.spec()?)?.iter().any(|found| found.name == READY);
        if there {
            let then = record.snapshots.get(READY);
            if !ran || then.is_none_or(|then| then.readiness.has_same_steps(&record.readiness)) {
                return Ok(());
            }
            // Until there is another one, it is not ready: the next `up` comes here again.
            self.update(|record| record.readiness.unready())?;
            self.delete(snapshots, READY)?;
        }
        self.take_new(snapshots, READY)
    }

    /// Takes a snapshot.
    ///
    /// # Errors
    /// [`Kind::WrongState`] where there is one of that name; the provider's.
    pub fn take(self, snapshots: &dyn Snapshots, snapshot: &str) -> Result<()> {
        let spec = self.spec()?;
        if snapshots.list(&spec)?.iter().any(|found| found.name == snapshot) {
            // The provider's own words for it; what is known of that one stays.
            return snapshots.take(&spec, snapshot, &self.lab.context.cancel);
        }
        self.take_new(snapshots, snapshot)
    }

    /// Takes one whose name is free.
    fn take_new(self, snapshots: &dyn Snapshots, snapshot: &str) -> Result<()> {
        let (record, spec) = (self.record()?, self.spec()?);
        let then = AtSnapshot::of(&record, self.lab.files.known_hosts(self.name).exists());
        self.update(|record| record.snapshots.insert(snapshot.to_owned(), then))?;
        let taken = self.doing(Phase::TakingSnapshot, || {
            self.with_clock(|| snapshots.take(&spec, snapshot, &self.lab.context.cancel))
        });
        if taken.is_err() {
            let _ = self.update(|record| record.snapshots.remove(snapshot));
        }
        taken
    }

    /// Does `work`, in which the machine may stand still, and sets its clock after a long pause. A clock that cannot be set is
    /// told of, and undoes nothing.
    fn with_clock(self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let begun = Instant::now();
        work()?;
        if begun.elapsed() < PAUSE_THAT_COUNTS
            || !self.record()?.readiness.is_set_up()
            || self.power()? != PowerState::Running
        {
            return Ok(());
        }
        match power::set_clock(&self.access(false)?, &self.lab.context.cancel) {
            Err(error) if error.kind() != Kind::Interrupted => {
                let text = format!("its clock is behind, and could not be set: {}", error.message());
                self.warn(text, format!("`lab exec {} -- date` shows it", self.name));
                Ok(())
            }
            result => result,
        }
    }

    /// Deletes a snapshot.
    ///
    /// # Errors
    /// [`Kind::WrongState`] where there is none of that name; the provider's.
    pub fn delete(self, snapshots: &dyn Snapshots, snapshot: &str) -> Result<()> {
        let spec = self.spec()?;
        self.doing(Phase::DeletingSnapshot, || {
            self.with_clock(|| snapshots.delete(&spec, snapshot, &self.lab.context.cancel))
        })?;
        self.update(|record| record.snapshots.remove(snapshot)).map(drop)
    }

    /// Any state → what it was at the snapshot: suspended or off; tells which.
    ///
    /// # Errors
    /// [`Kind::WrongState`] where there is none of that name; the provider's.
    pub fn put_back(self, snapshots: &dyn Snapshots, snapshot: &str) -> Result<PowerState> {
        let (record, spec) = (self.record()?, self.spec()?);
        // Should we be killed, nobody knows whether it is what it was before or after. What has run in
        // it, it knows itself; and it is tried whether it takes the lab's key.
        self.update(|record| record.readiness.guest_unknown())?;
        self.doing(Phase::Restoring, || snapshots.restore(&spec, snapshot, &self.lab.context.cancel))?;
        let state = self.power()?;
        if let Some(then) = record.snapshots.get(snapshot) {
            if !then.known_host {
                self.forget_host()?;
            }
            self.update(|record| then.put_back(record, state == PowerState::Suspended))?;
        }
        Ok(state)
    }
}
