use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::*;
use crate::cancel::Cancel;
use crate::digest;
use crate::error::Kind;

/// A header with a sum, whose name is written as it is, however wrong.
fn header(name: &[u8], kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header
}

/// A tar of these members.
pub(in crate::boxes) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, bytes) in members {
        let header = header(name.as_bytes(), EntryType::Regular, bytes.len() as u64);
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(in crate::boxes) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::boxes) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

pub(in crate::boxes) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that no compression makes smaller, the same every time.
fn noise(length: u32) -> Vec<u8> {
    (0..length / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).rotate_left(n % 31).to_be_bytes()).collect()
}

/// Files by name.
type Files = Vec<(String, Vec<u8>)>;

/// Unpacks a file of these bytes; returns the findings and the contents by name.
fn unpacked(bytes: &[u8]) -> Result<(Unpacked, Files)> {
    let dir = tempfile::tempdir().unwrap();
    let (file, into) = (dir.path().join("x.box"), dir.path().join("deep/into"));
    std::fs::write(&file, bytes).unwrap();
    std::fs::create_dir_all(&into).unwrap();
    let result = unpack(&file, &into, &mut Task { cancel: &Cancel::new(), progress: &mut |_| {} });
    // Nothing is ever written beside the folder.
    let list = |path: &Path| -> Vec<_> {
        let names = std::fs::read_dir(path).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(list(dir.path()), ["deep", "x.box"]);
    assert_eq!(list(&dir.path().join("deep")), ["into"]);
    let contents = list(&into);
    let read = |name: String| {
        let bytes = std::fs::read(into.join(&name)).unwrap();
        (name, bytes)
    };
    result.map(|found| (found, contents.into_iter().map(read).collect()))
}

fn refused(bytes: &[u8]) -> Kind {
    unpacked(bytes).map(|_| "taken").unwrap_err().kind()
}

/// A tar with one member under this header and nothing in it.
fn one(header: &Header, bytes: &[u8]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    builder.append(header, bytes).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn archives_are_unpacked_and_hashed() {
    let big = vec![9; 300_000];
    let plain = tar(&[("./metadata.json", b"{}"), ("disk.img", &big), ("empty", b"")]);
    for bytes in [gzip(&plain), zstd(&plain), xz(&plain), plain] {
        let (found, contents) = unpacked(&bytes).unwrap();
        assert_eq!(found.digest, digest::of_bytes(&bytes));
        assert_eq!((found.size, found.unpacked, found.bare), (bytes.len() as u64, 300_002, false));
        let expected: [(String, Vec<u8>); 3] = [
            ("disk.img".into(), big.clone()),
            ("empty".into(), vec![]),
            ("metadata.json".into(), b"{}".to_vec()),
        ];
        assert_eq!(contents, expected);
        for (name, bytes) in expected {
            let sum = Sum { size: bytes.len() as u64, sha256: digest::of_bytes(&bytes) };
            assert_eq!(found.files.get(&name), Some(&sum), "{name}");
        }
    }
}

#[test]
fn a_file_longer_than_all_that_is_on_its_way_keeps_its_bytes_and_holes() {
    let disk = [disk::tests::qcow2(), noise(5 << 20), vec![0; 2 << 20], noise(700_000), vec![0; 300_000]];
    let disk = disk.concat();
    let (found, contents) = unpacked(&zstd(&disk)).unwrap();
    assert_eq!(found.files["disk.qcow2"].sha256, digest::of_bytes(&disk));
    assert!(contents == [("disk.qcow2".to_owned(), disk)]);
}

#[test]
fn what_was_packed_in_pieces_is_unpacked_to_the_last() {
    let plain = tar(&[("a", &noise(200_000)), ("b", b"y")]);
    let (one, two) = plain.split_at(100_000);
    // What `pzstd` puts before its frames (RFC 8878, section 3.1.2): 4 bytes to be skipped.
    let skip = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4].to_vec();
    let frames = [skip.clone(), zstd(one), skip, zstd(two)].concat();
    for bytes in [[gzip(one), gzip(two)].concat(), frames, [xz(one), xz(two)].concat()] {
        assert_eq!(unpacked(&bytes).unwrap().1.len(), 2);
        assert_eq!(refused(&bytes[..bytes.len() - 1]), Kind::BadBox);
    }
}

#[test]
fn a_window_that_would_fill_the_memory_is_refused() {
    // A zstd frame whose window has 2^41 bytes.
    assert_eq!(refused(&[0x28, 0xb5, 0x2f, 0xfd, 0, 0xf8, 0, 0, 0, 0, 0]), Kind::BadBox);
    // An xz block whose dictionary has 4 GiB: property 40 of LZMA2, in a header with its own CRC.
    let mut bomb = xz(&tar(&[("a", b"x")]));
    let header = (usize::from(bomb[12]) + 1) * 4;
    let property = (12..12 + header).find(|at| bomb[*at..*at + 2] == [0x21, 1]).unwrap() + 2;
    bomb[property] = 40;
    let mut sum = flate2::Crc::new();
    sum.update(&bomb[12..12 + header - 4]);
    bomb[12 + header - 4..12 + header].copy_from_slice(&sum.sum().to_le_bytes());
    let error = unpacked(&bomb).unwrap_err();
    assert_eq!(error.kind(), Kind::BadBox);
    assert!(error.details().join(" ").contains("memory"), "{error:?}");
}

#[test]
fn a_thousand_nested_folders_are_refused() {
    let deep = |depth: usize| format!("{}x", "d/".repeat(depth));
    let by_pax = |name: &str| {
        let mut builder = Builder::new(Vec::new());
        builder.append_pax_extensions([("path", name.as_bytes())]).unwrap();
        builder.append(&header(b"x", EntryType::Regular, 1), &b"x"[..]).unwrap();
        builder.append(&header(b"a", EntryType::Regular, 1), &b"y"[..]).unwrap();
        builder.into_inner().unwrap()
    };
    assert_eq!(refused(&by_pax(&deep(1000))), Kind::HostileBox);
    let mut builder = Builder::new(Vec::new());
    for depth in 1..=1000 {
        let folder = "d/".repeat(depth);
        builder.append_data(&mut header(b"", EntryType::Directory, 0), folder, &b""[..]).unwrap();
    }
    assert_eq!(refused(&builder.into_inner().unwrap()), Kind::HostileBox);
    // A few are nobody's attack, and not taken.
    let (found, contents) = unpacked(&by_pax(&deep(20))).unwrap();
    assert_eq!(contents, [("a".to_owned(), b"y".to_vec())]);
    assert_eq!(found.notes, [format!("left out: {}", deep(20))]);
}

#[test]
fn the_hash_is_of_the_whole_file() {
    let mut bytes = tar(&[("a", b"x")]);
    bytes.extend_from_slice(&[7; 50_000]);
    assert_eq!(unpacked(&bytes).unwrap().0.digest, digest::of_bytes(&bytes));
}

#[test]
fn a_bare_disk_is_taken_as_it_is_or_compressed() {
    let disk = [disk::tests::qcow2(), vec![0; 200_000], vec![1; 10], vec![0; 70_000]].concat();
    for bytes in [disk.clone(), gzip(&disk), zstd(&disk), xz(&disk)] {
        let (found, contents) = unpacked(&bytes).unwrap();
        assert!(found.bare);
        assert_eq!(found.unpacked, disk.len() as u64);
        assert_eq!(contents, [("disk.qcow2".to_owned(), disk.clone())]);
    }
}

#[test]
fn folders_are_left_out_and_said() {
    let bytes = tar(&[("a", b"x"), ("include/_Vagrantfile", b"y"), ("include/", b"")]);
    let (found, contents) = unpacked(&bytes).unwrap();
    assert_eq!(contents.len(), 1);
    assert_eq!(found.notes, ["left out: include/_Vagrantfile"]);
    let many: Vec<_> = (0..30).map(|index| format!("{}x", "d/".repeat(index + 1))).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let notes = unpacked(&tar(&many)).unwrap().0.notes;
    assert_eq!((notes.len(), notes.last().map(String::as_str)), (NAMED + 1, Some("left out: 20 more")));
}

#[test]
fn names_that_lead_out_are_refused() {
    let names: [&[u8]; 8] =
        [b"/etc/cron.d/x", b"../x", b"a/../../x", b"..", b"a\\b", b"c:x", b"a\nb", b"\xff\xfe.box"];
    for name in names {
        let bytes = one(&header(name, EntryType::Regular, 1), b"x");
        assert_eq!(refused(&bytes), Kind::HostileBox, "{}", String::from_utf8_lossy(name));
        let folder = one(&header(name, EntryType::Directory, 0), b"");
        assert_eq!(refused(&folder), Kind::HostileBox);
    }
    // The same by way of GNU's long names and of PAX.
    let long = format!("{}/../../x", "d".repeat(150));
    let mut builder = Builder::new(Vec::new());
    builder
        .append(&header(b"././@LongLink", EntryType::GNULongName, long.len() as u64), long.as_bytes())
        .unwrap();
    builder.append(&header(b"x", EntryType::Regular, 1), &b"x"[..]).unwrap();
    assert_eq!(refused(&builder.into_inner().unwrap()), Kind::HostileBox);
    let mut builder = Builder::new(Vec::new());
    builder.append_pax_extensions([("path", &b"/tmp/x"[..])]).unwrap();
    builder.append(&header(b"x", EntryType::Regular, 1), &b"x"[..]).unwrap();
    assert_eq!(refused(&builder.into_inner().unwrap()), Kind::HostileBox);
}

#[test]
fn links_devices_and_doubles_are_refused() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::new(b'Q'),
    ] {
        let mut link = header(b"x", kind, 0);
        link.set_link_name("/etc/passwd").unwrap();
        link.set_cksum();
        assert_eq!(refused(&one(&link, b"")), Kind::HostileBox, "{kind:?}");
        let mut nested = header(b"a/x", kind, 0);
        nested.set_link_name("../../x").unwrap();
        nested.set_cksum();
        assert_eq!(refused(&one(&nested, b"")), Kind::HostileBox, "{kind:?}");
    }
    assert_eq!(refused(&tar(&[("box.ovf", b"1"), ("box.ovf", b"2")])), Kind::HostileBox);
    assert_eq!(refused(&tar(&[("box.ovf", b"1"), ("./BOX.OVF", b"2")])), Kind::HostileBox);
}

