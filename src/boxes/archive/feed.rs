//! Reading a box file: one thread reads and hashes it, and passes the pieces to the thread that unpacks.
//!
//! The unpacking thread gives used pieces back, so a few pieces are enough for a box of any size.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use super::fault::fill;
use crate::boxes::progress::{Phase, Task};
use crate::digest::{CHUNK, Hasher};
use crate::error::{Error, Result};

/// How many pieces are on their way at most.
const DEPTH: usize = 4;
/// How often progress is told, in bytes.
const STEP: u64 = 1 << 20;

/// The sending end: the reading thread puts the pieces of the file in here.
pub(super) struct Feeder {
    pieces: SyncSender<Vec<u8>>,
    used: Receiver<Vec<u8>>,
}

/// The bytes of the box file, for the unpacking thread.
pub(super) struct Pipe {
    pieces: Receiver<Vec<u8>>,
    used: Sender<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

/// What the reading thread found.
pub(super) struct Fed {
    pub(super) digest: String,
    pub(super) size: u64,
}

/// Both ends.
pub(super) fn pipe() -> (Feeder, Pipe) {
    let (pieces, take) = sync_channel(DEPTH);
    let (used, give) = channel();
    (Feeder { pieces, used: give }, Pipe { pieces: take, used, piece: Vec::new(), at: 0 })
}

impl Feeder {
    /// Reads `file` to its end; `None` when the other end wanted no more.
    ///
    /// # Errors
    /// [`crate::error::Kind::Io`] and [`crate::error::Kind::Interrupted`].
    pub(super) fn run(
        self,
        mut file: File,
        path: &Path,
        size: u64,
        task: &mut Task<'_>,
    ) -> Result<Option<Fed>> {
        let (mut hasher, mut done, mut told) = (Hasher::default(), 0, 0);
        task.report(Phase::Unpacking, 0, Some(size));
        loop {
            task.cancel.check()?;
            let mut piece = self.used.try_recv().unwrap_or_default();
            piece.resize(CHUNK, 0);
            let count = fill(&mut file, &mut piece).map_err(|source| Error::io("read", path, &source))?;
            piece.truncate(count);
            if count == 0 {
                task.report(Phase::Unpacking, done, Some(size));
                return Ok(Some(Fed { digest: hasher.finish(), size: done }));
            }
            hasher.update(&piece);
            done += count as u64;
            if done - told >= STEP {
                told = done;
                task.report(Phase::Unpacking, done, Some(size));
            }
            if self.pieces.send(piece).is_err() {
                return Ok(None);
            }
        }
    }
}

impl BufRead for Pipe {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.piece.len() {
            let next = self.pieces.recv().unwrap_or_default();
            // The reading thread has ended when the whole file is read. Then nobody takes the piece, which is no error.
            let _ = self.used.send(std::mem::replace(&mut self.piece, next));
            self.at = 0;
        }
        Ok(self.piece.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}
