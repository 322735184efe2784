//! One pass over a box file: hashed while it is unpacked.
//!
//! The file may be anybody's. Only regular files at the top of an archive are taken (Vagrant's
//! boxes are flat); whatever would reach outside is an error that names the member, and the caller
//! throws away all that was unpacked.

mod gauge;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::digest::CHUNK;
use super::disk::{self, Content};
use super::progress::Task;
use super::room::{self, human};
use crate::error::{Error, Kind, Result};
use gauge::{Gauge, Source, Stream};

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
    /// What was in it and was not taken, for people.
    pub(super) notes: Vec<String>,
}

/// Unpacks the box file `path` into the empty folder `into`.
///
/// # Errors
/// [`Kind::HostileBox`], [`Kind::BadBox`], [`Kind::DiskFull`], [`Kind::Io`], [`Kind::Interrupted`];
/// then `into` holds a part of the box and is for the caller to remove.
pub(super) fn unpack(path: &Path, into: &Path, task: &mut Task<'_>) -> Result<Unpacked> {
    let failed = |source: io::Error| Error::io("read", path, &source);
    let mut file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut head = Vec::with_capacity(disk::SNIFF);
    (&mut file).take(disk::SNIFF as u64).read_to_end(&mut head).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;

    // Nothing unpacks to much less than its file; what an archive's members need is asked as they come.
    room::check(into, size, "the unpacked box")?;

    let gauge = Gauge::new(limit(size));
    let cancel = task.cancel;
    let mut source = Source::new(file, size, &gauge, task);
    let mut job = Unpacking { into, gauge: &gauge, unpacked: 0, notes: Vec::new() };
    let done = match disk::sniff(&head) {
        Content::Gzip => {
            let mut decoder = MultiGzDecoder::new(BufReader::with_capacity(CHUNK, &mut source));
            job.compressed(&mut decoder)
        }
        content => job.content(content, &mut BufReader::with_capacity(CHUNK, &mut source)),
    };
    // Whatever stands behind the contents belongs to the hash.
    let done = done.and_then(|bare| {
        io::copy(&mut source, &mut io::sink()).map_err(Fault::Read)?;
        Ok(bare)
    });
    let (digest, done_bytes) = source.finish();
    match done {
        Ok(bare) => Ok(Unpacked { digest, size: done_bytes, unpacked: job.unpacked, bare, notes: job.notes }),
        Err(fault) => {
            cancel.check()?;
            Err(gauge.explain(path, fault))
        }
    }
}

fn limit(size: u64) -> u64 {
    size.saturating_mul(UNPACKED_RATIO).clamp(UNPACKED_MIN, UNPACKED_MAX)
}

/// Why unpacking stopped.
#[derive(Debug)]
enum Fault {
    /// The stream of bytes broke; the gauge knows where.
    Read(io::Error),
    /// The box is refused, or could not be written.
    Refused(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Refused(error)
    }
}

type Outcome<T> = std::result::Result<T, Fault>;

struct Unpacking<'a> {
    into: &'a Path,
    gauge: &'a Gauge,
    unpacked: u64,
    notes: Vec<String>,
}

