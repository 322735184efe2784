//! Saving a machine's RAM and going on with it.
//!
//! The RAM is saved by QEMU as a snapshot inside the machine's own disk ([`tags`]). A marker file says
//! which one the machine goes on with; it is the one fact that decides, written and removed
//! atomically, and only while the processor is stopped:
//!
//! - **suspend**: stop, save, *write the marker*, quit. Killed before the marker: a stopped machine that
//!   runs on when started (or, had QEMU itself been killed, one that is off). After it: the QEMU that is
//!   still there is stopped; [`wake`] removes the marker before it runs on, so that no marker ever stands
//!   beside a disk that has gone on.
//! - **resume**: start stopped with the snapshot, *remove the marker*, go on, delete what nobody needs.
//!   Killed before the removal: still suspended (the guest has written nothing), or stopped. After it: a
//!   stopped or running machine, at worst with a snapshot left that takes up space.
//! - **restore** a user's snapshot ([`super::snapshots`]): stop, *write a marker that names it*, quit. Killed before
//!   or after: as with suspend.
//!
//! A snapshot without RAM is restored by a marker of another kind: [`rewind`] says to what the disk of the
//! machine, which is off, is to be set back before anything else is done with it.
//!
//! RAM can only be loaded into the board that it was saved from. So the board is recorded at every start
//! from off, goes into the marker, and is used again at resume; what changed meanwhile in the Labfile takes
//! effect at the next boot.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accel::Accelerator;
use super::files::{Channel, Files, remove_for_good};
use super::qmp::{Failure, Qmp};
use super::tags::{self, RAM_PATIENCE};
use super::version::Programs;
use super::{daemon, snapshots};
use crate::error::{Error, Kind, Result};
use crate::versioned;

/// The version of the record's form.
const VERSION: u32 = 1;
/// The version of the marker's form; 1 had no board, and one snapshot for all.
const MARKER_VERSION: u32 = 2;
/// The version of the form of what [`rewind`] writes.
const REWIND_VERSION: u32 = 1;

/// How long QEMU may take for a command that it does at once.
const ANSWER: Duration = Duration::from_secs(10);

/// What the machine was last started with, as far as its guest can see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    /// `-cpu host` means another processor without it.
    pub(super) accelerator: Accelerator,
    /// See [`super::command::board`].
    pub(super) board: Vec<String>,
}

/// That the machine is suspended.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    version: u32,
    snapshot: String,
    /// `None` from earlier releases: [`Record::read`] has it.
    #[serde(default)]
    board: Option<Record>,
    /// The disk is not yet what it was at the snapshot: loading the RAM makes it so.
    #[serde(default)]
    restored: bool,
}

/// That the disk of a machine that is off is to be set back.
#[derive(Debug, Serialize, Deserialize)]
struct Rewind {
    version: u32,
    snapshot: String,
}

/// RAM that waits to be gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Saved {
    /// The tag of its snapshot.
    pub(super) tag: String,
    /// What it goes into.
    pub(super) board: Record,
}

impl Record {
    pub(super) fn new(accelerator: Accelerator, board: Vec<String>) -> Self {
        Record { version: VERSION, accelerator, board }
    }

    pub(super) fn write(&self, files: &Files<'_>) -> Result<()> {
        versioned::write(&files.board(), self)
    }

    /// # Errors
    /// [`Kind::StateDamaged`] when it is missing or damaged, [`Kind::StateTooNew`].
    pub(super) fn read(machine: &str, files: &Files<'_>) -> Result<Self> {
        let path = files.board();
        versioned::read(&path, VERSION)?.ok_or_else(|| {
            Error::new(Kind::StateDamaged, format!("{} is missing", path.display()))
                .of(machine)
                .hint(format!("`lab halt --force {machine}` gives its saved RAM up; `lab up` then boots it"))
        })
    }

    /// Puts in the machine type that an alias (`pc`) stood for: with a newer QEMU the alias means
    /// another one.
    fn pin_machine_type(&mut self, actual: &str) {
        let actual = actual.strip_suffix("-machine").unwrap_or(actual);
        let value =
            self.board.iter().position(|arg| arg == "-machine").and_then(|at| self.board.get_mut(at + 1));
        let Some(value) = value else { return };
        let (alias, options) = value.split_once(',').unwrap_or((value, ""));
        if !alias.contains('=') || alias.starts_with("type=") {
            *value = [actual, options].join(if options.is_empty() { "" } else { "," });
        }
    }
}

/// Whether RAM waits to be gone on with.
pub(super) fn is_suspended(files: &Files<'_>) -> bool {
    files.suspended().exists()
}

