//! Reads a box file once: hashes it and unpacks it at the same time.
//!
//! At most three threads pass pieces on: `feed` reads the file and hashes it, this file unpacks
//! (`packing`) and sorts the members (`member`), `writer` writes the unpacked files and hashes them.
//!
//! The file may come from anybody. Only regular files at the top of an archive are taken (Vagrant's
//! boxes are flat). A member that would be written outside is an error that names it, and the caller
//! removes everything that was unpacked.

mod fault;
mod feed;
mod gauge;
mod member;
mod packing;
mod writer;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::thread;

use super::disk::{self, Content};
use super::foreign::{self, Foreign};
use super::manifest::Sum;
use super::progress::Task;
use crate::cancel::Cancel;
use crate::disk_space;
use crate::error::{Error, Result};
use fault::{Fault, OTHERS, Outcome, bad, hostile};
use feed::{Fed, Pipe};
use gauge::{Gauge, Stream};
use member::Member;

/// What a box may unpack to, at least, at most, and as a multiple of its file's size between: a
/// mostly empty raw disk packs 1:200, a bomb 1:1000 and (sparse) far beyond.
const UNPACKED_MIN: u64 = 1 << 30;
const UNPACKED_MAX: u64 = 64 << 30;
const UNPACKED_RATIO: u64 = 500;
/// Members of an archive. Genuine boxes have about five.
const MAX_MEMBERS: usize = 10_000;
/// How many left-out members are named.
const NAMED: usize = 10;

/// What was found in a box file.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// The sha256 of the file.
    pub(super) digest: String,
    /// The file's size in bytes.
    pub(super) size: u64,
    /// How many bytes its contents have.
    pub(super) unpacked: u64,
    /// Whether it was a bare disk image rather than an archive.
    pub(super) bare: bool,
    /// The files that were taken, by name.
    pub(super) files: BTreeMap<String, Sum>,
    /// Notes for people about the members that were left out.
    pub(super) notes: Vec<String>,
}

/// Unpacks the box file `path` into the empty folder `into`.
///
/// # Errors
/// [`crate::error::Kind::HostileBox`], [`crate::error::Kind::BadBox`], [`crate::error::Kind::DiskFull`], [`crate::error::Kind::Io`], [`crate::error::Kind::Interrupted`];
/// then `into` holds a part of the box and is for the caller to remove.
pub(super) fn unpack(path: &Path, into: &Path, task: &mut Task<'_>) -> Result<Unpacked> {
    let failed = |source: io::Error| Error::io("read", path, &source);
    let mut file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if let Some(end) = end_of(&mut file, size).map_err(failed)?
        && let Some(known) = foreign::by_end(&end)
    {
        return Err(no_box(known).detail(format!("in {}", path.display())));
    }

    // Nothing unpacks to much less than its file; what an archive's members need is asked as they come.
    disk_space::check(into, size, "the unpacked box")?;

    let cancel = task.cancel;
    thread::scope(|scope| {
        let (feeder, pipe) = feed::pipe();
        let worker = scope.spawn(move || {
            let gauge = Gauge::new(limit(size));
            let job = Unpacking {
                into,
                gauge: &gauge,
                cancel,
                unpacked: 0,
                files: BTreeMap::new(),
                notes: Vec::new(),
            };
            job.run(pipe).map_err(|fault| gauge.explain(path, fault))
        });
        // Where reading failed, the unpacking failed too: the error of the reading names the cause.
        let fed = feeder.run(file, path, size, task)?;
        // A decoder may panic on input that its authors did not expect.
        let unpacked = worker.join().unwrap_or_else(|_| Err(bad("it is damaged")))?;
        let Some(Fed { digest, size }) = fed else {
            return Err(Error::internal("a box was unpacked before it was read"));
        };
        Ok(Unpacked { digest, size, ..unpacked })
    })
}

fn limit(size: u64) -> u64 {
    size.saturating_mul(UNPACKED_RATIO).clamp(UNPACKED_MIN, UNPACKED_MAX)
}

struct Unpacking<'a> {
    into: &'a Path,
    gauge: &'a Gauge,
    cancel: &'a Cancel,
    unpacked: u64,
    files: BTreeMap<String, Sum>,
    notes: Vec<String>,
}

