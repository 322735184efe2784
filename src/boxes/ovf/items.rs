//! The items of an OVF's hardware section, and the words for hardware in them.

use roxmltree::Node;

use super::xml::child;
use crate::boxes::hardware::{DiskController, NicModel};

/// `CIM_ResourceAllocationSettingData.ResourceType`.
pub(super) const CPU: u32 = 3;
pub(super) const MEMORY: u32 = 4;
const IDE: u32 = 5;
const SCSI: u32 = 6;
pub(super) const ETHERNET: u32 = 10;
const FLOPPY: u32 = 14;
const CD: u32 = 15;
const DVD: u32 = 16;
pub(super) const DISK: u32 = 17;
const OTHER_STORAGE: u32 = 20;
const USB: u32 = 23;
const GRAPHICS: u32 = 24;
const SOUND: u32 = 35;

/// One piece of hardware.
#[derive(Debug)]
pub(super) struct Item<'d> {
    pub(super) kind: u32,
    pub(super) id: &'d str,
    pub(super) name: &'d str,
    pub(super) sub_type: Option<&'d str>,
    pub(super) quantity: Option<u64>,
    pub(super) units: Option<&'d str>,
    pub(super) parent: Option<&'d str>,
    pub(super) address: u32,
    pub(super) address_on_parent: u32,
    pub(super) host_resource: Option<&'d str>,
}

/// The items of a hardware section. OVF 2 has disks and network cards in elements of other names.
pub(super) fn read<'d>(section: Node<'d, 'd>) -> impl Iterator<Item = Item<'d>> {
    section
        .children()
        .filter(|node| matches!(node.tag_name().name(), "Item" | "StorageItem" | "EthernetPortItem"))
        .filter_map(item)
}

fn item<'d>(node: Node<'d, 'd>) -> Option<Item<'d>> {
    let text = |name| child(node, name).and_then(|node| node.text()).map(str::trim);
    let number = |name| text(name).and_then(|text| text.parse().ok());
    Some(Item {
        kind: number("ResourceType")?,
        id: text("InstanceID").unwrap_or_default(),
        name: text("ElementName").or_else(|| text("Caption")).unwrap_or("without a name"),
        sub_type: text("ResourceSubType").filter(|text| !text.is_empty()),
        quantity: text("VirtualQuantity").and_then(|text| text.parse().ok()),
        units: text("AllocationUnits"),
        parent: text("Parent"),
        address: number("Address").unwrap_or(0),
        address_on_parent: number("AddressOnParent").unwrap_or(0),
        host_resource: text("HostResource"),
    })
}

impl Item<'_> {
    /// An amount of memory in MiB.
    pub(super) fn mebibytes(&self) -> Option<u32> {
        let bytes = self.quantity?.checked_mul(unit(self.units.unwrap_or("MegaBytes"))?)?;
        u32::try_from(bytes >> 20).ok()
    }
}

/// Bytes in a unit: `MegaBytes` as in OVF 0.9 and VirtualBox, `byte * 2^20` as in DSP0004.
fn unit(text: &str) -> Option<u64> {
    let text: String = text.to_ascii_lowercase().split_whitespace().collect();
    let shift = match text.as_str() {
        "byte" | "bytes" => 0,
        "kilobytes" | "kb" => 10,
        "megabytes" | "mb" => 20,
        "gigabytes" | "gb" => 30,
        other => other.strip_prefix("byte")?.trim_start_matches('s').strip_prefix("*2^")?.parse().ok()?,
    };
    1u64.checked_shl(shift).filter(|_| shift < 64)
}

/// The controller of an item's type and sub-type.
pub(super) fn controller(kind: u32, sub_type: &str) -> Option<DiskController> {
    match kind {
        IDE => Some(DiskController::Ide),
        // Without a name, LSI Logic is meant.
        SCSI if sub_type.is_empty() => Some(DiskController::LsiLogic),
        SCSI | OTHER_STORAGE => controller_named(sub_type),
        _ => None,
    }
}

/// The controller of a name that VirtualBox or VMware gives it.
pub(super) fn controller_named(name: &str) -> Option<DiskController> {
    match name.to_ascii_lowercase().as_str() {
        "piix3" | "piix4" | "ich6" => Some(DiskController::Ide),
        "ahci" | "intelahci" | "vmware.sata.ahci" => Some(DiskController::Sata),
        "lsilogic" => Some(DiskController::LsiLogic),
        "lsilogicsas" => Some(DiskController::LsiLogicSas),
        "buslogic" => Some(DiskController::BusLogic),
        "virtio-scsi" | "virtioscsi" => Some(DiskController::VirtioScsi),
        _ => None,
    }
}

/// The network card of a name that VirtualBox or VMware gives it.
pub(super) fn nic_named(name: &str) -> Option<NicModel> {
    match name.to_ascii_lowercase().as_str() {
        "e1000" | "e1000e" | "82540em" | "82543gc" | "82545em" => Some(NicModel::E1000),
        "pcnet32" | "pcnet" | "am79c970a" | "am79c973" | "am79c960" => Some(NicModel::Pcnet),
        "virtio" | "virtio-net" => Some(NicModel::Virtio),
        _ => None,
    }
}

/// Whether items of this type are read, or are of no consequence to a headless machine.
pub(super) fn is_known(kind: u32) -> bool {
    matches!(
        kind,
        CPU | MEMORY
            | IDE
            | SCSI
            | ETHERNET
            | FLOPPY
            | CD
            | DVD
            | DISK
            | OTHER_STORAGE
            | USB
            | GRAPHICS
            | SOUND
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_in_the_forms_that_occur() {
        for (text, bytes) in [
            ("MegaBytes", 1 << 20),
            ("byte * 2^20", 1 << 20),
            ("byte*2^30", 1 << 30),
            ("KiloBytes", 1 << 10),
            ("bytes", 1),
        ] {
            assert_eq!(unit(text), Some(bytes), "{text}");
        }
        for text in ["", "hertz * 10^6", "byte * 2^64", "byte * 2^-1", "byte * 2^99999999999"] {
            assert_eq!(unit(text), None, "{text}");
        }
    }
}
