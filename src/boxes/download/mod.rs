//! Fetching a box over http and https, measured while it is written, and going on where it stopped.
//!
//! [`fetch`] tries until the file is whole: [`http`] brings one answer, [`answer`] decides what it means for
//! the bytes that are here, [`partial`] keeps those, and [`patience`] says when to try again and when to give up.
//!
//! Three threads have the bytes one after the other: one takes them from the network, the one here writes
//! them, [`meter`] hashes them. The pieces go round, so that a few do for a file of any size.

mod answer;
mod failure;
mod http;
mod meter;
pub(super) mod partial;
pub(super) mod patience;
mod proxy;
mod text;

use std::path::Path;
use std::time::{Duration, Instant};

use super::address::Address;
use super::checksum::{Expected, Measured};
use super::progress::{Phase, Task};
use crate::disk_space;
use crate::error::{Kind, Result};
pub(super) use answer::Facts;
use answer::Plan;
use failure::Failure;
use http::{Event, Head, Request, send};
pub(super) use partial::Partial;
pub(super) use patience::Patience;
use patience::Tries;
pub(super) use text::{Text, text};

/// No box is larger.
const MAX_SIZE: u64 = 64 << 30;
/// How often a download may begin anew, since the file changed or the server cannot go on in the middle.
const MAX_RESTARTS: u32 = 6;
/// How often progress is told.
const TELL: Duration = Duration::from_millis(100);
/// How often the room on the disk is looked at where the server does not say how much will come.
const LOOK: u64 = 64 << 20;

/// A file to fetch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    /// Its address.
    pub(super) url: &'a Address,
    /// Its size and sums, as far as they are known.
    pub(super) expected: &'a Expected,
    /// The folder for the bytes that have come. Nobody else works in it: the source is locked.
    pub(super) dir: &'a Path,
}

/// Fetches a file, or its missing part, and compares it with the expected size and sums.
///
/// When it fails, the bytes that have come stay, and the next call continues with them: except for a file that is
/// not the one expected.
///
/// # Errors
/// [`Kind::Download`], [`Kind::BoxChecksum`], [`Kind::DiskFull`] (before the first byte where the size is
/// known), [`Kind::Io`], [`Kind::Interrupted`] (at once, even while the network stalls).
pub(super) fn fetch(wish: Wish<'_>, patience: Patience, task: &mut Task<'_>) -> Result<(Partial, Measured)> {
    let partial = Partial::open(wish.dir, wish.url.as_str(), wish.expected, task)?;
    let mut job = Job { wish, patience, partial, restarts: 0, told: None, pieced: false };
    job.pieced = job.partial.len() > 0;
    match job.run(task) {
        Ok(measured) => Ok((job.partial, measured)),
        Err(error) => {
            match error.kind() {
                Kind::BoxChecksum => job.partial.remove()?,
                // Nobody knows how much is missing: the bytes that are here only take up space.
                Kind::DiskFull if job.partial.facts().total.is_none() => job.partial.remove()?,
                _ if job.partial.len() == 0 => job.partial.remove()?,
                // The first error is the one to report.
                _ => drop(job.partial.keep()),
            }
            Err(error)
        }
    }
}

/// Whether the file at `url` is still the one of which these facts are known. Only the head of an answer is
/// waited for; "no" where that cannot be had, since a download will tell why.
///
/// # Errors
/// [`Kind::Interrupted`].
pub(super) fn is_unchanged(
    url: &Address,
    facts: &Facts,
    patience: Patience,
    task: &mut Task<'_>,
) -> Result<bool> {
    if !facts.can_tell() {
        return Ok(false);
    }
    task.report(Phase::Asking, 0, None);
    let request = Request { address: url.clone(), if_none_match: facts.etag.clone(), ..Request::default() };
    let answer = send(request, patience);
    loop {
        match answer.next(task.cancel)? {
            None => {}
            Some(Event::Head(head)) => return Ok(facts.is_of(&head)),
            Some(_) => return Ok(false),
        }
    }
}

struct Job<'a> {
    wish: Wish<'a>,
    patience: Patience,
    partial: Partial,
    restarts: u32,
    /// When progress was told last.
    told: Option<Instant>,
    /// Whether the file was put together from several answers.
    pieced: bool,
}

/// How a try ended: the file is whole, or why it is not.
type Try = std::result::Result<(), Failure>;

