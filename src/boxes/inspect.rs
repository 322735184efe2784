//! Finds out what an unpacked box is: its format, its disk, its hardware, its user.

mod member;
mod sums;

use std::ffi::OsStr;
use std::path::Path;

use super::disk::{self, Content, DiskFormat};
use super::hardware::{Arch, DiskController, Hardware, NicModel};
use super::manifest::Format;
use super::progress::Task;
use super::vagrantfile::{self, Vagrantfile};
use super::{archive, ovf};
use crate::error::{Error, Result};
use member::{bad, read_text};

/// A box's `metadata.json` has some 100 bytes.
const MAX_METADATA: u64 = 256 << 10;
const DEFAULT_USER: &str = "vagrant";

/// The facts of an unpacked box.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) format: Format,
    pub(super) disk: String,
    pub(super) disk_format: DiskFormat,
    pub(super) hardware: Hardware,
    pub(super) user: String,
    pub(super) key: Option<String>,
    pub(super) notes: Vec<String>,
}

/// The parts of a box's `metadata.json` that are read.
#[derive(Debug, Default, serde::Deserialize)]
struct Metadata {
    provider: Option<String>,
    architecture: Option<String>,
    /// vagrant-libvirt's second form.
    #[serde(default)]
    disks: Vec<MetadataDisk>,
}

#[derive(Debug, serde::Deserialize)]
struct MetadataDisk {
    path: Option<String>,
}

/// Reads the box that was unpacked into `dir`. A disk image alone gets the hardware `assumed`, if that is given.
///
/// # Errors
/// [`crate::error::Kind::BadBox`] when lab does not understand it, [`crate::error::Kind::HostileBox`] when a disk image in it
/// leads to a file outside, [`crate::error::Kind::BoxChecksum`] when it is not what its own manifest says,
/// [`crate::error::Kind::Interrupted`].
pub(super) fn inspect(
    dir: &Path,
    unpacked: &archive::Unpacked,
    assumed: Option<&Hardware>,
    task: &mut Task<'_>,
) -> Result<Findings> {
    let files = list(dir)?;
    check_disks(dir, &files)?;
    let strange = sums::check(dir, unpacked, task)?;
    let mut findings =
        if unpacked.bare { bare(dir, &files, assumed)? } else { Contents::read(dir, files)?.findings()? };
    findings.notes.splice(0..0, unpacked.notes.iter().cloned().chain(strange));
    if let Some(key) = &findings.key {
        protect(&dir.join(key))?;
    }
    Ok(findings)
}

/// The names of the files in the box. Unpacking let only UTF-8 through.
fn list(dir: &Path) -> Result<Vec<String>> {
    let failed = |source: std::io::Error| Error::io("list", dir, &source);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// No disk image of the box may lead to a file outside, also not a further one: providers open those too.
fn check_disks(dir: &Path, files: &[String]) -> Result<()> {
    for name in files {
        let path = dir.join(name);
        if let Content::Disk(format) = disk::sniff_file(&path)? {
            disk::check(&path, format, name)?;
        }
    }
    Ok(())
}

/// A disk image alone says nothing of its machine. Today's systems have drivers for virtio, and images in
/// VirtualBox's and VMware's own formats come from machines with SATA.
fn bare(dir: &Path, files: &[String], assumed: Option<&Hardware>) -> Result<Findings> {
    let Some(disk) = files.first().cloned() else { return Err(bad("it is empty")) };
    let disk_format = disk_format(dir, &disk)?;
    let (disk_controller, nic) = match disk_format {
        DiskFormat::Qcow2 | DiskFormat::Raw => (DiskController::VirtioBlk, NicModel::Virtio),
        DiskFormat::Vmdk | DiskFormat::VmdkText | DiskFormat::Vdi => (DiskController::Sata, NicModel::E1000),
    };
    let usual = || Hardware { disk_controller, nic, ..Hardware::plain(Arch::X86_64) };
    Ok(Findings {
        format: Format::Disk,
        disk,
        disk_format,
        hardware: assumed.cloned().unwrap_or_else(usual),
        user: DEFAULT_USER.into(),
        key: None,
        notes: vec!["a disk image does not say what machine it is for: that is assumed".into()],
    })
}

/// The hardware that vagrant-libvirt gives a machine, for a box that names none.
fn virtio(arch: Arch) -> Hardware {
    Hardware { disk_controller: DiskController::VirtioBlk, nic: NicModel::Virtio, ..Hardware::plain(arch) }
}

/// An unpacked archive.
struct Contents<'a> {
    dir: &'a Path,
    files: Vec<String>,
    metadata: Metadata,
    vagrantfile: Vagrantfile,
}

