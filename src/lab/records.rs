//! What is decided once of a machine and then kept: its id, addresses and ports. All of it is written down
//! before anything is made.

use std::collections::BTreeMap;

use crate::boxes::{BoxImage, Hardware, Mac};
use crate::error::{Error, Kind, Result};
use crate::labfile::model::Machine;
use crate::provider::PortForward;

use super::Lab;
use super::ports::{self, Purpose};
use super::state::Record;
use super::supply::Images;

impl Lab<'_> {
    /// Claims the number of the private network, once in the lab's life.
    pub(super) fn claim_network(&self) -> Result<()> {
        if self.store.snapshot().network_port == 0 {
            let port = self.ports.claim_one_of(ports::NETWORK_RANGE, Purpose::Network, None)?;
            self.store.update(|state| state.network_port = port)?;
        }
        Ok(())
    }

    /// Decides ids, addresses and ports of machines that do not run, and writes them down. Ports that
    /// the Labfile fixes come first, so that no ssh port gets into their way.
    pub(super) fn make_records(&self, machines: &[&Machine], images: &Images) -> Result<()> {
        let mut forwards = BTreeMap::new();
        for machine in machines {
            forwards.insert(&machine.name, self.claim_forwards(machine)?);
        }
        let mut made = BTreeMap::new();
        for machine in machines {
            let forwards = forwards.remove(&machine.name).unwrap_or_default();
            if let Some(record) = self.store.record(&machine.name) {
                if record.image.name != machine.image {
                    let text = format!("was made from the box {}, and stays so", record.image.name);
                    let hint = format!("`lab destroy {0}` and `lab up {0}` make it anew", machine.name);
                    self.warn(&machine.name, text, hint);
                }
                let image = record.image;
                self.store.update_record(&machine.name, |record| {
                    record.forwards = forwards;
                    record.hardware = hardware_for(machine, &image);
                })?;
                continue;
            }
            let image = images
                .get(machine)
                .ok_or_else(|| Error::internal(format!("the box {} was not resolved", machine.image)))?;
            // Of an `up` that was killed before it could write down what it had claimed.
            self.ports.release(&machine.name, Purpose::Ssh)?;
            let ssh_port = self.ports.claim_one_of(ports::SSH_RANGE, Purpose::Ssh, Some(&machine.name))?;
            let record = Record {
                id: uuid::Uuid::new_v4().to_string(),
                image: BoxImage { name: machine.image.clone(), ..image.clone() },
                hardware: hardware_for(machine, image),
                nat_mac: image.hardware.base_mac.unwrap_or_else(random_mac),
                private_mac: random_mac(),
                ssh_port,
                forwards,
                boot: None,
                ready_boot: None,
                halting: false,
                ready_at: None,
                identity: None,
                secured: false,
                steps: BTreeMap::new(),
                failure: None,
                snapshots: BTreeMap::new(),
            };
            made.insert(machine.name.clone(), record);
        }
        // All at once: each time costs a disk some tens of milliseconds.
        if !made.is_empty() {
            self.store.update(|state| state.machines.append(&mut made))?;
        }
        Ok(())
    }

    /// Claims the ports that the Labfile forwards to a machine that does not run.
    ///
    /// # Errors
    /// [`Kind::PortTaken`].
    pub(super) fn claim_forwards(&self, machine: &Machine) -> Result<Vec<PortForward>> {
        self.ports.release(&machine.name, Purpose::Forward)?;
        let mut forwards = Vec::new();
        for forward in &machine.forwards {
            let exact = self.ports.claim_exactly(forward.host, Purpose::Forward, &machine.name);
            let host = match exact {
                Ok(()) => forward.host,
                Err(error) if forward.auto && error.kind() == Kind::PortTaken => {
                    let range = forward.host..=forward.host.saturating_add(999);
                    let host = self.ports.claim_one_of(range, Purpose::Forward, Some(&machine.name))?;
                    let text =
                        format!("port {} is taken: {host} leads to port {}", forward.host, forward.guest);
                    self.note(&machine.name, text);
                    host
                }
                Err(error) => return Err(error.context(&machine.name)),
            };
            forwards.push(PortForward { host, guest: forward.guest });
        }
        Ok(forwards)
    }
}

/// The box's hardware with what the Labfile says instead.
pub(super) fn hardware_for(machine: &Machine, image: &BoxImage) -> Hardware {
    let mut hardware = image.hardware.clone();
    hardware.memory_mib = machine.memory_mib.unwrap_or(hardware.memory_mib);
    hardware.cpus = machine.cpus.unwrap_or(hardware.cpus);
    hardware
}

/// A MAC address of the range that VirtualBox's own machines use: some guests know it.
fn random_mac() -> Mac {
    let [a, b, c, ..] = uuid::Uuid::new_v4().into_bytes();
    Mac([0x08, 0x00, 0x27, a, b, c])
}
