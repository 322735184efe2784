//! What the machines of a Labfile add up to, as far as is known without downloading their boxes.

use super::Subject;
use crate::boxes::catalogue::Catalogue;
use crate::boxes::{Arch, Hardware, Pins, Store};
use crate::labfile::model::Machine;

/// What a machine is taken to have whose box is not here to say: `lab`'s own default.
const MEMORY_MIB: u64 = 512;
/// What a box is taken to have that nobody knows the size of: most are between 300 MB and 1 GB.
const DOWNLOAD: u64 = 700 << 20;
/// How many times the size of its file a box takes up: the disk unpacked, the base image made from it, and the
/// file itself while it is being unpacked.
const UNPACKED: u64 = 5;
/// What a machine writes to its own disk before it is ready: a boot, its logs, some packages.
const GROWTH: u64 = 512 << 20;

/// What it adds up to.
#[derive(Debug, Clone, Default)]
pub(super) struct Needs {
    /// The machines' memory, in MiB.
    pub(super) memory_mib: u64,
    /// The boxes whose memory had to be guessed.
    pub(super) guessed: Vec<String>,
    /// What the boxes that are not here take, in bytes: under `LAB_HOME`.
    pub(super) boxes: u64,
    /// How many boxes are not here.
    pub(super) missing: usize,
    /// What the machines' disks take, in bytes: beside the Labfile.
    pub(super) disks: u64,
    /// Whether a guest knows nothing newer than SHA-1; `None` where no Labfile says.
    pub(super) legacy: Option<bool>,
    /// One of each kind of machine, at least one.
    pub(super) hardware: Vec<Hardware>,
}

/// What the Labfile asks for; without one, a machine like this computer.
pub(super) fn of(subject: &Subject<'_>) -> Needs {
    let native = if subject.host.arch == "aarch64" { Arch::Aarch64 } else { Arch::X86_64 };
    let mut needs = Needs::default();
    let Some(labfile) = subject.lab.labfile() else {
        needs.hardware.push(Hardware::plain(native));
        return needs;
    };
    let catalogue = Catalogue::load(labfile.catalogue.as_deref()).unwrap_or_default();
    let pins =
        Pins::read(&crate::lab::disk::files::LabFiles::beside(&labfile.dir).pins()).unwrap_or_default();
    let store = Store::open(subject.home.root()).ok();
    let mut seen: Vec<&str> = Vec::new();
    for machine in &labfile.machines {
        let name = machine.image.as_str();
        let made = subject.lab.state().and_then(|state| state.machines.get(&machine.name));
        let known = catalogue.get(name);
        let of_box: Option<Hardware> = made.map(|record| record.box_hardware.clone()).or_else(|| {
            let found = store.as_ref()?.find(name, &labfile.dir);
            found.ok().flatten().map(|image| image.hardware)
        });
        let arch = known.map_or(native, |entry| entry.arch);
        let hardware = of_box.clone().unwrap_or_else(|| Hardware::plain(arch));
        let memory = memory(machine, of_box.as_ref());
        needs.memory_mib += memory.unwrap_or(MEMORY_MIB);
        if memory.is_none() && !needs.guessed.iter().any(|known| known == name) {
            needs.guessed.push(name.to_owned());
        }
        // Its OpenSSH 5.3 knows nothing newer than SHA-1 signatures.
        let release = known.and_then(|entry| entry.guest.release.as_deref());
        let old = release.map_or_else(|| name.contains("lucid"), |release| release == "lucid");
        needs.legacy = Some(needs.legacy.unwrap_or(false) || old);
        if !needs.hardware.iter().any(|other| other.arch == hardware.arch) {
            needs.hardware.push(hardware);
        }
        if made.is_none() {
            needs.disks += GROWTH;
        }
        if of_box.is_none() && !seen.contains(&name) {
            let pinned = pins.get(name, machine.box_version.as_ref().map(ToString::to_string).as_deref());
            let sources = known.into_iter().flat_map(|entry| &entry.versions).flat_map(|one| &one.sources);
            let told = || {
                let mut usable = sources.filter(|source| source.is_usable());
                usable.find_map(|source| source.size.or(source.about_mb.map(|mb| mb * 1_000_000)))
            };
            let local = labfile.dir.join(name).metadata().ok().filter(std::fs::Metadata::is_file);
            let size = pinned.map(|pin| pin.size).or_else(told).or(local.map(|about| about.len()));
            needs.boxes += size.unwrap_or(DOWNLOAD).saturating_mul(UNPACKED);
            needs.missing += 1;
            seen.push(name);
        }
    }
    needs
}

fn memory(machine: &Machine, of_box: Option<&Hardware>) -> Option<u64> {
    machine.memory_mib.or_else(|| of_box.map(|hardware| hardware.memory_mib)).map(u64::from)
}