impl<'a> Contents<'a> {
    fn read(dir: &'a Path, files: Vec<String>) -> Result<Self> {
        let metadata = match read_text(&dir.join("metadata.json"), MAX_METADATA)? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|source| bad("its metadata.json is damaged").detail(source.to_string()))?,
            None => Metadata::default(),
        };
        let vagrantfile = read_text(&dir.join("Vagrantfile"), vagrantfile::MAX_SIZE)?;
        let vagrantfile = vagrantfile.map(|text| vagrantfile::read(&text)).unwrap_or_default();
        Ok(Contents { dir, files, metadata, vagrantfile })
    }

    fn findings(mut self) -> Result<Findings> {
        let mut notes = std::mem::take(&mut self.vagrantfile.notes);
        let (format, disk, mut hardware) = match self.metadata.provider.as_deref() {
            Some("libvirt") => self.image(Format::Libvirt, &mut notes)?,
            Some("qemu") => self.image(Format::Qemu, &mut notes)?,
            // Vagrant 1.0 had VirtualBox alone, and no metadata.
            Some("virtualbox") | None => self.ovf(&mut notes)?,
            Some(other) => {
                return Err(bad(&format!("it is made for {other:?}"))
                    .hint("get the same box for virtualbox or libvirt"));
            }
        };
        // The MAC address that Vagrant gives NIC 1. The box's network set-up may depend on it.
        match self.vagrantfile.base_mac.as_deref().map(str::parse) {
            Some(Ok(mac)) => hardware.base_mac = Some(mac),
            Some(Err(error)) => notes.push(format!("the box's Vagrantfile: base_mac is {error}")),
            None => {}
        }
        let key = self.vagrantfile.private_key.take().filter(|key| {
            let there = self.files.contains(key);
            if !there {
                notes.push(format!("the box's Vagrantfile names a key that is not in it: {key}"));
            }
            there
        });
        let user = match self.vagrantfile.username.take() {
            Some(user) if is_user(&user) => user,
            Some(user) => {
                notes.push(format!("the box's Vagrantfile names a user that cannot be one: {user:?}"));
                DEFAULT_USER.into()
            }
            None => DEFAULT_USER.into(),
        };
        let disk_format = disk_format(self.dir, &disk)?;
        Ok(Findings { format, disk, disk_format, hardware, user, key, notes })
    }

    /// A box with an OVF.
    fn ovf(&self, notes: &mut Vec<String>) -> Result<(Format, String, Hardware)> {
        let is_ovf = |name: &&String| {
            Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case(OsStr::new("ovf")))
        };
        let ovfs: Vec<_> = self.files.iter().filter(is_ovf).collect();
        let name = match ovfs.as_slice() {
            [one] => *one,
            [] => return Err(self.no_description()),
            several => several
                .iter()
                .find(|name| name.as_str() == "box.ovf")
                .ok_or_else(|| bad("it has several OVFs and none is called box.ovf"))?,
        };
        let text = read_text(&self.dir.join(name), ovf::MAX_SIZE)?.unwrap_or_default();
        let found = ovf::read(&text).map_err(|error| error.detail(format!("in {name}")))?;
        self.must_have(&found.disk)?;
        notes.extend(found.notes);
        let is_vagrant = self.files.iter().any(|name| name == "Vagrantfile" || name == "metadata.json");
        let format = if is_vagrant { Format::Virtualbox } else { Format::Ova };
        Ok((format, found.disk, found.hardware))
    }

    /// The error for an archive that says nothing of a machine: what it is instead.
    fn no_description(&self) -> Error {
        let error = bad("it has neither an OVF nor a metadata.json");
        let has = |name: &str| self.files.iter().any(|file| file == name);
        if has("oci-layout") || (has("manifest.json") && has("repositories")) {
            return bad("it is an image for containers")
                .hint("a machine needs a disk with a system of its own");
        }
        if self.files.is_empty() {
            return bad("it has no files at its top").hint(
                "where they lie in a folder, pack them anew from there: cd FOLDER && tar -czf ../NEW.box *",
            );
        }
        for name in &self.files {
            let what = match disk::sniff_file(&self.dir.join(name)) {
                Ok(Content::Tar | Content::Packed(_)) => "another archive",
                Ok(Content::Disk(_)) => "a disk image",
                Ok(Content::Known(known)) if known.hint.starts_with("unpack it") => known.what,
                _ => continue,
            };
            return bad(&format!("it is an archive with {what} in it, {name}"))
                .hint(format!("unpack it, then add what is in it: tar -xf FILE; lab box add NAME {name}"));
        }
        error.hint(WANTED)
    }

    /// A box that is a disk image and a few words.
    fn image(&self, format: Format, notes: &mut Vec<String>) -> Result<(Format, String, Hardware)> {
        let listed = self.metadata.disks.first().and_then(|disk| disk.path.as_deref());
        let disk = listed.map(ovf::plain_name).transpose()?.unwrap_or("box.img");
        self.must_have(disk)?;
        for more in self.metadata.disks.iter().skip(1) {
            notes.push(format!("a further disk is left out: {}", more.path.as_deref().unwrap_or("unnamed")));
        }
        let arch = match self.metadata.architecture.as_deref() {
            None | Some("amd64" | "x86_64" | "unknown") => Arch::X86_64,
            Some("i386" | "i686") => Arch::I386,
            Some("arm64" | "aarch64") => Arch::Aarch64,
            Some(other) => return Err(bad(&format!("it is made for {other:?} processors"))),
        };
        let mut hardware = virtio(arch);
        let settings = &self.vagrantfile;
        if let Some(memory) = settings.memory_mib.filter(|memory| (4..=1 << 20).contains(memory)) {
            hardware.memory_mib = memory;
        }
        match settings.disk_bus.as_deref() {
            None | Some("virtio") => {}
            Some("sata") => hardware.disk_controller = DiskController::Sata,
            Some("ide") => hardware.disk_controller = DiskController::Ide,
            Some("scsi") => hardware.disk_controller = DiskController::VirtioScsi,
            Some(other) => notes.push(format!("the disk bus {other:?} is not known: virtio")),
        }
        match settings.nic_model.as_deref() {
            None | Some("virtio" | "virtio-net-pci") => {}
            Some("e1000" | "e1000e") => hardware.nic = NicModel::E1000,
            Some("pcnet") => hardware.nic = NicModel::Pcnet,
            Some(other) => notes.push(format!("the network card {other:?} is not known: virtio")),
        }
        Ok((format, disk.to_owned(), hardware))
    }

    fn must_have(&self, disk: &str) -> Result<()> {
        if self.files.iter().any(|name| name == disk) {
            return Ok(());
        }
        Err(bad(&format!("its disk {disk} is not in it")))
    }
}

fn disk_format(dir: &Path, name: &str) -> Result<DiskFormat> {
    match disk::sniff_file(&dir.join(name))? {
        Content::Disk(format) => Ok(format),
        Content::Known(known) => Err(bad(&format!("its disk {name} is {}", known.what)).hint(known.hint)),
        Content::Packed(_) => {
            Err(bad(&format!("its disk {name} is compressed")).hint("unpack it, and pack the box anew"))
        }
        // A disk without a boot sector's mark may still be one, but cannot be started.
        Content::Tar | Content::Unknown => {
            Err(bad(&format!("its disk {name} is no disk image that lab knows")))
        }
    }
}

/// Whether this can be the name of a user. It is handed to ssh, where a word that begins with `-` is an option.
fn is_user(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.len() <= 32 && name.chars().all(is_part) && !name.starts_with(['-', '.']) && !name.is_empty()
}

/// ssh refuses a private key that others may read.
fn protect(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|source| Error::io("protect", path, &source))?;
    }
    let _ = path;
    Ok(())
}

const WANTED: &str = "a Vagrant box has a metadata.json and, for virtualbox, a box.ovf";

#[cfg(test)]
mod tests;