/// A sparse member of 10 GB with nothing in it.
fn sparse_bomb(name: &[u8]) -> Vec<u8> {
    let mut bomb = header(name, EntryType::GNUSparse, 0);
    let gnu = bomb.as_gnu_mut().unwrap();
    gnu.realsize.copy_from_slice(b"112402762000");
    gnu.sparse[0].offset.copy_from_slice(b"112402762000");
    gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
    bomb.set_cksum();
    one(&bomb, b"")
}

#[test]
fn bombs_are_refused() {
    assert_eq!(refused(&sparse_bomb(b"box.img")), Kind::HostileBox);
    assert_eq!(refused(&sparse_bomb(b"d/box.img")), Kind::HostileBox);
    // A member that says it is huge.
    let huge = header(b"box.img", EntryType::Regular, 60 << 30);
    let mut bytes = huge.as_bytes().to_vec();
    bytes.extend_from_slice(&[0; 4096]);
    assert_eq!(refused(&bytes), Kind::HostileBox);
    // A long name that would be read into memory.
    let name = vec![b'x'; 5 << 20];
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    builder.append(&header(b"././@LongLink", EntryType::GNULongName, name.len() as u64), &name[..]).unwrap();
    builder.append(&header(b"x", EntryType::Regular, 0), &b""[..]).unwrap();
    assert_eq!(refused(&builder.into_inner().unwrap().finish().unwrap()), Kind::HostileBox);
    // Too many members.
    let mut builder = Builder::new(Vec::new());
    for _ in 0..=MAX_MEMBERS {
        builder.append(&header(b"d/", EntryType::Directory, 0), &b""[..]).unwrap();
    }
    assert_eq!(refused(&builder.into_inner().unwrap()), Kind::HostileBox);
}

