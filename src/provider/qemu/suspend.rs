//! Saving a machine's RAM and going on with it.
//!
//! The RAM is saved by QEMU as a snapshot inside the machine's own disk. A marker file says that the
//! snapshot is what the machine goes on with; it is the one fact that decides, written and removed
//! atomically, and only while the processor is stopped:
//!
//! - **suspend**: stop, save, *write the marker*, quit. Killed before the marker: a stopped machine that
//!   runs on when started (or, had QEMU itself been killed, one that is off). After it: the QEMU that is
//!   still there is stopped; [`wake`] removes the marker before it runs on, so that no marker ever stands
//!   beside a disk that has gone on.
//! - **resume**: start stopped with the snapshot, *remove the marker*, go on, delete the snapshot. Killed
//!   before the removal: still suspended (QEMU has written nothing), or stopped. After it: a stopped or
//!   running machine, at worst with a snapshot left that takes up space; the next suspend deletes it.
//!
//! RAM can only be loaded into the board that it was saved from. So the board is recorded at every start
//! from off, and used again at resume; what changed meanwhile in the Labfile takes effect at the next boot.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accel::Accelerator;
use super::command::DISK_NODE;
use super::daemon;
use super::files::{Channel, Files, remove_for_good};
use super::qmp::{Failure, Qmp};
use crate::error::{Error, Kind, Result};
use crate::versioned;

/// The snapshot's name in the disk.
pub(super) const SNAPSHOT: &str = "lab-suspend";

/// The version of both files' form.
const VERSION: u32 = 1;

/// How long QEMU may take for a command that it does at once.
const ANSWER: Duration = Duration::from_secs(10);
/// How long writing or reading all RAM may take: some GiB on a slow stick.
pub(super) const RAM_PATIENCE: Duration = Duration::from_secs(600);

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
            Error::new(Kind::StateDamaged, format!("{machine}: {} is missing", path.display()))
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

/// Gives saved RAM up: the machine boots next time.
pub(super) fn forget(files: &Files<'_>) -> Result<()> {
    remove_for_good(&files.suspended())
}

/// Saves the RAM of a running or stopped machine, and ends its QEMU.
pub(super) fn save(machine: &str, files: &Files<'_>) -> Result<()> {
    let failed = |failure: Failure| failure.error(machine, "suspend it");
    let mut qmp = Qmp::connect(&files.socket(Channel::Control), ANSWER).map_err(failed)?;
    qmp.execute("stop", json!({}), ANSWER).map_err(failed)?;
    let saved = save_stopped(machine, files, &mut qmp);
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

/// The part of [`save`] after which the machine is suspended.
fn save_stopped(machine: &str, files: &Files<'_>, qmp: &mut Qmp) -> Result<()> {
    let failed = |failure: Failure| match failure {
        Failure::Refused(words) if words.contains("No space left") => {
            Error::new(Kind::DiskFull, format!("{machine}: no space left to save its RAM"))
                .detail(words)
                .hint("free some space, or use `lab halt`")
        }
        failure => failure.error(machine, "save its RAM"),
    };
    let actual = qmp.execute("qom-get", json!({ "path": "/machine", "property": "type" }), ANSWER);
    if let Some(actual) = actual.map_err(failed)?.as_str() {
        let mut record = Record::read(machine, files)?;
        record.pin_machine_type(actual);
        record.write(files)?;
    }
    delete_snapshot(qmp).map_err(failed)?;
    let what = json!({ "tag": SNAPSHOT, "vmstate": DISK_NODE, "devices": [DISK_NODE] });
    qmp.job("snapshot-save", what, RAM_PATIENCE).map_err(failed)?;
    versioned::write(&files.suspended(), &Marker { version: VERSION, snapshot: SNAPSHOT.to_owned() })
}

/// Lets a stopped machine run on, whether its RAM was just loaded or it was merely stopped.
pub(super) fn wake(machine: &str, files: &Files<'_>, qmp: &mut Qmp) -> Result<()> {
    let was_suspended = is_suspended(files);
    forget(files)?;
    qmp.execute("cont", json!({}), ANSWER).map_err(|failure| failure.error(machine, "let it run on"))?;
    if was_suspended {
        // It runs; should the space stay taken, the next suspend frees it.
        let _ = delete_snapshot(qmp);
    }
    Ok(())
}

/// Deletes the snapshot; that it is not there is no error.
fn delete_snapshot(qmp: &mut Qmp) -> Result<(), Failure> {
    qmp.job("snapshot-delete", json!({ "tag": SNAPSHOT, "devices": [DISK_NODE] }), RAM_PATIENCE)
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
