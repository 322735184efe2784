//! What a provider that can keep a machine as it is now, and bring it back, has to do.

use std::time::SystemTime;

use super::MachineSpec;
use crate::cancel::Cancel;
use crate::error::Result;

/// A snapshot of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What the user called it; no two of a machine's have one name.
    pub name: String,
    /// Whether it holds RAM: the machine ran, or was suspended.
    pub with_ram: bool,
    /// When it was taken, where the provider knows.
    pub taken: Option<SystemTime>,
}

/// A machine's disk, and its RAM where it ran, kept and brought back.
///
/// As with [`super::Provider`], several machines may be worked on at once, one call per machine. A `lab`
/// that is killed leaves the machine as before or as after the call, or in a state from which the same
/// call made again gets there.
pub trait Snapshots: Send + Sync {
    /// A machine's snapshots, the oldest first.
    ///
    /// # Errors
    /// What the provider has.
    fn list(&self, machine: &MachineSpec) -> Result<Vec<Snapshot>>;

    /// Keeps the machine as it is now. One that runs goes on afterwards.
    ///
    /// # Errors
    /// [`crate::error::Kind::WrongState`] where it has one of that name, or does not exist;
    /// [`crate::error::Kind::DiskFull`].
    fn take(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()>;

    /// Brings the machine back to what it was; what it is now is given up. It is Suspended then where the
    /// snapshot has RAM, so that [`super::Provider::start`] lets it go on, else Off.
    ///
    /// # Errors
    /// [`crate::error::Kind::WrongState`] where there is none of that name.
    fn restore(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()>;

    /// Gives a snapshot up. The machine stays as it is.
    ///
    /// # Errors
    /// [`crate::error::Kind::WrongState`] where there is none of that name.
    fn delete(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()>;
}
