//! Files that people take for a box and that are none: what such a file is, and what to do with it.
//!
//! The marks are from the formats' own descriptions, or from the list of file(1) where there is no other.

/// Something known that is no box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign {
    /// What it is, to follow "it is".
    pub what: &'static str,
    /// What to do.
    pub hint: &'static str,
}

/// As many of a file's first bytes are looked at: an ISO 9660 disc has its mark behind 32 KiB.
pub(super) const HEAD: usize = (32 << 10) + 64;

const INSTALLED: &str = "a box is a disk with an installed system: take the same system's cloud image (.qcow2) or a Vagrant \
                         box, or one of the catalogue: lab box add debian-12";
const CONVERT: &str =
    "convert it with qemu-img, which Debian has in qemu-utils: qemu-img convert -O qcow2 OLD NEW.qcow2";
const UNPACK: &str = "unpack it, then add the file in it: lab box add NAME FILE";
const ADDRESS: &str = "open the address in a browser: the network may ask for a login first, or the address is that of a page \
                       about the file, and not of the file";
const AGAIN: &str = "get it again from where it came from, and compare its size";
const DOWNLOADER: &str = "it only says where the file is: give it to the program that it is made for, then add the file that this \
                          program fetches";
const NOT_A_BOX: &str = "look for a file that ends in .box, .ova or .qcow2, or type the name of a box of the catalogue: lab box add \
                         debian-12";

