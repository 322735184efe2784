//! A machine's serial console, as something to read from.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;

use crate::error::{Error, Result};

/// How much of a console is read at once, in bytes: it may have grown for days.
const MOST: u64 = 1 << 20;

/// What a machine says on its serial console.
pub trait Console: Send {
    /// How much it has said, in bytes. Less than before where it has begun anew.
    fn said(&mut self) -> u64;

    /// What it has said from byte `from` on, as much as is at hand; nothing where that is all.
    ///
    /// # Errors
    /// What the provider has.
    fn read(&mut self, from: u64) -> Result<Vec<u8>>;
}

/// The last lines of `console`, `count` at the most.
pub fn last_lines(console: &mut dyn Console, count: usize) -> Vec<String> {
    let said = console.said();
    let mut bytes = Vec::new();
    let mut from = said.saturating_sub(MOST);
    while let Ok(more) = console.read(from) {
        if more.is_empty() {
            break;
        }
        from += more.len() as u64;
        bytes.extend(more);
    }
    crate::tail::last_lines_of(&bytes, count)
}

/// A console that a program of this computer writes to a file.
#[derive(Debug)]
pub struct ConsoleFile(PathBuf);

impl ConsoleFile {
    /// The console in the file `path`, which need not be there yet.
    pub fn at(path: PathBuf) -> Self {
        ConsoleFile(path)
    }
}

impl Console for ConsoleFile {
    fn said(&mut self) -> u64 {
        std::fs::metadata(&self.0).map_or(0, |log| log.len())
    }

    fn read(&mut self, from: u64) -> Result<Vec<u8>> {
        let failed = |source: std::io::Error| Error::io("read", &self.0, &source);
        let mut file = match File::open(&self.0) {
            Ok(file) => file,
            Err(source) if source.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed(source)),
        };
        file.seek(SeekFrom::Start(from)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }
}
