//! What is there, as data: for `lab status`, its JSON, and whoever asks next.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::Result;
use crate::provider::{MachineSpec, PortForward, PowerState};

use super::state::{Record, now};
use super::{Lab, Place, steps};

/// How long a machine may take to save or load its RAM: some GiB on a slow stick.
const BUSY_PATIENCE: Duration = Duration::from_secs(600);
/// How long a machine may give no answer before it is taken for one that hangs.
const UNCLEAR_PATIENCE: Duration = Duration::from_secs(15);
/// Pause between two looks at a machine that is waited for.
const GLANCE: Duration = Duration::from_millis(100);

/// The format's version in JSON. Raised when a reader would have to change.
pub const VERSION: u32 = 1;

/// A lab, looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// The lab's name.
    pub lab: String,
    /// The provider, once the lab has been made.
    pub provider: Option<String>,
    /// The machines, in the Labfile's order.
    pub machines: Vec<MachineStatus>,
}

/// A machine, looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MachineStatus {
    /// Its name.
    pub name: String,
    /// What the provider says it is doing.
    pub state: PowerState,
    /// Whether it is ready: running, set up, everything provisioned.
    pub ready: bool,
    /// For how many seconds it has been ready in this boot.
    pub ready_for: Option<u64>,
    /// For how many seconds it has been running, where the provider tells.
    pub uptime: Option<u64>,
    /// How much of this computer's memory it has in use, in MiB, where the provider tells.
    pub memory_used_mib: Option<u64>,
    /// Its address on the private network.
    pub ip: Option<Ipv4Addr>,
    /// Where this computer reaches its ssh, where it runs.
    pub ssh: Option<SocketAddr>,
    /// The forwards from 127.0.0.1.
    pub forwards: Vec<PortForward>,
    /// The box.
    #[serde(rename = "box")]
    pub image: Option<String>,
    /// Memory in MiB.
    pub memory_mib: Option<u32>,
    /// Provisioners that have changed since they ran.
    pub changed: Vec<String>,
    /// Why it is not ready, where the latest attempt failed.
    pub failure: Option<String>,
}

/// The status of a lab that has not been made.
///
/// # Errors
/// Why the Labfile cannot be read.
pub fn of_nothing(place: &Place) -> Result<Status> {
    let labfile = place.labfile.as_ref().map_err(Clone::clone)?;
    let machine = |machine: &crate::labfile::model::Machine| MachineStatus {
        name: machine.name.clone(),
        state: PowerState::Absent,
        ready: false,
        ready_for: None,
        uptime: None,
        memory_used_mib: None,
        ip: Some(machine.ip),
        ssh: None,
        forwards: Vec::new(),
        image: Some(machine.image.clone()),
        memory_mib: machine.memory_mib,
        changed: Vec::new(),
        failure: None,
    };
    Ok(Status {
        version: VERSION,
        lab: labfile.name.clone(),
        provider: None,
        machines: labfile.machines.iter().map(machine).collect(),
    })
}

impl Lab<'_> {
    /// The status of `names`. Asks the provider once, for all of them.
    pub fn status(&self, names: &[String]) -> Result<Status> {
        let states = self.power_states(names)?;
        let machines =
            names.iter().zip(states).map(|(name, state)| self.machine_status(name, state)).collect();
        Ok(Status {
            version: VERSION,
            lab: self.labfile.as_ref().map_or_else(|_| "?".to_owned(), |labfile| labfile.name.clone()),
            provider: Some(self.provider.name().to_owned()),
            machines,
        })
    }

    /// What the machines of `names` are doing; one that the state does not know is absent.
    pub fn power_states(&self, names: &[String]) -> Result<Vec<PowerState>> {
        let specs: Vec<Option<MachineSpec>> =
            names.iter().map(|name| self.store.record(name).map(|record| self.spec(name, &record))).collect();
        let known: Vec<MachineSpec> = specs.iter().flatten().cloned().collect();
        let mut states = self.provider.states(&known)?.into_iter();
        Ok(specs
            .iter()
            .map(|spec| spec.as_ref().and_then(|_| states.next()).unwrap_or(PowerState::Absent))
            .collect())
    }

    /// What a machine does, once it is no longer between two states: what a killed command had begun
    /// goes on without it, and cutting it short would cost the RAM that it saves. One that does not
    /// answer gets some time, since its computer may merely have much to do.
    pub(super) fn settled(&self, name: &str, mut state: PowerState) -> Result<PowerState> {
        let begun = Instant::now();
        loop {
            let patience = match state {
                PowerState::Busy => BUSY_PATIENCE,
                PowerState::Unclear => UNCLEAR_PATIENCE,
                clear => return Ok(clear),
            };
            if begun.elapsed() >= patience {
                return Ok(state);
            }
            self.context.cancel.sleep(GLANCE)?;
            state = self.power_states(&[name.to_owned()])?.first().copied().unwrap_or(state);
        }
    }

    fn machine_status(&self, name: &str, state: PowerState) -> MachineStatus {
        let record = self.store.record(name);
        let machine = self.machine(name);
        let running = state == PowerState::Running;
        let ready = running && record.as_ref().is_some_and(is_ready);
        let changed = match (&record, machine) {
            (Some(record), Some(machine)) => {
                let steps = steps::plan(machine).unwrap_or_default();
                steps::changed(&steps, record).into_iter().map(|planned| planned.step.name.clone()).collect()
            }
            _ => Vec::new(),
        };
        let spec = record.as_ref().map(|record| self.spec(name, record));
        // A machine that was stopped without being asked: the provider knows why.
        let stopped = match (&spec, state) {
            (Some(spec), PowerState::Paused) => self.provider.alive(spec).err(),
            _ => None,
        };
        let usage = spec.as_ref().filter(|_| running).and_then(|spec| self.provider.usage(spec));
        let stopped = stopped.map(|error| error.message().replacen(&format!("{name}: "), "", 1));
        MachineStatus {
            name: name.to_owned(),
            state,
            ready,
            ready_for: record
                .as_ref()
                .filter(|_| ready)
                .and_then(|record| record.ready_at)
                .map(|at| now().saturating_sub(at)),
            uptime: usage.map(|usage| usage.uptime.as_secs()),
            memory_used_mib: usage.map(|usage| usage.memory >> 20),
            ip: machine.map(|machine| machine.ip),
            ssh: spec.filter(|_| running).map(|spec| self.provider.ssh_address(&spec)),
            forwards: record.as_ref().map(|record| record.forwards.clone()).unwrap_or_default(),
            image: record
                .as_ref()
                .map(|record| record.image.name.clone())
                .or_else(|| machine.map(|machine| machine.image.clone())),
            memory_mib: record
                .as_ref()
                .map(|record| record.hardware.memory_mib)
                .or_else(|| machine.and_then(|machine| machine.memory_mib)),
            changed,
            failure: stopped.or_else(|| record.and_then(|record| record.failure)).filter(|_| !ready),
        }
    }
}

/// Whether it became ready in this boot, and nothing has failed since.
pub(super) fn is_ready(record: &Record) -> bool {
    record.ready_boot.is_some()
        && record.ready_boot == record.boot
        && !record.halting
        && record.failure.is_none()
}
