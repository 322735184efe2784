//! Files and folders of the host as a tar stream, its length known before its first byte.
//!
//! The length is what the guest cuts the stream at: the connection stays open behind it, and not
//! every tar stops reading by itself.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use tar::{Builder, EntryType, Header};

use crate::error::{Error, Kind, Result};

/// What goes into an archive, looked at and found readable.
#[derive(Debug)]
pub(super) struct Tree {
    entries: Vec<Entry>,
    /// What is neither a file, a folder nor a symlink, and so is left out.
    pub(super) skipped: Vec<PathBuf>,
    /// The permissions of what was named.
    pub(super) mode: u32,
    /// Whether what was named is a folder.
    pub(super) is_dir: bool,
}

#[derive(Debug)]
struct Entry {
    /// In the archive, relative.
    path: PathBuf,
    kind: Content,
    mode: u32,
    /// Seconds since 1970.
    mtime: u64,
}

#[derive(Debug)]
enum Content {
    Folder,
    File { source: PathBuf, size: u64 },
    Link(PathBuf),
}

impl Tree {
    /// Looks at `from` (followed where it is a symlink) and all below it. It is called `name` in the
    /// archive; a folder without a name is not in it itself, what it holds is.
    ///
    /// # Errors
    /// [`Kind::CopyFailed`] for what is not there or cannot be read, named.
    pub(super) fn scan(from: &Path, name: Option<&str>) -> Result<Tree> {
        let meta = std::fs::metadata(from).map_err(|source| unreadable(from, &source))?;
        let mut tree =
            Tree { entries: Vec::new(), skipped: Vec::new(), mode: mode(&meta), is_dir: meta.is_dir() };
        tree.add(from, &meta, Path::new(name.unwrap_or_default()))?;
        Ok(tree)
    }

    fn add(&mut self, source: &Path, meta: &Metadata, path: &Path) -> Result<()> {
        let mtime = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let mut push = |kind| {
            let mtime = mtime.map_or(0, |since| since.as_secs());
            self.entries.push(Entry { path: path.to_owned(), kind, mode: mode(meta), mtime });
        };
        if meta.is_file() {
            File::open(source).map_err(|error| unreadable(source, &error))?;
            push(Content::File { source: source.to_owned(), size: meta.len() });
        } else if meta.is_symlink() {
            push(Content::Link(std::fs::read_link(source).map_err(|error| unreadable(source, &error))?));
        } else if meta.is_dir() {
            if path != Path::new("") {
                push(Content::Folder);
            }
            let listed: io::Result<Vec<_>> = std::fs::read_dir(source).and_then(Iterator::collect);
            let mut listed = listed.map_err(|error| unreadable(source, &error))?;
            listed.sort_by_key(std::fs::DirEntry::file_name);
            for entry in listed {
                let below = entry.path();
                let meta = below.symlink_metadata().map_err(|error| unreadable(&below, &error))?;
                self.add(&below, &meta, &path.join(entry.file_name()))?;
            }
        } else {
            self.skipped.push(source.to_owned());
        }
        Ok(())
    }

    /// The length of the archive in bytes.
    pub(super) fn size(&self) -> u64 {
        let mut counter = Counter(0);
        // A counter takes everything, and no file is read.
        let _ = self.put(&mut counter, |_, size| Ok(io::repeat(0).take(size)));
        counter.0
    }

    /// Writes the archive: as many bytes as [`Tree::size`] says.
    ///
    /// # Errors
    /// Where a file has become shorter since it was looked at, or cannot be read any more.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.put(out, |source, size| Ok(Exactly { file: File::open(source)?, left: size, path: source }))
    }

    fn put<'a, R: Read>(
        &'a self,
        out: &mut dyn Write,
        open: impl Fn(&'a Path, u64) -> io::Result<R>,
    ) -> io::Result<()> {
        let mut builder = Builder::new(out);
        for entry in &self.entries {
            let mut header = Header::new_gnu();
            header.set_mode(entry.mode);
            header.set_mtime(entry.mtime);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(0);
            match &entry.kind {
                Content::Folder => {
                    header.set_entry_type(EntryType::Directory);
                    builder.append_data(&mut header, &entry.path, io::empty())?;
                }
                Content::Link(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    builder.append_link(&mut header, &entry.path, target)?;
                }
                Content::File { source, size } => {
                    header.set_entry_type(EntryType::Regular);
                    header.set_size(*size);
                    builder.append_data(&mut header, &entry.path, open(source, *size)?)?;
                }
            }
        }
        builder.into_inner().map(|_| ())
    }
}

