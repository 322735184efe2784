//! One machine's way: the provider says where it is, and the remaining steps are taken. Each can be done
//! twice without harm.

use crate::error::{Error, Kind, Result};
use crate::guest::setup::Identity;
use crate::labfile::model::Machine;
use crate::provider::PowerState;
use crate::unlink;

use super::event::{Outcome, Phase};
use super::ports::{self, Purpose};
use super::records::hardware_for;
use super::session::Work;
use super::state::{self, Record};
use super::steps::{self, Planned};
use super::{Lab, status};

/// How often another ssh port is tried when somebody took ours between the choice and the start.
const PORT_TRIES: usize = 5;

impl Lab<'_> {
    /// Takes one machine from `state` to ready.
    pub(super) fn converge(&self, machine: &Machine, state: PowerState) -> Result<Outcome> {
        let name = machine.name.as_str();
        let steps = steps::plan(machine)?;
        let mut record = self.record(name)?;
        if state == PowerState::Running
            && status::is_ready(&record)
            && steps::pending(&steps, &record).is_empty()
            && record.identity == Some(self.identity(machine)?.fingerprint())
        {
            self.tell_of_changes(machine, &steps, &record);
            return Ok(Outcome::AlreadyReady);
        }

        if record.image.login.seeded {
            // The provider puts it where the guest's first boot finds it.
            self.key()?;
        }
        let woken = self.bring_to_run(machine, state)?;
        record = self.record(name)?;
        let spec = self.spec(name, &record);
        // A machine that was booted is set up again, though it has all of it on its disk: in one
        // connection this shows that it lets us in and still has its addresses, and sets its clock.
        let booted = record.ready_boot != record.boot || woken;
        if booted {
            self.phase(name, Phase::Booting);
            self.context.log.step(name, "wait for ssh", || self.wait_for_ssh(machine, &spec))?;
        }
        // Not earlier: the lab's key is part of it, and may still be in the making.
        let identity = self.identity(machine)?;
        let fingerprint = identity.fingerprint();
        let set_up = record.identity.as_ref() != Some(&fingerprint) || booted;
        let pending: Vec<Planned> = steps::pending(&steps, &record).into_iter().cloned().collect();
        if set_up || !pending.is_empty() || !record.secured {
            self.phase(name, if set_up { Phase::SettingUp } else { Phase::Provisioning });
            let work = Work { identity: set_up.then_some(&identity), steps: &pending };
            self.context.log.step(name, "set up and provision", || self.enter(name, work))?;
        }
        self.keep_ready(name, !pending.is_empty())?;
        self.store.update_record(name, |record| {
            record.ready_boot.clone_from(&record.boot);
            record.ready_at = Some(state::now());
            record.failure = None;
        })?;
        self.tell_of_changes(machine, &steps, &self.record(name)?);
        Ok(Outcome::Ready)
    }

    /// Any state → running; tells whether the machine was woken with its RAM rather than booted.
    pub(super) fn bring_to_run(&self, machine: &Machine, mut state: PowerState) -> Result<bool> {
        let name = machine.name.as_str();
        let cancel = &self.context.cancel;
        cancel.check()?;
        state = self.settled(name, state)?;
        let dir = self.files.machine(name);
        std::fs::create_dir_all(&dir).map_err(|source| Error::io("create the folder", &dir, &source))?;
        if state == PowerState::Unclear {
            let spec = self.spec(name, &self.record(name)?);
            self.note(name, "does not answer; starting it afresh");
            self.context.log.step(name, "power off", || self.provider.power_off(&spec))?;
            state = self.provider.states(std::slice::from_ref(&spec))?.first().copied().unwrap_or(state);
        }
        if matches!(state, PowerState::Running | PowerState::Paused) && self.record(name)?.halting {
            // A `halt` was killed or stopped, and the guest may be going down: to its end, then up again.
            self.phase(name, Phase::Halting);
            self.finish_halt(name, state, machine.halt_timeout)?;
            state = PowerState::Off;
        }
        if state == PowerState::Absent {
            self.phase(name, Phase::Creating);
            self.forget_guest(name)?;
            let spec = self.spec(name, &self.record(name)?);
            self.context.log.step(name, "create", || self.provider.create(&spec, cancel))?;
            state = PowerState::Off;
        }
        match state {
            PowerState::Running => Ok(false),
            PowerState::Suspended | PowerState::Paused => {
                self.phase(name, Phase::Resuming);
                // Until its clock is right it is not ready, and needs to be set up again.
                self.store.update_record(name, |record| {
                    record.ready_boot = None;
                    record.identity = None;
                    record.halting = false;
                })?;
                self.context.log.step(name, "resume", || self.start(machine))?;
                Ok(true)
            }
            PowerState::Off | PowerState::Absent | PowerState::Busy | PowerState::Unclear => {
                self.phase(name, Phase::Starting);
                self.store.update_record(name, |record| {
                    record.boot = Some(uuid::Uuid::new_v4().to_string());
                    record.ready_boot = None;
                    record.halting = false;
                })?;
                self.context.log.step(name, "start", || self.start(machine))?;
                Ok(false)
            }
        }
    }

    /// A machine that is made anew has nothing of what its predecessor had been given.
    fn forget_guest(&self, name: &str) -> Result<()> {
        self.forget_host(name)?;
        self.store.update_record(name, |record| {
            record.forget_guest();
            record.boot = None;
            record.ready_at = None;
            record.snapshots.clear();
        })
    }

    /// Forgets the machine's host key.
    pub(super) fn forget_host(&self, name: &str) -> Result<()> {
        unlink::file(&self.files.known_hosts(name))
    }

    /// Starts it, moving ports that may be moved where somebody has just taken them.
    fn start(&self, machine: &Machine) -> Result<()> {
        let name = machine.name.as_str();
        let mut tries = 0;
        loop {
            let record = self.record(name)?;
            let spec = self.spec(name, &record);
            let error = match self.provider.start(&spec, &self.context.cancel) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            tries += 1;
            if error.kind() != Kind::PortTaken || tries == PORT_TRIES {
                return Err(match self.provider.log(&spec) {
                    Some(log) if error.kind() == Kind::StartFailed => {
                        error.hint(format!("the whole log, with the command line: {}", log.display()))
                    }
                    _ => error,
                });
            }
            let forwards = self.claim_forwards(machine)?;
            let mut ssh_port = record.ssh_port;
            if !ports::can_listen(ssh_port) {
                self.ports.release(name, Purpose::Ssh)?;
                ssh_port = self.ports.claim_one_of(ports::SSH_RANGE, Purpose::Ssh, Some(name))?;
                self.note(name, format!("port {} is taken: ssh moves to {ssh_port}", record.ssh_port));
            }
            self.store.update_record(name, |record| {
                record.ssh_port = ssh_port;
                record.forwards = forwards;
            })?;
        }
    }

    /// Who the machine is to be.
    pub(super) fn identity(&self, machine: &Machine) -> Result<Identity> {
        let labfile = self.labfile()?;
        let record = self.record(&machine.name)?;
        Ok(Identity {
            hostname: machine.name.clone(),
            address: machine.ip,
            prefix: labfile.network.prefix,
            private_mac: record.private_mac,
            hosts: labfile.machines.iter().map(|machine| (machine.ip, machine.name.clone())).collect(),
            authorized_key: self.key()?.public,
            archived: self.catalogue().archived(),
        })
    }

    fn tell_of_changes(&self, machine: &Machine, steps: &[Planned], record: &Record) {
        for planned in steps::changed(steps, record) {
            let hint = format!("`lab provision {}` does it again", machine.name);
            self.warn(&machine.name, planned.has_changed(), hint);
        }
        let wanted = hardware_for(machine, &record.image);
        let auto_ports = machine.forwards.iter().any(|forward| forward.auto);
        let forwards: Vec<_> = machine.forwards.iter().map(|f| (f.host, f.guest)).collect();
        let has: Vec<_> = record.forwards.iter().map(|f| (f.host, f.guest)).collect();
        if wanted != record.hardware || (!auto_ports && forwards != has) {
            let text = "the Labfile now gives it other memory, processors or forwards";
            self.warn(&machine.name, text, format!("`lab reload {}` puts them in", machine.name));
        }
    }
}