#[test]
fn a_genuine_sparse_member_is_unpacked() {
    // 1 MiB of nothing, then ten bytes.
    let mut sparse = header(b"box.img", EntryType::GNUSparse, 10);
    let gnu = sparse.as_gnu_mut().unwrap();
    gnu.realsize.copy_from_slice(b"00004000012\0");
    gnu.sparse[0].offset.copy_from_slice(b"00004000000\0");
    gnu.sparse[0].numbytes.copy_from_slice(b"00000000012\0");
    sparse.set_cksum();
    let (_, contents) = unpacked(&one(&sparse, b"0123456789")).unwrap();
    let expected = [vec![0; 1 << 20], b"0123456789".to_vec()].concat();
    assert!(contents == [("box.img".to_owned(), expected)]);
}

#[test]
fn a_box_cut_anywhere_is_refused() {
    let noise = noise(60_000);
    let plain = tar(&[("metadata.json", b"{}"), ("a", &noise[..20_480]), ("disk.img", &noise[..30_000])]);
    // tar fills up to 10 kB; what stands behind the block of zeros is not missed.
    let end = plain.len() - 512;
    for length in (512..end).step_by(1024).chain((1025..end).step_by(2000)) {
        assert_eq!(refused(&plain[..length]), Kind::BadBox, "tar cut at {length}");
    }
    let packed = gzip(&plain);
    for length in (1..packed.len()).step_by(1000).chain(packed.len() - 20..packed.len()) {
        assert_eq!(refused(&packed[..length]), Kind::BadBox, "tar.gz cut at {length}");
    }
    let error = unpacked(&packed[..20_000]).unwrap_err();
    assert_eq!(error.message(), "not a box: it ends too early");
}

