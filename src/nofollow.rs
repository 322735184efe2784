//! Files of a lab, opened without following links.
//!
//! A folder may come from anywhere (an archive, a clone, a stick) and bring a `.lab` with it. A link in there would lead
//! what lab writes to some file of the user's, a pipe would let lab wait for ever. So from [`LAB_DIR`] on no part of a
//! path may be a link, and what is opened is a plain file. Above it the user's own links count, but no file is written
//! through one.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Kind};

/// The name of a lab's own folder, beside its Labfile.
pub const LAB_DIR: &str = ".lab";

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Read,
    Write,
    Append,
    CreateNew,
}

/// Opens a plain file to read it.
///
/// # Errors
/// The system's; [`io::ErrorKind::InvalidInput`] for anything but a plain file.
pub fn open(path: &Path) -> io::Result<File> {
    open_as(path, How::Read, false)
}

/// Opens a plain file to read and write it, for this user alone; makes it where it is not there.
///
/// # Errors
/// Those of [`open`].
pub fn open_or_create(path: &Path) -> io::Result<File> {
    open_as(path, How::Write, true)
}

/// Opens a plain file to add to its end; makes it, for this user alone, where `create` says so.
///
/// # Errors
/// Those of [`open`].
pub fn append(path: &Path, create: bool) -> io::Result<File> {
    open_as(path, How::Append, create)
}

/// Makes a file that is not there yet, for this user alone.
///
/// # Errors
/// Those of [`open`]; [`io::ErrorKind::AlreadyExists`], for a link as well.
pub fn create_new(path: &Path) -> io::Result<File> {
    open_as(path, How::CreateNew, true)
}

/// Reads a plain file of at most `limit` bytes.
///
/// # Errors
/// Those of [`open`]; [`io::ErrorKind::FileTooLarge`].
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("it has more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Whether nothing on the way to `path` is a link: what is made there then comes to lie where its name says.
///
/// # Errors
/// The system's, such as [`io::ErrorKind::NotADirectory`] for a link.
pub fn check_way(path: &Path) -> io::Result<()> {
    match split(path)? {
        Some(_) => sys::way(path).map(drop),
        None => Ok(()),
    }
}

/// Makes a folder for this user alone, and those of a lab above it; takes away what others may do in one that is there.
///
/// # Errors
/// The system's, such as [`io::ErrorKind::NotADirectory`] where a link or a file is in its place.
pub fn make_dir(path: &Path) -> io::Result<()> {
    if let Some((_, inside)) = split(path)?
        && inside.len() > 1
        && let Some(parent) = path.parent()
    {
        make_dir(parent)?;
    }
    sys::make_dir(path)
}

/// The names in a folder; `None` where there is none.
///
/// # Errors
/// The system's, such as [`io::ErrorKind::NotADirectory`] for a link.
pub fn list(folder: &Path) -> io::Result<Option<Vec<OsString>>> {
    there(sys::list(folder))
}

/// Removes what in `folder` is called as `is_ours` says: files, links, folders with all that is in them. Returns the names
/// of what is called otherwise.
///
/// # Errors
/// Those of [`list`]; a folder that is not there is none.
pub fn remove_in(folder: &Path, is_ours: &dyn Fn(&OsStr) -> bool) -> io::Result<Vec<OsString>> {
    there(sys::remove_in(folder, is_ours)).map(Option::unwrap_or_default)
}

fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// The error for a file of lab's that could not be opened, in words.
pub fn error(what: &str, path: &Path, source: &io::Error) -> Error {
    let not_a_folder = source.kind() == io::ErrorKind::NotADirectory;
    if is_odd(source) || (not_a_folder && path.components().any(|part| part.as_os_str() == LAB_DIR)) {
        let path = path.display();
        return Error::new(
            Kind::Io,
            format!("{path} is not what lab makes: a link, a folder or the like is there"),
        )
        .detail(source.to_string())
        .hint("move it away, then run the same command again");
    }
    Error::io(what, path, source)
}

/// Whether `source` says that something else is in the place of a file that lab makes: a link, a folder, a pipe, or more than
/// the limit.
pub fn is_odd(source: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, InvalidInput, IsADirectory};
    // A link, a socket, a pipe that nobody reads.
    matches!(source.kind(), InvalidInput | IsADirectory | FileTooLarge) || sys::is_odd(source)
}

