//! What a file is, by its first bytes; and whether a disk image stays at home.
//!
//! QEMU and VirtualBox open the files that an image's header names: a backing file, a parent, an
//! extent. So an image from outside could read any file of this computer. Such images are refused.
//!
//! Sources of the formats: QEMU's `docs/interop/qcow2.rst`, VMware's "Virtual Disk Format 5.0", and
//! what QEMU's `block/vmdk.c` and `block/vdi.c` read of these headers.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::foreign::{self, Foreign};
use crate::disk_space::human;
use crate::error::{Error, Kind, Result};

/// How many of a file's first bytes are enough for [`sniff`].
pub const SNIFF: usize = foreign::HEAD;
/// No disk is larger: the tables that describe a disk grow with its size.
const MAX_DISK: u64 = 16 << 40;

const SECTOR: u64 = 512;
/// QEMU looks for a parent in the 20 sectors after the first, whatever the header says.
const QEMU_DESCRIPTOR: (u64, u64) = (SECTOR, 20 * SECTOR);
const MAX_DESCRIPTOR: u64 = 1 << 20;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Something compressed.
    Packed(Packing),
    /// A tar archive.
    Tar,
    /// A disk image.
    Disk(DiskFormat),
    /// Something known that is no box.
    Known(Foreign),
    /// None of these.
    Unknown,
}

/// A compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// gzip, as Vagrant packs its boxes.
    Gzip,
    /// zstd.
    Zstd,
    /// xz.
    Xz,
}

/// A format of disk images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// QEMU's qcow2.
    Qcow2,
    /// VMware's, a header with the data in one file.
    Vmdk,
    /// VMware's, a text that names the files with the data.
    VmdkText,
    /// VirtualBox's own.
    Vdi,
    /// The disk's bytes, one after the other.
    Raw,
}

impl DiskFormat {
    /// As qemu-img names it.
    pub fn name(self) -> &'static str {
        match self {
            DiskFormat::Qcow2 => "qcow2",
            DiskFormat::Vmdk | DiskFormat::VmdkText => "vmdk",
            DiskFormat::Vdi => "vdi",
            DiskFormat::Raw => "raw",
        }
    }
}

/// Says what a file is that begins with `head` (up to [`SNIFF`] bytes of it).
pub fn sniff(head: &[u8]) -> Content {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let text = String::from_utf8_lossy(head.get(..64).unwrap_or(head)).trim_start().to_ascii_lowercase();
    match () {
        () if at(0, &[0x1f, 0x8b]) => Content::Packed(Packing::Gzip),
        () if at(0, b"QFI\xfb") => Content::Disk(DiskFormat::Qcow2),
        () if at(0, b"KDMV") => Content::Disk(DiskFormat::Vmdk),
        () if text.starts_with("# disk descriptorfile") => Content::Disk(DiskFormat::VmdkText),
        () if at(64, &[0x7f, 0x10, 0xda, 0xbe]) => Content::Disk(DiskFormat::Vdi),
        () if at(0, &[0x28, 0xb5, 0x2f, 0xfd]) => Content::Packed(Packing::Zstd),
        // A frame to be skipped, as `pzstd` and seekable zstd put in front (RFC 8878, section 3.1.2).
        () if matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) => Content::Packed(Packing::Zstd),
        () if at(0, b"\xfd7zXZ\0") => Content::Packed(Packing::Xz),
        // The first bytes of a tar archive are the name of a file, which may be anything.
        () if at(257, b"ustar") || is_old_tar(head) => Content::Tar,
        () => {
            let is_disk = at(510, &[0x55, 0xaa]) || at(512, b"EFI PART");
            let other = || foreign::by_file_system(head).or_else(|| foreign::by_text(head));
            match foreign::by_mark(head) {
                Some(known) => Content::Known(known),
                None if is_disk => Content::Disk(DiskFormat::Raw),
                None => other().map_or(Content::Unknown, Content::Known),
            }
        }
    }
}

/// A tar header from before POSIX has no magic, but a checksum over itself.
fn is_old_tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else { return false };
    let mut header = tar::Header::new_old();
    header.as_mut_bytes().copy_from_slice(block);
    let sum: u32 = block.iter().enumerate().fold(0, |sum, (index, byte)| {
        sum + u32::from(if (148..156).contains(&index) { b' ' } else { *byte })
    });
    block.first() != Some(&0) && header.cksum().is_ok_and(|expected| expected == sum)
}