impl Unpacking<'_> {
    /// Unpacks the box file that comes through `pipe`, to its last byte.
    fn run(mut self, mut pipe: Pipe) -> Outcome<Unpacked> {
        let head = pipe.fill_buf().map_err(Fault::Read)?;
        let bare = match disk::sniff(head) {
            Content::Packed(packing) => self.inside(&mut packing::unpack(packing, &mut pipe))?,
            Content::Known(known) => return Err(quoting(no_box(known), head).into()),
            content => self.content(content, &mut pipe)?,
        };
        // Bytes behind the contents belong to the hash too.
        io::copy(&mut pipe, &mut io::sink()).map_err(Fault::Read)?;
        let Unpacking { unpacked, files, notes, .. } = self;
        Ok(Unpacked { digest: String::new(), size: 0, unpacked, bare, files, notes })
    }

    /// The inside of a compression: an archive, or a disk image. Tells whether it was the latter.
    fn inside(&mut self, decoder: &mut dyn Read) -> Outcome<bool> {
        let mut head = Vec::with_capacity(disk::SNIFF);
        decoder.take(disk::SNIFF as u64).read_to_end(&mut head).map_err(Fault::Read)?;
        match disk::sniff(&head) {
            Content::Packed(_) => Err(bad("it is compressed twice")
                .hint("unpack it once, then add what comes out (gunzip, unxz or unzstd)")
                .into()),
            Content::Known(known) => Err(quoting(no_box(known), &head).into()),
            content => self.content(content, &mut Cursor::new(head).chain(decoder)),
        }
    }

    fn content(&mut self, content: Content, reader: &mut dyn Read) -> Outcome<bool> {
        let mut stream = Stream::new(reader, self.gauge);
        match content {
            Content::Tar => {
                self.archive(&mut stream)?;
                // To the very end: behind the last member stands gzip's checksum over all.
                self.gauge.enter_member();
                io::copy(&mut stream, &mut io::sink()).map_err(Fault::Read)?;
                Ok(false)
            }
            Content::Disk(format) => {
                self.gauge.enter_member();
                self.unpacked = self.take(&mut stream, &format!("disk.{}", format.name()))?;
                Ok(true)
            }
            Content::Known(known) => Err(no_box(known).into()),
            Content::Packed(_) | Content::Unknown => {
                Err(bad("lab does not know this kind of file").hint(OTHERS).into())
            }
        }
    }

    fn archive(&mut self, stream: &mut Stream<'_>) -> Outcome<()> {
        let mut archive = tar::Archive::new(stream);
        let mut names = HashSet::new();
        let (mut members, mut left_out) = (0, 0usize);
        let mut entries = archive.entries().map_err(Fault::Read)?;
        loop {
            self.gauge.enter_headers();
            let Some(entry) = entries.next() else { break };
            let mut entry = entry.map_err(Fault::Read)?;
            self.gauge.enter_member();
            members += 1;
            if members > MAX_MEMBERS {
                return Err(
                    hostile(&format!("it has more than {MAX_MEMBERS} members, which is the limit")).into()
                );
            }
            match Member::of(&mut entry)? {
                Member::Nothing => {}
                Member::LeftOut(name) => {
                    left_out += 1;
                    if left_out <= NAMED {
                        self.notes.push(format!("left out: {name}"));
                    }
                    self.skip(&mut entry)?;
                }
                Member::File(name) => {
                    // Names that differ in case alone are one file on macOS and Windows.
                    if !names.insert(name.to_lowercase()) {
                        return Err(hostile(&format!("it has {name:?} twice")).into());
                    }
                    let size = entry.size();
                    self.charge(size)?;
                    disk_space::check(self.into, size, "the unpacked box")?;
                    if self.take(&mut entry, &name)? != size {
                        return Err(Fault::Read(io::ErrorKind::UnexpectedEof.into()));
                    }
                }
            }
        }
        if left_out > NAMED {
            self.notes.push(format!("left out: {} more", left_out - NAMED));
        }
        // An archive ends with a block of zeros. An archive without it was cut off at a member's end.
        if self.gauge.ended() { Err(Fault::Read(io::ErrorKind::UnexpectedEof.into())) } else { Ok(()) }
    }

    /// Adds a member's size, as its header gives it, to the total before any byte of it is read.
    fn charge(&mut self, size: u64) -> Outcome<()> {
        self.unpacked = self.unpacked.saturating_add(size);
        if self.unpacked > self.gauge.limit() { Err(self.gauge.too_large().into()) } else { Ok(()) }
    }

    /// Reads a member to its end. A sparse one has an end that the stream's own limit does not see.
    fn skip<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Outcome<()> {
        self.charge(entry.size())?;
        io::copy(entry, &mut io::sink()).map_err(Fault::Read)?;
        Ok(())
    }

    /// Writes one file of the box; returns its size.
    fn take(&mut self, reader: &mut dyn Read, name: &str) -> Outcome<u64> {
        let sum = writer::write(reader, &self.into.join(name), self.cancel)?;
        let size = sum.size;
        self.files.insert(name.to_owned(), sum);
        Ok(size)
    }
}

/// The last sector of a file; `None` where it has none. The file is at its beginning afterwards.
fn end_of(file: &mut File, size: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(from) = size.checked_sub(512) else { return Ok(None) };
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.by_ref().take(512).read_to_end(&mut end)?;
    file.rewind()?;
    Ok(Some(end))
}

/// The error for a file that people take for a box.
fn no_box(known: Foreign) -> Error {
    bad(&format!("it is {}", known.what)).hint(known.hint)
}

/// Shows how a text begins: an error message, or where somebody has to log in.
fn quoting(error: Error, head: &[u8]) -> Error {
    match foreign::first_line(head) {
        Some(line) => error.detail(format!("it begins with {line:?}")),
        None => error,
    }
}

#[cfg(test)]
pub(super) mod tests;
