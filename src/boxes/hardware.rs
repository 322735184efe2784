//! The hardware that a box was made for.

/// What a box's OVF (or its format's defaults) says of the machine it belongs in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hardware {
    /// The processor architecture.
    pub arch: Arch,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Number of CPUs.
    pub cpus: u32,
    /// What starts the operating system.
    pub firmware: Firmware,
    /// The controller that the system disk hangs on.
    pub disk_controller: DiskController,
    /// The model of the network cards.
    pub nic: NicModel,
    /// The MAC address that NIC 1 must have (`config.vm.base_mac`), if the box knows one.
    pub base_mac: Option<Mac>,
}

impl Hardware {
    /// The hardware of a box that does not say: 512 MiB, one CPU, and devices that every provider has.
    pub fn plain(arch: Arch) -> Self {
        Hardware {
            arch,
            memory_mib: 512,
            cpus: 1,
            firmware: if arch == Arch::Aarch64 { Firmware::Efi } else { Firmware::Bios },
            disk_controller: DiskController::Sata,
            nic: NicModel::E1000,
            base_mac: None,
        }
    }
}

impl Hardware {
    /// What a distribution's own cloud image runs on with every provider: its kernel has the drivers of all
    /// virtual machines, and VirtualBox has virtio disks only as SCSI (since 6.1).
    pub fn of_cloud_image(arch: Arch) -> Self {
        Hardware {
            memory_mib: 1024,
            disk_controller: DiskController::VirtioScsi,
            nic: NicModel::Virtio,
            ..Hardware::plain(arch)
        }
    }
}

/// A processor architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arch {
    /// 32-bit x86. Runs wherever x86-64 does.
    I386,
    /// 64-bit x86.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

/// What starts the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Firmware {
    /// A PC BIOS.
    Bios,
    /// UEFI.
    Efi,
}

/// The controller that a disk hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskController {
    /// PIIX IDE.
    Ide,
    /// AHCI.
    Sata,
    /// LSI Logic SCSI.
    LsiLogic,
    /// LSI Logic SAS.
    LsiLogicSas,
    /// BusLogic SCSI.
    BusLogic,
    /// virtio-blk.
    VirtioBlk,
    /// virtio-scsi.
    VirtioScsi,
}

/// A model of network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NicModel {
    /// Intel PRO/1000 (82540EM and kin).
    E1000,
    /// AMD PCnet.
    Pcnet,
    /// virtio-net.
    Virtio,
}

/// A MAC address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl std::str::FromStr for Mac {
    type Err = String;

    /// Reads `08:00:27:aa:bb:cc`, `08-00-27-…` and VirtualBox's `080027AABBCC`.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b':' | b'-')).collect();
        let digits = std::str::from_utf8(&digits).unwrap_or_default();
        let number =
            u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 12 && !digits.contains('+'));
        let number = number.ok_or_else(|| format!("not a MAC address: {text}"))?;
        let [_, _, bytes @ ..] = number.to_be_bytes();
        Ok(Mac(bytes))
    }
}

impl serde::Serialize for Mac {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Mac {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_are_read_in_the_three_usual_forms() {
        let mac = Mac([0x08, 0x00, 0x27, 0xaa, 0xbb, 0x0c]);
        for text in ["08:00:27:aa:bb:0c", "08-00-27-AA-BB-0C", "080027AABB0C"] {
            assert_eq!(text.parse(), Ok(mac), "{text}");
        }
        assert_eq!(mac.to_string(), "08:00:27:aa:bb:0c");
        for text in ["", "08:00:27", "080027AABB0G", "+80027AABB0C", "080027AABB0CDD"] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}