impl Job<'_> {
    fn run(&mut self, task: &mut Task<'_>) -> Result<Measured> {
        loop {
            self.complete(task)?;
            let measured = self.partial.measured()?;
            match self.wish.expected.check(self.wish.url.as_str(), &measured) {
                // The pieces may be of two files: servers make mistakes with ranges.
                Err(_) if self.pieced => self.restart()?,
                Err(error) => return Err(error),
                Ok(()) => return Ok(measured),
            }
        }
    }

    /// Tries until the file is whole.
    fn complete(&mut self, task: &mut Task<'_>) -> Result<()> {
        let mut tries = Tries::new(self.patience, self.partial.len());
        loop {
            let Err(failure) = self.try_once(task)? else { return Ok(()) };
            let have = self.partial.len();
            let Some(pause) = tries.next(&failure, have) else {
                return Err(failure.into_error(self.wish.url, have));
            };
            self.partial.keep()?;
            task.report(Phase::Retrying, have, self.partial.facts().total);
            task.cancel.sleep(pause)?;
        }
    }

    fn try_once(&mut self, task: &mut Task<'_>) -> Result<Try> {
        let have = self.partial.len();
        if have > 0 && self.partial.facts().total == Some(have) {
            return Ok(Ok(()));
        }
        let if_range = self.partial.facts().if_range();
        if have > 0 && if_range.is_none() && !self.wish.expected.has_sums() {
            // Nothing would show whether the rest belongs to the same file.
            self.restart()?;
            return self.try_once(task);
        }
        let request = Request {
            address: self.wish.url.clone(),
            from: (have > 0).then_some(have),
            if_range: if_range.filter(|_| have > 0),
            ..Request::default()
        };
        let answer = send(request, self.patience);
        task.report(Phase::Downloading, have, self.partial.facts().total);
        let mut looked = have;
        loop {
            match answer.next(task.cancel)? {
                None => {
                    self.partial.keep_now_and_then()?;
                    self.tell(task);
                }
                Some(Event::Head(head)) => match self.begin(&head)? {
                    Next::Read => {}
                    Next::Done => return Ok(Ok(())),
                    Next::Again => return self.try_once(task),
                    Next::Fail(failure) => return Ok(Err(failure)),
                },
                Some(Event::Bytes(bytes)) => {
                    if let Some(used) = self.partial.write(bytes)? {
                        answer.give_back(used);
                    }
                    let have = self.partial.len();
                    if let Err(failure) = self.check_size(have) {
                        return Ok(Err(failure));
                    }
                    if self.partial.facts().total.is_none() && have - looked >= LOOK {
                        looked = have;
                        // Unpacking it takes about as much again.
                        disk_space::check(self.wish.dir, have, "unpacking the download")?;
                    }
                    self.partial.keep_now_and_then()?;
                    self.tell(task);
                }
                Some(Event::End) => {
                    let have = self.partial.len();
                    return Ok(match self.partial.facts().total {
                        Some(total) if have < total => Err(Failure::passing("the connection broke off")),
                        _ => {
                            self.told = None;
                            self.tell(task);
                            Ok(())
                        }
                    });
                }
                Some(Event::Failed(failure)) => return Ok(Err(failure)),
            }
        }
    }

    /// Gets ready for the bytes of an answer.
    fn begin(&mut self, head: &Head) -> Result<Next> {
        let have = self.partial.len();
        let total = match answer::plan(head, have, self.partial.facts()) {
            Plan::Continue { total } => {
                self.pieced = true;
                total
            }
            Plan::Whole => {
                if have > 0 {
                    self.restart()?;
                }
                self.pieced = false;
                self.partial.learn(Facts::of(head))?;
                head.length
            }
            Plan::Complete => return Ok(Next::Done),
            Plan::Afresh => {
                self.restart()?;
                return Ok(if self.restarts > MAX_RESTARTS {
                    Next::Fail(Failure::last("the server gives another file at every try"))
                } else {
                    Next::Again
                });
            }
            Plan::Fail(failure) => return Ok(Next::Fail(failure)),
        };
        if self.restarts > MAX_RESTARTS {
            return Ok(Next::Fail(Failure::last(
                "it has to begin anew again and again: the server cannot go on where it stopped",
            )));
        }
        if let Some(total) = total {
            if let Err(failure) = self.check_size(total) {
                return Ok(Next::Fail(failure));
            }
            if let Some(size) = self.wish.expected.size.filter(|size| *size != total) {
                let why = format!("it has {total} bytes there, and should have {size}");
                return Ok(Next::Fail(Failure::last(why)));
            }
            // The rest of the download, and about as much as the whole file for the unpacked box.
            let needed = total.saturating_sub(self.partial.len()).saturating_add(total);
            disk_space::check(self.wish.dir, needed, "the download and what is in it")?;
        }
        Ok(Next::Read)
    }

    /// Whether a file of this size, or larger, can be the one.
    fn check_size(&self, size: u64) -> Try {
        if size > MAX_SIZE {
            return Err(Failure::too_large(MAX_SIZE));
        }
        match self.wish.expected.size {
            Some(most) if size > most => {
                Err(Failure::last(format!("more comes than the {most} bytes that it should have")))
            }
            _ => Ok(()),
        }
    }

    fn restart(&mut self) -> Result<()> {
        self.restarts += 1;
        self.pieced = false;
        self.partial.restart()
    }

    fn tell(&mut self, task: &mut Task<'_>) {
        if self.told.is_none_or(|told| told.elapsed() >= TELL) {
            self.told = Some(Instant::now());
            task.report(Phase::Downloading, self.partial.len(), self.partial.facts().total);
        }
    }
}

/// What follows the head of an answer.
enum Next {
    /// Its bytes.
    Read,
    /// Nothing: the file is whole.
    Done,
    /// Another request.
    Again,
    /// An error.
    Fail(Failure),
}

#[cfg(test)]
pub(super) mod tests;
