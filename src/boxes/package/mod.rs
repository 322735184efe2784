//! Makes a box of a machine's disk, in Vagrant's format, so that Vagrant can use it too.
//!
//! The files and their texts are those of Vagrant's own `vagrant package` (2.3,
//! `plugins/providers/virtualbox/action/package*.rb` and `lib/vagrant/action/general/package*.rb`).

mod vmdk;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::manifest::Format;
use super::{Arch, DiskController, Firmware, Hardware, Mac, NicModel, Task};
use crate::atomic;
use crate::cancel::Cancel;
use crate::digest::{self, Hasher};
use crate::error::{Error, Kind, Result};

/// The name of the disk in a VirtualBox box, as VirtualBox gives it.
const VMDK: &str = "box-disk001.vmdk";
/// The name of the private key in a box, as Vagrant gives it.
const KEY: &str = "vagrant_private_key";

/// The parts of a box other than the disk.
#[derive(Debug)]
pub struct Package<'a> {
    /// What the machine is called in the OVF.
    pub name: &'a str,
    /// The machine.
    pub hardware: &'a Hardware,
    /// The MAC address of NIC 1: some guests find their network card by it.
    pub mac: Mac,
    /// The user that lets us in.
    pub user: &'a str,
    /// The private key that lets us in; `None` for Vagrant's insecure one.
    pub key: Option<&'a Path>,
}

/// A box that was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Packed {
    /// Where it is.
    pub path: PathBuf,
    /// Its sha256.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it holds a private key.
    pub key: bool,
}

impl Package<'_> {
    /// What kind of box it becomes: one for VirtualBox, or for vagrant-libvirt where the disk hangs on
    /// virtio-blk, which VirtualBox does not have.
    ///
    /// # Errors
    /// [`Kind::WrongState`] for a machine that no box can describe yet.
    pub fn format(hardware: &Hardware) -> Result<Format> {
        let cannot = |what: &str| Err(Error::new(Kind::WrongState, format!("{what} cannot be packaged yet")));
        match hardware {
            Hardware { arch: Arch::Aarch64, .. } => cannot("machines with an ARM processor"),
            Hardware { firmware: Firmware::Efi, .. } => cannot("machines that boot by EFI"),
            Hardware { disk_controller: DiskController::VirtioBlk, .. } => Ok(Format::Libvirt),
            _ => Ok(Format::Virtualbox),
        }
    }

    /// Writes the box to `to`, whole or not at all. `disk` is the machine's: raw for a box for VirtualBox,
    /// qcow2 for one for libvirt; files on the way go to the empty folder `workspace`.
    ///
    /// # Errors
    /// Those of [`Package::format`]; [`Kind::Io`], [`Kind::DiskFull`], [`Kind::Interrupted`].
    pub fn write(&self, disk: &Path, workspace: &Path, to: &Path, task: &mut Task<'_>) -> Result<Packed> {
        let mut members = vec![("Vagrantfile", Content::Text(self.vagrantfile()?))];
        match Package::format(self.hardware)? {
            Format::Virtualbox => {
                let path = workspace.join(VMDK);
                let size = disk.metadata().map_err(|source| Error::io("read", disk, &source))?.len();
                let progress = &mut *task.progress;
                vmdk::write(disk, &path, task.cancel, &mut |fraction| {
                    let done = (fraction * size as f64) as u64;
                    progress(super::Progress { phase: super::Phase::Packing, done, total: Some(size) });
                })?;
                let ovf = self.ovf(size, &path)?;
                let vmdk_sum = digest::of_file(&path, task.cancel, |_, _| {})?;
                let sums = [("box.ovf", digest::of_bytes(ovf.as_bytes())), (VMDK, vmdk_sum)];
                let sums = sums.map(|(name, sum)| format!("SHA256 ({name})= {sum}\n")).concat();
                members.push(("metadata.json", Content::Text(json!({"provider": "virtualbox"}).to_string())));
                members.push(("box.ovf", Content::Text(ovf)));
                members.push(("box.mf", Content::Text(sums)));
                members.push((VMDK, Content::File(path)));
            }
            _ => {
                let gib = virtual_size(disk)?.div_ceil(1 << 30);
                let metadata = json!({"provider": "libvirt", "format": "qcow2", "virtual_size": gib});
                members.push(("metadata.json", Content::Text(metadata.to_string())));
                members.push(("box.img", Content::File(disk.to_owned())));
            }
        }
        let info = json!({"Author": "lab", "Packaged-by": concat!("lab ", env!("CARGO_PKG_VERSION"))});
        members.push(("info.json", Content::Text(info.to_string())));
        if let Some(key) = self.key {
            members.push((KEY, Content::File(key.to_owned())));
        }
        let (sha256, size) = pack(&members, to, task)?;
        Ok(Packed { path: to.to_owned(), sha256, size, key: self.key.is_some() })
    }

    /// The OVF, for a disk of `capacity` bytes in the file `vmdk`.
    fn ovf(&self, capacity: u64, vmdk: &Path) -> Result<String> {
        let size = vmdk.metadata().map_err(|source| Error::io("read", vmdk, &source))?.len();
        let hardware = self.hardware;
        // DMTF's numbers of operating systems: 101 is "Linux 64-Bit", 36 is "LINUX".
        let (system, system_id) = match hardware.arch {
            Arch::I386 => ("Linux", 36),
            Arch::X86_64 | Arch::Aarch64 => ("Linux_64", 101),
        };
        let (controller, kind) = match hardware.disk_controller {
            DiskController::Ide => ("PIIX4", 5),
            DiskController::Sata => ("AHCI", 20),
            DiskController::LsiLogic => ("lsilogic", 6),
            DiskController::LsiLogicSas => ("LsiLogicSas", 20),
            DiskController::BusLogic => ("buslogic", 6),
            DiskController::VirtioScsi | DiskController::VirtioBlk => ("VirtioSCSI", 20),
        };
        let card = match hardware.nic {
            NicModel::E1000 => "E1000",
            NicModel::Pcnet => "PCNet32",
            NicModel::Virtio => "virtio",
        };
        let fields = [
            ("@NAME@", self.name.to_owned()),
            ("@DISK@", VMDK.to_owned()),
            ("@DISK_SIZE@", size.to_string()),
            ("@CAPACITY@", capacity.to_string()),
            ("@SYSTEM@", system.to_owned()),
            ("@SYSTEM_ID@", system_id.to_string()),
            ("@CPUS@", hardware.cpus.to_string()),
            ("@MEMORY@", hardware.memory_mib.to_string()),
            ("@CONTROLLER@", controller.to_owned()),
            ("@CONTROLLER_TYPE@", kind.to_string()),
            ("@CARD@", card.to_owned()),
        ];
        let template = include_str!("box.ovf.in").to_owned();
        Ok(fields.iter().fold(template, |text, (field, value)| text.replace(field, value)))
    }

    fn vagrantfile(&self) -> Result<String> {
        let mut lines = String::new();
        match Package::format(self.hardware)? {
            Format::Virtualbox => {
                let mac: String = self.mac.to_string().to_uppercase().split(':').collect();
                lines += "  # Without this address on its first card, a guest may not find its network.\n";
                lines += &format!("  config.vm.base_mac = \"{mac}\"\n");
            }
            _ => {
                let hardware = self.hardware;
                let card = match hardware.nic {
                    NicModel::E1000 => "e1000",
                    NicModel::Pcnet => "pcnet",
                    NicModel::Virtio => "virtio",
                };
                lines += "  config.vm.provider :libvirt do |libvirt|\n";
                lines += "    libvirt.disk_bus = \"virtio\"\n";
                lines += &format!("    libvirt.nic_model_type = \"{card}\"\n");
                lines += &format!(
                    "    libvirt.memory = {}\n    libvirt.cpus = {}\n  end\n",
                    hardware.memory_mib, hardware.cpus
                );
            }
        }
        if self.user != "vagrant" {
            lines += &format!("  config.ssh.username = {:?}\n", self.user);
        }
        if self.key.is_some() {
            lines += &format!("  config.ssh.private_key_path = File.expand_path(\"../{KEY}\", __FILE__)\n");
        }
        Ok(format!("Vagrant.configure(\"2\") do |config|\n{lines}end\n"))
    }
}

