//! What a box file must be (its size and its checksums), and the comparison of a file with that.

use std::fmt;
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use sha2::digest::DynDigest;

use super::progress::Task;
use crate::digest::{self, Hasher};
use crate::error::{Error, Kind, Result};

/// The ways to compute a checksum that the Vagrant registry knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// 32 digits. Finds damage; is no protection from malice.
    Md5,
    /// 40 digits. Finds damage; is no protection from malice.
    Sha1,
    /// 64 digits.
    Sha256,
    /// 96 digits.
    Sha384,
    /// 128 digits.
    Sha512,
}

impl Algorithm {
    const ALL: [Algorithm; 5] =
        [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];

    /// As Vagrant writes it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// How many hexadecimal digits a sum has.
    fn digits(self) -> usize {
        match self {
            Algorithm::Md5 => 32,
            Algorithm::Sha1 => 40,
            Algorithm::Sha256 => 64,
            Algorithm::Sha384 => 96,
            Algorithm::Sha512 => 128,
        }
    }

    fn hasher(self) -> Box<dyn DynDigest + Send> {
        match self {
            Algorithm::Md5 => Box::new(md5::Md5::default()),
            Algorithm::Sha1 => Box::new(sha1::Sha1::default()),
            Algorithm::Sha256 => Box::new(sha2::Sha256::default()),
            Algorithm::Sha384 => Box::new(sha2::Sha384::default()),
            Algorithm::Sha512 => Box::new(sha2::Sha512::default()),
        }
    }
}

/// A sum, and how it is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// How it is computed.
    pub algorithm: Algorithm,
    /// The sum in lower-case hexadecimal digits.
    pub hex: String,
}

impl Checksum {
    /// A sum of a named kind (`sha256`); `None` for an unknown kind, or a sum of another length.
    pub fn new(kind: &str, hex: &str) -> Option<Self> {
        let kind = kind.trim().to_ascii_lowercase().replace('-', "");
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == kind)?;
        Checksum::of_length(hex).filter(|sum| sum.algorithm == algorithm)
    }

    /// A sum whose kind is seen from its length.
    pub fn of_length(hex: &str) -> Option<Self> {
        let hex = hex.trim().to_ascii_lowercase();
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.digits() == hex.len())?;
        hex.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(Checksum { algorithm, hex })
    }

    /// A sha256.
    pub fn sha256(hex: &str) -> Self {
        Checksum { algorithm: Algorithm::Sha256, hex: hex.to_ascii_lowercase() }
    }
}

/// What a box file must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its sums: all that are known.
    pub sums: Vec<Checksum>,
}

impl Expected {
    /// A file with this sha256.
    pub fn sha256(hex: &str) -> Self {
        Expected { size: None, sums: vec![Checksum::sha256(hex)] }
    }

    /// Both what this and what the other says.
    #[must_use]
    pub fn and(mut self, other: &Expected) -> Self {
        self.size = self.size.or(other.size);
        self.sums
            .extend(other.sums.iter().filter(|sum| !self.sums.contains(sum)).cloned().collect::<Vec<_>>());
        self
    }

    /// Whether one of its sums is proof against forgery. For md5 and sha1, two files with one sum can be made.
    pub fn is_strong(&self) -> bool {
        self.sums.iter().any(|sum| !matches!(sum.algorithm, Algorithm::Md5 | Algorithm::Sha1))
    }

    /// Whether it has a checksum.
    pub fn has_sums(&self) -> bool {
        !self.sums.is_empty()
    }

    /// Compares the measured size and sums of `what` with this.
    ///
    /// # Errors
    /// [`Kind::BoxChecksum`], naming both sums.
    pub(super) fn check(&self, what: &str, found: &Measured) -> Result<()> {
        let differs = |expected: &&Checksum| {
            found.sums.iter().any(|sum| sum.algorithm == expected.algorithm && sum.hex != expected.hex)
        };
        let found_of = |algorithm| found.sums.iter().find(|sum| sum.algorithm == algorithm);
        if let Some(expected) = self.sums.iter().find(differs)
            && let Some(found) = found_of(expected.algorithm)
        {
            let name = expected.algorithm.name();
            let indent = " ".repeat(name.len());
            return Err(mismatch(what)
                .detail(format!("its {name} should be {}", expected.hex))
                .detail(format!("    {indent}    and is {}", found.hex)));
        }
        match self.size {
            Some(size) if size != found.size => Err(mismatch(what)
                .detail(format!("it should have {size} bytes"))
                .detail(format!("       and has {} bytes", found.size))),
            _ => Ok(()),
        }
    }
}

