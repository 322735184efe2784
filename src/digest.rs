//! sha256, as 64 lower-case hex digits.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// How many bytes are read at a time.
pub const CHUNK: usize = 256 * 1024;

/// Computes the sha256 of the bytes that it is given.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes.
    pub fn finish(self) -> String {
        self.0.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// A reader that hashes what is read through it: a file is read once, for its use and for its check.
#[derive(Debug)]
pub struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
    size: u64,
}

impl<R: Read> HashingReader<R> {
    /// Reads from `inner`.
    pub fn new(inner: R) -> Self {
        HashingReader { inner, hasher: Hasher::default(), size: 0 }
    }

    /// How many bytes have been read.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads what is left of `inner`, and returns how many bytes it had in all and their sha256.
    ///
    /// # Errors
    /// Those of `inner`.
    pub fn finish(mut self) -> io::Result<(u64, String)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((self.size, self.hasher.finish()))
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        self.size += count as u64;
        Ok(count)
    }
}

/// The digest of `bytes`.
pub fn of_bytes(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// The digest of a whole file. `tell` is called for each chunk with the bytes that are done and the bytes in all.
///
/// # Errors
/// [`crate::error::Kind::Io`]; [`crate::error::Kind::Interrupted`] when cancelled.
pub fn of_file(path: &Path, cancel: &Cancel, tell: impl FnMut(u64, u64)) -> Result<String> {
    let file = File::open(path).map_err(|source| Error::io("read", path, &source))?;
    let total = file.metadata().map_err(|source| Error::io("read", path, &source))?.len();
    let mut hasher = Hasher::default();
    read_through(&file, path, total, cancel, tell, |bytes| hasher.update(bytes))?;
    Ok(hasher.finish())
}

/// Hands `take` the next `length` bytes of a file, or as many as there are; returns how many. `tell` is as in
/// [`of_file`].
///
/// # Errors
/// Those of [`of_file`].
pub fn read_through(
    mut file: &File,
    path: &Path,
    length: u64,
    cancel: &Cancel,
    mut tell: impl FnMut(u64, u64),
    mut take: impl FnMut(&[u8]),
) -> Result<u64> {
    let (mut done, mut buffer) = (0, vec![0; CHUNK]);
    loop {
        cancel.check()?;
        tell(done, length);
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

/// Whether `text` is a sha256 in the form that is used here.
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

    #[test]
    fn digests_are_sha256() {
        assert_eq!(of_bytes(b"hello world"), HELLO);
        assert!(is_digest(HELLO));
        assert!(!is_digest("index.json"));
        assert!(!is_digest(&HELLO.to_uppercase()));
    }

    #[test]
    fn a_hashing_reader_hands_on_what_it_hashes_and_counts_the_rest() {
        let mut reader = HashingReader::new(&b"hello world"[..]);
        let mut begin = [0; 5];
        reader.read_exact(&mut begin).unwrap();
        assert_eq!(&begin, b"hello");
        assert_eq!(reader.finish().unwrap(), (11, HELLO.to_owned()));
    }
}
