//! The manifest of an OVF package (DSP0243, section 5.1; `.mf`): sums that its makers took of its files,
//! in lines such as `SHA256(box.ovf)= 0123…`. VirtualBox before 5 wrote SHA1.

use std::collections::BTreeMap;
use std::path::Path;

use super::member::{bad, read_text};
use crate::boxes::archive::Unpacked;
use crate::boxes::checksum::{self, Algorithm, Checksum, Expected, Measured};
use crate::boxes::progress::Task;
use crate::error::{Error, Kind, Result};

/// A manifest has a line for each file of the box.
const MAX_SIZE: u64 = 256 << 10;
/// An OVF package has one manifest.
const MAX_MANIFESTS: usize = 16;

/// Compares the files of the box in `dir` with the manifests in it; returns notes on lines that lab does not understand.
///
/// # Errors
/// [`Kind::BoxChecksum`], naming the file and both sums; [`Kind::Io`], [`Kind::Interrupted`].
pub(super) fn check(dir: &Path, unpacked: &Unpacked, task: &mut Task<'_>) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    // All sums of a file together, so that it is read once, however often it is named; with the manifest that
    // named it first.
    let mut promised: BTreeMap<String, (Expected, &str)> = BTreeMap::new();
    let manifests = unpacked.files.keys().filter(|name| name.to_ascii_lowercase().ends_with(".mf"));
    for (count, name) in manifests.enumerate() {
        if count == MAX_MANIFESTS {
            return Err(bad(&format!(
                "it has more than {MAX_MANIFESTS} manifests (.mf), which is the limit"
            )));
        }
        let text = read_text(&dir.join(name), MAX_SIZE)?.unwrap_or_default();
        let mut strange = 0;
        for (kind, file, hex) in text.lines().filter_map(entry) {
            match Checksum::new(kind, hex) {
                _ if !unpacked.files.contains_key(file) => {}
                Some(sum) => {
                    let (expected, _) =
                        promised.entry(file.to_owned()).or_insert((Expected::default(), name));
                    *expected = std::mem::take(expected).and(&Expected { size: None, sums: vec![sum] });
                }
                None => strange += 1,
            }
        }
        if strange > 0 {
            notes.push(format!("{name}: lab does not know the kind of {strange} of its sums"));
        }
    }
    for (file, (expected, name)) in promised {
        let Some(known) = unpacked.files.get(&file) else { continue };
        let measured = if expected.sums.iter().all(|sum| sum.algorithm == Algorithm::Sha256) {
            Measured::of_digest(known.size, &known.sha256)
        } else {
            checksum::of_file(&dir.join(&file), &expected, task)?
        };
        if let Err(differs) = expected.check(&file, &measured) {
            let message = format!("the box cannot be used: its {file} is not what its {name} says");
            let error = Error::new(Kind::BoxChecksum, message)
                .hint("it was damaged before it was packed: get it again from where it is made");
            return Err(differs.details().iter().fold(error, |error, line| error.detail(line)));
        }
    }
    Ok(notes)
}

/// The kind of sum, the file and the sum of a line.
fn entry(line: &str) -> Option<(&str, &str, &str)> {
    let (kind, rest) = line.split_once('(')?;
    let (file, sum) = rest.rsplit_once(")=")?;
    Some((kind, file, sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::manifest::Sum;
    use crate::cancel::Cancel;

    /// Sums of "abc", from RFC 1321 and FIPS 180-2.
    const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// What is said of a box with the file `disk.vmdk` ("abc") and this manifest.
    fn checked(manifest: &str) -> Result<Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let mut files = BTreeMap::new();
        for (name, text) in [("disk.vmdk", "abc"), ("box.mf", manifest)] {
            std::fs::write(dir.path().join(name), text).unwrap();
            let sha256 = crate::digest::of_bytes(text.as_bytes());
            files.insert(name.to_owned(), Sum { size: text.len() as u64, sha256 });
        }
        let unpacked =
            Unpacked { digest: String::new(), size: 0, unpacked: 0, bare: false, files, notes: Vec::new() };
        check(dir.path(), &unpacked, &mut Task { cancel: &Cancel::new(), progress: &mut |_| {} })
    }

    #[test]
    fn sums_of_every_kind_are_held_to() {
        let zeros = "0".repeat(40);
        for right in [
            String::new(),
            format!("SHA1(disk.vmdk)= {SHA1}\r\n"),
            format!("SHA1 (disk.vmdk)= {}\nSHA1(gone.vmdk)= {zeros}\n", SHA1.to_uppercase()),
            format!("SHA256(disk.vmdk)= {SHA256}\nSHA1(disk.vmdk)= {SHA1}\n"),
        ] {
            assert_eq!(checked(&right).unwrap(), [""; 0], "{right}");
        }
        for wrong in [
            format!("SHA1(disk.vmdk)= {zeros}\n"),
            format!("SHA1(disk.vmdk)= {SHA1}\nSHA1(disk.vmdk)= {zeros}\n"),
            format!("SHA256(disk.vmdk)= {SHA256}\nSHA1(disk.vmdk)= {zeros}\n"),
            format!("SHA256(disk.vmdk)= {}\nSHA1(disk.vmdk)= {SHA1}\n", "0".repeat(64)),
            format!("SHA512(disk.vmdk)= {}\n", "0".repeat(128)),
        ] {
            let error = checked(&wrong).unwrap_err();
            assert_eq!(error.kind(), Kind::BoxChecksum);
            assert!(error.message().contains("disk.vmdk") && error.message().contains("box.mf"), "{error}");
            assert!(error.details()[0].contains(&"0".repeat(40)), "{error:?}");
        }
    }

    #[test]
    fn what_is_not_understood_of_a_manifest_is_said() {
        let notes = checked("CRC32(disk.vmdk)= 352441c2\nSHA1(disk.vmdk)= 12\nnonsense\n").unwrap();
        assert_eq!(notes, ["box.mf: lab does not know the kind of 2 of its sums"]);
    }
}
