//! A small ISO 9660 file system with Joliet names: some files, no folders.
//!
//! Sources: ECMA-119 (the numbers in brackets are its sections), and Microsoft's "Joliet Specification",
//! which adds a second set of folders with names in UCS-2.

const SECTOR: usize = 2048;

/// The descriptors begin at sector 16 [6.2.1]; what follows them here takes one sector each.
const PRIMARY: usize = 16;
const JOLIET: usize = 17;
const END: usize = 18;
const TABLES: [[usize; 2]; 2] = [[19, 20], [21, 22]];
const FOLDERS: [usize; 2] = [23, 24];
const FILES: usize = 25;

/// One of the two sets of names.
#[derive(Clone, Copy)]
enum Names {
    Short,
    Joliet,
}

/// The image of a disc called `label` with these files: name, name in capitals (8 characters at most), text.
/// The files are given in the order of their names; all of a folder has to fit a sector.
pub(super) fn image(label: &str, files: &[(&str, &str, String)]) -> Vec<u8> {
    let mut image = vec![0; FILES * SECTOR];
    let mut records: [Vec<Vec<u8>>; 2] = Default::default();
    for (name, short, text) in files {
        let (place, size) = (image.len() / SECTOR, text.len());
        image.extend(text.as_bytes());
        image.resize(image.len().next_multiple_of(SECTOR), 0);
        records[0].push(record(format!("{short}.;1").as_bytes(), place, size, false));
        records[1].push(record(&ucs2(name), place, size, false));
    }
    let sectors = image.len() / SECTOR;
    for (names, records) in [(Names::Short, &records[0]), (Names::Joliet, &records[1])] {
        let [little, big] = TABLES[names as usize];
        let folder = FOLDERS[names as usize];
        let mut content = [record(&[0], folder, SECTOR, true), record(&[1], folder, SECTOR, true)].concat();
        content.extend(records.iter().flatten());
        put(&mut image, folder, &content);
        put(
            &mut image,
            little,
            &path_table(u32::try_from(folder).unwrap_or(0).to_le_bytes(), 1u16.to_le_bytes()),
        );
        put(
            &mut image,
            big,
            &path_table(u32::try_from(folder).unwrap_or(0).to_be_bytes(), 1u16.to_be_bytes()),
        );
        let place = match names {
            Names::Short => PRIMARY,
            Names::Joliet => JOLIET,
        };
        put(&mut image, place, &descriptor(names, label, sectors));
    }
    put(&mut image, END, b"\xffCD001\x01");
    image
}

fn put(image: &mut [u8], sector: usize, content: &[u8]) {
    for (byte, value) in image.iter_mut().skip(sector * SECTOR).zip(content) {
        *byte = *value;
    }
}

fn ucs2(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// A number in both byte orders [7.3.3].
fn both32(number: usize) -> [u8; 8] {
    let number = number as u32;
    let ([a, b, c, d], [e, f, g, h]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

/// The same of 16 bits [7.2.3].
fn both16(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

/// A folder's record of a file or folder [9.1].
fn record(name: &[u8], place: usize, size: usize, folder: bool) -> Vec<u8> {
    let mut record = vec![0, 0];
    record.extend(both32(place));
    record.extend(both32(size));
    // The time: the first of January 2000, so that the same seed is the same disc.
    record.extend([100, 1, 1, 0, 0, 0, 0]);
    record.extend([if folder { 2 } else { 0 }, 0, 0]);
    record.extend(both16(1));
    record.push(name.len() as u8);
    record.extend(name);
    record.resize(record.len().next_multiple_of(2), 0);
    record[0] = record.len() as u8;
    record
}

/// The path table of a disc whose only folder is its root [9.4].
fn path_table(folder: [u8; 4], parent: [u8; 2]) -> Vec<u8> {
    [&[1, 0][..], &folder, &parent, &[0, 0]].concat()
}

/// A volume descriptor, primary [8.4] or supplementary [8.5].
fn descriptor(names: Names, label: &str, sectors: usize) -> Vec<u8> {
    let [little, big] = TABLES[names as usize];
    let text = |text: &str, length: usize| -> Vec<u8> {
        let (mut bytes, blank) = match names {
            Names::Short => (text.as_bytes().to_vec(), &b" "[..]),
            Names::Joliet => (ucs2(text), &b"\0 "[..]),
        };
        bytes.extend(blank.iter().cycle().take(length.saturating_sub(bytes.len())));
        bytes
    };
    let (kind, escape): (u8, &[u8]) = match names {
        Names::Short => (1, b""),
        // UCS-2, level 3.
        Names::Joliet => (2, b"%/E"),
    };
    let mut out = vec![kind];
    out.extend(b"CD001\x01\0");
    out.extend(text("", 32));
    out.extend(text(label, 32));
    out.extend([0; 8]);
    out.extend(both32(sectors));
    out.extend(escape);
    out.resize(120, 0);
    // One disc, the first; bytes a block; the size of a path table, and where they are.
    out.extend([both16(1), both16(1), both16(SECTOR as u16)].concat());
    out.extend(both32(10));
    out.extend([(little as u32).to_le_bytes(), [0; 4], (big as u32).to_be_bytes(), [0; 4]].concat());
    out.extend(record(&[0], FOLDERS[names as usize], SECTOR, true));
    // Set, publisher, preparer, application, and three files that do not exist.
    for length in [128, 128, 128, 128, 37, 37, 37] {
        out.extend(text("", length));
    }
    // Four moments that are not said.
    for _ in 0..4 {
        out.extend(b"0000000000000000\0");
    }
    out.extend([1, 0]);
    out
}