fn marker(files: &Files<'_>) -> Result<Option<Marker>> {
    versioned::read(&files.suspended(), MARKER_VERSION)
}

/// The RAM that waits to be gone on with.
///
/// # Errors
/// [`Kind::StateDamaged`], [`Kind::StateTooNew`].
pub(super) fn saved(machine: &str, files: &Files<'_>) -> Result<Option<Saved>> {
    let hint = |error: Error| {
        error.hint(format!("`lab halt --force {machine}` gives its saved RAM up; `lab up` then boots it"))
    };
    let Some(Marker { snapshot, board, .. }) = marker(files).map_err(hint)? else { return Ok(None) };
    let board = board.map_or_else(|| Record::read(machine, files), Ok)?;
    Ok(Some(Saved { tag: snapshot, board }))
}

/// Has the machine, whose processor is stopped, go on with the RAM and the disk of a snapshot.
pub(super) fn restore(files: &Files<'_>, saved: Saved) -> Result<()> {
    mark(files, saved, true)
}

fn mark(files: &Files<'_>, Saved { tag, board }: Saved, restored: bool) -> Result<()> {
    let marker = Marker { version: MARKER_VERSION, snapshot: tag, board: Some(board), restored };
    versioned::write(&files.suspended(), &marker)
}

/// Has the disk of the machine, whose processor is stopped, set back to the snapshot `tag` as soon as it is
/// off; [`settle`] does it. Saved RAM is given up.
pub(super) fn rewind(files: &Files<'_>, tag: &str) -> Result<()> {
    versioned::write(&files.rewind(), &Rewind { version: REWIND_VERSION, snapshot: tag.to_owned() })?;
    remove_for_good(&files.suspended())
}

/// Finishes what [`rewind`] began with a machine that has no QEMU.
pub(super) fn settle(programs: &Programs, files: &Files<'_>) -> Result<()> {
    let Some(Rewind { snapshot, .. }) = versioned::read(&files.rewind(), REWIND_VERSION)? else {
        return Ok(());
    };
    // Where RAM is still there, nothing has been given up yet.
    if !is_suspended(files) {
        tags::apply(programs, files, &snapshot)?;
    }
    remove_for_good(&files.rewind())
}

/// The tags that the markers name.
pub(super) fn tags_in_use(files: &Files<'_>) -> Result<Vec<String>> {
    let rewind: Option<Rewind> = versioned::read(&files.rewind(), REWIND_VERSION)?;
    let tags = [marker(files)?.map(|marker| marker.snapshot), rewind.map(|rewind| rewind.snapshot)];
    Ok(tags.into_iter().flatten().collect())
}

/// Has a machine with a QEMU run on from where it stands, whatever was to come.
pub(super) fn forget(files: &Files<'_>) -> Result<()> {
    remove_for_good(&files.suspended())?;
    remove_for_good(&files.rewind())
}

/// Gives up the RAM that a machine without a QEMU was to go on with: it boots next time.
pub(super) fn give_up(programs: &Programs, files: &Files<'_>) -> Result<()> {
    match marker(files) {
        // The disk must not be that of before the snapshot was restored.
        Ok(Some(marker)) if marker.restored => rewind(files, &marker.snapshot)?,
        // A marker that cannot be read is given up as well.
        _ => forget(files)?,
    }
    settle(programs, files)?;
    // Space that stays taken is no failure; the next snapshot frees it.
    let _ = snapshots::needed(files).and_then(|needed| tags::sweep(programs, files, &needed));
    Ok(())
}

/// Saves the RAM of a running or stopped machine, and ends its QEMU.
pub(super) fn save(machine: &str, files: &Files<'_>) -> Result<()> {
    let failed = |failure: Failure| failure.error(machine, "suspend it");
    let mut qmp = Qmp::connect(&files.socket(Channel::Control), ANSWER).map_err(failed)?;
    qmp.execute("stop", json!({}), ANSWER).map_err(failed)?;
    let saved = keep(machine, files, &mut qmp).and_then(|saved| mark(files, saved, false));
    if saved.is_err() && forget(files).is_ok() {
        // As it was before; that the RAM could not be saved is what matters.
        let _ = qmp.execute("cont", json!({}), ANSWER);
    }
    saved?;
    match qmp.execute("quit", json!({}), ANSWER) {
        Ok(_) | Err(Failure::Gone) => {}
        Err(failure) => return Err(failed(failure)),
    }
    if daemon::wait_for_end(files, RAM_PATIENCE)? {
        Ok(())
    } else {
        Err(Failure::Silent.error(machine, "end its QEMU, though its RAM is saved"))
    }
}

