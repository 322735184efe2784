//! What runs machines: one interface, one folder per provider.
//!
//! A provider knows nothing of ssh, of provisioners or of Labfiles; it gets a [`MachineSpec`], and
//! says where the machine's ssh is. Capabilities are small traits; what a provider has is data.

pub mod qemu;
mod refusal;
mod snapshots;
pub mod virtualbox;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::snapshots::{Snapshot, Snapshots};
use crate::boxes::seed::Seed;
use crate::boxes::{BoxImage, Hardware, Mac};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::process::Usage;

/// All that a provider needs to know of one machine. Made from the Labfile, the box and the state.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineSpec {
    /// The machine's name in the Labfile.
    pub name: String,
    /// The lab's name, for titles.
    pub lab: String,
    /// A UUID, made once, kept in the state: the machine's identity for the provider.
    pub id: String,
    /// The machine's own folder, on disk, there before the provider is called. Disks and logs go here.
    pub dir: PathBuf,
    /// A folder outside of `dir`, which need not be there: for what lies in `dir` and is the user's, when `dir` goes.
    pub kept_dir: PathBuf,
    /// A folder with a short path for sockets (unix sockets have about 100 characters), mode 0700,
    /// there before the provider is called; shared by the machines of the lab.
    pub run_dir: PathBuf,
    /// The box.
    pub image: BoxImage,
    /// The hardware: the box's, with the Labfile's memory and CPUs put in.
    pub hardware: Hardware,
    /// NIC 1's MAC address: the box's base MAC, or one made for the machine. Kept in the state.
    pub nat_mac: Mac,
    /// NIC 2's MAC address. Kept in the state.
    pub private_mac: Mac,
    /// The private network.
    pub network: PrivateNetwork,
    /// The port on 127.0.0.1 that leads to the guest's ssh.
    pub ssh_port: u16,
    /// Further ports, from 127.0.0.1.
    pub forwards: Vec<PortForward>,
    /// For a machine that may have no user yet: the file with the public key to seed it with.
    pub seed_key: Option<PathBuf>,
    /// Provider-specific settings of the Labfile.
    pub settings: Settings,
}

impl MachineSpec {
    /// The disc that tells the machine its user, to be attached to it from its first start on; `None` for
    /// a machine that has one.
    pub fn seed(&self) -> Result<Option<Vec<u8>>> {
        let Some(path) = &self.seed_key else { return Ok(None) };
        let public_key = std::fs::read_to_string(path).map_err(|source| Error::io("read", path, &source))?;
        let seed = Seed {
            instance: &self.id,
            hostname: &self.name,
            user: &self.image.login.user,
            public_key: &public_key,
        };
        Ok(Some(seed.image()))
    }
}

/// The private network (NIC 2) as a provider needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateNetwork {
    /// The lab's id: networks of different ids never see each other.
    pub lab_id: String,
    /// The network's address.
    pub address: Ipv4Addr,
    /// Its prefix length in bits.
    pub prefix: u8,
    /// A number from 1 to 65534 that no other lab of this user holds (see `lab::ports`): QEMU's
    /// multicast port.
    pub port: u16,
    /// This computer is to have no place on it, though the provider could give it one.
    pub internal: bool,
}

impl PrivateNetwork {
    /// The netmask, for example 255.255.255.0.
    pub fn netmask(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0))
    }

    /// This computer's address, where it has a place on the network: the first one.
    pub fn host_address(&self) -> Ipv4Addr {
        Self::first_address(self.address)
    }

    /// The first address of the network at `address`.
    pub fn first_address(address: Ipv4Addr) -> Ipv4Addr {
        Ipv4Addr::from_bits(address.to_bits().saturating_add(1))
    }
}

/// A port of this computer (on 127.0.0.1) that leads to a port of the guest. TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PortForward {
    /// On this computer.
    pub host: u16,
    /// In the guest.
    pub guest: u16,
}

/// Provider-specific settings. Each provider reads its own and ignores the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// QEMU: arguments added at the end.
    pub qemu_args: Vec<String>,
    /// QEMU: `-cpu`.
    pub qemu_cpu: Option<String>,
    /// QEMU: `-machine`.
    pub qemu_machine: Option<String>,
    /// VirtualBox: VBoxManage calls before the first start.
    pub vbox_customize: Vec<Vec<String>>,
    /// VirtualBox: show a window.
    pub vbox_gui: bool,
}

/// What a machine is doing, as the provider sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerState {
    /// It does not exist.
    Absent,
    /// It exists and is off.
    Off,
    /// Its RAM is on disk; it goes on where it was when started.
    Suspended,
    /// It runs.
    Running,
    /// It is there, and its processor is stopped.
    Paused,
    /// It is between two states, and will get to the second by itself: its RAM is being saved or loaded.
    Busy,
    /// It exists and does not answer: it hangs, is slow, or was left half made by a crash.
    Unclear,
}

/// What a provider can do beyond the life cycle, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Features {
    /// The host reaches machines at their private addresses.
    pub host_on_private_network: bool,
    /// `suspend` keeps RAM.
    pub suspend: bool,
    /// Snapshots hold RAM.
    pub live_snapshots: bool,
}

/// What a provider says of itself on this computer, for `lab up` and `lab doctor`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Availability {
    /// Its version, `7.2.22`.
    pub version: String,
    /// How it executes guests, for people: `KVM`, `HVF`, `TCG (software emulation: …why…)`.
    pub acceleration: String,
    /// Whether that is slow enough to be said aloud.
    pub slow: bool,
    /// Why it may not be able to start machines all the same, for people: `auto` takes another one then.
    pub doubt: Option<String>,
}

