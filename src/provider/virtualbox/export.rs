//! A machine's disk as one file that needs no other, for a box.

use std::path::Path;

use super::answers;
use super::disks;
use super::files::Files;
use super::hardware::SYSTEM_DISK;
use super::manage::Manage;
use super::vdi;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::provider::MachineSpec;
use crate::unlink;

/// The share of VirtualBox's copy in the work.
const COPYING: f64 = 0.7;

/// Writes the disk of a machine that is off to the new file `to`, with holes.
pub(super) fn disk(
    manage: Manage<'_>,
    machine: &MachineSpec,
    to: &Path,
    cancel: &Cancel,
    progress: &mut dyn FnMut(f64),
) -> Result<()> {
    let said = manage.ask(["showvminfo", &machine.id, "--machinereadable"])?;
    let id = answers::medium_in(&said, SYSTEM_DISK).ok_or_else(|| {
        Error::new(Kind::WrongState, format!("{} has no system disk any more", machine.name))
    })?;
    remove_copy(manage, machine)?;
    let copy = Files::of(machine).copy();
    let copied = manage
        .work(disks::copy(Path::new(&id), &copy), cancel, &mut |fraction| progress(fraction * COPYING))?;
    let written = copied.map_err(Error::from).and_then(|_| {
        vdi::to_raw(&copy, to, cancel, &mut |fraction| progress(COPYING + fraction * (1.0 - COPYING)))
    });
    remove_copy(manage, machine)?;
    written
}

/// Removes the copy on the way, which VirtualBox has in its list: ours, or that of a command that was killed.
pub(super) fn remove_copy(manage: Manage<'_>, machine: &MachineSpec) -> Result<()> {
    let copy = Files::of(machine).copy();
    if !copy.exists() {
        return Ok(());
    }
    disks::close(manage, &copy)?;
    unlink::file(&copy)
}
