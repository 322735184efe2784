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
pub mod pins;
pub mod progress;
mod registry;
mod room;
pub mod source;
pub mod store;
mod temp;
pub mod vagrantfile;
pub mod versions;

#[cfg(test)]
#[path = "../../tests/box_server/mod.rs"]
mod box_server;

use std::path::PathBuf;

pub use checksum::{Algorithm, Checksum, Expected};
pub use hardware::{Arch, DiskController, Firmware, Hardware, Mac, NicModel};
pub use pins::{Pin, Pins};
pub use progress::{Phase, Progress, Task};
pub use room::{human, used};
pub use source::Source;
pub use store::{Add, Entry, Removed, Resolved, Store, Verified, Wanted};

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
}
