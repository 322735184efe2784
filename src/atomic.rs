//! Writes files so that they are whole or not there, also after a power cut.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::{nofollow, owner};

/// How the names of files begin that are being written. A killed process may leave one.
pub const HALF_WRITTEN: &str = ".new-";

/// Writes `bytes` to `path` so that a reader, or whoever comes after a crash, finds the old file or the
/// new one: to a temporary file beside it, synced, renamed, the folder synced. Root leaves the file to whom its folder
/// belongs.
///
/// # Errors
/// [`crate::error::Kind::DiskFull`] and [`crate::error::Kind::Io`]; the old file is there then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_by(&mut tempfile::Builder::new(), path, bytes)
}

/// As [`write()`], for a file that others may read as any other of this user: one beside a Labfile.
///
/// # Errors
/// Those of [`write()`].
pub fn write_shared(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        // The system takes away what the user's mask says.
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    }
    write_by(&mut builder, path, bytes)
}

/// Writes `bytes` to `path`, whole or not at all, where nothing is there yet.
///
/// # Errors
/// [`Kind::FileExists`], and those of [`write()`].
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let error = |source: std::io::Error| Error::io("write", path, &source);
    let exists = || {
        Error::new(Kind::FileExists, format!("{} is there already, and is not written over", path.display()))
            .hint("give another name, or move that file away")
    };
    if path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(HALF_WRITTEN).tempfile_in(dir).map_err(error)?;
    owner::give(file.as_file(), dir);
    file.write_all(bytes).map_err(error)?;
    file.as_file().sync_data().map_err(error)?;
    file.persist_noclobber(path).map(drop).map_err(|failed| match failed.error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(),
        _ => error(failed.error),
    })
}

fn write_by(builder: &mut tempfile::Builder<'_, '_>, path: &Path, bytes: &[u8]) -> Result<()> {
    let error = |source: std::io::Error| Error::io("write", path, &source);
    let dir = path.parent().unwrap_or(Path::new("."));
    nofollow::check_way(path).map_err(|source| nofollow::error("write", path, &source))?;
    let mut file = builder.prefix(HALF_WRITTEN).tempfile_in(dir).map_err(error)?;
    owner::give(file.as_file(), dir);
    file.write_all(bytes).map_err(error)?;
    file.as_file().sync_data().map_err(error)?;
    file.persist(path).map_err(|failed| error(failed.error))?;
    sync_dir(dir)
}

/// Removes what killed writes have left in a folder. Whoever calls this knows that nobody is writing a file
/// there at this moment: it holds the lock under which that is done. A file that cannot be removed stays: it
/// takes up a few bytes, and the next call tries again.
pub fn sweep(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(HALF_WRITTEN) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Makes a folder and those above it, where they are not there yet.
///
/// # Errors
/// [`crate::error::Kind::DiskFull`] and [`crate::error::Kind::Io`].
pub fn create_dirs(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|source| Error::io("create the folder", dir, &source))
}

/// Makes the names in a folder durable: renames and removals. Only Unix has a way to; elsewhere the
/// file system looks after itself.
pub fn sync_dir(dir: &Path) -> Result<()> {
    if cfg!(unix) {
        let synced = File::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(|source| Error::io("write the folder", dir, &source))?;
    }
    Ok(())
}
