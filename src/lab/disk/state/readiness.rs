//! What is known of a machine's way to ready. It changes by named transitions alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lab::disk::now::now;

/// How far a machine is, as far as nobody else can be asked.
///
/// A machine is ready while it runs in the boot in which it became ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Made anew at each start from off: tells one boot from another.
    boot: Option<String>,
    /// The boot in which the machine last became ready.
    ready_boot: Option<String>,
    /// When that was, in seconds since 1970.
    ready_at: Option<u64>,
    /// In this boot its power button has been pressed, or is about to be: it may go off by itself.
    #[serde(default)]
    halting: bool,
    /// The fingerprint of the identity that the guest was given.
    identity: Option<String>,
    /// Whether Vagrant's insecure key has been taken out of the guest.
    secured: bool,
    /// What has succeeded in the guest, by step id.
    steps: BTreeMap<String, StepRecord>,
    /// Why the latest attempt to make it ready failed.
    failure: Option<String>,
}

/// A step that has succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The digest of what was run, to notice a change.
    pub digest: String,
    /// When it ended, in seconds since 1970.
    pub at: u64,
    /// The boot in which it ran.
    pub boot: Option<String>,
}

impl Readiness {
    /// The machine has a new disk: nothing of its predecessor holds.
    pub fn made_anew(&mut self) {
        *self = Readiness::default();
    }

    /// The machine is about to boot.
    pub fn booting(&mut self) {
        self.boot = Some(uuid::Uuid::new_v4().to_string());
        self.unready();
        self.halting = false;
    }

    /// The machine is about to go on with the RAM that it had: until its clock is right it is not ready, and needs to be
    /// set up again.
    pub fn waking(&mut self) {
        self.unready();
        self.identity = None;
        self.halting = false;
    }

    /// The power button is about to be pressed.
    pub fn halting(&mut self) {
        self.halting = true;
    }

    /// The guest has been set up.
    pub fn set_up(&mut self, fingerprint: String) {
        self.identity = Some(fingerprint);
    }

    /// The guest takes the lab's own key alone.
    pub fn secured(&mut self) {
        self.secured = true;
    }

    /// A step has succeeded in this boot.
    pub fn step_done(&mut self, id: &str, digest: &str) {
        let done = StepRecord { digest: digest.to_owned(), at: now(), boot: self.boot.clone() };
        self.steps.insert(id.to_owned(), done);
    }

    /// A step is about to run again: it counts as done when it is.
    pub fn step_due(&mut self, id: &str) {
        self.steps.remove(id);
    }

    /// The machine is not ready until it becomes so again.
    pub fn unready(&mut self) {
        self.ready_boot = None;
    }

    /// All has been done for the machine in this boot, and seen.
    pub fn became_ready(&mut self) {
        self.ready_boot.clone_from(&self.boot);
        self.ready_at = Some(now());
        self.failure = None;
    }

    /// The machine could not be made ready.
    pub fn failed(&mut self, why: impl Into<String>) {
        self.failure = Some(why.into());
    }

    /// Nobody knows any more what the guest has been given: the guest itself has to be asked.
    pub fn guest_unknown(&mut self) {
        *self = Readiness { boot: self.boot.take(), ready_at: self.ready_at, ..Readiness::default() };
    }

    /// The machine is what it was when `then` was noted, and not ready yet.
    pub fn put_back(&mut self, then: &Readiness) {
        *self = Readiness { ready_boot: None, halting: false, ready_at: self.ready_at, ..then.clone() };
    }

    /// Whether it became ready in this boot, and nothing has failed or gone down since.
    pub fn is_ready(&self) -> bool {
        self.was_ready() && !self.halting && self.failure.is_none()
    }

    /// Whether it became ready in this boot.
    pub fn was_ready(&self) -> bool {
        self.ready_boot.is_some() && self.ready_boot == self.boot
    }

    /// For how many seconds it has been ready; `None` where it is not.
    pub fn ready_for(&self) -> Option<u64> {
        self.ready_at.filter(|_| self.is_ready()).map(|at| now().saturating_sub(at))
    }

    /// Whether its power button has been pressed in this boot.
    pub fn is_halting(&self) -> bool {
        self.halting
    }

    /// Whether the guest has been set up.
    pub fn is_set_up(&self) -> bool {
        self.identity.is_some()
    }

    /// Whether the guest has been set up as this.
    pub fn is_set_up_as(&self, fingerprint: &str) -> bool {
        self.identity.as_deref() == Some(fingerprint)
    }

    /// Whether the guest takes the lab's own key alone.
    pub fn is_secured(&self) -> bool {
        self.secured
    }

    /// Why the latest attempt failed.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// What is known of a step's success.
    pub fn done(&self, id: &str) -> Option<&StepRecord> {
        self.steps.get(id)
    }

    /// Whether a step has succeeded in this boot.
    pub fn done_in_this_boot(&self, id: &str) -> bool {
        self.done(id).is_some_and(|done| done.boot == self.boot)
    }

    /// Whether the same steps with the same texts have succeeded as in `other`.
    pub fn has_same_steps(&self, other: &Readiness) -> bool {
        let digests = |readiness: &Readiness| -> Vec<(String, String)> {
            let steps = readiness.steps.iter();
            steps.map(|(id, step)| (id.clone(), step.digest.clone())).collect()
        };
        digests(self) == digests(other)
    }

    /// What a state of version 1 says, in its flat fields.
    pub(super) fn from_version_1(fields: &serde_json::Value) -> serde_json::Result<Self> {
        Readiness::deserialize(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Readiness {
        let mut readiness = Readiness::default();
        readiness.booting();
        readiness.set_up("who".to_owned());
        readiness.secured();
        readiness.step_done("run-a", "1");
        readiness.became_ready();
        readiness
    }

    #[test]
    fn a_machine_is_ready_in_the_boot_in_which_it_became_so() {
        let mut readiness = ready();
        assert!(readiness.is_ready() && readiness.done_in_this_boot("run-a"));
        readiness.booting();
        assert!(!readiness.is_ready() && !readiness.done_in_this_boot("run-a") && readiness.is_secured());
        assert!(readiness.done("run-a").is_some() && readiness.is_set_up_as("who"));
    }

    #[test]
    fn what_goes_down_has_failed_or_was_woken_is_not_ready() {
        for change in [
            Readiness::halting,
            Readiness::waking,
            Readiness::unready,
            Readiness::guest_unknown,
            Readiness::made_anew,
            |readiness: &mut Readiness| readiness.failed("why"),
        ] {
            let mut readiness = ready();
            change(&mut readiness);
            assert!(!readiness.is_ready() && readiness.ready_for().is_none(), "{readiness:?}");
        }
    }

    #[test]
    fn a_snapshot_brings_back_what_was_known_and_not_that_it_was_ready() {
        let then = ready();
        let mut now = then.clone();
        now.step_done("run-b", "2");
        assert!(!now.has_same_steps(&then));
        now.guest_unknown();
        assert!(!now.is_set_up() && !now.is_secured() && now.done("run-a").is_none());
        now.put_back(&then);
        assert!(now.has_same_steps(&then) && now.is_set_up_as("who") && !now.is_ready());
    }
}
