//! Unpacking an archive that a guest has made. Whoever has root in a guest decides what it says, so
//! nothing in it may lead out of the place that the user has named.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType};

use crate::error::{Error, Kind, Result};

/// How much may come after an archive's end: more than any tar's record, in bytes.
const RECORDS: u64 = 1 << 20;

/// Unpacks what `archive` holds of `./name` as `target`; tells how many entries that were.
///
/// Files, folders and symlinks are taken; a hard link must be to a file unpacked before it; devices
/// and other things are refused. Existing files are replaced, not written through: a symlink that
/// lies in the way is one for the guest to have made.
///
/// # Errors
/// [`Kind::CopyFailed`], [`Kind::Io`], [`Kind::DiskFull`].
pub(super) fn unpack(archive: impl Read, name: impl AsRef<OsStr>, target: &Path) -> Result<usize> {
    let name = name.as_ref();
    let mut archive = Archive::new(archive);
    archive.set_preserve_mtime(true);
    let mut count = 0;
    // Folders that may not be written to are closed when they are full.
    let mut modes: Vec<(PathBuf, u32)> = Vec::new();
    // The user's own symlink to a folder is followed; one that the archive puts in its place is not.
    let mut has_root = target.is_dir();
    let entries = archive.entries().map_err(|source| broken(&source))?;
    for entry in entries {
        let mut entry = entry.map_err(|source| broken(&source))?;
        let path = entry.path().map_err(|source| broken(&source))?.into_owned();
        let place = inside(&path, name).map(|below| join(target, &below));
        let place = place.ok_or_else(|| hostile(&path, "leads out of what was asked for"))?;
        if place == target {
            has_root = entry.header().entry_type() == EntryType::Directory;
        } else if has_root {
            check_parents(target, &place).map_err(|why| hostile(&path, why))?;
        } else {
            return Err(hostile(&path, "goes through something that is no folder"));
        }
        one(&mut entry, &path, &place, name, target, &mut modes)?;
        count += 1;
    }
    // tar fills its last record up with zeros, and is not to be cut off in it.
    io::copy(&mut archive.into_inner().take(RECORDS), &mut io::sink()).map_err(|source| broken(&source))?;
    for (folder, mode) in modes.iter().rev() {
        set_mode(folder, *mode).map_err(|source| Error::io("set the mode of", folder, &source))?;
    }
    if count == 0 {
        return Err(Error::new(Kind::CopyFailed, "the machine sent nothing"));
    }
    Ok(count)
}

fn one(
    entry: &mut Entry<'_, impl Read>,
    path: &Path,
    place: &Path,
    name: &OsStr,
    target: &Path,
    modes: &mut Vec<(PathBuf, u32)>,
) -> Result<()> {
    let kind = entry.header().entry_type();
    match kind {
        EntryType::Directory => {
            match fs::symlink_metadata(place) {
                // A symlink of the user's own for the whole target is the user's wish.
                Ok(meta) if meta.is_dir() || (place == target && place.is_dir()) => return Ok(()),
                Ok(_) => {
                    return Err(Error::new(
                        Kind::CopyFailed,
                        format!("{} is there and is no folder", place.display()),
                    ));
                }
                Err(_) => {}
            }
            fs::create_dir(place).map_err(|source| Error::io("create the folder", place, &source))?;
            modes.push((place.to_owned(), entry.header().mode().unwrap_or(0o755)));
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse | EntryType::Symlink => {
            clear(place)?;
            entry.unpack(place).map_err(|source| cause(&source, place))?;
        }
        EntryType::Link => {
            let to = entry.link_name().ok().flatten().map(std::borrow::Cow::into_owned).unwrap_or_default();
            let source = inside(&to, name).map(|below| join(target, &below));
            let source = source.ok_or_else(|| hostile(path, "is a hard link that leads out"))?;
            check_parents(target, &source).map_err(|why| hostile(path, why))?;
            if !fs::symlink_metadata(&source).is_ok_and(|meta| meta.is_file()) {
                return Err(hostile(path, "is a hard link to something that is not there"));
            }
            clear(place)?;
            // A copy: two names for one file surprise on the host.
            fs::copy(&source, place).map_err(|source| Error::io("write", place, &source))?;
        }
        EntryType::XGlobalHeader => {}
        _ => return Err(hostile(path, "is neither a file, a folder nor a link")),
    }
    Ok(())
}

/// Makes room for a file: what is there goes, but a folder.
fn clear(place: &Path) -> Result<()> {
    match fs::symlink_metadata(place) {
        Ok(meta) if meta.is_dir() => {
            Err(Error::new(Kind::CopyFailed, format!("{} is there and is a folder", place.display())))
        }
        Ok(_) => fs::remove_file(place).map_err(|source| Error::io("replace", place, &source)),
        Err(_) => Ok(()),
    }
}

/// The rest of `path` below `name`, where it has one and is made of plain names only.
fn inside(path: &Path, name: &OsStr) -> Option<PathBuf> {
    let mut parts = path.components().filter(|part| !matches!(part, Component::CurDir));
    if name != "." && parts.next() != Some(Component::Normal(name)) {
        return None;
    }
    parts.map(|part| if let Component::Normal(name) = part { Some(name) } else { None }).collect()
}

/// `target`, or what lies below it.
fn join(target: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { target.to_owned() } else { target.join(below) }
}

/// Every folder between `target` and `place` is a real one: a symlink that the archive brought, or that
/// was there, would lead out.
fn check_parents(target: &Path, place: &Path) -> Result<(), &'static str> {
    let Ok(below) = place.strip_prefix(target) else { return Err("leads out of what was asked for") };
    let mut at = target.to_owned();
    for part in below.parent().into_iter().flat_map(Path::components) {
        at.push(part);
        if !fs::symlink_metadata(&at).is_ok_and(|meta| meta.is_dir()) {
            return Err("goes through something that is no folder");
        }
    }
    Ok(())
}