/// What lies outside a lab's folder of `path`, and the names from there on. `None` for a path that leads into no lab.
fn split(path: &Path) -> io::Result<Option<(PathBuf, Vec<&OsStr>)>> {
    let parts: Vec<Component<'_>> = path.components().collect();
    let Some(at) = parts.iter().rposition(|part| part.as_os_str() == LAB_DIR) else { return Ok(None) };
    if parts[at..].iter().any(|part| !matches!(part, Component::Normal(_))) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path leads out of the lab's folder"));
    }
    let outside: PathBuf = parts[..at].iter().collect();
    let outside = if outside.as_os_str().is_empty() { PathBuf::from(".") } else { outside };
    Ok(Some((outside, parts[at..].iter().map(|part| part.as_os_str()).collect())))
}

fn open_as(path: &Path, how: How, create: bool) -> io::Result<File> {
    let file = sys::open(path, how, create)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
    }
    Ok(file)
}

#[cfg(unix)]
mod sys {
    use std::ffi::{OsStr, OsString};
    use std::fs::File;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fchmod, fstat, mkdirat, openat, unlinkat};
    use rustix::io::Errno;

    use super::{How, split};
    use crate::owner;

    /// For looking names up in a folder, which Linux lets one do without the right to list it.
    #[cfg(target_os = "linux")]
    const LOOK: OFlags = OFlags::PATH;
    #[cfg(not(target_os = "linux"))]
    const LOOK: OFlags = OFlags::RDONLY;

    /// The folder that `path`, which leads into a lab, lies in.
    pub(super) fn way(path: &Path) -> io::Result<OwnedFd> {
        let dir = LOOK | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Some((outside, inside)) = split(path)? else {
            let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            return Ok(openat(CWD, parent, dir, Mode::empty())?);
        };
        let mut folder = openat(CWD, &outside, dir, Mode::empty())?;
        for name in &inside[..inside.len() - 1] {
            folder = openat(&folder, *name, dir | OFlags::NOFOLLOW, Mode::empty())?;
        }
        Ok(folder)
    }

    pub(super) fn open(path: &Path, how: How, create: bool) -> io::Result<File> {
        let mut flags = OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        flags |= match how {
            How::Read => OFlags::RDONLY,
            How::Write => OFlags::RDWR,
            How::Append => OFlags::WRONLY | OFlags::APPEND,
            How::CreateNew => OFlags::RDWR | OFlags::EXCL,
        };
        if create {
            flags |= OFlags::CREATE;
        }
        if how != How::Read || split(path)?.is_some() {
            flags |= OFlags::NOFOLLOW;
        }
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = File::from(openat(way(path)?, name, flags, mode)?);
        if how != How::Read {
            make_private(&file, path, mode)?;
        }
        Ok(file)
    }

    /// Takes from others what they may do with a file or folder of ours; root leaves it to whom the folder around it
    /// belongs.
    fn make_private(file: &File, path: &Path, mode: Mode) -> io::Result<()> {
        let seen = fstat(file)?;
        let us = rustix::process::geteuid();
        let others = Mode::RWXG | Mode::RWXO;
        if Mode::from_raw_mode(seen.st_mode).intersects(others)
            && (us.is_root() || seen.st_uid == us.as_raw())
            && matches!(FileType::from_raw_mode(seen.st_mode), FileType::RegularFile | FileType::Directory)
        {
            // Not every file system can: what follows from that, `lab doctor` says.
            let _ = fchmod(file, mode);
        }
        if let Some(dir) = path.parent() {
            owner::give(file, dir);
        }
        Ok(())
    }

    pub(super) fn make_dir(path: &Path) -> io::Result<()> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let folder = way(path)?;
        match mkdirat(&folder, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(source) => return Err(source.into()),
        }
        make_private(&File::from(open_dir(path)?), path, Mode::RWXU)
    }

    /// Opens a folder to read the names in it.
    fn open_dir(path: &Path) -> io::Result<OwnedFd> {
        let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if split(path)?.is_some() {
            flags |= OFlags::NOFOLLOW;
        }
        let name = path.file_name().ok_or(Errno::INVAL)?;
        Ok(openat(way(path)?, name, flags, Mode::empty())?)
    }

    fn names(folder: &OwnedFd) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    pub(super) fn list(folder: &Path) -> io::Result<Vec<OsString>> {
        names(&open_dir(folder)?)
    }

    pub(super) fn remove_in(path: &Path, is_ours: &dyn Fn(&OsStr) -> bool) -> io::Result<Vec<OsString>> {
        let folder = open_dir(path)?;
        let (ours, others): (Vec<_>, Vec<_>) = names(&folder)?.into_iter().partition(|name| is_ours(name));
        for name in ours {
            remove(&folder, &name)?;
        }
        Ok(others)
    }

    fn remove(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(folder, name, flags, Mode::empty()) {
            Ok(inner) => {
                for name in names(&inner)? {
                    remove(&inner, &name)?;
                }
                gone(unlinkat(folder, name, AtFlags::REMOVEDIR))
            }
            Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => gone(unlinkat(folder, name, AtFlags::empty())),
            Err(source) => gone(Err(source)),
        }
    }

    fn gone(removed: rustix::io::Result<()>) -> io::Result<()> {
        match removed {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(source) => Err(source.into()),
        }
    }

    pub(super) fn is_odd(source: &io::Error) -> bool {
        let odd = [Errno::LOOP, Errno::MLINK, Errno::NXIO, Errno::OPNOTSUPP];
        source.raw_os_error().is_some_and(|code| odd.iter().any(|known| known.raw_os_error() == code))
    }
}