impl Unpacking<'_> {
    /// The inside of a gzip: an archive, or a disk image. Tells whether it was the latter.
    fn compressed(&mut self, decoder: &mut impl Read) -> Outcome<bool> {
        let mut head = Vec::with_capacity(disk::SNIFF);
        decoder.by_ref().take(disk::SNIFF as u64).read_to_end(&mut head).map_err(Fault::Read)?;
        match disk::sniff(&head) {
            Content::Gzip => Err(bad("it is gzip inside gzip").into()),
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
                let size = self.take(&mut stream, &format!("disk.{}", format.name()), None)?;
                self.unpacked = size;
                Ok(true)
            }
            Content::Known(what) => Err(bad(what).hint(OTHERS).into()),
            Content::Gzip | Content::Unknown => {
                Err(bad("it is of no kind that is known").hint(OTHERS).into())
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
                return Err(hostile(&format!("it has more than {MAX_MEMBERS} members")).into());
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
                    room::check(self.into, size, "the unpacked box")?;
                    self.take(&mut entry, &name, Some(size))?;
                }
            }
        }
        if left_out > NAMED {
            self.notes.push(format!("left out: {} more", left_out - NAMED));
        }
        // An archive ends with a block of zeros. One that just stops has been cut at a member's end.
        if self.gauge.ended() { Err(Fault::Read(io::ErrorKind::UnexpectedEof.into())) } else { Ok(()) }
    }

    /// Counts what a member says of its size, before any of it is read.
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

    /// Writes one file, leaving holes where there are only zeros, and makes it durable.
    fn take(&mut self, reader: &mut dyn Read, name: &str, size: Option<u64>) -> Outcome<u64> {
        let path = self.into.join(name);
        let failed = |source: io::Error| Fault::Refused(Error::io("write", &path, &source));
        let mut file = File::create_new(&path).map_err(failed)?;
        let mut buffer = vec![0; 64 * 1024];
        let (mut done, mut hole) = (0u64, false);
        loop {
            let count = fill(reader, &mut buffer).map_err(Fault::Read)?;
            let chunk = buffer.get(..count).unwrap_or_default();
            if chunk.is_empty() {
                break;
            }
            done += count as u64;
            if chunk.iter().all(|byte| *byte == 0) {
                hole = true;
                continue;
            }
            if hole {
                file.seek(SeekFrom::Start(done - count as u64)).map_err(failed)?;
                hole = false;
            }
            file.write_all(chunk).map_err(failed)?;
        }
        if size.is_some_and(|size| size != done) {
            return Err(Fault::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        if hole {
            file.set_len(done).map_err(failed)?;
        }
        file.sync_all().map_err(failed)?;
        Ok(done)
    }
}

/// Reads until `buffer` is full or the end has come.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// What is done with a member.
enum Member {
    /// Taken, under this name.
    File(String),
    /// Harmless and not taken.
    LeftOut(String),
    /// A folder, or a header for the archive as a whole.
    Nothing,
}

impl Member {
    fn of<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Self> {
        use tar::EntryType as T;
        let kind = entry.header().entry_type();
        if kind == T::XGlobalHeader {
            return Ok(Member::Nothing);
        }
        let bytes = entry.path_bytes().into_owned();
        let Ok(name) = String::from_utf8(bytes) else {
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            return Err(hostile(&format!("the name {name:?} is not UTF-8")));
        };
        let parts = name_parts(&name)?;
        match kind {
            T::Directory => return Ok(Member::Nothing),
            T::Regular | T::Continuous | T::GNUSparse => {}
            T::Symlink | T::Link => {
                return Err(hostile(&format!("{name:?} is a link")));
            }
            T::Char | T::Block | T::Fifo => {
                return Err(hostile(&format!("{name:?} is a device")));
            }
            _ => return Err(hostile(&format!("{name:?} is of an unknown kind"))),
        }
        if let Ok(Some(extensions)) = entry.pax_extensions() {
            let sparse = extensions.flatten().any(|item| item.key_bytes().starts_with(b"GNU.sparse"));
            if sparse {
                return Err(bad(&format!("{name:?} is sparse in a form that is not understood"))
                    .hint("pack it again with: tar --format=gnu -czf NEW.box *"));
            }
        }
        match parts.as_slice() {
            // A regular file whose name ends in a slash is a folder to old tars.
            [_] if name.ends_with('/') => Ok(Member::Nothing),
            [name] => Ok(Member::File((*name).to_owned())),
            _ => Ok(Member::LeftOut(name)),
        }
    }
}

/// The components of a member's name, without those that mean "here".
fn name_parts(name: &str) -> Result<Vec<&str>> {
    let refuse = |why: &str| Err(hostile(&format!("the name {name:?} {why}")));
    if name.starts_with('/') {
        return refuse("is absolute");
    }
    // Windows separates folders by one and streams and drives by the other.
    if name.contains(|c: char| c == '\\' || c == ':' || c.is_control()) {
        return refuse("has characters that no file should have");
    }
    let parts: Vec<_> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return refuse("leads out of the box");
    }
    Ok(parts)
}

const OTHERS: &str = "a box is a tar or tar.gz as Vagrant makes them (.box), an .ova, or a disk image \
                      (.qcow2, .vmdk, .vdi, or a raw one)";

fn bad(why: &str) -> Error {
    Error::new(Kind::BadBox, format!("not a box: {why}"))
}

fn hostile(why: &str) -> Error {
    Error::new(Kind::HostileBox, format!("the box is refused: {why}"))
        .hint("nothing was kept of it; get it from a source that you trust")
}

#[cfg(test)]
pub(super) mod tests;