/// What `path` is, by its first bytes.
pub fn sniff_file(path: &Path) -> Result<Content> {
    let failed = |source: std::io::Error| Error::io("read", path, &source);
    let mut head = Vec::with_capacity(SNIFF);
    File::open(path).map_err(failed)?.take(SNIFF as u64).read_to_end(&mut head).map_err(failed)?;
    Ok(sniff(&head))
}

/// Refuses a disk image whose header leads to another file. `name` is what it is called in messages.
///
/// # Errors
/// [`Kind::HostileBox`] when it does, [`Kind::BadBox`] when its header cannot be understood.
pub fn check(path: &Path, format: DiskFormat, name: &str) -> Result<()> {
    let mut file = File::open(path).map_err(|source| Error::io("read", path, &source))?;
    match format {
        DiskFormat::Qcow2 => check_qcow2(&mut file, name),
        DiskFormat::Vmdk => check_vmdk(&mut file, name),
        DiskFormat::VmdkText => Err(leads_out(name, "it keeps its data in other files")
            .hint("convert it into one file: qemu-img convert -O qcow2 OLD.vmdk NEW.qcow2")),
        DiskFormat::Vdi => check_vdi(&mut file, name),
        DiskFormat::Raw => Ok(()),
    }
}

fn check_qcow2(file: &mut File, name: &str) -> Result<()> {
    let header = Header(read_at(file, 0, 104, name)?);
    let short = || damaged(name, "its qcow2 header is cut short");
    let version = header.be32(4).ok_or_else(short)?;
    if !matches!(version, 2 | 3) {
        return Err(damaged(name, &format!("it is qcow version {version}; 2 and 3 are understood")));
    }
    if header.be64(8).ok_or_else(short)? != 0 {
        return Err(leads_out(name, "it has a backing file"));
    }
    if header.be32(32).ok_or_else(short)? != 0 {
        return Err(damaged(name, "it is encrypted"));
    }
    check_size(header.be64(24).ok_or_else(short)?, name)?;
    // Bit 2 of the incompatible features: the data are in an external file.
    if version == 3 && header.be64(72).ok_or_else(short)? & 4 != 0 {
        return Err(leads_out(name, "it keeps its data in another file"));
    }
    Ok(())
}

fn check_vmdk(file: &mut File, name: &str) -> Result<()> {
    let header = Header(read_at(file, 0, SECTOR, name)?);
    let short = || damaged(name, "its VMDK header is cut short");
    // Without a capacity, QEMU takes the descriptor's extents for the disk.
    match header.le64(12).ok_or_else(short)? {
        0 => return Err(leads_out(name, "it keeps its data in other files")),
        sectors => check_size(sectors.saturating_mul(SECTOR), name)?,
    }
    let offset = header.le64(28).ok_or_else(short)?.saturating_mul(SECTOR);
    let size = header.le64(36).ok_or_else(short)?.saturating_mul(SECTOR);
    if size > MAX_DESCRIPTOR {
        let why =
            format!("its VMDK descriptor has {}, and {} is the limit", human(size), human(MAX_DESCRIPTOR));
        return Err(damaged(name, &why));
    }
    for (offset, size) in [(offset, size), QEMU_DESCRIPTOR] {
        if offset != 0 {
            check_descriptor(&read_at(file, offset, size, name)?, name)?;
        }
    }
    Ok(())
}

/// The text inside a VMDK: at most one extent, which is the file itself, and no parent.
fn check_descriptor(bytes: &[u8], name: &str) -> Result<()> {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let mut extents = 0;
    for line in text.lines().map(str::trim) {
        let lower = line.to_ascii_lowercase();
        let value = |key: &str| {
            let rest = lower.strip_prefix(key)?.trim_start().strip_prefix('=')?;
            Some(rest.trim().trim_matches('"').to_owned())
        };
        // QEMU takes the word wherever it stands, in a comment too.
        if lower.contains("parentfilenamehint")
            || value("parentcid").is_some_and(|cid| !matches!(cid.as_str(), "" | "0" | "ffffffff"))
        {
            return Err(leads_out(name, "it has a parent"));
        }
        // VirtualBox takes a line for an extent by these letters alone.
        if ["rw", "rdonly", "noaccess"].iter().any(|access| lower.starts_with(access)) {
            extents += 1;
            // The file may have been renamed since, so that its own name is not held to.
            let file = line.split('"').nth(1).unwrap_or_default();
            let sparse = lower.split_whitespace().nth(2) == Some("sparse");
            if !sparse || extents > 1 || file.contains(['/', '\\', ':']) {
                return Err(leads_out(name, &format!("it keeps its data in {file:?}")));
            }
        }
    }
    Ok(())
}

