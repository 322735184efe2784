//! Hashes a download while it is written: a thread hashes one piece while the next one is
//! written and the third one arrives.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::JoinHandle;

use crate::boxes::checksum::{Expected, Measured, Meter};
use crate::error::{Error, Result};

/// How many pieces wait for it at most.
const DEPTH: usize = 4;

/// A [`Meter`] on a thread of its own. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct SideMeter {
    work: Option<SyncSender<Work>>,
    used: Receiver<Vec<u8>>,
    size: u64,
    thread: Option<JoinHandle<()>>,
}

enum Work {
    Piece(Vec<u8>),
    /// Send the size and sums of all pieces until now.
    Tell(SyncSender<Measured>),
}

impl SideMeter {
    /// Continues with the bytes that `meter` has measured.
    pub(super) fn new(mut meter: Meter) -> Self {
        let (work, jobs) = sync_channel(DEPTH);
        let (back, used) = channel();
        let size = meter.size();
        let thread = std::thread::spawn(move || {
            for job in jobs {
                match job {
                    Work::Piece(piece) => {
                        meter.update(&piece);
                        // Nobody may want it back.
                        let _ = back.send(piece);
                    }
                    Work::Tell(whom) => {
                        let _ = whom.send(meter.measured());
                    }
                }
            }
        });
        SideMeter { work: Some(work), used, size, thread: Some(thread) }
    }

    /// A new one, for the sums that `expected` has.
    pub(super) fn fresh(expected: &Expected) -> Self {
        SideMeter::new(Meter::new(expected))
    }

    /// Measures the next piece; returns a used piece, if there is one, to be filled again.
    pub(super) fn update(&mut self, piece: Vec<u8>) -> Result<Option<Vec<u8>>> {
        self.size += piece.len() as u64;
        self.send(Work::Piece(piece))?;
        match self.used.try_recv() {
            Ok(piece) => Ok(Some(piece)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(died()),
        }
    }

    /// How many bytes it was given.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The size and sums of all pieces until now.
    pub(super) fn measured(&self) -> Result<Measured> {
        let (whom, answer) = sync_channel(1);
        self.send(Work::Tell(whom))?;
        answer.recv().map_err(|_| died())
    }

    fn send(&self, work: Work) -> Result<()> {
        let thread = self.work.as_ref().ok_or_else(died)?;
        thread.send(work).map_err(|_| died())
    }
}

impl Drop for SideMeter {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn died() -> Error {
    Error::internal("the thread that measures a download ended early")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;

    #[test]
    fn it_measures_all_that_it_was_given_and_gives_the_pieces_back() {
        let mut meter = SideMeter::fresh(&Expected::default());
        assert_eq!(meter.measured().unwrap().sha256, digest::of_bytes(b""));
        let (mut all, mut back) = (Vec::new(), 0);
        for round in 0..50u8 {
            let piece = vec![round; 10_000];
            all.extend_from_slice(&piece);
            back += usize::from(meter.update(piece).unwrap().is_some());
            if round % 10 == 0 {
                let measured = meter.measured().unwrap();
                assert_eq!((measured.size, measured.sha256), (all.len() as u64, digest::of_bytes(&all)));
            }
        }
        assert_eq!(meter.size(), 500_000);
        assert!(back > 0);
        let halfway = meter.measured().unwrap();
        drop(meter);
        let mut onward = Meter::new(&Expected::default());
        onward.update(&all);
        assert_eq!(SideMeter::new(onward).measured().unwrap(), halfway);
    }
}
