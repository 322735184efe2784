//! What runs machines: one contract, one folder per provider.
//!
//! A provider knows nothing of ssh sessions, of provisioners or of Labfiles; it gets a [`MachineSpec`], and
//! says where the machine is reached. What only one provider knows travels as a [`Block`] that everyone else keeps
//! and hands on unread. Capabilities are small traits; what a provider has is data. [`table`] lists the providers.

mod console;
mod entry;
#[doc(hidden)]
pub mod fake;
#[doc(hidden)]
pub mod far;
mod local;
pub mod qemu;
mod reach;
mod refusal;
pub(crate) mod routes;
mod snapshots;
mod spec;
pub mod table;
pub mod virtualbox;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::console::{Console, ConsoleFile, last_lines};
pub use self::entry::{Entry, Examined, HostNetwork};
pub use self::reach::{Forwarded, Jump, Reach};
pub use self::snapshots::{Snapshot, Snapshots};
pub use self::spec::{Block, BoxRef, MachineSpec, Own, Planned, PortForward, PrivateNetwork, SeedUser, Wish};
use crate::boxes::{BoxImage, Hardware, Mac};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::process::Usage;

/// What a machine is doing, as the provider sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
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
    /// It runs, and the way to control it is gone: its guest can be used, and told by ssh to go off.
    CutOff,
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
}

/// How often a provider can be asked without harm: a question may cost a program's start, or a call over a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Pause between two questions what a machine is doing, while it is between two states.
    pub settle: Duration,
    /// Pause between two questions whether it is still there to be waited for.
    pub alive: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { settle: Duration::from_millis(100), alive: Duration::from_secs(1) }
    }
}

/// Where a provider gets numbers that no other lab of this user has. Each is claimed until the machine or lab is gone.
pub trait Claims {
    /// A port of this computer that leads to the ssh of `machine`.
    ///
    /// # Errors
    /// [`Kind::PortTaken`] where all are taken.
    fn ssh_port(&self, machine: &str) -> Result<u16>;

    /// A number from 1 to 65534 for the lab's private network: a UDP port.
    ///
    /// # Errors
    /// [`Kind::PortTaken`] where all are taken.
    fn network_number(&self) -> Result<u16>;

    /// Whether nothing listens on `port` of this computer.
    fn is_free(&self, port: u16) -> bool;
}

/// A lab whose state is lost, as far as its provider can still find what belongs to it.
#[derive(Debug, Clone, Copy)]
pub struct Lost<'a> {
    /// The folder in which its machines' folders are, or were.
    pub machines: &'a Path,
    /// Where disks go that the user made in a machine's folder: into a folder of the machine's name.
    pub kept: &'a Path,
    /// What the provider decided of the lab, where that is known.
    pub own: Option<&'a Block>,
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
/// several threads at once, one call per machine; each can be done twice without harm. A call may take minutes:
/// it heeds `cancel` then.
pub trait Provider: Send + Sync {
    /// Its name, as in `--provider`.
    fn name(&self) -> &'static str;

    /// What it can do.
    fn features(&self) -> Features;

    /// How often it can be asked.
    fn pace(&self) -> Pace {
        Pace::default()
    }

    /// Whether it can run machines here at all; the error says what is missing.
    fn available(&self, cancel: &Cancel) -> Result<Availability>;

    /// Whether it can run machines of `hardware`'s kind here; the error says what is missing.
    fn check(&self, hardware: &Hardware, cancel: &Cancel) -> Result<Availability>;

    /// The same, without believing anything that was found out at an earlier time.
    fn check_anew(&self, hardware: &Hardware, cancel: &Cancel) -> Result<Availability> {
        self.check(hardware, cancel)
    }

    /// Decides what it must know of a lab and keep, before the lab's first machine is made. `known` is what it decided
    /// before, empty for a new lab.
    fn plan_lab(&self, lab_id: &str, known: &Block, claims: &dyn Claims) -> Result<Block>;