/// Keeps disk and RAM of a machine that has a QEMU. Nothing names the new snapshot yet.
///
/// # Errors
/// [`Kind::DiskFull`], [`Kind::Monitor`]; the machine goes on as before then.
pub(super) fn keep(machine: &str, files: &Files<'_>, qmp: &mut Qmp) -> Result<Saved> {
    let failed = |failure: Failure| match failure {
        Failure::Refused(words) if words.contains("No space left") => {
            Error::new(Kind::DiskFull, "no space left to save its RAM")
                .of(machine)
                .detail(words)
                .hint("free some space, or use `lab halt`")
        }
        failure => failure.error(machine, "save its RAM"),
    };
    let mut board = Record::read(machine, files)?;
    let actual = qmp.execute("qom-get", json!({ "path": "/machine", "property": "type" }), ANSWER);
    if let Some(actual) = actual.map_err(failed)?.as_str() {
        board.pin_machine_type(actual);
    }
    // First, for the space.
    let needed = snapshots::needed(files)?;
    tags::sweep_live(qmp, &needed).map_err(failed)?;
    Ok(Saved { tag: tags::save(qmp).map_err(failed)?, board })
}

/// Lets a stopped machine run on, whether its RAM was just loaded or it was merely stopped.
pub(super) fn wake(machine: &str, files: &Files<'_>, qmp: &mut Qmp) -> Result<()> {
    let was_suspended = is_suspended(files);
    forget(files)?;
    qmp.execute("cont", json!({}), ANSWER).map_err(|failure| failure.error(machine, "let it run on"))?;
    if was_suspended && let Ok(needed) = snapshots::needed(files) {
        // It runs; should the space stay taken, the next snapshot frees it.
        let _ = tags::sweep_live(qmp, &needed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::machine_in;
    use super::*;

    fn record(machine: &str) -> Record {
        let board = ["-uuid", "x", "-machine", machine, "-cpu", "host"].map(str::to_owned);
        Record::new(Accelerator::Kvm, board.to_vec())
    }

    #[test]
    fn a_machine_types_alias_is_pinned_with_its_options_kept() {
        for (before, after) in [("pc", "pc-i440fx-7.2"), ("pc,hpet=off", "pc-i440fx-7.2,hpet=off")] {
            let mut record = record(before);
            record.pin_machine_type("pc-i440fx-7.2-machine");
            assert_eq!(record.board[3], after);
        }
        let mut none = Record::new(Accelerator::Tcg, vec!["-machine".to_owned()]);
        none.pin_machine_type("pc-i440fx-7.2-machine");
        assert_eq!(none.board, ["-machine"]);
    }

    #[test]
    fn a_machine_that_an_earlier_release_suspended_can_be_woken() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine_in(dir.path());
        let files = Files::of(&machine);
        assert_eq!(saved("web1", &files).unwrap(), None);
        std::fs::write(files.suspended(), r#"{"version": 1, "snapshot": "lab-suspend"}"#).unwrap();
        assert_eq!(saved("web1", &files).unwrap_err().kind(), Kind::StateDamaged);
        record("pc").write(&files).unwrap();
        let expected = Saved { tag: "lab-suspend".to_owned(), board: record("pc") };
        assert_eq!(saved("web1", &files).unwrap(), Some(expected));
        assert_eq!(tags_in_use(&files).unwrap(), ["lab-suspend"]);
        // The board of a snapshot goes with it, whatever the machine was started with since.
        let other = Saved { tag: "lab.x".to_owned(), board: record("q35") };
        restore(&files, other.clone()).unwrap();
        assert_eq!(saved("web1", &files).unwrap(), Some(other));
    }

    #[test]
    fn the_record_survives_and_a_newer_or_missing_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine_in(dir.path());
        let files = Files::of(&machine);
        assert_eq!(Record::read("web1", &files).unwrap_err().kind(), Kind::StateDamaged);
        record("pc").write(&files).unwrap();
        assert_eq!(Record::read("web1", &files).unwrap(), record("pc"));
        std::fs::write(files.board(), r#"{"version": 2}"#).unwrap();
        assert_eq!(Record::read("web1", &files).unwrap_err().kind(), Kind::StateTooNew);
        std::fs::write(files.board(), r#"{"version": 1, "bo"#).unwrap();
        assert_eq!(Record::read("web1", &files).unwrap_err().kind(), Kind::StateDamaged);
    }
}
