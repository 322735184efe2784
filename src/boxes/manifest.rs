//! The manifest of a box: what lab found out about it when it was added.

use std::collections::BTreeMap;
use std::path::Path;

use super::address::without_credentials;
use super::hardware::Hardware;
use super::image::{BoxImage, Login};
use super::layout::{FILES, MANIFEST, MANIFEST_SET_ASIDE};
use crate::error::{Error, Kind, Result};
use crate::versioned;

/// The version of the manifest that this release writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// What a box file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A Vagrant box for VirtualBox: `box.ovf` and its disk.
    Virtualbox,
    /// A Vagrant box for vagrant-libvirt: `box.img`.
    Libvirt,
    /// A Vagrant box for vagrant-qemu.
    Qemu,
    /// An OVF archive that is no Vagrant box.
    Ova,
    /// A disk image alone.
    Disk,
}

impl Format {
    /// For people.
    pub fn describe(self) -> &'static str {
        match self {
            Format::Virtualbox => "Vagrant box (virtualbox)",
            Format::Libvirt => "Vagrant box (libvirt)",
            Format::Qemu => "Vagrant box (qemu)",
            Format::Ova => "OVA",
            Format::Disk => "disk image",
        }
    }
}

/// A file of the unpacked box, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sum {
    /// Its size in bytes.
    pub size: u64,
    /// Its sha256.
    pub sha256: String,
}

/// What lab found out about a box when it was added. It never changes; the box's names are in the index.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// The sha256 of the box file.
    pub sha256: String,
    /// The size of the box file in bytes.
    pub size: u64,
    /// The size of the unpacked files in bytes.
    pub unpacked: u64,
    /// The path or address that it was first added from.
    pub source: String,
    /// Its version, as the registry or catalogue that it came from has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub box_version: Option<String>,
    /// When it was added, in seconds since 1970.
    pub added: u64,
    /// What kind of box it is.
    pub format: Format,
    /// The system disk: a file name in the unpacked box.
    pub disk: String,
    /// The disk's format, as qemu-img names it.
    pub disk_format: String,
    /// The machine that it was made for.
    pub hardware: Hardware,
    /// The user that lets us in.
    pub user: String,
    /// The file name of a private key in the unpacked box; `None` is Vagrant's insecure key.
    pub key: Option<String>,
    /// The files of the unpacked box, by name: what `lab box verify` holds them to.
    pub files: BTreeMap<String, Sum>,
    /// Notes for people: what lab did not understand, left out, or assumed.
    pub notes: Vec<String>,
}

impl Manifest {
    /// Reads the manifest in a box's folder; `None` where there is no such folder.
    ///
    /// # Errors
    /// [`Kind::StateTooNew`], and [`Kind::StateDamaged`] when it cannot be read, or the disk is gone.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        let mend = |error: Error| match error.kind() {
            Kind::StateDamaged => error.hint(MEND),
            _ => error,
        };
        let Some(mut manifest) = versioned::read::<Manifest>(&dir.join(MANIFEST), VERSION).map_err(mend)?
        else {
            return if dir.exists() { Err(incomplete(dir, MANIFEST)) } else { Ok(None) };
        };
        // Earlier releases wrote passwords down, too.
        manifest.source = without_credentials(&manifest.source);
        let names = manifest.files.keys().chain([&manifest.disk]).chain(&manifest.key);
        if !names.into_iter().all(|name| is_plain(name)) {
            let message = format!("{} names a file outside of the box", dir.join(MANIFEST).display());
            return Err(Error::new(Kind::StateDamaged, message).hint(MEND));
        }
        if !dir.join(FILES).join(&manifest.disk).is_file() {
            return Err(incomplete(dir, &manifest.disk));
        }
        Ok(Some(manifest))
    }

    /// The box, as providers see it, when its folder is `dir` and it is asked for as `name`.
    pub fn image(&self, dir: &Path, name: &str) -> BoxImage {
        let files = dir.join(FILES);
        BoxImage {
            name: name.to_owned(),
            digest: self.sha256.clone(),
            disk: files.join(&self.disk),
            disk_format: self.disk_format.clone(),
            hardware: self.hardware.clone(),
            login: Login {
                user: self.user.clone(),
                key: self.key.as_ref().map(|key| files.join(key)),
                // Boxes that Vagrant or a virtualisation program packed have a user already.
                seeded: self.format == Format::Disk,
            },
            dir: files,
        }
    }
}

/// Whether a name stays in the folder that it is joined to.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\\', ':', '\0']) && !matches!(name, "." | "..")
}

const MEND: &str = "add the box again from where it came from: `lab box add NAME FILE`";

fn incomplete(dir: &Path, what: &str) -> Error {
    // Where `verify` has set the manifest aside, it still tells where the box came from.
    match versioned::read::<Manifest>(&dir.join(MANIFEST_SET_ASIDE), VERSION) {
        Ok(Some(manifest)) => {
            Error::new(Kind::StateDamaged, format!("the stored box {} is damaged", dir.display()))
                .hint(format!("add it again: lab box add NAME {}", manifest.source))
        }
        _ => Error::new(Kind::StateDamaged, format!("the stored box {} lacks its {what}", dir.display()))
            .hint(MEND),
    }
}
