//! What an OVF says of the machine.
//!
//! Sources: DMTF DSP0243 (the envelope), DMTF's CIM schema `CIM_ResourceAllocationSettingData`
//! (resource types) and DSP0004 annex C (units), and what VirtualBox (4 to 7) and VMware write.
//! VirtualBox adds its own `vbox:Machine`, which says what OVF cannot: the firmware, the exact NIC.

mod items;
mod limits;
mod xml;

use roxmltree::{Document, Node, ParsingOptions};

use super::hardware::{Arch, DiskController, Firmware, Hardware, Mac, NicModel};
use crate::disk_space::human;
use crate::error::{Error, Kind, Result};
use items::Item;
use xml::{attribute, bad, child, children, is};

/// OVFs have 10 to 60 kB.
pub const MAX_SIZE: u64 = 256 << 10;
const MAX_NODES: u32 = 100_000;
/// Where the OVF does not say.
const DEFAULT_MEMORY: u32 = 512;

/// What an OVF says.
#[derive(Debug, Clone, PartialEq)]
pub struct Ovf {
    /// The machine.
    pub hardware: Hardware,
    /// The file name of the system disk: a plain name, in the OVF's own folder.
    pub disk: String,
    /// Notes for people: what lab did not understand, and what it assumed because the OVF does not say.
    pub notes: Vec<String>,
}

/// Reads the text of an OVF.
///
/// # Errors
/// [`Kind::BadBox`] when it is no OVF, has no usable disk, or is over a limit (which is named); [`Kind::HostileBox`] when a disk lies
/// outside of its folder, or when it has a DTD.
pub fn read(text: &str) -> Result<Ovf> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..Default::default() };
    let text = text.trim_start_matches('\u{feff}');
    if text.len() as u64 > MAX_SIZE {
        return Err(bad(&format!("it is larger than {}, which is the limit", human(MAX_SIZE))));
    }
    limits::check(text)?;
    let document = Document::parse_with_options(text, options).map_err(|source| match source {
        roxmltree::Error::DtdDetected => {
            Error::new(Kind::HostileBox, "the box is refused: its OVF declares entities (a DTD)")
        }
        source => bad("it is not well-formed XML").detail(source.to_string()),
    })?;
    let envelope = document.root_element();
    if !is(envelope, "Envelope") {
        return Err(bad("it has no Envelope"));
    }
    let systems: Vec<_> = envelope.descendants().filter(|node| is(*node, "VirtualSystem")).collect();
    let [system] = systems.as_slice() else {
        return Err(bad(&format!("it describes {} machines; one is understood", systems.len())));
    };
    Reader { envelope, system: *system, notes: Vec::new() }.read()
}

/// The parts of an envelope that are read, or that say nothing of the machine.
const ENVELOPE: &[&str] = &["References", "DiskSection", "NetworkSection", "VirtualSystem", "Strings"];
/// The same of a machine.
const SYSTEM: &[&str] = &[
    "Info",
    "Name",
    "OperatingSystemSection",
    "VirtualHardwareSection",
    "ProductSection",
    "AnnotationSection",
    "EulaSection",
    "Machine",
];

struct Reader<'d> {
    envelope: Node<'d, 'd>,
    system: Node<'d, 'd>,
    notes: Vec<String>,
}

