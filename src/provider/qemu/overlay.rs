//! A machine's disk: an overlay over the base of its box.
//!
//! An overlay that nothing has been written to is the same for all machines of a box. So `qemu-img` makes one,
//! once, and every machine gets a copy of it: some 200 KB, where starting the program takes 20 ms, with
//! machines waiting for it that are to be started side by side.

use std::fs;
use std::io::Write;
use std::time::Duration;

use super::base::said_full;
use super::files::{self, DISK, Files};
use super::version::Programs;
use crate::atomic;
use crate::boxes::BoxImage;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::provider::SharedDir;

/// How long making an empty image may take on a slow disk.
const IMG_PATIENCE: Duration = Duration::from_secs(60);
/// How a qcow2 image begins (its specification, docs/interop/qcow2.txt of QEMU's source).
const MAGIC: &[u8] = b"QFI\xfb";

/// Makes a machine's disk unless it is there.
///
/// # Errors
/// [`Kind::WrongState`] when there is no base; [`Kind::DiskFull`], [`Kind::Io`]; what
/// [`crate::process::Cmd::run`] has.
pub(super) fn create(
    programs: &Programs,
    shared: &SharedDir,
    image: &BoxImage,
    files: &Files<'_>,
    cancel: &Cancel,
) -> Result<()> {
    let (disk, base) = (files.disk(), files::base(shared, &image.digest));
    if disk.exists() {
        return Ok(());
    }
    if !base.exists() {
        return Err(Error::new(Kind::WrongState, format!("the base image of {} is not there", image.name))
            .detail(format!("{} does not exist", base.display()))
            .hint("`lab up` makes it"));
    }
    let kept = files::empty_overlay(shared, &image.digest);
    let empty = match fs::read(&kept) {
        Ok(empty) if empty.starts_with(MAGIC) => empty,
        _ => {
            let empty = make_empty(programs, shared, image, files, cancel)?;
            // Where it cannot be kept (a stick that cannot be written to), the next machine makes its own.
            let _ = keep(shared, image, &empty);
            empty
        }
    };
    atomic::write(&disk, &empty)
}

/// An overlay with nothing in it. It names the base by its path.
fn make_empty(
    programs: &Programs,
    shared: &SharedDir,
    image: &BoxImage,
    files: &Files<'_>,
    cancel: &Cancel,
) -> Result<Vec<u8>> {
    let folder = files.part_dir()?;
    let part = folder.path().join(DISK);
    let create = programs.img()?.args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]);
    let create = create.arg(files::base(shared, &image.digest)).arg(&part).timeout(IMG_PATIENCE);
    said_full(create.run(cancel), &files.disk())?;
    fs::read(&part).map_err(|source| Error::io("read", &part, &source))
}

/// Keeps it for the machines to come. What a kill leaves goes with the base.
fn keep(shared: &SharedDir, image: &BoxImage, empty: &[u8]) -> std::io::Result<()> {
    let folder = files::base_dir(shared);
    let prefix = files::part_prefix(&image.digest);
    let mut part = tempfile::Builder::new().prefix(&prefix).tempfile_in(&folder)?;
    part.write_all(empty)?;
    part.as_file().sync_all()?;
    part.persist(files::empty_overlay(shared, &image.digest))?;
    Ok(())
}
