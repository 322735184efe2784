//! The progress of work on a box, for the user who waits.

use crate::cancel::Cancel;

/// The kind of work on a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Another process is adding the same box; ours goes on when it is done.
    Waiting,
    /// A server is asked which boxes it has.
    Asking,
    /// The box is being fetched.
    Downloading,
    /// The network failed; it is tried again in a moment.
    Retrying,
    /// It cannot be had from one source; the next one is tried.
    NextSource,
    /// A file is fetched over http, and no checksum is known by which a forgery would be noticed.
    Unprotected,
    /// The only checksums that are known of the box are md5 or sha1.
    WeakChecksum,
    /// The box file is read, to see whether it has changed.
    Checking,
    /// The box is being unpacked (and hashed).
    Unpacking,
    /// A machine is being packed into a box.
    Packing,
}

impl Phase {
    /// The phase in words, for a line of progress.
    pub fn words(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting for another lab that is adding it",
            Phase::Asking => "asking where it is",
            Phase::Downloading => "downloading",
            Phase::Retrying => "the network failed; trying again",
            Phase::NextSource => "this source failed; trying the next one",
            Phase::Unprotected => {
                "fetched over plain http without a checksum from elsewhere: anybody on the way could read or forge it"
            }
            Phase::WeakChecksum => "its only checksum is md5 or sha1, which finds damage and no forgery",
            Phase::Checking => "checking",
            Phase::Unpacking => "unpacking",
            Phase::Packing => "packing",
        }
    }
}

/// How far the work is. Reported about once a MiB; the display shows as much of it as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Progress {
    /// The kind of work.
    pub phase: Phase,
    /// Bytes of the box file done with.
    pub done: u64,
    /// Bytes of the box file in all, where that is known.
    pub total: Option<u64>,
}

/// What a long job gets from its caller: the wish to stop, and a function to report to.
pub struct Task<'a> {
    /// Looked at between chunks.
    pub cancel: &'a Cancel,
    /// Told how far it is.
    pub progress: &'a mut dyn FnMut(Progress),
}

impl Task<'_> {
    /// Tells how far it is.
    pub(super) fn report(&mut self, phase: Phase, done: u64, total: Option<u64>) {
        (self.progress)(Progress { phase, done, total });
    }

    /// Tells how many bytes of how many have been checked.
    pub(super) fn report_checked(&mut self, done: u64, total: u64) {
        self.report(Phase::Checking, done, Some(total));
    }
}

impl std::fmt::Debug for Task<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}