/// Without a way to refuse links while opening: they are looked for before.
#[cfg(not(unix))]
mod sys {
    use std::ffi::{OsStr, OsString};
    use std::fs::File;
    use std::io;
    use std::path::Path;

    use super::{How, split};

    pub(super) fn way(path: &Path) -> io::Result<()> {
        let Some((outside, inside)) = split(path)? else { return Ok(()) };
        let mut folder = outside;
        for name in &inside[..inside.len() - 1] {
            folder.push(name);
            if !folder.symlink_metadata()?.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        Ok(())
    }

    pub(super) fn open(path: &Path, how: How, create: bool) -> io::Result<File> {
        way(path)?;
        if (how != How::Read || split(path)?.is_some())
            && path.symlink_metadata().is_ok_and(|seen| seen.is_symlink())
        {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a link"));
        }
        let mut options = File::options();
        match how {
            How::Read => options.read(true),
            How::Write => options.read(true).write(true).create(create),
            How::Append => options.append(true).create(create),
            How::CreateNew => options.read(true).write(true).create_new(true),
        };
        options.open(path)
    }

    pub(super) fn make_dir(path: &Path) -> io::Result<()> {
        way(path)?;
        match std::fs::create_dir(path) {
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                let seen = path.symlink_metadata()?;
                if seen.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
            }
            made => made,
        }
    }

    pub(super) fn list(folder: &Path) -> io::Result<Vec<OsString>> {
        way(&folder.join("x"))?;
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }

    pub(super) fn remove_in(folder: &Path, is_ours: &dyn Fn(&OsStr) -> bool) -> io::Result<Vec<OsString>> {
        let (ours, others): (Vec<_>, Vec<_>) = list(folder)?.into_iter().partition(|name| is_ours(name));
        for path in ours.iter().map(|name| folder.join(name)) {
            let is_dir = path.symlink_metadata().is_ok_and(|seen| seen.is_dir());
            if is_dir { std::fs::remove_dir_all(&path)? } else { std::fs::remove_file(&path)? }
        }
        Ok(others)
    }

