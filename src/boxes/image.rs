//! A box in the store, as providers see it.

use std::path::PathBuf;

use super::hardware::Hardware;

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
    /// The box may have no user yet: a [`seed`](super::seed) tells it one, and the key that opens it.
    #[serde(default)]
    pub seeded: bool,
}