    /// Decides what it must know of a machine that does not run, and keep. `known` is what it decided before, empty for
    /// a new machine; what is taken by now (a port) is decided anew.
    fn plan_machine(&self, wish: Wish<'_>, known: &Block, claims: &dyn Claims) -> Result<Planned>;

    /// Makes the base image of a box that machines are then cloned from, once per box; quick when it
    /// is there. Safe against other processes doing the same. `progress` gets 0.0 to 1.0.
    fn prepare_base(&self, image: &BoxImage, cancel: &Cancel, progress: &mut dyn FnMut(f64)) -> Result<()>;

    /// Removes the base image of the box `digest`, if there is one. No machine of it exists any more.
    fn remove_base(&self, digest: &str, cancel: &Cancel) -> Result<()>;

    /// The base images that there are.
    fn bases(&self) -> Result<Vec<Base>> {
        Ok(Vec::new())
    }

    /// Whether the base image of a box still holds what the box's own disk does; `None` where there is no
    /// base, or no way to tell. Slow: reads both.
    fn check_base(&self, _image: &BoxImage, _cancel: &Cancel) -> Result<Option<bool>> {
        Ok(None)
    }

    /// Makes sure that what the machines of one lab share (a network, a folder for sockets) can be had, and is there, for
    /// `machines`, which are about to be created or started. Returns what is less than one may expect, in words for people.
    ///
    /// # Errors
    /// Why it cannot; nothing has been made then.
    fn prepare_lab(&self, machines: &[MachineSpec], cancel: &Cancel) -> Result<Vec<String>> {
        let _ = (machines, cancel);
        Ok(Vec::new())
    }

    /// Removes what is left of a lab none of whose machines exists any more. `own` is what it decided of the lab.
    fn remove_lab(&self, own: &Block) -> Result<()> {
        let _ = own;
        Ok(())
    }

    /// The state of several machines, in their order, with as few questions as possible.
    fn states(&self, machines: &[MachineSpec], cancel: &Cancel) -> Result<Vec<PowerState>>;

    /// Absent → Off. The base has been prepared.
    fn create(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()>;

    /// Off or Suspended or Paused → Running. Returns once the machine's processor runs (not: booted).
    /// A suspended machine goes on with its RAM.
    ///
    /// # Errors
    /// [`Kind::PortTaken`] when a port was taken meanwhile.
    fn start(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()>;

    /// Presses the power button and waits for the machine to go off, for `patience` at most; tells
    /// whether it did.
    fn shut_down(&self, machine: &MachineSpec, patience: Duration, cancel: &Cancel) -> Result<bool>;

    /// Cuts the power. Running or Paused or Unclear → Off. Waits until nothing of it runs any more.
    fn power_off(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()>;

    /// Running → Suspended.
    fn suspend(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()>;

    /// Any state → Absent: the running machine, its disks, sockets and whatever else the provider
    /// made for it, and nothing that it did not make. `machine.dir` itself and logs in it may stay. Disks that the user
    /// made in it are moved to `machine.kept_dir`.
    fn destroy(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()>;

    /// Writes the disk of a machine that is off to the new file `to`, one that needs no other. Space that
    /// the guest does not use takes none. `progress` gets 0.0 to 1.0. Returns the MAC address that the guest expects its
    /// first card to have.
    ///
    /// # Errors
    /// [`Kind::WrongState`] when it is not off; [`Kind::DiskFull`].
    fn export_disk(
        &self,
        machine: &MachineSpec,
        _to: &Path,
        _form: DiskForm,
        _cancel: &Cancel,
        _progress: &mut dyn FnMut(f64),
    ) -> Result<Mac> {
        let message = format!("the {} provider cannot package machines", self.name());
        Err(Error::new(Kind::WrongState, message).of(&machine.name))
    }

    /// The machines of a lab whose state is lost that still run, by titles for people. Quick where there are none.
    fn strays(&self, lost: Lost<'_>, cancel: &Cancel) -> Result<Vec<String>> {
        let _ = (lost, cancel);
        Ok(Vec::new())
    }

    /// Ends and removes all machines of a lab whose state is lost. Quick where there are none.
    fn forget(&self, lost: Lost<'_>, cancel: &Cancel) -> Result<()> {
        let _ = (lost, cancel);
        Ok(())
    }

    /// How it takes snapshots, where it can.
    fn snapshots(&self) -> Option<&dyn Snapshots> {
        None
    }

    /// Where this computer reaches the machine. May change with every start.
    fn reach(&self, machine: &MachineSpec) -> Result<Reach>;

    /// The machine's serial console.
    fn console(&self, machine: &MachineSpec) -> Result<Box<dyn Console>>;

    /// Whether the machine is still there to be waited for: `Err` when its process has died, with
    /// its last words. Cheap: called as often as [`Pace::alive`] says while a guest is waited for.
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
