//! From a box's name, path or address to a verified base image with known hardware.
//!
//! The way of a box: a [`store::Store`] is asked for the box that a Labfile names. A box that it does not have, a
//! [`source::Source`] brings (a file, or a `download`); `archive` hashes and unpacks it in one
//! pass; `inspect` finds out what it is, with the help of [`ovf`], [`vagrantfile`] and [`disk`];
//! a [`manifest::Manifest`] keeps the findings beside the unpacked box.

mod address;
mod archive;
pub mod catalogue;
mod checksum;
pub mod disk;
mod download;
mod foreign;
#[doc(hidden)]
pub mod fuzzed;
pub mod hardware;
mod image;
mod index;
mod inspect;
mod layout;
mod lock;
pub mod manifest;
mod notes;
mod open;
pub mod ovf;
pub mod package;
pub mod pins;
pub mod progress;
mod registry;
pub mod seed;
pub mod source;
pub mod store;
mod temp;
pub mod vagrantfile;
pub mod versions;

#[cfg(test)]
#[path = "../../tests/common/box_server.rs"]
mod box_server;

pub use address::{Address, without_credentials};
pub use checksum::{Algorithm, Checksum, Expected};
pub use foreign::Foreign;
pub use hardware::{Arch, DiskController, Firmware, Hardware, Mac, NicModel};
pub use image::{BoxImage, Login};
pub use open::open_box;
pub use pins::{Pin, Pins};
pub use progress::{Phase, Progress, Task};
pub use source::Source;
pub use store::{
    Add, Claim, Entry, Hold, Leftover, OpenDisk, Removed, Resolved, Store, Verified, Wanted, Workspace,
};
