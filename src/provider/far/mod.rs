//! A provider of another kind than those whose machines run on this computer, for the suite of the contract: its machines stand
//! at 10.0.0.x behind a jump host, nothing of them lies on this computer, every call is slow, and a snapshot takes minutes.
//!
//! What is not about that, a world in memory does for it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fake::{Fake, Things};
use super::{
    Availability, Block, Claims, Console, DiskForm, Features, Forwarded, Jump, Lost, MachineSpec, Pace,
    Planned, PowerState, Provider, Reach, SharedDir, Snapshot, Snapshots, Wish,
};
use crate::boxes::{BoxImage, Hardware, Mac};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};

/// What a call takes.
const CALL: Duration = Duration::from_secs(20);
/// What a snapshot takes.
const SNAPSHOT: Duration = Duration::from_secs(180);

/// Runs machines that are far away.
#[derive(Debug)]
pub struct Far(Fake);

/// What it decides of a machine: its number in the network there.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Own {
    number: u8,
}

impl Far {
    /// The provider of the world in `shared`.
    pub fn new(shared: &SharedDir) -> Self {
        Far(Fake::new(&SharedDir(shared.join("far"))))
    }

    /// The world that its machines are in.
    pub fn world(&self) -> &std::sync::Arc<super::fake::World> {
        self.0.world()
    }

    /// Lets time go by there, as a call does.
    fn takes(&self, time: Duration, cancel: &Cancel) -> Result<()> {
        self.world().meddle(|things: &mut Things| things.now += time);
        cancel.check()
    }
}

impl Provider for Far {
    fn name(&self) -> &'static str {
        "far"
    }

    fn features(&self) -> Features {
        self.0.features()
    }

    fn pace(&self) -> Pace {
        Pace { settle: Duration::from_secs(5), alive: Duration::from_secs(30) }
    }

    fn available(&self, cancel: &Cancel) -> Result<Availability> {
        self.takes(CALL, cancel)?;
        self.0.available(cancel)
    }

    fn check(&self, hardware: &Hardware, cancel: &Cancel) -> Result<Availability> {
        self.takes(CALL, cancel)?;
        self.0.check(hardware, cancel)
    }

    fn plan_lab(&self, lab_id: &str, known: &Block, _: &dyn Claims) -> Result<Block> {
        if known.is_empty() { Block::of(&serde_json::json!({ "lab": lab_id })) } else { Ok(known.clone()) }
    }

    fn plan_machine(&self, _: Wish<'_>, known: &Block, _: &dyn Claims) -> Result<Planned> {
        if !known.is_empty() {
            return Ok(Planned { own: known.clone(), notes: Vec::new() });
        }
        let number = self.world().meddle(|things: &mut Things| {
            things.boots += 1;
            u8::try_from(things.boots % 250 + 2).unwrap_or_default()
        });
        Ok(Planned { own: Block::of(&Own { number })?, notes: Vec::new() })
    }

    fn prepare_base(&self, image: &BoxImage, cancel: &Cancel, progress: &mut dyn FnMut(f64)) -> Result<()> {
        self.takes(SNAPSHOT, cancel)?;
        self.0.prepare_base(image, cancel, progress)
    }

    fn remove_base(&self, digest: &str, cancel: &Cancel) -> Result<()> {
        self.0.remove_base(digest, cancel)
    }

    fn prepare_lab(&self, machines: &[MachineSpec], cancel: &Cancel) -> Result<Vec<String>> {
        self.takes(CALL, cancel)?;
        self.0.prepare_lab(machines, cancel)
    }

    fn remove_lab(&self, own: &Block) -> Result<()> {
        self.0.remove_lab(own)
    }

    fn states(&self, machines: &[MachineSpec], cancel: &Cancel) -> Result<Vec<PowerState>> {
        self.takes(CALL, cancel)?;
        self.0.states(machines, cancel)
    }

    fn create(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        self.takes(CALL, cancel)?;
        self.0.create(machine, cancel)
    }

    fn start(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        self.takes(CALL, cancel)?;
        self.0.start_at(machine, Vec::new(), cancel)
    }

    fn shut_down(&self, machine: &MachineSpec, patience: Duration, cancel: &Cancel) -> Result<bool> {
        self.takes(CALL, cancel)?;
        self.0.shut_down(machine, patience, cancel)
    }

    fn power_off(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        self.takes(CALL, cancel)?;
        self.0.power_off(machine, cancel)
    }

    fn suspend(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        self.takes(CALL, cancel)?;
        self.0.suspend(machine, cancel)
    }

    fn destroy(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        self.takes(CALL, cancel)?;
        self.0.destroy(machine, cancel)
    }

    fn export_disk(
        &self,
        machine: &MachineSpec,
        _: &Path,
        _: DiskForm,
        _: &Cancel,
        _: &mut dyn FnMut(f64),
    ) -> Result<Mac> {
        Err(Error::new(Kind::WrongState, "its disk is not on this computer").of(&machine.name))
    }

    fn strays(&self, lost: Lost<'_>, cancel: &Cancel) -> Result<Vec<String>> {
        self.0.strays(lost, cancel)
    }

    fn forget(&self, lost: Lost<'_>, cancel: &Cancel) -> Result<()> {
        self.0.forget(lost, cancel)
    }

    fn snapshots(&self) -> Option<&dyn Snapshots> {
        Some(self)
    }

    fn reach(&self, machine: &MachineSpec) -> Result<Reach> {
        let Own { number } = machine.own.machine.read()?;
        let at = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)), port);
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 22);
        Ok(Reach {
            ssh: at(22),
            jump: Some(Jump { address, user: "lab".to_owned() }),
            private_mac: Mac([0x02, 0, 10, 0, 0, number]),
            forwards: machine
                .forwards
                .iter()
                .map(|to| Forwarded { at: at(to.guest), guest: to.guest })
                .collect(),
        })
    }

    fn console(&self, machine: &MachineSpec) -> Result<Box<dyn Console>> {
        self.0.console(machine)
    }

    fn alive(&self, machine: &MachineSpec) -> Result<()> {
        self.0.alive(machine)
    }

    fn log(&self, _: &MachineSpec) -> Option<PathBuf> {
        None
    }
}

impl Snapshots for Far {
    fn list(&self, machine: &MachineSpec) -> Result<Vec<Snapshot>> {
        Snapshots::list(&self.0, machine)
    }

    fn take(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()> {
        self.takes(SNAPSHOT, cancel)?;
        Snapshots::take(&self.0, machine, name, cancel)
    }

    fn restore(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()> {
        self.takes(SNAPSHOT, cancel)?;
        Snapshots::restore(&self.0, machine, name, cancel)
    }

    fn delete(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()> {
        self.takes(SNAPSHOT, cancel)?;
        Snapshots::delete(&self.0, machine, name, cancel)
    }
}
