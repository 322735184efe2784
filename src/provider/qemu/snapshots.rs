//! Snapshots of a machine, with its RAM where it ran.
//!
//! They lie inside the machine's own disk under tags of QEMU's ([`tags`]). A book beside the disk says
//! which there are, what the user calls each, and into which board its RAM goes; a snapshot exists as
//! soon, and as long, as it stands there:
//!
//! - **take**: the snapshot is made whole, then *written into the book*. A machine that is suspended has one
//!   already: the book names the same tag.
//! - **restore**: the machine is stopped, *a marker is written* ([`suspend`]), its QEMU is ended. The next start
//!   loads the RAM; what has no RAM is put back by `qemu-img` at once. The snapshot stays.
//! - **delete**: it is *struck out of the book*, then its tag is deleted.
//!
//! Killed before the step in italics: as before, after it: as after. At worst a tag is left that
//! nobody needs; the next command that takes, restores or deletes a snapshot removes it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::files::{Channel, Files};
use super::qmp::{Failure, Qmp};
use super::suspend::{self, Record, Saved};
use super::{ANSWER, Qemu, control, cut_power, daemon, state, tags, trusted};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::provider::{MachineSpec, PowerState, Snapshot, Snapshots, refusal};
use crate::versioned;

/// The version of the book's form.
const VERSION: u32 = 1;
/// What must be free on the disk besides room for all RAM, in MiB: a guest whose disk cannot grow stops.
const HEADROOM_MIB: u64 = 64;

/// A machine's snapshots, the oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Book {
    version: u32,
    snapshots: Vec<Entry>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    name: String,
    /// In the disk.
    tag: String,
    /// In seconds since 1970.
    taken: u64,
    /// Into what the RAM goes; `None` for one without.
    board: Option<Record>,
}

impl Book {
    fn read(files: &Files<'_>) -> Result<Self> {
        let book = versioned::read(&files.snapshots(), VERSION)?;
        Ok(book.unwrap_or(Book { version: VERSION, snapshots: Vec::new() }))
    }

    fn write(&self, files: &Files<'_>) -> Result<()> {
        versioned::write(&files.snapshots(), self)
    }

    /// The place of the snapshot `name`.
    fn find(&self, machine: &MachineSpec, name: &str) -> Result<usize> {
        self.snapshots.iter().position(|entry| entry.name == name).ok_or_else(|| {
            let others: Vec<&str> = self.snapshots.iter().map(|entry| entry.name.as_str()).collect();
            refusal::no_snapshot(machine, name, &others)
        })
    }
}

/// All tags that something beside the disk names.
pub(super) fn needed(files: &Files<'_>) -> Result<Vec<String>> {
    let mut tags = suspend::tags_in_use(files)?;
    tags.extend(Book::read(files)?.snapshots.into_iter().map(|entry| entry.tag));
    Ok(tags)
}

