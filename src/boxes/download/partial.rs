//! An unfinished download: the bytes that have come, and a note by which a later command continues.
//!
//! The note says how many bytes were certainly on the disk when it was written, and their sum. Bytes that a
//! crash left behind that part are not trusted; the part itself is compared with the sum, because of power cuts.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::answer::Facts;
use super::meter::SideMeter;
use crate::boxes::checksum::{Expected, Measured, Meter};
use crate::boxes::progress::Task;
use crate::error::{Error, Result};
use crate::{atomic, digest, unlink, versioned};

const VERSION: u32 = 1;
/// How much time's worth of a download a killed process loses at most.
const INTERVAL: Duration = Duration::from_secs(2);
/// The bytes that have come.
const DATA: &str = "data";
/// The note.
const NOTE: &str = "note.json";

/// How to go on with a download.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Note {
    version: u32,
    url: String,
    facts: Facts,
    /// How many bytes were on the disk, and their sha256.
    length: u64,
    sha256: String,
}

/// An unfinished download. The command that works on it holds the lock of its source.
#[derive(Debug)]
pub(in crate::boxes) struct Partial {
    dir: PathBuf,
    path: PathBuf,
    file: File,
    expected: Expected,
    meter: SideMeter,
    note: Note,
    noted: Instant,
}

impl Partial {
    /// The bytes in `dir` of the file at `url`; none, at first.
    pub(super) fn open(dir: &Path, url: &str, expected: &Expected, task: &mut Task<'_>) -> Result<Self> {
        atomic::create_dirs(dir)?;
        atomic::sweep(dir);
        let path = dir.join(DATA);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|source| Error::io("create", &path, &source))?;
        let mut partial = Partial {
            dir: dir.to_owned(),
            path,
            file,
            expected: expected.clone(),
            meter: SideMeter::fresh(expected),
            note: Note {
                version: VERSION,
                url: url.to_owned(),
                facts: Facts::default(),
                length: 0,
                sha256: digest::of_bytes(b""),
            },
            noted: Instant::now(),
        };
        // Without a readable note of this release, the download begins anew.
        let note = versioned::read::<Note>(&dir.join(NOTE), VERSION).ok().flatten();
        let note = note.filter(|note| note.url == url && note.version == VERSION);
        let there = note.map(|note| partial.measure(&note, task).map(|meter| Some((note, meter?))));
        match there.transpose()?.flatten() {
            Some((note, meter)) => {
                let end = partial.file.set_len(note.length);
                let end = end.and_then(|()| partial.file.seek(SeekFrom::Start(note.length)));
                end.map_err(|source| Error::io("write", &partial.path, &source))?;
                partial.meter = SideMeter::new(meter);
                partial.note = note;
            }
            None => partial.restart()?,
        }
        Ok(partial)
    }

    /// Measures what the note says of the file; `None` where the file does not begin with that.
    fn measure(&self, note: &Note, task: &mut Task<'_>) -> Result<Option<Meter>> {
        if note.length == 0 {
            return Ok(None);
        }
        let mut meter = Meter::new(&self.expected);
        let cancel = task.cancel;
        let tell = |done, total| task.report_checked(done, total);
        digest::read_through(&self.file, &self.path, note.length, cancel, tell, |bytes| meter.update(bytes))?;
        Ok((meter.size() == note.length && meter.sha256() == note.sha256).then_some(meter))
    }

    /// The file.
    pub(in crate::boxes) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes are there.
    pub(super) fn len(&self) -> u64 {
        self.meter.size()
    }

    /// The facts of the file on the server.
    pub(in crate::boxes) fn facts(&self) -> &Facts {
        &self.note.facts
    }

    /// The size and sums of the bytes until now.
    pub(super) fn measured(&self) -> Result<Measured> {
        self.meter.measured()
    }

    /// Removes the bytes that are here.
    pub(super) fn restart(&mut self) -> Result<()> {
        // The note is removed first: without it, the bytes are not trusted.
        unlink::file(&self.dir.join(NOTE))?;
        self.empty().map_err(|source| Error::io("write", &self.path, &source))?;
        self.meter = SideMeter::fresh(&self.expected);
        self.note.facts = Facts::default();
        self.noted = Instant::now();
        Ok(())
    }

    /// Notes what the server says of the file.
    pub(super) fn learn(&mut self, facts: Facts) -> Result<()> {
        self.note.facts = facts;
        self.keep()
    }

    fn empty(&mut self) -> std::io::Result<()> {
        // ext4 takes whoever truncates a file for one who replaces it, and has the disk write it all when it
        // is closed: a tenth of a second for 100 MB, for a file that is about to be removed.
        if self.file.metadata()?.len() > 0 {
            self.file.set_len(0)?;
        }
        self.file.rewind()
    }

    /// Adds the next bytes; returns a piece to be filled again, if there is one.
    pub(super) fn write(&mut self, bytes: Vec<u8>) -> Result<Option<Vec<u8>>> {
        self.file.write_all(&bytes).map_err(|source| Error::io("write", &self.path, &source))?;
        self.meter.update(bytes)
    }

    /// Makes the bytes that have come durable, every two seconds at most.
    pub(super) fn keep_now_and_then(&mut self) -> Result<()> {
        if self.noted.elapsed() >= INTERVAL && self.note.length != self.len() { self.keep() } else { Ok(()) }
    }

    /// Makes the bytes that have come durable: a crash or a power cut does not lose them.
    pub(super) fn keep(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|source| Error::io("write", &self.path, &source))?;
        self.note.length = self.len();
        self.note.sha256 = self.meter.measured()?.sha256;
        versioned::write(&self.dir.join(NOTE), &self.note)?;
        self.noted = Instant::now();
        Ok(())
    }

    /// Removes it when it is not needed any more.
    pub(in crate::boxes) fn remove(self) -> Result<()> {
        let Partial { dir, file, .. } = self;
        // Windows removes no open files.
        drop(file);
        unlink::folder(&dir)
    }
}