#[test]
fn a_box_cut_at_a_block_of_64_kb_is_refused() {
    let plain = tar(&[("metadata.json", b"{}"), ("disk.img", &noise(1 << 20)), ("box.ovf", b"<>")]);
    for packed in [gzip(&plain), zstd(&plain), xz(&plain), plain] {
        assert!(packed.len() > 1 << 20, "{}", packed.len());
        for length in (1 << 16..packed.len()).step_by(1 << 16) {
            let error = unpacked(&packed[..length]).unwrap_err();
            assert_eq!(error.message(), "not a box: it ends too early", "{length} {error:?}");
        }
    }
}

#[test]
fn damage_is_noticed() {
    let packed = gzip(&tar(&[("a", &[5; 50_000])]));
    let mut sum = packed.clone();
    let last = sum.len() - 6;
    sum[last] ^= 1;
    assert_eq!(refused(&sum), Kind::BadBox);
    let mut plain = tar(&[("a", b"x"), ("b", b"y")]);
    plain[1024] ^= 1;
    assert_eq!(refused(&plain), Kind::BadBox);
    assert_eq!(refused(&gzip(&packed)), Kind::BadBox);
    assert_eq!(refused(&xz(&packed)), Kind::BadBox);
    // A bit in the middle of what only a checksum guards.
    for mut packed in [zstd(&tar(&[("a", &noise(50_000))])), xz(&tar(&[("a", &noise(50_000))]))] {
        let middle = packed.len() / 2;
        packed[middle] ^= 1;
        assert_eq!(refused(&packed), Kind::BadBox);
    }
    assert_eq!(refused(b""), Kind::BadBox);
    let page = unpacked(b"<!DOCTYPE html><html>Please log in").unwrap_err();
    assert_eq!(page.message(), "not a box: it is a web page");
}

#[test]
fn what_is_no_box_is_called_by_its_name_with_what_to_do() {
    let mut iso = vec![0; 64 << 10];
    iso[32769..32774].copy_from_slice(b"CD001");
    let mut fixed_vhd = vec![0; 4096];
    fixed_vhd[510..512].copy_from_slice(&[0x55, 0xaa]);
    fixed_vhd[3584..3592].copy_from_slice(b"conectix");
    let sums = format!("{}  x.qcow2\n", "a".repeat(64));
    for (bytes, what, hint) in [
        (&iso[..], "ISO 9660", "cloud image"),
        (&fixed_vhd, "Hyper-V", "qemu-img convert"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer", "git lfs pull"),
        (b"PK\x03\x04....", "a zip archive", "unzip"),
        (b"7z\xbc\xaf\x27\x1c..", "7-Zip", "7z x"),
        (b"vhdxfile", "Hyper-V", "qemu-img convert"),
        (b"d8:announce30:http://x", "a torrent", "fetches"),
        (sums.as_bytes(), "checksums", "the file that it lists"),
        (b"", "empty", "get it again"),
        (b"404 page not found\n", "a text", ".qcow2"),
        (&[0; 64 << 10], "zeros", "get it again"),
        (&[7; 64 << 10], "does not know this kind", ".ova"),
    ] {
        for packed in [bytes.to_vec(), gzip(bytes)] {
            // Whose disk it is stands at the end of the file itself.
            if what == "Hyper-V" && packed.starts_with(&[0x1f, 0x8b]) {
                continue;
            }
            let error = unpacked(&packed).unwrap_err();
            assert_eq!(error.kind(), Kind::BadBox, "{what}");
            assert!(error.message().contains(what), "{what}: {error}");
            assert!(error.hints().join("\n").contains(hint), "{what}: {error:?}");
        }
    }
    let error = unpacked(b"404 page not found\n").unwrap_err();
    assert_eq!(error.details()[0], "it begins with \"404 page not found\"");
}

#[test]
fn it_stops_when_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.box");
    std::fs::write(&file, tar(&[("a", &vec![1; 9 << 20])])).unwrap();
    let (cancel, into) = (Cancel::new(), dir.path().join("into"));
    std::fs::create_dir(&into).unwrap();
    let wish = cancel.clone();
    let mut progress = |at: crate::boxes::Progress| {
        if at.done > 0 {
            wish.cancel();
        }
    };
    let error = unpack(&file, &into, &mut Task { cancel: &cancel, progress: &mut progress }).unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
}