/// A file's first `left` bytes, and an error where it has fewer.
#[derive(Debug)]
struct Exactly<'a> {
    file: File,
    left: u64,
    path: &'a Path,
}

impl Read for Exactly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&mut self.file).take(self.left).read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            let message = format!("{} became shorter while it was copied", self.path.display());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Counts what is written to it.
#[derive(Debug)]
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes one file of an archive whose content comes from `content`, `size` bytes. `path` is short.
pub(super) fn put_file(
    out: &mut dyn Write,
    path: &str,
    size: u64,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_path(path)?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_cksum();
    out.write_all(header.as_bytes())?;
    content(out)?;
    let padding = size.next_multiple_of(BLOCK) - size;
    io::copy(&mut io::repeat(0).take(padding), out).map(|_| ())
}

/// Writes one folder of an archive, for its owner alone.
pub(super) fn put_folder(out: &mut dyn Write, path: &str) -> io::Result<()> {
    put_empty(out, path, EntryType::Directory, 0o700)
}

fn put_empty(out: &mut dyn Write, path: &str, kind: EntryType, mode: u32) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_path(path)?;
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header.set_cksum();
    out.write_all(header.as_bytes())
}

/// Writes one named pipe of an archive.
pub(super) fn put_pipe(out: &mut dyn Write, path: &str) -> io::Result<()> {
    put_empty(out, path, EntryType::Fifo, 0o600)
}

/// Writes the end of an archive.
pub(super) fn put_end(out: &mut dyn Write) -> io::Result<()> {
    io::copy(&mut io::repeat(0).take(2 * BLOCK), out).map(|_| ())
}

/// How many bytes `write` writes.
pub(super) fn measure(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> u64 {
    let mut counter = Counter(0);
    // A counter takes everything.
    let _ = write(&mut counter);
    counter.0
}

/// tar's unit, in bytes.
const BLOCK: u64 = 512;

fn unreadable(path: &Path, source: &io::Error) -> Error {
    let why = match source.kind() {
        io::ErrorKind::NotFound => "it is not there".to_owned(),
        io::ErrorKind::PermissionDenied => "no permission".to_owned(),
        _ => source.to_string(),
    };
    Error::new(Kind::CopyFailed, format!("could not read {}: {why}", path.display()))
        .hint("nothing was copied; see `ls -l` for who may read it")
}

#[cfg(unix)]
fn mode(meta: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o7777
}

#[cfg(not(unix))]
fn mode(meta: &Metadata) -> u32 {
    if meta.is_dir() { 0o755 } else { 0o644 }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(bytes: &[u8]) -> Vec<(String, EntryType)> {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            (entry.path().unwrap().display().to_string(), entry.header().entry_type())
        });
        entries.collect()
    }

    #[test]
    fn the_size_is_known_before_and_links_stay_links() {
        let dir = tempfile::tempdir().unwrap();
        let site = dir.path().join("site");
        let deep = "d".repeat(90);
        std::fs::create_dir_all(site.join(&deep)).unwrap();
        std::fs::write(site.join(&deep).join("ü".repeat(60)), vec![7; 1000]).unwrap();
        std::fs::write(site.join("empty"), "").unwrap();
        symlink("no/where", site.join("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(site.join("socket")).unwrap();
        let tree = Tree::scan(&site, None).unwrap();
        let mut bytes = Vec::new();
        tree.write(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, tree.size());
        assert_eq!(tree.skipped, [site.join("socket")]);
        assert_eq!(
            names(&bytes),
            [
                (deep.clone(), EntryType::Directory),
                (format!("{deep}/{}", "ü".repeat(60)), EntryType::Regular),
                ("empty".into(), EntryType::Regular),
                ("link".into(), EntryType::Symlink),
            ]
        );
        assert_eq!(
            names(&{
                let mut bytes = Vec::new();
                Tree::scan(&site.join("empty"), Some("e")).unwrap().write(&mut bytes).unwrap();
                bytes
            }),
            [("e".into(), EntryType::Regular)]
        );
    }

    #[test]
    fn a_file_that_shrinks_is_an_error_and_one_that_grows_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, vec![7; 1000]).unwrap();
        let tree = Tree::scan(&path, Some("log")).unwrap();
        std::fs::write(&path, vec![7; 2000]).unwrap();
        let mut bytes = Vec::new();
        tree.write(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, tree.size());
        std::fs::write(&path, "short").unwrap();
        assert!(tree.write(&mut Vec::new()).unwrap_err().to_string().contains("became shorter"));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = Tree::scan(Path::new("/no/such/folder"), None).unwrap_err();
        assert_eq!(error.kind(), Kind::CopyFailed);
        assert!(error.message().contains("/no/such/folder"));
    }
}
