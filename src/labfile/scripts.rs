//! The scripts that a Labfile names, each looked at once, however many machines run it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The largest script that is taken, in bytes: a script goes through one ssh connection and stays in memory.
const SCRIPT_MAX: u64 = 16 * 1024 * 1024;

/// So much of a script is read to see what will surprise the guest's shell, in bytes.
const SAMPLE: u64 = 256 * 1024;

/// So much is read of all scripts of a Labfile, in bytes. Of those after that, lab only looks whether they can be read.
const SAMPLES: u64 = 64 * 1024 * 1024;

/// Why a script cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is not there.
    Missing,
    /// What is wrong with it ("is a folder"), and what to do.
    Other(String, String),
}

/// What will surprise the guest's shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surprise {
    /// It is empty.
    Empty,
    /// It begins with a byte order mark.
    ByteOrderMark,
    /// It has Windows line ends.
    WindowsLines,
}

/// The scripts that were looked at.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    known: HashMap<PathBuf, Option<Unusable>>,
    /// Bytes read so far.
    read: u64,
}

impl Scripts {
    /// Looks at the script at `path`, which is called `shown` in messages. What will surprise is told the first time.
    pub(super) fn look(&mut self, path: &Path, shown: &str) -> Result<Option<Surprise>, Unusable> {
        if let Some(known) = self.known.get(path) {
            return known.clone().map_or(Ok(None), Err);
        }
        let found = self.sample(path, shown);
        self.known.insert(path.to_owned(), found.as_ref().err().cloned());
        found.map(|text| surprise(&text))
    }

    /// The beginning of a script that can be used.
    fn sample(&mut self, path: &Path, shown: &str) -> Result<Vec<u8>, Unusable> {
        let other = |message: &str, hint: &str| Err(Unusable::Other(message.to_owned(), hint.to_owned()));
        let failed = |error: &std::io::Error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Unusable::Missing,
            ErrorKind::PermissionDenied => Unusable::Other(
                "may not be read by you".to_owned(),
                format!("make it readable: chmod a+r {shown}"),
            ),
            _ => Unusable::Other(
                format!("could not be read: {error}"),
                "try to open it in an editor".to_owned(),
            ),
        };
        // Looked at before it is opened: opening a pipe would wait until another program writes to it.
        let about = fs::metadata(path).map_err(|error| failed(&error))?;
        if about.is_dir() {
            return other("is a folder", "name a file in it");
        }
        if !about.is_file() {
            return other("is not a regular file", "name a file with the script's text");
        }
        if about.len() > SCRIPT_MAX {
            return other(
                "is larger than 16 MiB",
                "copy large files in with `copy`, and let a small script use them",
            );
        }
        let most = SAMPLE.min(SAMPLES.saturating_sub(self.read));
        let mut text = Vec::new();
        let file = File::open(path).map_err(|error| failed(&error))?;
        file.take(most).read_to_end(&mut text).map_err(|error| failed(&error))?;
        self.read += u64::try_from(text.len()).unwrap_or(SAMPLES);
        // A script that was not read is not an empty one.
        Ok(if text.is_empty() && about.len() > 0 { b"unread".to_vec() } else { text })
    }
}

/// What will surprise the guest's shell in a script that begins like this.
fn surprise(text: &[u8]) -> Option<Surprise> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Some(Surprise::Empty);
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        return Some(Surprise::ByteOrderMark);
    }
    // Only text has lines; a program as a provisioner may hold any bytes.
    let is_text = !text.iter().take(8192).any(|byte| *byte == 0);
    (is_text && text.windows(2).any(|pair| pair == b"\r\n")).then_some(Surprise::WindowsLines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_have_no_lines() {
        assert_eq!(surprise(b"\x7fELF\0\r\n"), None);
        assert_eq!(surprise(b"#!/bin/sh\r\n"), Some(Surprise::WindowsLines));
        assert_eq!(surprise(b" \n"), Some(Surprise::Empty));
        assert_eq!(surprise(b"\xef\xbb\xbf#!/bin/sh\n"), Some(Surprise::ByteOrderMark));
    }

    #[test]
    fn each_is_read_once_and_all_together_only_so_far() {
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, "\r\n".repeat(1 << 20)).unwrap();
            path
        };
        let (first, mut scripts) = (script("first"), Scripts::default());
        assert_eq!(scripts.look(&first, "first"), Ok(Some(Surprise::Empty)));
        assert_eq!((scripts.read, scripts.look(&first, "first")), (SAMPLE, Ok(None)));
        assert_eq!(scripts.read, SAMPLE, "it was not read again");
        scripts.read = SAMPLES - 1;
        assert_eq!(scripts.look(&script("last"), "last"), Ok(Some(Surprise::Empty)));
        assert_eq!(scripts.look(&script("late"), "late"), Ok(None));
        assert_eq!(scripts.read, SAMPLES);
        let missing = folder.path().join("missing");
        for _ in 0..2 {
            assert_eq!(scripts.look(&missing, "missing"), Err(Unusable::Missing));
        }
    }
}
