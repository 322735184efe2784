//! What is decided once of a machine and then kept: its id, box, ports, and what its provider decides. All of it is written
//! down before anything is made.

use std::collections::BTreeMap;

use crate::boxes::{BoxImage, Hardware};
use crate::error::{Error, Kind, Result};
use crate::labfile::model::Machine;
use crate::provider::{Block, BoxRef, PortForward, Wish};

use super::handle::Handle;
use crate::lab::boxes::supply::Images;
use crate::lab::disk::ports::Purpose;
use crate::lab::disk::state::{Login, Readiness, Record};
use crate::lab::opened::Lab;

impl Lab<'_> {
    /// Decides what the lab's machines share, once in the lab's life.
    pub fn plan(&self) -> Result<()> {
        let (lab_id, known) = self.store.look(|state| (state.lab_id.clone(), state.own.clone()));
        let own = self.provider.plan_lab(&lab_id, &known, &self.ports)?;
        self.store.update(|state| state.own = own)?;
        self.note_in_register()
    }

    /// Decides ids, addresses and ports of machines that do not run, and writes them down. Ports that
    /// the Labfile fixes come first, so that no ssh port gets into their way.
    pub fn make_records(&self, machines: &[&Machine], images: &Images) -> Result<()> {
        let mut forwards = BTreeMap::new();
        for machine in machines {
            forwards.insert(&machine.name, self.handle(&machine.name).claim_forwards(machine)?);
        }
        let mut made = BTreeMap::new();
        for machine in machines {
            let forwards = forwards.remove(&machine.name).unwrap_or_default();
            let handle = self.handle(&machine.name);
            if let Some(record) = handle.known() {
                if record.image.name != machine.image {
                    let text = format!("was made from the box {}, and stays so", record.image.name);
                    let hint = format!("`lab destroy {0}` and `lab up {0}` make it anew", machine.name);
                    handle.warn(text, hint);
                }
                handle.update(|record| {
                    record.forwards = forwards;
                    record.hardware = hardware_for(machine, &record.box_hardware);
                })?;
                continue;
            }
            let image = images
                .get(machine)
                .ok_or_else(|| Error::internal(format!("the box {} was not resolved", machine.image)))?;
            made.insert(machine.name.clone(), self.new_record(machine, image, forwards)?);
        }
        // All at once: each time costs a disk some tens of milliseconds.
        if !made.is_empty() {
            self.store.update(|state| state.machines.append(&mut made))?;
        }
        Ok(())
    }

    fn new_record(&self, machine: &Machine, image: &BoxImage, forwards: Vec<PortForward>) -> Result<Record> {
        let hardware = hardware_for(machine, &image.hardware);
        let wish = Wish { name: &machine.name, base_mac: hardware.base_mac };
        let planned = self.provider.plan_machine(wish, &Block::default(), &self.ports)?;
        planned.notes.into_iter().for_each(|note| self.handle(&machine.name).note(note));
        Ok(Record {
            id: uuid::Uuid::new_v4().to_string(),
            image: BoxRef { name: machine.image.clone(), digest: image.digest.clone() },
            login: Login { user: image.login.user.clone(), seeded: image.login.seeded },
            box_hardware: image.hardware.clone(),
            hardware,
            forwards,
            own: planned.own,
            readiness: Readiness::default(),
            snapshots: BTreeMap::new(),
        })
    }
}

impl Handle<'_> {
    /// Claims the ports that the Labfile forwards to a machine that does not run.
    ///
    /// # Errors
    /// [`Kind::PortTaken`].
    pub(super) fn claim_forwards(self, machine: &Machine) -> Result<Vec<PortForward>> {
        let ports = &self.lab.ports;
        ports.release(self.name, Purpose::Forward)?;
        let mut forwards = Vec::new();
        for forward in &machine.forwards {
            let exact = ports.claim_exactly(forward.host, Purpose::Forward, self.name);
            let host = match exact {
                Ok(()) => forward.host,
                Err(error) if forward.auto && error.kind() == Kind::PortTaken => {
                    let range = forward.host..=forward.host.saturating_add(999);
                    let host = ports.claim_one_of(range, Purpose::Forward, Some(self.name))?;
                    self.note(format!(
                        "port {} is taken: {host} leads to port {}",
                        forward.host, forward.guest
                    ));
                    host
                }
                Err(error) => return Err(error.of(self.name)),
            };
            forwards.push(PortForward { host, guest: forward.guest });
        }
        Ok(forwards)
    }
}

/// A box's hardware with what the Labfile says instead.
pub(super) fn hardware_for(machine: &Machine, hardware: &Hardware) -> Hardware {
    Hardware {
        memory_mib: machine.memory_mib.unwrap_or(hardware.memory_mib),
        cpus: machine.cpus.unwrap_or(hardware.cpus),
        ..hardware.clone()
    }
}
