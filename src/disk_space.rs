//! Whether there is room on the disk, asked before it is filled.

use std::path::Path;

use crate::error::{Error, Kind, Result};

/// Left free, so that a box does not take the last byte from the machines that are to run of it.
const RESERVE: u64 = 64 << 20;

/// Bytes that an ordinary user can still write to the file system of `dir`; `None` where the
/// system does not tell.
pub fn free(dir: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let stat = rustix::fs::statvfs(dir).ok()?;
        // Some network and FUSE file systems know no numbers and answer with zeros.
        (stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        None
    }
}

/// The bytes that a file, or a folder with all that is in it, takes up on the disk. What cannot be read,
/// or vanishes meanwhile, counts nothing.
pub fn used(path: &Path) -> u64 {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return 0 };
    if metadata.is_dir() {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        return entries.map(|entry| used(&entry.path())).sum();
    }
    #[cfg(unix)]
    {
        // POSIX leaves the unit open; wherever Rust runs it is 512 bytes.
        std::os::unix::fs::MetadataExt::blocks(&metadata) * 512
    }
    #[cfg(not(unix))]
    {
        metadata.len()
    }
}

/// Fails when `dir`'s file system has no room for `needed` bytes more, naming both numbers.
pub fn check(dir: &Path, needed: u64, what: &str) -> Result<()> {
    match free(dir) {
        Some(free) if free < needed.saturating_add(RESERVE) => Err(full(dir, needed, free, what)),
        _ => Ok(()),
    }
}

fn full(dir: &Path, needed: u64, free: u64, what: &str) -> Error {
    let message = format!(
        "no room for {what}: it needs {} and {} to spare, {} are free",
        human(needed),
        human(RESERVE),
        human(free)
    );
    Error::new(Kind::DiskFull, message).detail(format!("in {}", dir.display())).hint(
        "free some space (`lab box list` shows the boxes), or set LAB_HOME to a folder on a larger disk",
    )
}

/// A number of bytes for people: `312.0 MiB`.
pub fn human(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_room_is_told_in_numbers() {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path(), 1, "a byte").unwrap();
        let error = full(dir.path(), 3 << 30, 100 << 20, "the box");
        assert_eq!(error.kind(), Kind::DiskFull);
        assert_eq!(
            error.message(),
            "no room for the box: it needs 3.0 GiB and 64.0 MiB to spare, 100.0 MiB are free"
        );
    }

    #[cfg(unix)]
    #[test]
    fn no_disk_has_room_for_everything() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(check(dir.path(), u64::MAX, "all").unwrap_err().kind(), Kind::DiskFull);
    }
}
