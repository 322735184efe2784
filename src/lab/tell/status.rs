//! What is there, as data: for `lab status`, its JSON, and whoever asks next.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::Serialize;

use crate::error::Result;
use crate::lab::disk::state::Readiness;
use crate::lab::machine::{Handle, steps};
use crate::lab::{Lab, Place};
use crate::provider::{Forwarded, PowerState};

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
    /// The ports that lead into it.
    pub forwards: Vec<Forward>,
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

/// A port that leads into a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forward {
    /// The port that this computer connects to.
    pub host: u16,
    /// The port of the guest.
    pub guest: u16,
    /// The address that this computer connects to.
    pub address: IpAddr,
}

impl Forward {
    /// `forwarded`, in the words of the format.
    pub fn of(forwarded: &Forwarded) -> Self {
        Forward { host: forwarded.at.port(), guest: forwarded.guest, address: forwarded.at.ip() }
    }

    /// Where this computer connects to.
    pub fn at(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.host)
    }
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
    ///
    /// # Errors
    /// Those of [`crate::provider::Provider::states`].
    pub fn status(&self, names: &[String]) -> Result<Status> {
        let states = self.power_states(names)?;
        let machines = names.iter().zip(states);
        Ok(Status {
            version: VERSION,
            lab: self.store.look(|state| state.name.clone()),
            provider: Some(self.provider.name().to_owned()),
            machines: machines.map(|(name, state)| self.machine_status(self.handle(name), state)).collect(),
        })
    }

    fn machine_status(&self, handle: Handle<'_>, state: PowerState) -> MachineStatus {
        let (record, machine) = (handle.known(), handle.in_labfile());
        let running = state == PowerState::Running;
        let readiness = record.as_ref().map(|record| &record.readiness);
        let ready = running && readiness.is_some_and(Readiness::is_ready);
        let changed = match (readiness, machine) {
            (Some(readiness), Some(machine)) => {
                let steps = steps::plan(machine).unwrap_or_default();
                steps::changed(&steps, readiness)
                    .into_iter()
                    .map(|planned| planned.step.name.clone())
                    .collect()
            }
            _ => Vec::new(),
        };
        let spec = handle.spec().ok();
        // A machine that was stopped without being asked: the provider knows why.
        let stopped = match (&spec, state) {
            (Some(spec), PowerState::Paused) => self.provider.alive(spec).err(),
            _ => None,
        };
        let reach = spec.as_ref().and_then(|spec| self.provider.reach(spec).ok());
        let usage = spec.as_ref().filter(|_| running).and_then(|spec| self.provider.usage(spec));
        let failure = stopped.map(|error| error.message().to_owned());
        let failure = failure.or_else(|| readiness.and_then(Readiness::failure).map(str::to_owned));
        MachineStatus {
            name: handle.name.to_owned(),
            state,
            ready,
            ready_for: readiness.filter(|_| ready).and_then(Readiness::ready_for),
            uptime: usage.map(|usage| usage.uptime.as_secs()),
            memory_used_mib: usage.map(|usage| usage.memory >> 20),
            ip: machine.map(|machine| machine.ip),
            ssh: reach.as_ref().filter(|_| running).map(|reach| reach.ssh),
            forwards: reach.map(|reach| reach.forwards.iter().map(Forward::of).collect()).unwrap_or_default(),
            image: record
                .as_ref()
                .map(|record| record.image.name.clone())
                .or_else(|| machine.map(|machine| machine.image.clone())),
            memory_mib: record
                .as_ref()
                .map(|record| record.hardware.memory_mib)
                .or_else(|| machine.and_then(|machine| machine.memory_mib)),
            changed,
            failure: failure.filter(|_| !ready),
        }
    }
}