fn mismatch(what: &str) -> Error {
    Error::new(Kind::BoxChecksum, format!("the box {what} is not the one that was asked for"))
        .hint("it was damaged on its way, or replaced: get it again, or ask whoever gave you the sum")
}

/// The size and sums of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) size: u64,
    pub(super) sha256: String,
    /// The sha256, and the other sums that were asked for.
    sums: Vec<Checksum>,
}

impl Measured {
    /// A file of which no more is known than its sha256.
    pub(super) fn of_digest(size: u64, sha256: &str) -> Self {
        Measured { size, sha256: sha256.to_owned(), sums: vec![Checksum::sha256(sha256)] }
    }
}

/// Measures bytes as they pass: the sha256, and every other sum that is expected.
pub(super) struct Meter {
    sha256: Hasher,
    others: Vec<(Algorithm, Box<dyn DynDigest + Send>)>,
    size: u64,
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Meter {
    /// A meter for the sums that `expected` has.
    pub(super) fn new(expected: &Expected) -> Self {
        let mut others: Vec<(Algorithm, Box<dyn DynDigest + Send>)> = Vec::new();
        for sum in &expected.sums {
            let known = others.iter().any(|(algorithm, _)| *algorithm == sum.algorithm);
            if sum.algorithm != Algorithm::Sha256 && !known {
                others.push((sum.algorithm, sum.algorithm.hasher()));
            }
        }
        Meter { sha256: Hasher::default(), others, size: 0 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        for (_, hasher) in &mut self.others {
            hasher.update(bytes);
        }
        self.size += bytes.len() as u64;
    }

    /// How many bytes went through it.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The sha256 of what went through it until now.
    pub(super) fn sha256(&self) -> String {
        self.sha256.clone().finish()
    }

    /// The size and sums of all bytes until now.
    pub(super) fn measured(&self) -> Measured {
        let sha256 = self.sha256();
        let mut sums = vec![Checksum::sha256(&sha256)];
        for (algorithm, hasher) in &self.others {
            let hex = hasher.box_clone().finalize().iter().fold(String::new(), |mut text, byte| {
                // Writing to a String does not fail.
                let _ = write!(text, "{byte:02x}");
                text
            });
            sums.push(Checksum { algorithm: *algorithm, hex });
        }
        Measured { size: self.size, sha256, sums }
    }
}

/// Measures a whole file.
pub(super) fn of_file(path: &Path, expected: &Expected, task: &mut Task<'_>) -> Result<Measured> {
    let mut meter = Meter::new(expected);
    let file = File::open(path).map_err(|source| Error::io("read", path, &source))?;
    let total = file.metadata().map_err(|source| Error::io("read", path, &source))?.len();
    let cancel = task.cancel;
    let tell = |done, total| task.report_checked(done, total);
    digest::read_through(&file, path, total, cancel, tell, |bytes| meter.update(bytes))?;
    Ok(meter.measured())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums of "abc", from RFC 1321 and FIPS 180-2.
    const ABC: [(&str, &str); 5] = [
        ("md5", "900150983cd24fb0d6963f7d28e17f72"),
        ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "sha384",
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            "sha512",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ];

    #[test]
    fn every_kind_of_sum_is_held_to() {
        for (kind, hex) in ABC {
            let sum = Checksum::new(kind, &hex.to_uppercase()).unwrap();
            assert_eq!(Some(&sum), Checksum::of_length(hex).as_ref());
            let expected = Expected { size: Some(3), sums: vec![sum] };
            let mut meter = Meter::new(&expected);
            meter.update(b"a");
            assert_eq!(meter.sha256(), digest::of_bytes(b"a"));
            meter.update(b"bc");
            expected.check("x", &meter.measured()).unwrap();
            meter.update(b"d");
            let error = expected.check("x", &meter.measured()).unwrap_err();
            assert_eq!(error.kind(), Kind::BoxChecksum);
            assert!(error.details()[0].contains(hex), "{error:?}");
            assert_eq!(error.details().len(), 2);
        }
    }

    #[test]
    fn what_is_no_sum_is_none() {
        for (kind, hex) in [("md5", ABC[1].1), ("crc32", "abcd"), ("sha256", ""), ("md5", &"x".repeat(32))] {
            assert_eq!(Checksum::new(kind, hex), None, "{kind} {hex}");
        }
    }

    #[test]
    fn a_size_is_held_to_as_well() {
        let expected = Expected { size: Some(4), sums: Vec::new() };
        let mut meter = Meter::new(&expected);
        meter.update(b"abc");
        let error = expected.check("x", &meter.measured()).unwrap_err();
        assert!(error.details()[0].contains('4') && error.details()[1].contains('3'), "{error:?}");
    }
}
