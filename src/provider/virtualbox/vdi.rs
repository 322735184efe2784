//! Reading a disk in VirtualBox's own format, VDI: VBoxManage writes raw disks with every empty block in them.
//!
//! The layout: `VDICore.h` in VirtualBox's sources; version 1.1, which all of its releases since 1.6 write.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};

/// At 0x40.
const SIGNATURE: u32 = 0xbeda_107f;
/// At 0x44: 1.1.
const VERSION: u32 = 0x0001_0001;
/// How much of a file is header.
const HEADER: usize = 512;
/// Image types whose blocks are all in the file.
const WHOLE: [u32; 2] = [1, 2];
/// From here on, numbers in the table of blocks stand for blocks of zeros.
const NO_BLOCK: u32 = 0xffff_fffe;
/// The largest block that is believed, and table.
const LARGEST_BLOCK: u64 = 64 << 20;
const LARGEST_TABLE: u32 = 1 << 26;
/// Pieces of zeros of this size become holes, in bytes.
const PIECE: usize = 64 * 1024;

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    table: u64,
    data: u64,
    size: u64,
    block: u64,
    /// Bytes before each block's data.
    extra: u64,
    blocks: u32,
}

impl Header {
    fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let header = Header {
            table: number(0x154)?.into(),
            data: number(0x158)?.into(),
            size: long(0x170)?,
            block: number(0x178)?.into(),
            extra: number(0x17c)?.into(),
            blocks: number(0x180)?,
        };
        let known = number(0x40)? == SIGNATURE && number(0x44)? == VERSION && WHOLE.contains(&number(0x4c)?);
        let sound = (1..=LARGEST_BLOCK).contains(&header.block)
            && header.blocks <= LARGEST_TABLE
            && header.size <= header.block * u64::from(header.blocks);
        (known && sound).then_some(header)
    }
}

/// Writes the bytes of the disk in the file `from` to the new file `to`, with holes where they are zero.
///
/// # Errors
/// [`Kind::ProgramFailed`] where it is not a VDI that stands alone, [`Kind::DiskFull`], [`Kind::Interrupted`].
pub(super) fn to_raw(from: &Path, to: &Path, cancel: &Cancel, progress: &mut dyn FnMut(f64)) -> Result<()> {
    let unread = |source: std::io::Error| Error::io("read", from, &source);
    let unwritten = |source: std::io::Error| Error::io("write", to, &source);
    let mut disk = File::open(from).map_err(unread)?;
    let mut bytes = [0; HEADER];
    disk.read_exact(&mut bytes).map_err(unread)?;
    let header = Header::read(&bytes).ok_or_else(|| {
        Error::new(
            Kind::ProgramFailed,
            format!("VirtualBox wrote a disk that lab cannot read: {}", from.display()),
        )
    })?;
    let mut table = vec![0; header.blocks as usize * 4];
    disk.seek(SeekFrom::Start(header.table)).map_err(unread)?;
    disk.read_exact(&mut table).map_err(unread)?;

    let mut raw = File::create_new(to).map_err(unwritten)?;
    raw.set_len(header.size).map_err(unwritten)?;
    let mut block = vec![0; header.block as usize];
    for (place, entry) in (0_u64..).zip(table.as_chunks::<4>().0) {
        cancel.check()?;
        let number = u32::from_le_bytes(*entry);
        let start = place * header.block;
        if number >= NO_BLOCK || start >= header.size {
            continue;
        }
        let at = header.data + u64::from(number) * (header.extra + header.block) + header.extra;
        disk.seek(SeekFrom::Start(at)).map_err(unread)?;
        let there = block.len().min((header.size - start) as usize);
        let block = block.get_mut(..there).unwrap_or_default();
        disk.read_exact(block).map_err(unread)?;
        for (offset, piece) in (start..).step_by(PIECE).zip(block.chunks(PIECE)) {
            if piece.iter().any(|byte| *byte != 0) {
                raw.seek(SeekFrom::Start(offset)).map_err(unwritten)?;
                raw.write_all(piece).map_err(unwritten)?;
            }
        }
        progress(place as f64 / f64::from(header.blocks));
    }
    raw.sync_all().map_err(unwritten)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk of `size` bytes in blocks of 1 MiB.
    fn vdi(kind: u32, size: u64, table: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        let mut put = |at: usize, number: u32| bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        for (at, number) in [(0x40, SIGNATURE), (0x44, VERSION), (0x4c, kind), (0x154, 512), (0x158, 1 << 20)]
        {
            put(at, number);
        }
        put(0x178, 1 << 20);
        put(0x180, table.len() as u32);
        for (at, number) in (512..).step_by(4).zip(table) {
            put(at, *number);
        }
        bytes[0x170..0x178].copy_from_slice(&size.to_le_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn blocks_come_out_in_their_places() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a.vdi"), dir.path().join("a.raw"));
        let block = |byte: u8| vec![byte; 1 << 20];
        // The last block is half outside of the disk.
        let size = (4 << 20) + 1000;
        let table = [1, u32::MAX, 0, NO_BLOCK, 2];
        std::fs::write(&from, vdi(1, size, &table, &[block(7), block(8), block(9)].concat())).unwrap();
        to_raw(&from, &to, &Cancel::new(), &mut |_| {}).unwrap();
        let expected = [block(8), block(0), block(7), block(0), vec![9; 1000]].concat();
        assert!(std::fs::read(&to).unwrap() == expected);
        let error = to_raw(&from, &to, &Cancel::new(), &mut |_| {}).unwrap_err();
        assert!(error.message().contains("a.raw"), "{error:?}");
    }

    #[test]
    fn what_does_not_stand_alone_or_is_cut_off_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a.vdi"), dir.path().join("a.raw"));
        for bytes in [
            vdi(4, 1 << 20, &[0], &[1; 1 << 20]),
            vdi(1, 3 << 20, &[0], &[1; 1 << 20]),
            vdi(1, 1 << 20, &[5], &[1; 1 << 20]),
            b"<<< Oracle VM".to_vec(),
        ] {
            std::fs::write(&from, bytes).unwrap();
            assert!(to_raw(&from, &to, &Cancel::new(), &mut |_| {}).is_err());
            let _ = std::fs::remove_file(&to);
        }
    }
}
