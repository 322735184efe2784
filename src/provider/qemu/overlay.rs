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
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::provider::{BoxRef, SharedDir};

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
    image: &BoxRef,
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
    image: &BoxRef,
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
fn keep(shared: &SharedDir, image: &BoxRef, empty: &[u8]) -> std::io::Result<()> {
    let folder = files::base_dir(shared);
    let prefix = files::part_prefix(&image.digest);
    let mut part = tempfile::Builder::new().prefix(&prefix).tempfile_in(&folder)?;
    part.write_all(empty)?;
    part.as_file().sync_all()?;
    part.persist(files::empty_overlay(shared, &image.digest))?;
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::super::tests::machine_in;
    use super::*;
    use crate::provider::MachineSpec;

    /// Stands for `qemu-img create`: an image that names its base, and a line in `calls` for each.
    const IMG: &str = "#!/bin/sh\ncd \"${0%/*}\"\necho >>calls\nfor last; do base=$part part=$last; done\n\
                       printf 'QFI\\373 over %s' \"$base\" >\"$part\"\n";

    struct Place {
        dir: tempfile::TempDir,
        shared: SharedDir,
        machine: MachineSpec,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("qemu-img"), IMG).unwrap();
            fs::set_permissions(dir.path().join("qemu-img"), PermissionsExt::from_mode(0o755)).unwrap();
            let shared = SharedDir(dir.path().join("bases"));
            let machine = machine_in(&dir.path().join("machine"));
            let place = Place { dir, shared, machine };
            place.make_base(&place.shared);
            place
        }

        fn make_base(&self, shared: &SharedDir) {
            fs::create_dir_all(files::base_dir(shared)).unwrap();
            fs::write(files::base(shared, &self.machine.image.digest), "base").unwrap();
        }

        /// Makes the machine anew; returns its disk.
        fn create(&self, shared: &SharedDir) -> Result<Vec<u8>> {
            let _ = fs::remove_dir_all(&self.machine.dir);
            fs::create_dir_all(&self.machine.dir).unwrap();
            let (programs, files) = (Programs::in_folder(self.dir.path()), Files::of(&self.machine));
            create(&programs, shared, &self.machine.image, &files, &Cancel::new())?;
            assert_eq!(fs::read_dir(&self.machine.dir).unwrap().count(), 1, "the disk and nothing else");
            Ok(fs::read(files.disk()).unwrap())
        }

        fn calls(&self) -> usize {
            fs::read_to_string(self.dir.path().join("calls")).unwrap_or_default().lines().count()
        }
    }

    fn over(shared: &SharedDir, machine: &MachineSpec) -> Vec<u8> {
        let base: &Path = &files::base(shared, &machine.image.digest);
        [MAGIC, b" over ", base.as_os_str().as_encoded_bytes()].concat()
    }

    #[test]
    fn machines_of_a_box_share_what_was_made_once() {
        let place = Place::new();
        for _ in 0..3 {
            assert_eq!(place.create(&place.shared).unwrap(), over(&place.shared, &place.machine));
        }
        assert_eq!(place.calls(), 1);
    }

    #[test]
    fn a_base_elsewhere_has_another_overlay() {
        let place = Place::new();
        place.create(&place.shared).unwrap();
        let moved = SharedDir(place.dir.path().join("stick"));
        fs::rename(&place.shared.0, &moved.0).unwrap();
        assert_eq!(place.create(&place.shared).unwrap_err().kind(), Kind::WrongState);
        assert_eq!(place.create(&moved).unwrap(), over(&moved, &place.machine));
        assert_eq!(place.calls(), 2);
    }

    #[test]
    fn what_is_kept_and_damaged_is_made_anew_and_goes_with_the_base() {
        let place = Place::new();
        let kept = files::empty_overlay(&place.shared, &place.machine.image.digest);
        fs::write(&kept, "").unwrap();
        assert_eq!(place.create(&place.shared).unwrap(), over(&place.shared, &place.machine));
        assert_eq!(fs::read(&kept).unwrap(), over(&place.shared, &place.machine));
        super::super::base::remove(&place.shared, &place.machine.image.digest).unwrap();
        assert_eq!(fs::read_dir(files::base_dir(&place.shared)).unwrap().count(), 0);
    }
}