/// The size of the disk in a qcow2 image (`docs/interop/qcow2.rst`: eight bytes from 24 on).
fn virtual_size(qcow2: &Path) -> Result<u64> {
    use std::io::Read;
    let failed = |source: io::Error| Error::io("read", qcow2, &source);
    let mut header = [0; 32];
    File::open(qcow2).and_then(|mut file| file.read_exact(&mut header)).map_err(failed)?;
    let [.., a, b, c, d, e, f, g, h] = header;
    Ok(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// A file of the box.
enum Content {
    Text(String),
    File(PathBuf),
}

/// Packs the members into the tar.gz `to`. Until it is whole it is called `….part`: the file of a killed
/// command is overwritten by the next one.
fn pack(members: &[(&str, Content)], to: &Path, task: &mut Task<'_>) -> Result<(String, u64)> {
    let part = to.with_added_extension("part");
    let result = pack_into(members, &part, task).and_then(|packed| {
        std::fs::rename(&part, to).map_err(|source| Error::io("create", to, &source))?;
        atomic::sync_dir(to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
        Ok(packed)
    });
    if result.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    result
}

fn pack_into(members: &[(&str, Content)], part: &Path, task: &mut Task<'_>) -> Result<(String, u64)> {
    let failed = |source: io::Error| Error::io("write", part, &source);
    let file = File::create(part).map_err(failed)?;
    let out = Out {
        out: BufWriter::with_capacity(1 << 20, file),
        hasher: Hasher::default(),
        size: 0,
        cancel: task.cancel,
    };
    // The disk is compressed already; gzip is here because Vagrant expects it.
    let mut builder = tar::Builder::new(GzEncoder::new(out, Compression::fast()));
    for (name, content) in members {
        task.cancel.check()?;
        let mut header = tar::Header::new_ustar();
        header.set_mode(if *name == KEY { 0o600 } else { 0o644 });
        let packed = match content {
            Content::Text(text) => {
                header.set_size(text.len() as u64);
                builder.append_data(&mut header, name, text.as_bytes())
            }
            Content::File(path) => {
                let failed = |source: io::Error| Error::io("read", path, &source);
                let file = File::open(path).map_err(failed)?;
                header.set_size(file.metadata().map_err(failed)?.len());
                builder.append_data(&mut header, name, file)
            }
        };
        if packed.is_err() {
            task.cancel.check()?;
        }
        packed.map_err(failed)?;
    }
    let mut out = builder.into_inner().and_then(GzEncoder::finish).map_err(failed)?;
    out.out.flush().map_err(failed)?;
    out.out.get_ref().sync_all().map_err(failed)?;
    Ok((out.hasher.finish(), out.size))
}

/// The box file; the bytes that are written are hashed.
struct Out<'a> {
    out: BufWriter<File>,
    hasher: Hasher,
    size: u64,
    cancel: &'a Cancel,
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("stopped"));
        }
        let count = self.out.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