fn check_vdi(file: &mut File, name: &str) -> Result<()> {
    let header = Header(read_at(file, 0, SECTOR, name)?);
    // Type 1 grows, 2 is fixed; 3 and 4 need another image.
    match header.le32(76) {
        // The disk's size stands in the header since version 1.1, of 2005.
        Some(1 | 2) => check_size(header.le64(368).unwrap_or_default(), name),
        Some(3 | 4) => Err(leads_out(name, "it has a parent")),
        _ => Err(damaged(name, "its VDI header is not understood")),
    }
}

fn check_size(size: u64, name: &str) -> Result<()> {
    if size <= MAX_DISK {
        return Ok(());
    }
    Err(damaged(name, &format!("it is a disk of {}, and {} is the limit", human(size), human(MAX_DISK))))
}

/// Up to `size` bytes from `offset` on; fewer at the file's end.
fn read_at(file: &mut File, offset: u64, size: u64, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.take(size).read_to_end(&mut bytes))
        .map_err(|source| Error::io("read", Path::new(name), &source))?;
    Ok(bytes)
}

/// Fixed-width numbers of a header, `None` beyond its end.
struct Header(Vec<u8>);

impl Header {
    fn array<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.0.get(offset..)?.first_chunk().copied()
    }
    fn be32(&self, offset: usize) -> Option<u32> {
        self.array(offset).map(u32::from_be_bytes)
    }
    fn be64(&self, offset: usize) -> Option<u64> {
        self.array(offset).map(u64::from_be_bytes)
    }
    fn le32(&self, offset: usize) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }
    fn le64(&self, offset: usize) -> Option<u64> {
        self.array(offset).map(u64::from_le_bytes)
    }
}

fn leads_out(name: &str, why: &str) -> Error {
    Error::new(Kind::HostileBox, format!("the disk image {name} leads to another file: {why}"))
        .hint("nothing was kept of the box; get it from a source that you trust")
}

