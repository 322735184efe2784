//! From what is known of a box to VBoxManage's words for it. Options are written as 6.1 knew them; 7.2 still does.

use std::ffi::OsString;
use std::path::Path;

use super::files::GROUP;
use super::version::Version;
use crate::boxes::{Arch, BoxImage, DiskController, Firmware, Hardware, NicModel};
use crate::error::{Error, Kind, Result};

/// The name of the controller that the system disk hangs on.
const CONTROLLER: &str = "disk";
/// What `showvminfo` calls the system disk's place on it.
pub(super) const SYSTEM_DISK: &str = "disk-ImageUUID-0-0";

/// Refuses what VirtualBox cannot run here.
///
/// # Errors
/// [`Kind::NoProvider`].
pub(super) fn supports(hardware: &Hardware, version: Version, host: &str) -> Result<()> {
    let refused = |message: String| {
        Err(Error::new(Kind::NoProvider, message).hint("use QEMU: `lab up --provider qemu`"))
    };
    match (hardware.arch, host) {
        (Arch::I386 | Arch::X86_64, "x86_64") => {}
        (Arch::Aarch64, "aarch64") if version.is_at_least(7, 1, 0) => {}
        (Arch::Aarch64, "aarch64") => {
            return refused(format!("VirtualBox {version} is too old for ARM machines; 7.1 has them"));
        }
        (Arch::I386 | Arch::X86_64, _) => {
            return refused(format!("VirtualBox cannot run x86 machines on {host}"));
        }
        (Arch::Aarch64, _) => return refused(format!("VirtualBox cannot run ARM machines on {host}")),
    }
    match hardware.disk_controller {
        DiskController::VirtioBlk => {
            refused("VirtualBox has no virtio-blk disks, which this box needs".to_owned())
        }
        _ => Ok(()),
    }
}

/// Makes a machine without a disk.
pub(super) fn create(image: &BoxImage, id: &str, title: &str, folder: &Path) -> Result<Vec<OsString>> {
    let (system, platform): (_, &[&str]) = match image.hardware.arch {
        Arch::I386 => ("Linux26", &[]),
        Arch::X86_64 => ("Linux26_64", &[]),
        Arch::Aarch64 => ("Linux26_arm64", &["--platform-architecture", "arm"]),
    };
    let mut arguments = words(&["createvm", "--name", title, "--uuid", id, "--groups", GROUP]);
    arguments.extend(words(&["--ostype", system]));
    arguments.extend(words(platform));
    arguments.extend(["--register".into(), "--basefolder".into(), folder.into()]);
    Ok(arguments)
}

/// Gives it what all machines of the box have.
pub(super) fn modify(image: &BoxImage, id: &str) -> Vec<OsString> {
    let hardware = &image.hardware;
    let description = format!(
        "The base of the box {} (sha256 {}). The machines of labs are linked to its disk: it must not be changed or removed by hand.",
        image.name, image.digest
    );
    let (memory, cpus) = (hardware.memory_mib.to_string(), hardware.cpus.to_string());
    let mut arguments = words(&[
        "modifyvm",
        id,
        "--description",
        &description,
        "--memory",
        &memory,
        "--cpus",
        &cpus,
        "--vram",
        "16",
        "--graphicscontroller",
        "vmsvga",
        "--rtcuseutc",
        "on",
        "--boot1",
        "disk",
        "--boot2",
        "none",
        "--boot3",
        "none",
        "--boot4",
        "none",
        "--mouse",
        "ps2",
        "--keyboard",
        "ps2",
        "--clipboard-mode",
        "disabled",
        "--draganddrop",
        "disabled",
        "--usb",
        "off",
        "--vrde",
        "off",
        "--nic1",
        "nat",
        "--nictype1",
        nic_type(hardware.nic),
    ]);
    if hardware.arch != Arch::Aarch64 {
        // More than one processor needs the I/O APIC; old 32-bit kernels want PAE to be there.
        arguments.extend(words(&["--acpi", "on", "--ioapic", "on", "--pae", "on"]));
        let firmware = match hardware.firmware {
            Firmware::Bios => "bios",
            Firmware::Efi => "efi",
        };
        arguments.extend(words(&["--firmware", firmware]));
    }
    arguments
}

