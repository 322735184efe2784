//! From a box's name, path or address to a verified base image with known hardware.
//!
//! The way of a box: a [`store::Store`] is asked for what a Labfile says; what it does not have, a
//! [`source::Source`] brings (a file, or a `download`); `archive` hashes and unpacks it in one
//! pass; `inspect` finds out what it is, with the help of [`ovf`], [`vagrantfile`] and [`disk`];
//! a [`manifest::Manifest`] keeps the findings beside the unpacked box.

mod archive;
pub mod catalogue;
mod checksum;
mod digest;
pub mod disk;
mod download;
pub mod hardware;
mod index;
mod inspect;
mod layout;
mod lock;
pub mod manifest;
pub mod ovf;
pub mod package;
pub mod pins;
pub mod progress;
mod registry;
mod room;
pub mod seed;
pub mod source;
pub mod store;
mod temp;
pub mod vagrantfile;
pub mod versions;

#[cfg(test)]
#[path = "../../tests/common/box_server.rs"]
mod box_server;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Result;
use manifest::Manifest;

pub use checksum::{Algorithm, Checksum, Expected};
pub use hardware::{Arch, DiskController, Firmware, Hardware, Mac, NicModel};
pub use pins::{Pin, Pins};
pub use progress::{Phase, Progress, Task};
pub use room::{check as check_room, free, human, used};
pub use source::Source;
pub use store::{Add, Claim, Entry, Hold, Leftover, Removed, Resolved, Store, Verified, Wanted, Workspace};

/// Unpacks the box file `file` into the empty folder `into` and finds out what it is.
///
/// # Errors
/// [`Kind::HostileBox`](crate::error::Kind::HostileBox), [`Kind::BadBox`](crate::error::Kind::BadBox),
/// [`Kind::BoxChecksum`](crate::error::Kind::BoxChecksum),
/// [`Kind::DiskFull`](crate::error::Kind::DiskFull), [`Kind::Io`](crate::error::Kind::Io),
/// [`Kind::Interrupted`](crate::error::Kind::Interrupted); then `into` holds a part of the box and is for
/// the caller to remove.
pub fn open_box(file: &Path, into: &Path, task: &mut Task<'_>) -> Result<Manifest> {
    let unpacked = archive::unpack(file, into, task)?;
    let found = inspect::inspect(into, &unpacked, task)?;
    Ok(Manifest {
        version: manifest::VERSION,
        sha256: unpacked.digest,
        size: unpacked.size,
        unpacked: unpacked.unpacked,
        source: file.display().to_string(),
        box_version: None,
        added: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        format: found.format,
        disk: found.disk,
        disk_format: found.disk_format.name().to_owned(),
        hardware: found.hardware,
        user: found.user,
        key: found.key,
        files: unpacked.files,
        notes: found.notes,
    })
}

/// A box in the store: verified, unpacked, its OVF read.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BoxImage {
    /// The name it is asked for by (for people).
    pub name: String,
    /// The sha256 of the box file, 64 lower-case hex digits: its identity in the store.
    pub digest: String,
    /// The folder of the unpacked box. Read-only by convention.
    pub dir: PathBuf,
    /// The system disk in `dir`, in the format that the box came in.
    pub disk: PathBuf,
    /// The format of `disk`, as qemu-img names it (`vmdk`, `qcow2`, `raw`, …).
    pub disk_format: String,
    /// The hardware the box was made for.
    pub hardware: Hardware,
    /// How to get in.
    pub login: Login,
}

/// How a fresh machine of a box lets us in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Login {
    /// The user, `vagrant` on Vagrant's boxes; can sudo without a password.
    pub user: String,
    /// A private key that came with the box; `None` means Vagrant's well-known insecure key.
    pub key: Option<PathBuf>,
    /// The box may have no user yet: a [`seed`] tells it one, and the key that opens it.
    #[serde(default)]
    pub seeded: bool,
}