    pub(super) fn is_odd(_: &io::Error) -> bool {
        false
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    /// A folder with a file that is nobody's business, and a lab.
    fn place() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let precious = root.path().join("precious");
        std::fs::write(&precious, "mine").unwrap();
        let lab = root.path().join("class/.lab");
        std::fs::create_dir_all(&lab).unwrap();
        (root, precious, lab)
    }

    #[test]
    fn no_link_is_followed_in_a_lab() {
        let (root, precious, lab) = place();
        symlink(&precious, lab.join("lab.log")).unwrap();
        symlink("../nowhere", lab.join("new")).unwrap();
        symlink(root.path(), lab.join("machines")).unwrap();
        for path in [lab.join("lab.log"), lab.join("new"), lab.join("machines/precious")] {
            for opened in [
                open(&path),
                open_or_create(&path),
                append(&path, true),
                append(&path, false),
                create_new(&path),
            ] {
                assert!(opened.is_err(), "{}", path.display());
            }
            assert!(read(&path, 100).is_err());
        }
        assert!(make_dir(&lab.join("machines")).is_err() && make_dir(&lab.join("machines/web1")).is_err());
        assert!(check_way(&lab.join("machines/web1")).is_err());
        assert_eq!(std::fs::read_to_string(precious).unwrap(), "mine");
        assert!(!root.path().join("class/nowhere").exists() && !root.path().join("web1").exists());
    }

    #[test]
    fn a_lab_that_is_a_link_is_not_entered_and_links_above_it_are() {
        let (root, _, lab) = place();
        symlink(root.path().join("class"), root.path().join("link")).unwrap();
        append(&root.path().join("link/.lab/lab.log"), true).unwrap();
        assert!(lab.join("lab.log").exists());
        std::fs::create_dir(root.path().join("other")).unwrap();
        symlink(&lab, root.path().join("other/.lab")).unwrap();
        assert!(append(&root.path().join("other/.lab/lab.log"), true).is_err());
        assert!(make_dir(&root.path().join("other/.lab")).is_err());
    }

    #[test]
    fn only_plain_files_are_opened_and_nothing_waits() {
        let (_root, _, lab) = place();
        let pipe = lab.join("state.json");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        std::fs::create_dir(lab.join("lock")).unwrap();
        for path in [pipe, lab.join("lock")] {
            for failed in [open(&path), open_or_create(&path), append(&path, true)] {
                let failed = error("open", &path, &failed.unwrap_err());
                assert!(failed.message().contains("not what lab makes"), "{failed}: {:?}", failed.details());
            }
        }
        assert!(open(Path::new("/dev/zero")).is_err());
    }

    #[test]
    fn a_path_does_not_lead_out_and_a_file_is_not_too_large() {
        let (_root, precious, lab) = place();
        assert!(open(&lab.join("../../precious")).is_err());
        assert!(make_dir(&lab.join("machines/../../x")).is_err());
        assert_eq!(read(&precious, 4).unwrap(), b"mine");
        assert_eq!(read(&precious, 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn what_is_made_is_this_users_alone_and_what_was_there_becomes_so() {
        let (_root, _, lab) = place();
        let open_to_all = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        open_to_all(&lab, 0o775);
        make_dir(&lab.join("machines/web1")).unwrap();
        append(&lab.join("lab.log"), true).unwrap().write_all(b"x").unwrap();
        for (path, wanted) in [("", 0o700), ("machines", 0o700), ("machines/web1", 0o700), ("lab.log", 0o600)]
        {
            assert_eq!(mode(&lab.join(path)), wanted, "{path}");
        }
        open_to_all(&lab.join("lab.log"), 0o666);
        drop(append(&lab.join("lab.log"), false).unwrap());
        assert_eq!(mode(&lab.join("lab.log")), 0o600);
    }
}
