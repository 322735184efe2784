//! A disk as a stream-optimised VMDK, the kind that exported machines carry.
//!
//! Source: VMware's "Virtual Disk Format 5.0". qemu-img writes this form, too, but without the footer and
//! the end-of-stream marker that VirtualBox's importer reads to.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::cancel::Cancel;
use crate::error::{Error, Result};

const SECTOR: u64 = 512;
/// The pieces that are compressed each for itself.
const GRAIN: usize = 64 * 1024;
const GRAIN_SECTORS: u64 = GRAIN as u64 / SECTOR;
/// Grains in one table.
const ENTRIES: usize = 512;
const DESCRIPTOR_SECTORS: u64 = 20;
/// Sectors before the first grain.
const OVERHEAD: u64 = 128;
/// "The directory is not here but in the footer."
const AT_END: u64 = u64::MAX;

const END_OF_STREAM: u32 = 0;
const GRAIN_TABLE: u32 = 1;
const GRAIN_DIRECTORY: u32 = 2;
const FOOTER: u32 = 3;

/// Writes the raw disk `raw` to the new file `to`; `progress` gets 0.0 to 1.0. Returns the disk's size.
///
/// # Errors
/// [`crate::error::Kind::Io`], [`crate::error::Kind::DiskFull`], [`crate::error::Kind::Interrupted`].
pub(super) fn write(raw: &Path, to: &Path, cancel: &Cancel, progress: &mut dyn FnMut(f64)) -> Result<u64> {
    let unread = |source: io::Error| Error::io("read", raw, &source);
    let unwritten = |source: io::Error| Error::io("write", to, &source);
    let mut disk = File::open(raw).map_err(unread)?;
    let size = disk.metadata().map_err(unread)?.len();
    let sectors = size.div_ceil(SECTOR);
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let mut out = Out::new(BufWriter::new(File::create_new(to).map_err(unwritten)?));
    out.begin(sectors, &name).map_err(unwritten)?;
    let grains = sectors.div_ceil(GRAIN_SECTORS);
    let mut grain = vec![0; GRAIN];
    let mut next = 0;
    while next < grains {
        cancel.check()?;
        progress(next as f64 / grains as f64);
        let start = next * GRAIN as u64;
        let Some(data) = data_from(&disk, start).map_err(unread)? else { break };
        next = data / GRAIN as u64;
        disk.seek(SeekFrom::Start(next * GRAIN as u64)).map_err(unread)?;
        let count = fill(&mut disk, &mut grain).map_err(unread)?;
        grain.get_mut(count..).unwrap_or_default().fill(0);
        if grain.iter().any(|byte| *byte != 0) {
            out.grain(next, &grain).map_err(unwritten)?;
        }
        next += 1;
    }
    out.end(sectors, grains).map_err(unwritten)?;
    Ok(size)
}