fn damaged(name: &str, why: &str) -> Error {
    Error::new(Kind::BadBox, format!("the disk image {name} cannot be used: {why}"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A qcow2 header without a backing file.
    pub(in crate::boxes) fn qcow2() -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        image
    }

    /// A stream-optimised VMDK's header with this text as its descriptor.
    pub(in crate::boxes) fn vmdk(descriptor: &str) -> Vec<u8> {
        let mut image = vec![0; 128 * 512];
        image[..4].copy_from_slice(b"KDMV");
        image[12..20].copy_from_slice(&2048u64.to_le_bytes());
        image[28..36].copy_from_slice(&1u64.to_le_bytes());
        image[36..44].copy_from_slice(&20u64.to_le_bytes());
        image[512..512 + descriptor.len()].copy_from_slice(descriptor.as_bytes());
        image
    }

    /// The descriptor of a genuine box.
    pub(in crate::boxes) const DESCRIPTOR: &str = "# Disk DescriptorFile\nversion=1\nCID=5b1a9bb1\n\
        parentCID=ffffffff\ncreateType=\"streamOptimized\"\n\n# Extent description\n\
        RDONLY 2048 SPARSE \"generated-stream.vmdk\"\n\n# The disk Data Base\nddb.adapterType = \"ide\"\n";

    fn checked(bytes: &[u8]) -> Result<()> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        std::fs::write(&path, bytes).unwrap();
        let Content::Disk(format) = sniff_file(&path).unwrap() else { panic!("no disk") };
        check(&path, format, "disk")
    }

    fn refused(bytes: &[u8]) -> Kind {
        checked(bytes).unwrap_err().kind()
    }

    #[test]
    fn images_that_stay_at_home_pass() {
        checked(&qcow2()).unwrap();
        checked(&vmdk(DESCRIPTOR)).unwrap();
        let mut vdi = vec![0; 512];
        vdi[64..68].copy_from_slice(&[0x7f, 0x10, 0xda, 0xbe]);
        vdi[76] = 1;
        checked(&vdi).unwrap();
        vdi[76] = 4;
        assert_eq!(refused(&vdi), Kind::HostileBox);
    }

    #[test]
    fn qcow2_with_another_file_is_refused() {
        let mut backed = qcow2();
        backed[15] = 0x70;
        assert_eq!(refused(&backed), Kind::HostileBox);
        let mut external = qcow2();
        external[79] = 4;
        assert_eq!(refused(&external), Kind::HostileBox);
        let mut old = qcow2();
        old[7] = 1;
        assert_eq!(refused(&old), Kind::BadBox);
        assert_eq!(refused(&qcow2()[..20]), Kind::BadBox);
    }

    #[test]
    fn vmdk_with_another_file_is_refused() {
        for (genuine, forged) in [
            ("parentCID=ffffffff", "parentCID=12345678"),
            ("version=1", "version=1\nparentFileNameHint = \"/etc/shadow\""),
            ("\"generated-stream.vmdk\"", "\"/etc/shadow\""),
            ("\"generated-stream.vmdk\"", "\"..\\shadow\""),
            ("SPARSE", "FLAT"),
            ("# The disk", "#x parentFileNameHint=\"/etc/shadow\"\n# The disk"),
            ("# The disk", "RW\t1 SPARSE \"second.vmdk\"\n# The disk"),
            ("# The disk", "RW 1 SPARSE \"second.vmdk\"\n# The disk"),
        ] {
            let forged = DESCRIPTOR.replace(genuine, forged);
            assert_ne!(forged, DESCRIPTOR);
            assert_eq!(refused(&vmdk(&forged)), Kind::HostileBox, "{forged}");
        }
        let mut empty = vmdk(DESCRIPTOR);
        empty[12..20].fill(0);
        assert_eq!(refused(&empty), Kind::HostileBox);
        assert_eq!(refused(DESCRIPTOR.as_bytes()), Kind::HostileBox);
        assert_eq!(refused(&vmdk(DESCRIPTOR)[..30]), Kind::BadBox);
    }

    #[test]
    fn a_disk_larger_than_the_limit_is_refused_and_the_limit_named() {
        let mut large = qcow2();
        large[24..32].copy_from_slice(&(MAX_DISK + 1).to_be_bytes());
        let error = checked(&large).unwrap_err();
        assert_eq!(error.kind(), Kind::BadBox);
        assert!(error.message().contains("16.0 TiB is the limit"), "{error}");
        let mut vmdk = vmdk(DESCRIPTOR);
        vmdk[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(refused(&vmdk), Kind::BadBox);
    }

    #[test]
    fn a_parent_where_only_qemu_looks_is_seen() {
        let mut image = vmdk("parentFileNameHint=\"/etc/shadow\"\n");
        image[28..36].copy_from_slice(&100u64.to_le_bytes());
        assert_eq!(refused(&image), Kind::HostileBox);
    }

    #[test]
    fn what_is_no_box_is_called_by_its_name() {
        let known = |head: &[u8]| match sniff(head) {
            Content::Known(foreign) => foreign.what,
            other => panic!("{other:?}"),
        };
        assert_eq!(known(b"  <!DOCTYPE html><title>Hotel wifi"), "a web page");
        // A disc that can also be started from a stick.
        let mut hybrid = vec![0; SNIFF];
        hybrid[510..512].copy_from_slice(&[0x55, 0xaa]);
        hybrid[32769..32774].copy_from_slice(b"CD001");
        assert_eq!(known(&hybrid), "an installation disc (ISO 9660)");
        assert!(known(b"").starts_with("empty"));
        assert_eq!(sniff(&[0x1f, 0x8b, 8]), Content::Packed(Packing::Gzip));
        assert_eq!(sniff(&[0; 1024]), Content::Unknown);
        let mut mbr = vec![0; 512];
        mbr[510..].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(sniff(&mbr), Content::Disk(DiskFormat::Raw));
    }
}