/// Gives it the controller of its system disk.
///
/// # Errors
/// [`Kind::NoProvider`] for one that VirtualBox does not have.
pub(super) fn controller(image: &BoxImage, id: &str) -> Result<Vec<OsString>> {
    let (bus, model) = match image.hardware.disk_controller {
        DiskController::Ide => ("ide", "PIIX4"),
        DiskController::Sata => ("sata", "IntelAhci"),
        DiskController::LsiLogic => ("scsi", "LSILogic"),
        DiskController::LsiLogicSas => ("sas", "LSILogicSAS"),
        DiskController::BusLogic => ("scsi", "BusLogic"),
        DiskController::VirtioScsi => ("virtio", "VirtIO"),
        DiskController::VirtioBlk => {
            return Err(Error::new(
                Kind::NoProvider,
                "VirtualBox has no virtio-blk disks, which this box needs",
            ));
        }
    };
    let mut arguments = words(&["storagectl", id, "--name", CONTROLLER, "--add", bus]);
    arguments.extend(words(&["--controller", model, "--bootable", "on"]));
    if image.hardware.disk_controller == DiskController::Sata {
        // Else it has 30, and a guest looks for a disk at each when it boots.
        arguments.extend(words(&["--portcount", "4"]));
    }
    Ok(arguments)
}

/// Puts its disk in.
pub(super) fn attach(id: &str, disk: &Path) -> Vec<OsString> {
    let mut arguments = words(&[
        "storageattach",
        id,
        "--storagectl",
        CONTROLLER,
        "--port",
        "0",
        "--device",
        "0",
        "--type",
        "hdd",
        "--medium",
    ]);
    arguments.push(disk.into());
    arguments
}

/// Puts the disc `seed` into a drive that hangs where the guest has a driver for its system disk; the calls, in their order.
/// Drives that a guest would not find there are IDE, which every stock kernel knows.
pub(super) fn insert(hardware: &Hardware, id: &str, seed: &Path) -> Vec<Vec<OsString>> {
    let own = match hardware.disk_controller {
        DiskController::Ide | DiskController::Sata | DiskController::VirtioScsi => None,
        _ => Some("seed"),
    };
    let make = |name| words(&["storagectl", id, "--name", name, "--add", "ide", "--controller", "PIIX4"]);
    let mut attach = words(&["storageattach", id, "--storagectl", own.unwrap_or(CONTROLLER), "--port", "1"]);
    attach.extend(words(&["--device", "0", "--type", "dvddrive", "--medium"]));
    attach.push(seed.into());
    own.map(make).into_iter().chain([attach]).collect()
}

/// VirtualBox's name for a model of network card.
pub(super) fn nic_type(nic: NicModel) -> &'static str {
    match nic {
        NicModel::E1000 => "82540EM",
        NicModel::Pcnet => "Am79C973",
        NicModel::Virtio => "virtio",
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hardware(arch: Arch, disk_controller: DiskController) -> Hardware {
        let (firmware, nic) = (Firmware::Bios, NicModel::E1000);
        Hardware { arch, memory_mib: 256, cpus: 1, firmware, disk_controller, nic, base_mac: None }
    }

    #[test]
    fn a_box_that_cannot_run_here_is_refused() {
        let version = |minor| Version { major: 7, minor, micro: 2 };
        let says = |arch, disk, minor, host| {
            supports(&hardware(arch, disk), version(minor), host).map_err(|error| error.message().to_owned())
        };
        let sata = DiskController::Sata;
        assert_eq!(says(Arch::X86_64, sata, 0, "x86_64"), Ok(()));
        assert_eq!(says(Arch::Aarch64, sata, 1, "aarch64"), Ok(()));
        for (arch, disk, minor, host) in [
            (Arch::X86_64, sata, 2, "aarch64"),
            (Arch::Aarch64, sata, 0, "aarch64"),
            (Arch::Aarch64, sata, 2, "x86_64"),
            (Arch::I386, DiskController::VirtioBlk, 2, "x86_64"),
        ] {
            assert!(says(arch, disk, minor, host).is_err(), "{arch:?} {disk:?} {minor} {host}");
        }
    }
}