#[cfg(unix)]
fn set_mode(folder: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(mode & 0o777))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

fn hostile(path: &Path, why: &str) -> Error {
    Error::new(Kind::CopyFailed, format!("the machine sent {}, which {why}", path.display()))
        .hint("it was not written; what came before it was")
}

fn broken(source: &io::Error) -> Error {
    Error::new(Kind::CopyFailed, format!("what the machine sent ended early or is damaged: {source}"))
}

/// The tar crate wraps what went wrong; the kind below it is what a person needs.
fn cause(source: &io::Error, place: &Path) -> Error {
    Error::io("write", place, &io::Error::new(source.kind(), source.to_string()))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use tar::{Builder, Header};

    /// An archive of these: name, type, link target or content.
    fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (path, kind, text) in entries {
            let mut header = Header::new_gnu();
            // Written past the crate, which would refuse `..`.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(if *kind == EntryType::Directory { 0o555 } else { 0o640 });
            let content = if *kind == EntryType::Regular { text.as_bytes() } else { &[] };
            if *kind != EntryType::Regular {
                header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
            }
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    use EntryType::{Directory, Link, Regular, Symlink};

    #[test]
    fn a_folder_comes_with_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("copied");
        let bytes = archive(&[
            ("./site/", Directory, ""),
            ("./site/a", Regular, "text"),
            ("./site/l", Symlink, "/etc/passwd"),
            ("./site/h", Link, "./site/a"),
        ]);
        for _ in 0..2 {
            assert_eq!(unpack(&bytes[..], "site", &target).unwrap(), 4);
            set_mode(&target, 0o755).unwrap();
        }
        assert_eq!(fs::read_to_string(target.join("h")).unwrap(), "text");
        assert_eq!(fs::read_link(target.join("l")).unwrap(), Path::new("/etc/passwd"));
        assert_eq!(target.join("a").metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn nothing_is_written_outside() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "mine").unwrap();
        let out = outside.to_str().unwrap();
        let file = outside.join("file");
        for entries in [
            vec![("./site/../outside/x", Regular, "evil")],
            vec![("../outside/x", Regular, "evil")],
            vec![("/etc/lab-evil", Regular, "evil")],
            vec![("./other", Regular, "evil")],
            vec![("./site/", Directory, ""), ("./site/l", Symlink, out), ("./site/l/x", Regular, "evil")],
            vec![("./site/", Directory, ""), ("./site/h", Link, "../outside/file")],
            vec![("./site", Symlink, out), ("./site/x", Regular, "evil")],
            vec![("./site", EntryType::Char, "")],
            vec![("./site", EntryType::Fifo, "")],
        ] {
            let target = dir.path().join("target");
            let error = unpack(&archive(&entries)[..], "site", &target).unwrap_err();
            assert_eq!(error.kind(), Kind::CopyFailed, "{entries:?}: {error}");
            assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "{entries:?}");
            let _ = fs::remove_file(&target).or_else(|_| fs::remove_dir_all(&target));
        }
        // A symlink in the place of a file is replaced, not written through.
        let target = dir.path().join("target");
        symlink(&file, &target).unwrap();
        unpack(&archive(&[("./site", Regular, "new")])[..], "site", &target).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    }

    #[test]
    fn an_archive_cut_short_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = archive(&[("./a", Regular, &"x".repeat(2000))]);
        for length in [0, 100, 700, 1500] {
            let error = unpack(&bytes[..length], "a", &dir.path().join("a")).unwrap_err();
            assert!(matches!(error.kind(), Kind::CopyFailed | Kind::Io), "{length}: {error}");
        }
    }
}
