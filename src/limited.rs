//! Reading a file that anybody may have written: never more than a limit, and never from a pipe or a device,
//! which may have no end.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use crate::disk_space::human;
use crate::error::{Error, Kind, Result};

/// Whether a path may be a symlink to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It may: the user named the path.
    Follow,
    /// It may not: lab itself made the file, and never as a link. Only the last part of the path is looked at.
    Refuse,
}

/// Why a file was not read.
#[derive(Debug)]
pub enum Unread {
    /// It is not there.
    Missing,
    /// It is a symlink, and [`Links::Refuse`] was asked for.
    Link,
    /// It is a folder, a pipe, a socket or a device.
    NotAFile,
    /// It has more bytes than this limit.
    TooLarge(u64),
    /// It is not UTF-8.
    NotText,
    /// The system could not read it.
    Failed(io::Error),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Missing => f.write_str("it does not exist"),
            Unread::Link => f.write_str("it is a symlink"),
            Unread::NotAFile => f.write_str("it is not a regular file"),
            Unread::TooLarge(limit) => {
                write!(f, "it is larger than {}, the limit for this file", human(*limit))
            }
            Unread::NotText => f.write_str("it is not UTF-8 text"),
            Unread::Failed(source) => source.fmt(f),
        }
    }
}

impl Unread {
    /// The error for people: of `kind` where the file is to blame, [`Kind::Io`] where the system is.
    pub fn into_error(self, path: &Path, kind: Kind) -> Error {
        match self {
            Unread::Missing => Error::io("read", path, &io::ErrorKind::NotFound.into()),
            Unread::Failed(source) => Error::io("read", path, &source),
            other => Error::new(kind, format!("{} is not read: {other}", path.display())),
        }
    }
}

/// Opens a regular file to read.
///
/// # Errors
/// All of [`Unread`] but those about size and text.
pub fn open(path: &Path, links: Links) -> std::result::Result<File, Unread> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        // Without NONBLOCK, opening a pipe waits until somebody writes to it.
        let mut flags = OFlags::NONBLOCK;
        if links == Links::Refuse {
            flags |= OFlags::NOFOLLOW;
        }
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits().cast_signed());
    }
    let is_link =
        || links == Links::Refuse && path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    if !cfg!(unix) && is_link() {
        return Err(Unread::Link);
    }
    let file = options.open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Unread::Missing,
        _ if is_link() => Unread::Link,
        // A socket, or on Windows a folder.
        _ if path.metadata().is_ok_and(|metadata| !metadata.is_file()) => Unread::NotAFile,
        _ => Unread::Failed(source),
    })?;
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(Unread::NotAFile),
        Err(source) => Err(Unread::Failed(source)),
    }
}

/// The bytes of a regular file that has at most `limit` of them.
///
/// # Errors
/// All of [`Unread`] but that about text.
pub fn read(path: &Path, limit: u64, links: Links) -> std::result::Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    open(path, links)?.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(Unread::Failed)?;
    if bytes.len() as u64 > limit { Err(Unread::TooLarge(limit)) } else { Ok(bytes) }
}

/// As [`read`], for a text that the user named.
///
/// # Errors
/// [`Unread`].
pub fn text(path: &Path, limit: u64) -> std::result::Result<String, Unread> {
    String::from_utf8(read(path, limit, Links::Follow)?).map_err(|_| Unread::NotText)
}

/// As [`text`]; `None` where the file is not there. Other errors are of `kind`, or [`Kind::Io`].
///
/// # Errors
/// As said.
pub fn text_if_there(path: &Path, limit: u64, kind: Kind) -> Result<Option<String>> {
    match text(path, limit) {
        Ok(text) => Ok(Some(text)),
        Err(Unread::Missing) => Ok(None),
        Err(unread) => Err(unread.into_error(path, kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit_and_the_error_names_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert!(matches!(text(&path, 10), Err(Unread::Missing)));
        std::fs::write(&path, "0123456789").unwrap();
        assert_eq!(text(&path, 10).unwrap(), "0123456789");
        let error = text(&path, 9).unwrap_err().into_error(&path, Kind::BadBox);
        assert_eq!(error.kind(), Kind::BadBox);
        assert!(error.message().ends_with("it is larger than 9 B, the limit for this file"), "{error}");
        std::fs::write(&path, [0xff]).unwrap();
        assert!(matches!(text(&path, 9), Err(Unread::NotText)));
        assert!(matches!(text(dir.path(), 9), Err(Unread::NotAFile)));
    }

    #[cfg(unix)]
    #[test]
    fn pipes_devices_and_links_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let here = rustix::fs::CWD;
        rustix::fs::mknodat(here, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(matches!(text(&pipe, 9), Err(Unread::NotAFile)));
        assert!(matches!(text(Path::new("/dev/zero"), 9), Err(Unread::NotAFile)));
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(text(&link, 9).unwrap(), "x");
        assert!(matches!(read(&link, 9, Links::Refuse), Err(Unread::Link)));
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(read(&link, 9, Links::Refuse), Err(Unread::Link)));
    }
}