/// How long ago the last bytes of a download came, by the times of its files.
pub(in crate::boxes) fn age(dir: &Path) -> Option<Duration> {
    let newest = [dir.join(DATA), dir.join(NOTE), dir.to_owned()]
        .iter()
        .filter_map(|path| std::fs::metadata(path).ok()?.modified().ok())
        .max()?;
    newest.elapsed().ok()
}

/// The address of a download; `None` where no note says how to continue.
pub(in crate::boxes) fn url(dir: &Path) -> Option<String> {
    let note = versioned::read::<Note>(&dir.join(NOTE), VERSION).ok()??;
    (note.version == VERSION).then_some(note.url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Cancel;

    const URL: &str = "http://x/y.box";

    fn open(dir: &Path) -> Partial {
        let task = &mut Task { cancel: &Cancel::new(), progress: &mut |_| {} };
        Partial::open(dir, URL, &Expected::default(), task).unwrap()
    }

    fn facts() -> Facts {
        Facts { total: Some(1000), ..Facts::default() }
    }

    #[test]
    fn what_was_kept_is_there_again_and_the_rest_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let mut partial = open(dir.path());
        partial.learn(facts()).unwrap();
        partial.write(vec![1; 300]).unwrap();
        partial.keep().unwrap();
        partial.write(vec![2; 100]).unwrap();
        drop(partial); // As if killed: nothing is written on the way out.
        std::fs::write(dir.path().join(".new-xyz"), "{").unwrap();
        let mut partial = open(dir.path());
        assert_eq!((partial.len(), partial.facts()), (300, &facts()));
        assert!(!dir.path().join(".new-xyz").exists());
        partial.write(vec![3; 10]).unwrap();
        assert_eq!(partial.measured().unwrap().size, 310);
        let written = std::fs::read(partial.path()).unwrap();
        assert_eq!(written, [vec![1; 300], vec![3; 10]].concat());
        assert_eq!(partial.measured().unwrap().sha256, digest::of_bytes(&written));
        partial.remove().unwrap();
        assert!(!dir.path().exists());
    }

    #[test]
    fn damage_costs_a_download_and_no_more() {
        let damages: [fn(&Path); 5] = [
            |dir| std::fs::write(dir.join(DATA), [0; 300]).unwrap(),
            |dir| std::fs::write(dir.join(DATA), [1; 299]).unwrap(),
            |dir| std::fs::write(dir.join(NOTE), "{\"version\":1").unwrap(),
            |dir| std::fs::write(dir.join(NOTE), "{\"version\":2}").unwrap(),
            |dir| std::fs::remove_file(dir.join(NOTE)).unwrap(),
        ];
        for damage in damages {
            let dir = tempfile::tempdir().unwrap();
            let mut partial = open(dir.path());
            partial.write(vec![1; 300]).unwrap();
            partial.keep().unwrap();
            damage(dir.path());
            let partial = open(dir.path());
            assert_eq!((partial.len(), partial.facts()), (0, &Facts::default()));
            assert_eq!(std::fs::metadata(partial.path()).unwrap().len(), 0);
        }
    }
}