/// A base image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The digest of its box.
    pub digest: String,
    /// The bytes that it takes up on the disk.
    pub on_disk: u64,
}

/// The form of an exported disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskForm {
    /// Its bytes, one after the other, with holes.
    Raw,
    /// qcow2, compressed.
    Qcow2,
}

/// The life cycle that every provider has. All methods may be called for machines of one lab from
/// several threads at once, one call per machine; each can be done twice without harm.
pub trait Provider: Send + Sync {
    /// Its name, as in `--provider`.
    fn name(&self) -> &'static str;

    /// What it can do.
    fn features(&self) -> Features;

    /// Whether it can run machines of `hardware`'s kind here; the error says what is missing.
    fn check(&self, hardware: &Hardware, cancel: &Cancel) -> Result<Availability>;

    /// The same, without believing anything that was found out at an earlier time.
    fn check_anew(&self, hardware: &Hardware, cancel: &Cancel) -> Result<Availability> {
        self.check(hardware, cancel)
    }

    /// Makes the base image of a box that machines are then cloned from, once per box; quick when it
    /// is there. Safe against other processes doing the same. `progress` gets 0.0 to 1.0.
    fn prepare_base(&self, image: &BoxImage, cancel: &Cancel, progress: &mut dyn FnMut(f64)) -> Result<()>;

    /// Removes the base image of the box `digest`, if there is one. No machine of it exists any more.
    fn remove_base(&self, digest: &str) -> Result<()>;

    /// The base images that there are.
    fn bases(&self) -> Result<Vec<Base>> {
        Ok(Vec::new())
    }

    /// Whether the base image of a box still holds what the box's own disk does; `None` where there is no
    /// base, or no way to tell. Slow: reads both.
    fn check_base(&self, _image: &BoxImage, _cancel: &Cancel) -> Result<Option<bool>> {
        Ok(None)
    }

    /// Makes sure that the private network of `machines` (of one lab, about to be created or started) can be had,
    /// and is there. Returns what is less than one may expect, in words for people.
    ///
    /// # Errors
    /// Why it cannot; nothing has been made then.
    fn prepare_network(&self, machines: &[MachineSpec]) -> Result<Vec<String>> {
        let _ = machines;
        Ok(Vec::new())
    }

    /// The state of several machines, in their order, with as few questions as possible.
    fn states(&self, machines: &[MachineSpec]) -> Result<Vec<PowerState>>;

    /// Absent → Off. The base has been prepared.
    fn create(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()>;

    /// Off or Suspended or Paused → Running. Returns once the machine's processor runs (not: booted).
    /// A suspended machine goes on with its RAM.
    ///
    /// # Errors
    /// [`crate::error::Kind::PortTaken`] when a port was taken meanwhile.
    fn start(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()>;

    /// Presses the power button and waits for the machine to go off, for `patience` at most; tells
    /// whether it did.
    fn shut_down(&self, machine: &MachineSpec, patience: Duration, cancel: &Cancel) -> Result<bool>;

    /// Cuts the power. Running or Paused or Unclear → Off. Waits until nothing of it runs any more.
    fn power_off(&self, machine: &MachineSpec) -> Result<()>;

    /// Running → Suspended.
    fn suspend(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()>;

    /// Any state → Absent: the running machine, its disks, sockets and whatever else the provider
    /// made for it, and nothing that it did not make. `machine.dir` itself and logs in it may stay.
    fn destroy(&self, machine: &MachineSpec) -> Result<()>;

    /// Writes the disk of a machine that is off to the new file `to`, one that needs no other. Space that
    /// the guest does not use takes none. `progress` gets 0.0 to 1.0.
    ///
    /// # Errors
    /// [`crate::error::Kind::WrongState`] when it is not off; [`crate::error::Kind::DiskFull`].
    fn export_disk(
        &self,
        machine: &MachineSpec,
        _to: &Path,
        _form: DiskForm,
        _cancel: &Cancel,
        _progress: &mut dyn FnMut(f64),
    ) -> Result<()> {
        let message = format!("{}: the {} provider cannot package machines", machine.name, self.name());
        Err(Error::new(Kind::WrongState, message))
    }

    /// Has no machines any more whose folders are, or were, in `folder`: the state that knew them is lost. Quick where
    /// there are none. What is the user's in a machine's folder is moved to a folder of the machine's name in `kept`.
    fn forget(&self, folder: &Path, kept: &Path) -> Result<()> {
        let _ = (folder, kept);
        Ok(())
    }

    /// How it takes snapshots, where it can.
    fn snapshots(&self) -> Option<&dyn Snapshots> {
        None
    }

    /// Where this computer reaches the machine's ssh.
    fn ssh_address(&self, machine: &MachineSpec) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, machine.ssh_port))
    }

    /// The file that the serial console is written to.
    fn console_log(&self, machine: &MachineSpec) -> PathBuf;

    /// Whether the machine is still there to be waited for: `Err` when its process has died, with
    /// its last words. Cheap: called several times a second while waiting for ssh.
    fn alive(&self, machine: &MachineSpec) -> Result<()>;

    /// What a running machine takes of this computer, where that is quickly told.
    fn usage(&self, machine: &MachineSpec) -> Option<Usage> {
        let _ = machine;
        None
    }

    /// A path under which a user may look for the provider's own log of this machine, if there is one.
    fn log(&self, machine: &MachineSpec) -> Option<PathBuf>;
}

/// Where providers keep what all labs share (bases), under `LAB_HOME`: each in a folder of its own name.
#[derive(Debug, Clone)]
pub struct SharedDir(pub PathBuf);

impl SharedDir {
    /// `name` inside it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}
