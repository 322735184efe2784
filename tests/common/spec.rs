//! The one place in the tests that makes a [`MachineSpec`], for those that ask a provider itself.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use labfile::boxes::{Arch, BoxImage, DiskController, Firmware, Hardware, Login, Mac, NicModel};
use labfile::provider::{MachineSpec, PrivateNetwork, Settings};

/// The machine `web1`, `web2` … of the lab `class`, small, in its folder `dir`. It has no disk and no ports yet, which a machine
/// that exists already does not need: see [`put_disk`] and [`put_on_qemu`].
pub fn machine(number: u16, id: String, dir: PathBuf) -> MachineSpec {
    let hardware = Hardware {
        arch: Arch::X86_64,
        memory_mib: 64,
        cpus: 1,
        firmware: Firmware::Bios,
        disk_controller: DiskController::Sata,
        nic: NicModel::E1000,
        base_mac: None,
    };
    let nowhere = PathBuf::from("/nonexistent");
    let mac = |card| Mac([0x08, 0, 0x27, 0, card, number.to_be_bytes()[1]]);
    MachineSpec {
        name: format!("web{number}"),
        lab: "class".to_owned(),
        id,
        dir,
        run_dir: nowhere.clone(),
        kept_dir: nowhere.clone(),
        image: BoxImage {
            name: "empty".to_owned(),
            digest: "e".repeat(64),
            dir: nowhere.clone(),
            disk: nowhere,
            disk_format: "vmdk".to_owned(),
            hardware: hardware.clone(),
            login: Login { user: "vagrant".to_owned(), key: None, seeded: false },
        },
        hardware,
        nat_mac: mac(1),
        private_mac: mac(2),
        network: PrivateNetwork {
            lab_id: String::new(),
            address: Ipv4Addr::new(192, 168, 56, 0),
            prefix: 24,
            port: 1,
            internal: true,
        },
        ssh_port: 1,
        forwards: Vec::new(),
        seed_key: None,
        settings: Settings::default(),
    }
}

/// The disk that its box has, a file of the folder `dir`.
pub fn put_disk(machine: &mut MachineSpec, dir: &Path, file: &str, format: &str) {
    machine.image.dir = dir.to_owned();
    machine.image.disk = dir.join(file);
    machine.image.disk_format = format.to_owned();
}

/// What only QEMU needs: the folder of its sockets, and two ports of this computer. The folder also tells one lab from another.
pub fn put_on_qemu(machine: &mut MachineSpec, run_dir: &Path, ssh_port: u16, network_port: u16) {
    machine.run_dir = run_dir.to_owned();
    machine.ssh_port = ssh_port;
    machine.network.port = network_port;
    machine.network.lab_id = run_dir.display().to_string();
    machine.network.internal = false;
}
