//! The way to ready: absent → created → running → reachable → set up → provisioned = ready. It is the same for every
//! command, and each step can be done twice without harm.

use crate::error::{Kind, Result};
use crate::guest::setup::Identity;
use crate::labfile::model::Machine;
use crate::provider::PowerState;

use super::handle::Handle;
use super::records::hardware_for;
use super::session::Work;
use super::steps::{self, Planned};
use crate::lab::crew::Turn;
use crate::lab::disk::state::Record;
use crate::lab::tell::event::{Outcome, Phase};

/// How far a machine is to be brought.
#[derive(Debug, Clone, Copy)]
pub enum Until<'a> {
    /// Ready: set up, and all that the Labfile wants run has succeeded.
    Ready,
    /// As far as it was at a snapshot: it runs, and is set up where it was. Ready where nothing is left to do.
    AsItWas,
    /// It runs and is set up; these steps are run, though they have succeeded before.
    Ran(&'a [Planned]),
}

impl Handle<'_> {
    /// Brings the machine from `state` as far as `until` says. Waits for its `turn` before anything of its own is run in it.
    ///
    /// # Errors
    /// Why it did not get there; the state says so too, unless it was stopped.
    pub fn make_ready(self, state: PowerState, until: Until<'_>, turn: &Turn<'_>) -> Result<Outcome> {
        let result = self.take_steps(state, until, turn);
        if let Err(error) = &result
            && error.kind() != Kind::Interrupted
        {
            // The error is heard of anyway: a note that cannot be written (a full disk) does not get into its way.
            let _ = self.update(|record| record.readiness.failed(error.message()));
        }
        result
    }

    fn take_steps(self, state: PowerState, until: Until<'_>, turn: &Turn<'_>) -> Result<Outcome> {
        let machine = self.wanted()?;
        let state = match state {
            PowerState::CutOff => {
                let name = self.name;
                self.warn(
                    "runs, but its control sockets are gone",
                    format!("`lab halt {name}`, then `lab up {name}`"),
                );
                PowerState::Running
            }
            state => state,
        };
        let all = steps::plan(machine)?;
        let mut record = self.record()?;
        if matches!(until, Until::Ready)
            && state == PowerState::Running
            && record.readiness.is_ready()
            && steps::pending(&all, &record.readiness).is_empty()
            && record.readiness.is_set_up_as(&self.identity(machine)?.fingerprint())
        {
            self.tell_of_changes(machine, &all, &record);
            return Ok(Outcome::AlreadyReady);
        }
        if let Until::Ran(wanted) = until {
            return self.run_again(machine, wanted, turn);
        }
        let was_set_up = record.readiness.is_set_up();
        if record.login.seeded {
            // The provider puts it where the guest's first boot finds it.
            self.lab.key()?;
        }
        let woken = self.bring_to_run(state)?;
        if matches!(until, Until::AsItWas) && !was_set_up {
            return Ok(Outcome::Restored);
        }
        record = self.record()?;
        // A machine that was booted is set up again, though it has all of it on its disk: in one
        // connection this shows that it lets us in and still has its addresses, and sets its clock.
        let booted = !record.readiness.was_ready() || woken;
        if booted {
            self.doing(Phase::Booting, || self.wait_for_ssh(machine))?;
        }
        let mut pending: Vec<Planned> =
            steps::pending(&all, &record.readiness).into_iter().cloned().collect();
        let is_whole = pending.is_empty();
        match until {
            Until::AsItWas => pending.clear(),
            _ if is_whole => {}
            _ => turn.wait()?,
        }
        // Not earlier: the lab's key is part of it, and may still be in the making.
        let identity = self.identity(machine)?;
        let set_up = booted || !record.readiness.is_set_up_as(&identity.fingerprint());
        if set_up || !pending.is_empty() || !record.readiness.is_secured() {
            let phase = if set_up { Phase::SettingUp } else { Phase::Provisioning };
            let work = Work { identity: set_up.then_some(&identity), steps: &pending };
            self.doing(phase, || self.enter(work))?;
        }
        if matches!(until, Until::AsItWas) && !is_whole {
            return Ok(Outcome::Restored);
        }
        self.keep_ready(!pending.is_empty())?;
        self.update(|record| record.readiness.became_ready())?;
        self.tell_of_changes(machine, &all, &self.record()?);
        Ok(Outcome::Ready)
    }

    /// Runs `wanted` in a machine that runs and is set up.
    fn run_again(self, machine: &Machine, wanted: &[Planned], turn: &Turn<'_>) -> Result<Outcome> {
        turn.wait()?;
        let was_ready = self.record()?.readiness.was_ready();
        self.update(|record| wanted.iter().for_each(|planned| record.readiness.step_due(&planned.step.id)))?;
        self.doing(Phase::Provisioning, || self.enter(Work { identity: None, steps: wanted }))?;
        // Another step may have failed before, which only `up` takes up again.
        let all = steps::plan(machine)?;
        if was_ready && steps::pending(&all, &self.record()?.readiness).is_empty() {
            self.keep_ready(true)?;
            self.update(|record| record.readiness.became_ready())?;
        }
        Ok(Outcome::Ready)
    }

    /// Who the machine is to be.
    fn identity(self, machine: &Machine) -> Result<Identity> {
        let labfile = self.lab.labfile()?;
        let private_mac = self.lab.provider.reach(&self.spec()?)?.private_mac;
        Ok(Identity {
            hostname: machine.name.clone(),
            address: machine.ip,
            prefix: labfile.network.prefix,
            private_mac,
            hosts: labfile.machines.iter().map(|machine| (machine.ip, machine.name.clone())).collect(),
            authorized_key: self.lab.key()?.public,
            archived: self.lab.catalogue().archived(),
        })
    }

    fn tell_of_changes(self, machine: &Machine, all: &[Planned], record: &Record) {
        for planned in steps::changed(all, &record.readiness) {
            self.warn(planned.has_changed(), format!("`lab provision {}` does it again", self.name));
        }
        let wanted = hardware_for(machine, &record.box_hardware);
        let auto_ports = machine.forwards.iter().any(|forward| forward.auto);
        let forwards: Vec<_> = machine.forwards.iter().map(|f| (f.host, f.guest)).collect();
        let has: Vec<_> = record.forwards.iter().map(|f| (f.host, f.guest)).collect();
        if wanted != record.hardware || (!auto_ports && forwards != has) {
            let text = "the Labfile now gives it other memory, processors or forwards";
            self.warn(text, format!("`lab reload {}` puts them in", self.name));
        }
    }
}