/// Marks at a fixed place.
const MARKS: &[(usize, &[u8], &str, &str)] = &[
    (32769, b"CD001", "an installation disc (ISO 9660)", INSTALLED),
    (32769, b"BEA01", "a disc image (UDF)", INSTALLED),
    (0, b"BZh", "compressed with bzip2", "unpack it, then add what is in it: bunzip2 FILE"),
    (0, b"LZIP", "compressed with lzip", UNPACK),
    (0, &[0x04, 0x22, 0x4d, 0x18], "compressed with lz4", "unpack it, then add what is in it: unlz4 FILE"),
    (0, &[0x1f, 0x9d], "compressed with compress", "unpack it, then add what is in it: gunzip FILE"),
    (0, &[0x5d, 0, 0], "compressed with lzma", "unpack it, then add what is in it: unlzma FILE"),
    (0, b"PK\x03\x04", "a zip archive", "unpack it, then add the file in it: unzip FILE"),
    (0, b"PK\x05\x06", "an empty zip archive", AGAIN),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it, then add the file in it: 7z x FILE"),
    (0, b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (0, b"MSCF", "a Windows cabinet archive", UNPACK),
    (0, b"!<arch>\n", "a Debian package", NOT_A_BOX),
    (0, &[0xed, 0xab, 0xee, 0xdb], "an RPM package", NOT_A_BOX),
    (0, b"070701", "a cpio archive (an initial RAM disk)", INSTALLED),
    (0, b"hsqs", "a squashfs file system (of a live system or a snap)", INSTALLED),
    (0, b"COWD", "an old VMware ESX disk", CONVERT),
    (0, b"QED\0", "an old QEMU disk (QED)", CONVERT),
    (0, b"WithoutFreeSpace", "a Parallels disk", CONVERT),
    (0, b"WithouFreSpacExt", "a Parallels disk", CONVERT),
    (0, b"conectix", "a Hyper-V disk (VHD)", CONVERT),
    (0, b"vhdxfile", "a Hyper-V disk (VHDX)", CONVERT),
    (
        0,
        b"LUKS\xba\xbe",
        "an encrypted disk (LUKS)",
        "take a disk that is not encrypted: nobody could type its password",
    ),
    (0, b"\x7fELF", "a Linux program", NOT_A_BOX),
    (0, b"MZ", "a Windows program", NOT_A_BOX),
    (0, b"%PDF", "a PDF document", NOT_A_BOX),
    (0, b"\x89PNG", "a picture", NOT_A_BOX),
    (0, &[0xff, 0xd8, 0xff], "a picture", NOT_A_BOX),
    (0, b"GIF8", "a picture", NOT_A_BOX),
];

/// Beginnings of texts, in small letters, blanks before them left out.
const TEXTS: &[(&str, &str, &str)] = &[
    (
        "version https://git-lfs.github.com/spec/",
        "a Git LFS pointer, and not the file",
        "in the repository that it came with, type: git lfs install; git lfs pull. Then run the same command again",
    ),
    ("<!doctype html", "a web page", ADDRESS),
    ("<html", "a web page", ADDRESS),
    ("<head", "a web page", ADDRESS),
    ("-----begin pgp sig", "a signature of a file", "add the file that it signs"),
    ("-----begin ", "a key, a certificate or a signed message", NOT_A_BOX),
    ("#!", "a script", NOT_A_BOX),
    ("#cloud-config", "a cloud-init configuration", NOT_A_BOX),
    ("magnet:", "a magnet link", DOWNLOADER),
    ("[internetshortcut]", "a shortcut to an address", DOWNLOADER),
    (
        "vagrant.configure",
        "a Vagrantfile",
        "`lab import` makes a Labfile of it; the box is what its `vm.box` names",
    ),
    (
        "vagrant::config",
        "a Vagrantfile",
        "`lab import` makes a Labfile of it; the box is what its `vm.box` names",
    ),
    ("[lab]", "a Labfile", "`lab up` in its folder starts what it describes"),
];

/// What a file is that begins with `head`, for the cases in which the first bytes leave no doubt. A disc that
/// can be started from a stick has the mark of a disk too: so this is asked first.
pub(super) fn by_mark(head: &[u8]) -> Option<Foreign> {
    let has = |(at, mark): (usize, &[u8])| head.get(at..).is_some_and(|rest| rest.starts_with(mark));
    if let Some((_, _, what, hint)) = MARKS.iter().find(|(at, mark, ..)| has((*at, mark))) {
        return Some(Foreign { what, hint });
    }
    if head.is_empty() {
        return Some(Foreign { what: "empty: it has no bytes", hint: AGAIN });
    }
    is_torrent(head).then_some(Foreign { what: "a torrent", hint: DOWNLOADER })
}

/// What a text is; `None` where the file is no text.
pub(super) fn by_text(head: &[u8]) -> Option<Foreign> {
    let known = |what, hint| Some(Foreign { what, hint });
    let begin = text_of(head)?;
    let text = begin.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    if let Some((_, what, hint)) = TEXTS.iter().find(|(start, ..)| text.starts_with(start)) {
        return known(what, hint);
    }
    if text.starts_with("<?xml") || text.starts_with("<envelope") || text.starts_with("<error") {
        return match () {
            () if text.contains("<envelope") => known(
                "an OVF, which is a machine without its disk",
                "pack it together with its disk: tar -cf NEW.ova FILE.ovf DISK.vmdk",
            ),
            () if text.contains("<html") || text.contains("xhtml") => known("a web page", ADDRESS),
            () if text.contains("<virtualbox") => known(
                "the settings of a VirtualBox machine, without its disk",
                "export the machine: VBoxManage export NAME -o NEW.ova",
            ),
            () if text.contains("<metalink") => known("a metalink", DOWNLOADER),
            () if text.contains("<error") => known("an error message of a server", ADDRESS),
            () => known("an XML text", NOT_A_BOX),
        };
    }
    if text.starts_with('{') || text.starts_with("[{") {
        return known(
            "a JSON text",
            "if it describes a box, as Vagrant reads such a text, let its name end in .json: lab box add NAME FILE.json",
        );
    }
    if text.lines().next().is_some_and(is_sum) {
        return known(
            "a list of checksums",
            "add the file that it lists; to compare the two before: sha256sum -c --ignore-missing LIST",
        );
    }
    if text.contains("vagrant.configure") {
        return known(
            "a Vagrantfile",
            "`lab import` makes a Labfile of it; the box is what its `vm.box` names",
        );
    }
    known("a text", NOT_A_BOX)
}

/// How a text begins; `None` where the file is no text.
fn text_of(head: &[u8]) -> Option<&str> {
    let head = head.get(..head.len().min(2048)).unwrap_or_default();
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut in two.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    (!text.contains(is_control)).then_some(text)
}

/// The first line of a text, for people: at most 100 characters of it.
pub(super) fn first_line(head: &[u8]) -> Option<String> {
    let text = text_of(head)?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(100).collect())
}

