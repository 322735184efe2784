//! Snapshots: a copy of what is on the disk and in the RAM.

use std::time::SystemTime;

use super::{Fake, Kept};
use crate::cancel::Cancel;
use crate::error::Result;
use crate::provider::{MachineSpec, PowerState, Snapshot, Snapshots, refusal};

impl Snapshots for Fake {
    fn list(&self, machine: &MachineSpec) -> Result<Vec<Snapshot>> {
        self.world().call("list", &machine.name, None, |things| {
            let there = things.machines.get(&machine.id).filter(|there| !there.half_made);
            let of = |kept: &Kept| Snapshot {
                name: kept.name.clone(),
                with_ram: kept.ram.is_some(),
                taken: Some(SystemTime::UNIX_EPOCH + kept.taken),
            };
            Ok(there.map(|there| there.snapshots.iter().map(of).collect()).unwrap_or_default())
        })
    }

    fn take(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()> {
        let now = self.world().things().now;
        self.with("take", machine, Some(cancel), None, |there| {
            there.settle();
            if there.snapshots.iter().any(|kept| kept.name == name) {
                return Err(refusal::snapshot_exists(machine, name));
            }
            let (disk, ram) = (there.disk.clone(), there.ram.clone());
            there.snapshots.push(Kept { name: name.to_owned(), disk, ram, taken: now });
            Ok(())
        })
    }

    fn restore(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()> {
        self.with("restore", machine, Some(cancel), None, |there| {
            there.settle();
            let Some(kept) = there.snapshots.iter().find(|kept| kept.name == name) else {
                let others: Vec<_> = there.snapshots.iter().map(|kept| kept.name.as_str()).collect();
                return Err(refusal::no_snapshot(machine, name, &others));
            };
            (there.disk, there.ram) = (kept.disk.clone(), kept.ram.clone());
            there.power = if there.ram.is_some() { PowerState::Suspended } else { PowerState::Off };
            Ok(())
        })
    }

    fn delete(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()> {
        self.with("delete", machine, Some(cancel), None, |there| {
            let before = there.snapshots.len();
            there.snapshots.retain(|kept| kept.name != name);
            if there.snapshots.len() < before {
                return Ok(());
            }
            let others: Vec<_> = there.snapshots.iter().map(|kept| kept.name.as_str()).collect();
            Err(refusal::no_snapshot(machine, name, &others))
        })
    }
}
