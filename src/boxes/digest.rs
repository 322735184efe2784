//! sha256, as 64 lower-case hex digits.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::progress::{Phase, Task};
use crate::error::{Error, Result};

/// How much is read at a time.
pub(super) const CHUNK: usize = 256 * 1024;

/// The sha256 of what went through it.
#[derive(Debug, Clone, Default)]
pub(super) struct Hasher(Sha256);

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> String {
        self.0.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// The digest of `bytes`.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// The digest of a whole file.
pub(super) fn of_file(path: &Path, task: &mut Task<'_>) -> Result<String> {
    let file = File::open(path).map_err(|source| Error::io("read", path, &source))?;
    let total = file.metadata().map_err(|source| Error::io("read", path, &source))?.len();
    let mut hasher = Hasher::default();
    read_through(&file, path, total, task, |bytes| hasher.update(bytes))?;
    Ok(hasher.finish())
}

/// Hands `take` the next `length` bytes of a file, or as many as there are; returns how many.
pub(super) fn read_through(
    mut file: &File,
    path: &Path,
    length: u64,
    task: &mut Task<'_>,
    mut take: impl FnMut(&[u8]),
) -> Result<u64> {
    let (mut done, mut buffer) = (0, vec![0; CHUNK]);
    loop {
        task.cancel.check()?;
        task.report(Phase::Checking, done, Some(length));
        let wanted = usize::try_from(length - done).unwrap_or(CHUNK).min(CHUNK);
        let part = buffer.get_mut(..wanted).unwrap_or_default();
        let count = file.read(part).map_err(|source| Error::io("read", path, &source))?;
        if count == 0 {
            return Ok(done);
        }
        take(part.get(..count).unwrap_or_default());
        done += count as u64;
    }
}

/// Whether `text` is a digest as the store writes it.
pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_sha256() {
        let digest = of_bytes(b"hello world");
        assert_eq!(digest, "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9");
        assert!(is_digest(&digest));
        assert!(!is_digest("index.json"));
        assert!(!is_digest(&digest.to_uppercase()));
    }
}