/// The first place from `start` on that is not in a hole of the file, which most of a disk is; `None` where
/// only a hole follows.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn data_from(disk: &File, start: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(disk, rustix::fs::SeekFrom::Data(start)) {
        Ok(data) => Ok(Some(data)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        // The file system knows of no holes.
        Err(rustix::io::Errno::INVAL) => Ok(Some(start)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn data_from(_: &File, start: u64) -> io::Result<Option<u64>> {
    Ok(Some(start))
}

fn fill(from: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match from.read(rest)? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

struct Out<W> {
    out: W,
    written: u64,
    /// For each table that has grains: where they are, in sectors.
    tables: std::collections::BTreeMap<u64, Vec<u32>>,
}

impl<W: Write> Out<W> {
    fn new(out: W) -> Self {
        Out { out, written: 0, tables: std::collections::BTreeMap::new() }
    }

    /// Writes `bytes` and fills the sector up.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        let padding = self.written.next_multiple_of(SECTOR) - self.written;
        self.written += padding;
        io::copy(&mut io::repeat(0).take(padding), &mut self.out).map(drop)
    }

    /// Where the next byte goes, in sectors.
    fn sector(&self) -> io::Result<u32> {
        u32::try_from(self.written / SECTOR).map_err(|_| io::Error::other("a VMDK ends at 2 TiB"))
    }

    fn begin(&mut self, sectors: u64, name: &str) -> io::Result<()> {
        self.put(&header(sectors, AT_END))?;
        self.put(descriptor(sectors, name).as_bytes())?;
        let rest = OVERHEAD * SECTOR - self.written;
        io::copy(&mut io::repeat(0).take(rest), &mut self.out)?;
        self.written += rest;
        Ok(())
    }

    fn grain(&mut self, number: u64, grain: &[u8]) -> io::Result<()> {
        let at = self.sector()?;
        let table = self.tables.entry(number / ENTRIES as u64).or_insert_with(|| vec![0; ENTRIES]);
        if let Some(entry) = table.get_mut((number % ENTRIES as u64) as usize) {
            *entry = at;
        }
        let mut packed = ZlibEncoder::new(vec![0; 12], Compression::default());
        packed.write_all(grain)?;
        let mut packed = packed.finish()?;
        let size = (packed.len() as u32 - 12).to_le_bytes();
        let place = (number * GRAIN_SECTORS).to_le_bytes();
        for (byte, value) in packed.iter_mut().zip(place.into_iter().chain(size)) {
            *byte = value;
        }
        self.put(&packed)
    }

    fn end(mut self, sectors: u64, grains: u64) -> io::Result<()> {
        let mut directory = vec![0; grains.div_ceil(ENTRIES as u64) as usize];
        for (number, table) in std::mem::take(&mut self.tables) {
            self.marker(ENTRIES as u64 * 4 / SECTOR, GRAIN_TABLE)?;
            if let Some(entry) = directory.get_mut(number as usize) {
                *entry = self.sector()?;
            }
            self.put(&numbers(&table))?;
        }
        let content = numbers(&directory);
        self.marker((content.len() as u64).div_ceil(SECTOR), GRAIN_DIRECTORY)?;
        let directory = u64::from(self.sector()?);
        self.put(&content)?;
        self.marker(1, FOOTER)?;
        self.put(&header(sectors, directory))?;
        self.marker(0, END_OF_STREAM)?;
        self.out.flush()
    }

    fn marker(&mut self, sectors: u64, kind: u32) -> io::Result<()> {
        let mut bytes = sectors.to_le_bytes().to_vec();
        bytes.extend([0; 4]);
        bytes.extend(kind.to_le_bytes());
        self.put(&bytes)
    }
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// `SparseExtentHeader`, version 3.
fn header(sectors: u64, directory: u64) -> Vec<u8> {
    let mut header = b"KDMV".to_vec();
    // Flags: there is a test for line ends, grains are compressed, there are markers.
    for number in [3u32, 1 | 1 << 16 | 1 << 17] {
        header.extend(number.to_le_bytes());
    }
    for number in [sectors, GRAIN_SECTORS, 1, DESCRIPTOR_SECTORS] {
        header.extend(number.to_le_bytes());
    }
    header.extend((ENTRIES as u32).to_le_bytes());
    // No redundant directory; closed as it should be; compressed by deflate.
    for number in [0, directory, OVERHEAD] {
        header.extend(number.to_le_bytes());
    }
    header.push(0);
    header.extend(b"\n \r\n");
    header.extend(1u16.to_le_bytes());
    header
}

fn descriptor(sectors: u64, name: &str) -> String {
    let id = uuid::Uuid::new_v4();
    // Neither 0 nor ffffffff, which mean that there is none.
    let content_id = id.as_fields().0 & 0x7fff_ffff | 1;
    let cylinders = (sectors / (16 * 63)).min(16_383);
    format!(
        "# Disk DescriptorFile\nversion=1\nCID={content_id:08x}\nparentCID=ffffffff\n\
         createType=\"streamOptimized\"\n\n# Extent description\nRDONLY {sectors} SPARSE \"{name}\"\n\n\
         # The disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"4\"\nddb.adapterType=\"ide\"\n\
         ddb.geometry.cylinders=\"{cylinders}\"\nddb.geometry.heads=\"16\"\nddb.geometry.sectors=\"63\"\n\
         ddb.uuid.image=\"{id}\"\nddb.uuid.parent=\"00000000-0000-0000-0000-000000000000\"\n\
         ddb.uuid.modification=\"00000000-0000-0000-0000-000000000000\"\n\
         ddb.uuid.parentmodification=\"00000000-0000-0000-0000-000000000000\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::disk::{self, Content, DiskFormat};

    #[test]
    fn the_form_is_the_one_of_the_specification() {
        let dir = tempfile::tempdir().unwrap();
        let (raw, vmdk) = (dir.path().join("raw"), dir.path().join("disk.vmdk"));
        let mut disk = vec![0; 40 << 20];
        disk[..4].copy_from_slice(b"boot");
        disk[33 << 20] = 7;
        std::fs::write(&raw, &disk).unwrap();
        assert_eq!(write(&raw, &vmdk, &Cancel::new(), &mut |_| {}).unwrap(), 40 << 20);
        assert_eq!(disk::sniff_file(&vmdk).unwrap(), Content::Disk(DiskFormat::Vmdk));
        disk::check(&vmdk, DiskFormat::Vmdk, "disk.vmdk").unwrap();
        let bytes = std::fs::read(&vmdk).unwrap();
        assert_eq!(bytes.len() % 512, 0);
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(u64_at(56), AT_END);
        // From the end: the end-of-stream marker, the footer with the directory's place, its marker.
        let footer = bytes.len() - 1024;
        assert_eq!((u64_at(bytes.len() - 512), u32_at(bytes.len() - 500)), (0, END_OF_STREAM));
        assert_eq!((&bytes[footer..footer + 4], u32_at(footer - 500)), (&b"KDMV"[..], FOOTER));
        let directory = u64_at(footer + 56) as usize * 512;
        // 640 grains are two tables: the first grain of the disk, and the one with the 7.
        for (number, byte) in [(0, b'b'), (33 * 16, 7)] {
            let table = u32_at(directory + number / ENTRIES * 4) as usize * 512;
            let grain = u32_at(table + number % ENTRIES * 4) as usize * 512;
            assert_eq!(u64_at(grain), number as u64 * 128);
            let packed = &bytes[grain + 12..grain + 12 + u32_at(grain + 8) as usize];
            let mut unpacked = Vec::new();
            flate2::read::ZlibDecoder::new(packed).read_to_end(&mut unpacked).unwrap();
            assert_eq!((unpacked.len(), unpacked[0]), (GRAIN, byte));
            assert_eq!(u32_at(table + (number % ENTRIES + 1) * 4), 0, "a grain of zeros is not there");
        }
    }
}