impl<'d> Reader<'d> {
    fn read(mut self) -> Result<Ovf> {
        let hardware = child(self.system, "VirtualHardwareSection");
        let items: Vec<_> = hardware.into_iter().flat_map(items::read).collect();
        let (disk, parent) = self.system_disk(&items)?;
        let hardware = Hardware {
            arch: self.arch(),
            memory_mib: self.memory(&items),
            cpus: self.cpus(&items),
            firmware: self.firmware(),
            disk_controller: self.controller(parent),
            nic: self.nic(&items),
            base_mac: self.base_mac(),
        };
        self.note_the_rest(&items);
        Ok(Ovf { hardware, disk, notes: self.notes })
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The first disk's file, and the controller it hangs on.
    fn system_disk<'i>(&mut self, items: &'i [Item<'d>]) -> Result<(String, Option<&'i Item<'d>>)> {
        let mut disks: Vec<_> = items.iter().filter(|item| item.kind == items::DISK).collect();
        let parent = |disk: &Item<'_>| items.iter().find(|item| Some(item.id) == disk.parent);
        disks.sort_by_cached_key(|disk| (parent(disk).map(|item| item.address), disk.address_on_parent));
        if let Some(disk) = disks.first() {
            let id = disk.host_resource.and_then(|resource| resource.rsplit('/').next()).unwrap_or_default();
            let file = self.disk_file(Some(id))?;
            for more in disks.iter().skip(1) {
                self.note(format!("a further disk is left out: {}", more.name));
            }
            return Ok((file, parent(disk)));
        }
        let file = self.disk_file(None)?;
        self.note("no disk in the hardware section: the first of the disk section is taken");
        Ok((file, None))
    }

    /// The file of the disk of this id, or of the first.
    fn disk_file(&self, id: Option<&str>) -> Result<String> {
        let disk = children(self.envelope, "DiskSection")
            .flat_map(|section| children(section, "Disk"))
            .find(|disk| id.is_none() || attribute(*disk, "diskId") == id)
            .ok_or_else(|| bad("it names no disk"))?;
        if attribute(disk, "parentRef").is_some_and(|parent| !parent.is_empty()) {
            return Err(bad("its disk is based on another one"));
        }
        let reference = attribute(disk, "fileRef").ok_or_else(|| bad("its disk has no file"))?;
        let file = children(self.envelope, "References")
            .flat_map(|section| children(section, "File"))
            .find(|file| attribute(*file, "id") == Some(reference))
            .ok_or_else(|| bad(&format!("its disk is in the file {reference:?}, which it does not list")))?;
        if attribute(file, "compression").is_some_and(|how| !matches!(how, "" | "identity"))
            || attribute(file, "chunkSize").is_some()
        {
            return Err(bad("its disk is compressed or cut into chunks"));
        }
        let name = attribute(file, "href").unwrap_or_default();
        plain_name(name).map(str::to_owned)
    }

    /// VirtualBox's own description of the machine, its hardware part.
    fn vbox(&self) -> Option<Node<'d, 'd>> {
        child(self.system, "Machine")
    }

    fn vbox_hardware(&self) -> Option<Node<'d, 'd>> {
        child(self.vbox()?, "Hardware")
    }

    /// NIC 1 in VirtualBox's description.
    fn vbox_adapter(&self) -> Option<Node<'d, 'd>> {
        let network = child(self.vbox_hardware()?, "Network")?;
        children(network, "Adapter").find(|adapter| attribute(*adapter, "slot") == Some("0"))
    }

    fn arch(&mut self) -> Arch {
        let system = child(self.system, "OperatingSystemSection");
        let named = system
            .and_then(|section| child(section, "OSType").and_then(|node| node.text()))
            .or_else(|| self.vbox().and_then(|machine| attribute(machine, "OSType")))
            .or_else(|| system.and_then(|section| attribute(section, "osType")));
        let described = system.and_then(|section| child(section, "Description")).and_then(|node| node.text());
        match (named, described) {
            // VirtualBox's names: Ubuntu, Ubuntu_64, Ubuntu_arm64. VMware's: ubuntu64Guest, arm-….
            (Some(name), _) if name.to_ascii_lowercase().contains("arm") => Arch::Aarch64,
            (Some(name), _) if name.contains("64") => Arch::X86_64,
            (Some(_), _) => Arch::I386,
            (None, Some(text)) if text.contains("64") => Arch::X86_64,
            (None, _) => {
                self.note("the processor's architecture is not said: 64-bit x86, which runs 32-bit too");
                Arch::X86_64
            }
        }
    }

    fn memory(&mut self, items: &[Item<'d>]) -> u32 {
        let item = items.iter().find(|item| item.kind == items::MEMORY);
        let said = item.and_then(Item::mebibytes).or_else(|| {
            let memory = child(self.vbox_hardware()?, "Memory")?;
            attribute(memory, "RAMSize")?.parse().ok()
        });
        match said {
            Some(memory @ 4..=1_048_576) => memory,
            Some(other) => {
                self.note(format!(
                    "the OVF says {other} MiB of memory, which cannot be right: {DEFAULT_MEMORY} MiB are used"
                ));
                DEFAULT_MEMORY
            }
            None => {
                self.note(format!("the memory is not said: {DEFAULT_MEMORY} MiB"));
                DEFAULT_MEMORY
            }
        }
    }

    fn cpus(&mut self, items: &[Item<'d>]) -> u32 {
        let item = items.iter().find(|item| item.kind == items::CPU);
        match item.and_then(|item| item.quantity).unwrap_or(1) {
            cpus @ 1..=256 => u32::try_from(cpus).unwrap_or(1),
            other => {
                self.note(format!("the OVF says {other} CPUs, which cannot be right: 1 is used"));
                1
            }
        }
    }

    fn firmware(&mut self) -> Firmware {
        let vbox = self
            .vbox_hardware()
            .and_then(|hardware| child(hardware, "Firmware"))
            .and_then(|node| attribute(node, "type"));
        let vmware = self
            .system
            .descendants()
            .find(|node| is(*node, "Config") && attribute(*node, "key") == Some("firmware"))
            .and_then(|node| attribute(node, "value"));
        let Some(named) = vbox.or(vmware) else { return Firmware::Bios };
        match named.to_ascii_uppercase().as_str() {
            "BIOS" => Firmware::Bios,
            "EFI" | "EFI64" | "EFIDUAL" => Firmware::Efi,
            "EFI32" => {
                self.note("the firmware is a 32-bit EFI: a 64-bit one is used");
                Firmware::Efi
            }
            other => {
                self.note(format!("the firmware {other:?} is not known: BIOS"));
                Firmware::Bios
            }
        }
    }

    fn controller(&mut self, item: Option<&Item<'d>>) -> DiskController {
        let kind = item.map(|item| (item.kind, item.sub_type.unwrap_or_default()));
        let from_item = kind.and_then(|(kind, sub_type)| items::controller(kind, sub_type));
        if let Some(controller) = from_item.or_else(|| self.vbox_controller()) {
            return controller;
        }
        let what = match kind {
            Some((kind, sub_type)) => {
                format!("the disk's controller (type {kind} {sub_type:?}) is not known")
            }
            None => "the disk's controller is not said".to_owned(),
        };
        self.note(format!("{what}: SATA"));
        DiskController::Sata
    }

    /// The controller with a hard disk in VirtualBox's description.
    fn vbox_controller(&self) -> Option<DiskController> {
        // A child of Machine up to VirtualBox 6, of Hardware in 7.
        let machine = self.vbox()?;
        let controller = machine.descendants().find(|node| {
            is(*node, "StorageController")
                && children(*node, "AttachedDevice")
                    .any(|device| attribute(device, "type") == Some("HardDisk"))
        })?;
        items::controller_named(attribute(controller, "type")?)
    }

    fn nic(&mut self, items: &[Item<'d>]) -> NicModel {
        let item = items.iter().find(|item| item.kind == items::ETHERNET);
        let named = item
            .and_then(|item| item.sub_type)
            .or_else(|| self.vbox_adapter().and_then(|adapter| attribute(adapter, "type")));
        match named.map(|name| (name, items::nic_named(name))) {
            Some((_, Some(nic))) => nic,
            Some((name, None)) => {
                self.note(format!("the network card {name:?} is not known: e1000"));
                NicModel::E1000
            }
            None => {
                self.note("the model of the network card is not said: e1000");
                NicModel::E1000
            }
        }
    }

    fn base_mac(&self) -> Option<Mac> {
        attribute(self.vbox_adapter()?, "MACAddress")?.parse().ok()
    }

    /// What a lab's machine does not get, and parts of the OVF that are not read.
    fn note_the_rest(&mut self, items: &[Item<'d>]) {
        for item in items.iter().filter(|item| item.kind == items::ETHERNET).skip(1) {
            self.note(format!("a further network card is left out: {}", item.name));
        }
        for (parent, known) in [(self.envelope, ENVELOPE), (self.system, SYSTEM)] {
            let unknown = parent.children().filter(|node| node.is_element());
            for node in unknown.filter(|node| !known.contains(&node.tag_name().name())) {
                self.note(format!("not understood: {}", node.tag_name().name()));
            }
        }
        for item in items.iter().filter(|item| !items::is_known(item.kind)) {
            self.note(format!("left out: {} (resource type {})", item.name, item.kind));
        }
    }
}

/// A file name that stays in its folder.
pub(super) fn plain_name(name: &str) -> Result<&str> {
    let outside = name.contains(['/', '\\', ':', '\0']) || matches!(name, "." | "..");
    if outside {
        let message = format!("the box is refused: its disk {name:?} lies outside of it");
        return Err(Error::new(Kind::HostileBox, message));
    }
    if name.is_empty() { Err(bad("its disk has no file name")) } else { Ok(name) }
}

#[cfg(test)]
pub(super) mod tests;
