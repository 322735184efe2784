//! A box file from outside, unpacked and understood.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::hardware::Hardware;
use super::manifest::{self, Manifest};
use super::progress::Task;
use super::{archive, inspect, notes};
use crate::error::Result;

/// Unpacks the box file `file` into the empty folder `into` and finds out what it is.
///
/// # Errors
/// [`Kind::HostileBox`](crate::error::Kind::HostileBox), [`Kind::BadBox`](crate::error::Kind::BadBox),
/// [`Kind::BoxChecksum`](crate::error::Kind::BoxChecksum),
/// [`Kind::DiskFull`](crate::error::Kind::DiskFull), [`Kind::Io`](crate::error::Kind::Io),
/// [`Kind::Interrupted`](crate::error::Kind::Interrupted); then `into` holds a part of the box and is for
/// the caller to remove.
pub fn open_box(file: &Path, into: &Path, task: &mut Task<'_>) -> Result<Manifest> {
    open_assuming(file, into, None, task)
}

/// As [`open_box`]; a disk image alone, which says nothing of its machine, gets the hardware `assumed`.
pub(super) fn open_assuming(
    file: &Path,
    into: &Path,
    assumed: Option<&Hardware>,
    task: &mut Task<'_>,
) -> Result<Manifest> {
    let unpacked = archive::unpack(file, into, task)?;
    let found = inspect::inspect(into, &unpacked, assumed, task)?;
    Ok(Manifest {
        version: manifest::VERSION,
        sha256: unpacked.digest,
        size: unpacked.size,
        unpacked: unpacked.unpacked,
        source: file.display().to_string(),
        box_version: None,
        added: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        format: found.format,
        disk: found.disk,
        disk_format: found.disk_format.name().to_owned(),
        hardware: found.hardware,
        user: found.user,
        key: found.key,
        files: unpacked.files,
        notes: notes::tidy(found.notes),
    })
}
