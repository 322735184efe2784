//! Writes a file of the box to the disk while the next bytes are unpacked.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::mpsc::{SyncSender, channel, sync_channel};
use std::thread;

use super::fault::{Fault, Outcome, fill};
use crate::boxes::manifest::Sum;
use crate::cancel::Cancel;
use crate::digest::Hasher;
use crate::error::Error;

/// How much is handed over at a time.
const BLOCK: usize = 256 * 1024;
/// How many blocks are on their way at most.
const DEPTH: usize = 4;
/// As much of zeros becomes a hole.
const HOLE: usize = 64 * 1024;
/// How much is written before the disk is told to begin with it. All at once at the end would take
/// as long again as the unpacking.
const SYNC_STEP: u64 = 32 << 20;

/// Writes all of `reader` to the new file `path`, with holes where there are only zeros, and makes it
/// durable.
pub(super) fn write(reader: &mut dyn Read, path: &Path, cancel: &Cancel) -> Outcome<Sum> {
    let failed = |source: io::Error| Fault::Refused(Error::io("write", path, &source));
    let file = File::create_new(path).map_err(failed)?;
    let mut block = vec![0; BLOCK];
    let count = fill(reader, &mut block).map_err(Fault::Read)?;
    block.truncate(count);
    if count < BLOCK {
        // Most files of a box are small, and need no help.
        let mut out = Out::new(&file, None);
        let written = out.put(&block).and_then(|()| out.finish());
        return written.and_then(|sum| file.sync_all().map(|()| sum)).map_err(failed);
    }
    let file = &file;
    thread::scope(|scope| {
        let (nudge, nudges) = sync_channel(1);
        let syncer = scope.spawn(move || nudges.iter().try_for_each(|()| file.sync_data()));
        let (send, blocks) = sync_channel::<Vec<u8>>(DEPTH);
        let (used, free) = channel();
        let writer = scope.spawn(move || {
            let mut out = Out::new(file, Some(nudge));
            for block in blocks {
                out.put(&block)?;
                // Nobody takes the block when everything has been read, which is no error.
                let _ = used.send(block);
            }
            out.finish()
        });
        let mut read = || -> Outcome<()> {
            while !block.is_empty() && send.send(std::mem::take(&mut block)).is_ok() {
                cancel.check()?;
                block = free.try_recv().unwrap_or_default();
                block.resize(BLOCK, 0);
                let count = fill(reader, &mut block).map_err(Fault::Read)?;
                block.truncate(count);
            }
            Ok(())
        };
        let read = read();
        drop(send);
        let panicked = || io::Error::other("a thread that writes panicked");
        let written = writer.join().unwrap_or_else(|_| Err(panicked()));
        let synced = syncer.join().unwrap_or_else(|_| Err(panicked()));
        // Where writing failed, reading just ended.
        read?;
        let sum = written.map_err(failed)?;
        synced.and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(sum)
    })
}

/// A file that grows.
struct Out<'a> {
    file: &'a File,
    hasher: Hasher,
    size: u64,
    /// The file ends before `size`: the bytes between are zeros that were not written.
    hole: bool,
    unsynced: u64,
    nudge: Option<SyncSender<()>>,
}

impl<'a> Out<'a> {
    fn new(file: &'a File, nudge: Option<SyncSender<()>>) -> Self {
        Out { file, hasher: Hasher::default(), size: 0, hole: false, unsynced: 0, nudge }
    }

    fn put(&mut self, block: &[u8]) -> io::Result<()> {
        self.hasher.update(block);
        for piece in block.chunks(HOLE) {
            if piece.iter().all(|byte| *byte == 0) {
                self.hole = true;
            } else {
                if self.hole {
                    (&mut &*self.file).seek(SeekFrom::Start(self.size))?;
                    self.hole = false;
                }
                (&mut &*self.file).write_all(piece)?;
                self.unsynced += piece.len() as u64;
            }
            self.size += piece.len() as u64;
        }
        if let Some(nudge) = self.nudge.as_ref().filter(|_| self.unsynced >= SYNC_STEP) {
            self.unsynced = 0;
            // If the disk is still busy, the next sync covers these bytes.
            let _ = nudge.try_send(());
        }
        Ok(())
    }

    fn finish(self) -> io::Result<Sum> {
        if self.hole {
            self.file.set_len(self.size)?;
        }
        Ok(Sum { size: self.size, sha256: self.hasher.finish() })
    }
}
