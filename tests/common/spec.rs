//! The one place in the tests that makes a [`MachineSpec`], for those that ask a provider itself.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use labfile::boxes::{Arch, BoxImage, DiskController, Firmware, Hardware, Login, Mac, NicModel};
use labfile::provider::{Block, BoxRef, MachineSpec, Own, PrivateNetwork};
use serde_json::json;

/// The digest of the box that machines are made from.
pub fn digest() -> String {
    "e".repeat(64)
}

/// The machine `web1`, `web2` … of the lab `class`, small, in its folder `dir`, reached at `ssh_port`.
pub fn machine(number: u16, id: String, dir: PathBuf, ssh_port: u16) -> MachineSpec {
    let hardware = Hardware {
        arch: Arch::X86_64,
        memory_mib: 64,
        cpus: 1,
        firmware: Firmware::Bios,
        disk_controller: DiskController::Sata,
        nic: NicModel::E1000,
        base_mac: None,
    };
    let mac = |card| Mac([0x08, 0, 0x27, 0, card, number.to_be_bytes()[1]]);
    let own = json!({"ssh_port": ssh_port, "nat_mac": mac(1), "private_mac": mac(2)});
    MachineSpec {
        name: format!("web{number}"),
        lab: "class".to_owned(),
        lab_id: "0".to_owned(),
        id,
        dir,
        kept_dir: PathBuf::from("/nonexistent"),
        image: BoxRef { name: "empty".to_owned(), digest: digest() },
        hardware,
        network: PrivateNetwork { address: Ipv4Addr::new(192, 168, 56, 0), prefix: 24, internal: true },
        forwards: Vec::new(),
        seed: None,
        own: Own { machine: Block::of(&own).unwrap(), ..Own::default() },
    }
}

/// The box of `machine`, whose disk is the file `file` of the folder `dir`.
pub fn image(machine: &MachineSpec, dir: &Path, file: &str, format: &str) -> BoxImage {
    BoxImage {
        name: machine.image.name.clone(),
        digest: machine.image.digest.clone(),
        dir: dir.to_owned(),
        disk: dir.join(file),
        disk_format: format.to_owned(),
        hardware: machine.hardware.clone(),
        login: Login { user: "vagrant".to_owned(), key: None, seeded: false },
    }
}

/// The port that leads to the ssh of `machine`.
pub fn ssh_port(machine: &MachineSpec) -> u16 {
    machine.own.machine.as_value()["ssh_port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap()
}

/// Gives `machine` another port for its ssh.
pub fn set_ssh_port(machine: &mut MachineSpec, port: u16) {
    let mut own = machine.own.machine.as_value().clone();
    own["ssh_port"] = json!(port);
    machine.own.machine = Block::of(&own).unwrap();
}

/// What only QEMU needs: the folder of its sockets, and a port for the network. The folder also tells one lab from another.
pub fn put_on_qemu(machine: &mut MachineSpec, run_dir: &Path, network_port: u16) {
    machine.own.lab = Block::of(&json!({"run_dir": run_dir, "network_port": network_port})).unwrap();
    machine.lab_id = run_dir.display().to_string();
    machine.network.internal = false;
}