impl Snapshots for Qemu {
    fn list(&self, machine: &MachineSpec) -> Result<Vec<Snapshot>> {
        let snapshot = |entry: Entry| Snapshot {
            name: entry.name,
            with_ram: entry.board.is_some(),
            taken: SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(entry.taken)),
        };
        Ok(Book::read(&Files::of(machine))?.snapshots.into_iter().map(snapshot).collect())
    }

    fn take(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()> {
        let files = Files::of(machine);
        cancel.check()?;
        let mut book = Book::read(&files)?;
        if book.snapshots.iter().any(|entry| entry.name == name) {
            return Err(refusal::snapshot_exists(machine, name));
        }
        let (tag, board) = match state(machine)? {
            PowerState::Absent => return Err(refusal::absent(machine)),
            PowerState::CutOff => return Err(refusal::cut_off(machine)),
            PowerState::Busy | PowerState::Unclear => {
                return Err(Failure::Silent.error(&machine.name, "take a snapshot of it"));
            }
            PowerState::Running | PowerState::Paused => {
                room_for_ram(machine)?;
                let mut qmp = control(machine, "take a snapshot of it")?;
                let Saved { tag, board } = suspend::keep(&machine.name, &files, &mut qmp)?;
                (tag, Some(board))
            }
            // The snapshot that it is suspended in serves as well.
            PowerState::Suspended => match suspend::saved(&machine.name, &files)? {
                Some(Saved { tag, board }) => (tag, Some(board)),
                None => {
                    let message = format!("{} was woken meanwhile", machine.name);
                    return Err(Error::new(Kind::WrongState, message).hint("try again"));
                }
            },
            PowerState::Off => {
                trusted::disk(&self.programs, &self.shared, machine, cancel)?;
                suspend::settle(&self.programs, &files)?;
                // For its space.
                self.sweep(machine);
                (tags::create(&self.programs, &files, cancel)?, None)
            }
        };
        let taken = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs());
        book.snapshots.push(Entry { name: name.to_owned(), tag, taken, board });
        let written = book.write(&files);
        if written.is_err() {
            self.sweep(machine);
        }
        written
    }

    fn restore(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()> {
        let files = Files::of(machine);
        let mut book = Book::read(&files)?;
        let entry = book.snapshots.swap_remove(book.find(machine, name)?);
        if state(machine)? == PowerState::Absent {
            return Err(refusal::absent(machine));
        }
        cancel.check()?;
        // A marker must never stand beside a guest that runs on. One that cannot be stopped is switched off.
        if daemon::is_alive(&files)? && stop(&files).is_err() {
            cut_power(machine)?;
        }
        match entry.board {
            Some(board) => suspend::restore(&files, Saved { tag: entry.tag, board })?,
            None => suspend::rewind(&files, &entry.tag)?,
        }
        if daemon::is_alive(&files)? {
            cut_power(machine)?;
        }
        trusted::disk(&self.programs, &self.shared, machine, cancel)?;
        suspend::settle(&self.programs, &files)?;
        // With RAM, the next start does it.
        if !suspend::is_suspended(&files) {
            self.sweep(machine);
        }
        Ok(())
    }

    fn delete(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()> {
        let files = Files::of(machine);
        let mut book = Book::read(&files)?;
        let place = book.find(machine, name)?;
        cancel.check()?;
        // A disk that is still to be set back to it.
        if !daemon::is_alive(&files)? {
            trusted::disk(&self.programs, &self.shared, machine, cancel)?;
            suspend::settle(&self.programs, &files)?;
        }
        book.snapshots.remove(place);
        book.write(&files)?;
        self.sweep(machine);
        Ok(())
    }
}

impl Qemu {
    /// Frees the space of tags that nobody needs. Where that fails, the next one tries again.
    fn sweep(&self, machine: &MachineSpec) {
        let files = Files::of(machine);
        let Ok(needed) = needed(&files) else { return };
        let _ = match daemon::is_alive(&files) {
            Ok(true) => {
                control(machine, "free space").map(|mut qmp| tags::sweep_live(&mut qmp, &needed).is_ok())
            }
            Ok(false) => tags::sweep(&self.programs, &files, &needed).map(|()| true),
            Err(error) => Err(error),
        };
    }
}

/// Stops the processor of a machine that has a QEMU.
fn stop(files: &Files<'_>) -> Result<(), Failure> {
    let mut qmp = Qmp::connect(&files.socket(Channel::Control), ANSWER)?;
    qmp.execute("stop", json!({}), ANSWER).map(drop)
}

/// Refuses to begin what may fill the disk: it would be the guest that cannot write then.
fn room_for_ram(machine: &MachineSpec) -> Result<()> {
    let wanted = u64::from(machine.hardware.memory_mib) + HEADROOM_MIB;
    match crate::disk_space::free(&machine.dir).map(|bytes| bytes >> 20) {
        Some(free) if free < wanted => {
            Err(Error::new(Kind::DiskFull, "not enough space for a snapshot with its RAM")
                .of(&machine.name)
                .detail(format!("it may take {wanted} MiB; {free} MiB are free in {}", machine.dir.display()))
                .hint("free some space, or `lab halt` it first: then only its disk is kept"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::machine_in;
    use super::*;
    use crate::provider::SharedDir;

    fn entry(name: &str, board: Option<Record>) -> Entry {
        Entry { name: name.to_owned(), tag: format!("lab.{name}"), taken: 1_700_000_000, board }
    }

    #[test]
    fn what_is_in_the_book_is_there_and_its_tags_are_needed() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine_in(dir.path());
        let files = Files::of(&machine);
        let qemu = Qemu::new(SharedDir(dir.path().join("shared")));
        assert_eq!(qemu.list(&machine).unwrap(), []);
        let board = Record::new(super::super::Accelerator::Tcg, vec!["-m".to_owned()]);
        let snapshots = vec![entry("b", Some(board.clone())), entry("a", None)];
        Book { version: VERSION, snapshots }.write(&files).unwrap();
        let listed = qemu.list(&machine).unwrap();
        assert_eq!(
            listed.iter().map(|one| (one.name.as_str(), one.with_ram)).collect::<Vec<_>>(),
            [("b", true), ("a", false)]
        );
        suspend::restore(&files, Saved { tag: "lab.x".to_owned(), board }).unwrap();
        assert_eq!(needed(&files).unwrap(), ["lab.x", "lab.b", "lab.a"]);
    }

    #[test]
    fn a_missing_snapshot_is_named_with_those_that_there_are() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine_in(dir.path());
        let qemu = Qemu::new(SharedDir(dir.path().join("shared")));
        let error = qemu.restore(&machine, "x", &Cancel::new()).unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::WrongState, "web1 has no snapshot x"));
        assert_eq!(error.hints(), ["`lab snapshot save x web1` takes one"]);
        let book = Book { version: VERSION, snapshots: vec![entry("ready", None), entry("b", None)] };
        book.write(&Files::of(&machine)).unwrap();
        let error = qemu.delete(&machine, "x", &Cancel::new()).unwrap_err();
        assert_eq!(error.hints(), ["it has: ready, b"]);
        // Without a disk there is no machine to be restored or kept.
        assert_eq!(qemu.restore(&machine, "b", &Cancel::new()).unwrap_err().kind(), Kind::WrongState);
        assert_eq!(qemu.take(&machine, "c", &Cancel::new()).unwrap_err().kind(), Kind::WrongState);
    }

    #[test]
    fn a_book_from_a_newer_release_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine_in(dir.path());
        std::fs::write(Files::of(&machine).snapshots(), r#"{"version": 2}"#).unwrap();
        let qemu = Qemu::new(SharedDir(dir.path().join("shared")));
        assert_eq!(qemu.list(&machine).unwrap_err().kind(), Kind::StateTooNew);
    }
}