/// A disk that begins as any disk does and says at its end whose it is: a VHD of fixed size.
pub(super) fn by_end(end: &[u8]) -> Option<Foreign> {
    end.starts_with(b"conectix").then_some(Foreign { what: "a Hyper-V disk (VHD)", hint: CONVERT })
}

/// A file system at the place where a disk has its partitions' table.
pub(super) fn by_file_system(head: &[u8]) -> Option<Foreign> {
    // ext2 to ext4: the super block begins at 1024, its mark is 56 bytes further.
    let is_ext = head.get(1080..1082) == Some(&[0x53, 0xef]);
    let zeros = head.len() >= HEAD && head.iter().all(|byte| *byte == 0);
    match () {
        () if is_ext => Some(Foreign {
            what: "a file system alone (ext), without a disk around it that could be started",
            hint: "take the disk image of the same system: its name often has `disk` or `cloudimg` in it",
        }),
        () if zeros => Some(Foreign {
            what: "nothing but zeros at its beginning: it was not fetched to its end",
            hint: AGAIN,
        }),
        () => None,
    }
}

/// A torrent is a bencoded dictionary: `d8:announce…`, `d4:info…`.
fn is_torrent(head: &[u8]) -> bool {
    let key = |name: &[u8]| head.windows(name.len()).take(512).any(|window| window == name);
    matches!(head, [b'd', b'0'..=b'9', ..])
        && (key(b"8:announce") || key(b"4:infod") || key(b"13:creation date"))
}

/// A line as `sha256sum` writes it (`0123…  FILE`), or BSD's form of it (`SHA256 (FILE) = 0123…`), in small letters.
fn is_sum(line: &str) -> bool {
    let is_hex = |word: &str| {
        matches!(word.len(), 32 | 40 | 56 | 64 | 96 | 128)
            && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let mut words = line.split_whitespace();
    let (first, last) = (words.next().unwrap_or_default(), words.next_back());
    is_hex(first) || (line.contains(") = ") && last.is_some_and(is_hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> &'static str {
        by_text(text.as_bytes()).map_or("no text", |foreign| foreign.what)
    }

    #[test]
    fn texts_are_told_apart() {
        for (begin, what) in [
            (
                "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
                "a Git LFS pointer, and not the file",
            ),
            ("\u{feff}  <!DOCTYPE HTML>", "a web page"),
            ("<?xml version=\"1.0\"?>\n<Envelope xmlns=\"\">", "an OVF, which is a machine without its disk"),
            ("<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied", "an error message of a server"),
            ("<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML", "a web page"),
            ("{\"name\": 1}", "a JSON text"),
            (&format!("{}  x.box\n", "0".repeat(64)), "a list of checksums"),
            (&format!("SHA512 (x.box) = {}\n", "a".repeat(128)), "a list of checksums"),
            ("# -*- ruby -*-\nVagrant.configure(2) do |c|", "a Vagrantfile"),
            ("hello", "a text"),
            ("grüße", "a text"),
            ("\0\0", "no text"),
            ("\u{1b}[2J", "no text"),
        ] {
            assert_eq!(text(begin), what, "{begin}");
        }
        assert_eq!(text(&("x".to_owned() + &"ä".repeat(2000))), "a text");
    }

    #[test]
    fn files_are_known_by_their_marks() {
        let at = |at: usize, mark: &[u8]| {
            let mut head = vec![0; at + 512];
            head[at..at + mark.len()].copy_from_slice(mark);
            by_mark(&head).map_or("", |foreign| foreign.what)
        };
        assert_eq!(at(32769, b"CD001"), "an installation disc (ISO 9660)");
        assert_eq!(at(0, b"PK\x03\x04"), "a zip archive");
        assert_eq!(at(0, b"vhdxfile"), "a Hyper-V disk (VHDX)");
        assert_eq!(at(0, b"d8:announce35:udp://x"), "a torrent");
        assert_eq!(at(0, b"d7:comment2:hi13:creation datei1e4:info"), "a torrent");
        assert_eq!(at(0, b"d8: not a torrent"), "");
        assert_eq!(by_mark(b"").unwrap().what, "empty: it has no bytes");
        assert_eq!(by_mark(&[0; 2000]), None);
        assert!(by_file_system(&[0; HEAD]).unwrap().what.contains("zeros"));
        assert!(by_end(b"conectix\0\0").is_some() && by_end(b"x").is_none());
    }
}
