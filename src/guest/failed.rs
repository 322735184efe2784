//! What a session's failure means: from what was heard of it to an [`Error`].

use std::collections::VecDeque;

use crate::error::{Error, Kind};

use super::access::Access;
use super::marks::{Failure, NoRoom};
use super::refusal::SSH_FAILED;
use super::step::{Action, STATE_DIR, Step};
use super::sudo;

/// How many of a step's last lines its error shows.
const LAST_LINES: usize = 10;

/// What a full disk makes programs say, in the words of the C library.
const NO_SPACE: &str = "No space left on device";

/// What was heard of a session, as far as its error may need it.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The last lines of the step that runs, or of the set-up.
    last: VecDeque<String>,
    /// The line of the script that its last message names.
    pub(super) line: Option<usize>,
    /// What ssh and sudo said, and the login shell.
    others: VecDeque<String>,
    /// The room that the guest lacks.
    pub(super) no_room: Option<NoRoom>,
}

impl Heard {
    /// A line of the step that runs.
    pub(super) fn step_said(&mut self, text: &str) {
        remember(&mut self.last, text);
    }

    /// A line that is not a step's.
    pub(super) fn others_said(&mut self, text: &str) {
        remember(&mut self.others, text);
    }

    /// A step begins.
    pub(super) fn begin_step(&mut self) {
        self.last.clear();
        self.line = None;
    }

    /// All that was said and is not a step's.
    pub(super) fn others(&self) -> String {
        joined(&self.others)
    }

    /// The set-up failed.
    pub(super) fn set_up_failed(&self, machine: &str, status: i32) -> Error {
        let error =
            Error::new(Kind::SetupFailed, format!("setting up {machine} failed with exit status {status}"))
                .detail(joined(&self.last));
        if joined(&self.last).contains(NO_SPACE) { full(error, machine) } else { error }
            .hint(format!("`lab ssh {machine}` looks into it; `lab up {machine}` tries again"))
    }

    /// `step` failed, as the guest says.
    pub(super) fn step_failed(&self, access: &Access, step: &Step, why: Failure) -> Error {
        let Access { machine, user, .. } = access;
        let Step { id, name, .. } = step;
        let (kind, what) = match step.action {
            Action::Script { .. } => (Kind::ProvisionFailed, "provisioner"),
            Action::Copy { .. } => (Kind::CopyFailed, "the step"),
        };
        match why {
            Failure::Stamp => {
                let error = Error::new(
                    kind,
                    format!("{what} {name} ran, and could not be noted as done in the guest"),
                )
                .detail(format!("{STATE_DIR}/steps/{id} could not be written"));
                full(error, machine)
            }
            Failure::Shell => {
                let error = Error::new(
                    kind,
                    format!("{what} {name} did not run: the login shell of {user} ended before the script began"),
                )
                .hint(format!(
                    "look at ~{user}/.bash_profile, ~{user}/.profile and their like: something in them ends the shell, \
                     or starts another"
                ));
                self.with_last_lines(error, machine)
            }
            Failure::Lost => {
                let error = Error::new(kind, format!("{what} {name} ended without a word of how")).hint(
                    "it may have been killed, perhaps because memory ran out or the guest's disk is full",
                );
                self.with_last_lines(error, machine)
            }
            Failure::Status(status) => self.ended_with(kind, what, step, machine, status),
        }
    }

    fn ended_with(&self, kind: Kind, what: &str, step: &Step, machine: &str, status: i32) -> Error {
        if let Some(room) = &self.no_room {
            return no_room(machine, room);
        }
        let mut error = Error::new(kind, format!("{what} {} failed with exit status {status}", step.name));
        if let Action::Script { text, .. } = &step.action {
            error = self.blame(error, text);
            error = match status {
                126 | 127 if self.line.is_none() => error
                    .hint("the program named in the script's `#!` line may not be installed in the guest"),
                137 => error
                    .hint("it was killed, perhaps because memory ran out: give the machine more `memory`"),
                _ => error,
            };
            if text.windows(2).any(|pair| pair == b"\r\n") {
                error = error
                    .hint("the script has Windows line ends (CR LF), which shells take for part of a word");
            }
        }
        if joined(&self.last).contains(NO_SPACE) {
            error = full(error, machine);
        }
        self.with_last_lines(error, machine)
    }

    /// The line of the script that its output names.
    fn blame(&self, error: Error, text: &[u8]) -> Error {
        let Some(number) = self.line else { return error };
        let text = String::from_utf8_lossy(text);
        let line = text.lines().nth(number.saturating_sub(1)).unwrap_or_default().trim();
        error.detail(format!("line {number}: {line}"))
    }

    fn with_last_lines(&self, error: Error, machine: &str) -> Error {
        let error = if self.last.is_empty() {
            error
        } else {
            error.detail(format!("its last lines:\n{}", joined(&self.last)))
        };
        error
            .hint(format!(
                "all it said: `lab logs {machine} --provision`; to look around: `lab ssh {machine}`"
            ))
            .hint(format!("once mended, `lab up {machine}` goes on from this step"))
    }

    /// `step` was over its time, and was stopped.
    pub(super) fn overdue(&self, machine: &str, step: &Step) -> Error {
        let limit = step.timeout.unwrap_or_default().as_secs_f64();
        let message = format!("provisioner {} did not end within {limit} s and was stopped", step.name);
        self.with_last_lines(Error::new(Kind::ProvisionTimeout, message), machine)
    }

    /// The session ended with `status` before lab's own shell ran in the guest.
    pub(super) fn not_entered(&self, access: &Access, status: Option<i32>) -> Error {
        let said = self.others();
        if status == Some(SSH_FAILED) {
            return access.refused(&said);
        }
        sudo::refused(access, &said).unwrap_or_else(|| access.no_mark(&said))
    }

    /// The session broke off within the guest, while `step` ran or between two.
    pub(super) fn broke_off(&self, access: &Access, step: Option<&Step>, status: Option<i32>) -> Error {
        let said = self.others();
        let machine = &access.machine;
        if let Some(room) = &self.no_room {
            return no_room(machine, room);
        }
        let during = |error: Error| match step {
            Some(step) => error.detail(format!("{} was running", step.name)),
            None => error,
        };
        if status == Some(SSH_FAILED) {
            return during(access.refused(&said));
        }
        let status = status.map_or("no exit status".to_owned(), |status| format!("exit status {status}"));
        let error =
            Error::new(Kind::ProvisionFailed, format!("the provisioning session ended early, with {status}"));
        let error = during(if said.is_empty() { error } else { error.detail(said.clone()) });
        if said.contains(NO_SPACE) {
            full(error, machine)
        } else {
            error.hint(format!("`lab up {machine}` tries again; `lab logs {machine}` shows the console"))
        }
    }
}

/// Something of `room` does not fit.
pub(super) fn no_room(machine: &str, room: &NoRoom) -> Error {
    let NoRoom { needed, free, folder } = room;
    Error::new(
        Kind::CopyFailed,
        format!("{machine} has no room in {folder}: {} are needed, {} are free", size(*needed), size(*free)),
    )
    .hint(format!("make room in it, or copy less: `lab exec {machine} -- df -h` shows what is full"))
}

/// KiB for people.
fn size(kib: u64) -> String {
    if kib < 10 << 10 { format!("{kib} KiB") } else { format!("{} MiB", kib >> 10) }
}

fn full(error: Error, machine: &str) -> Error {
    error.hint(format!("the guest's disk is full: `lab exec {machine} -- df -h` shows where"))
}

fn joined(lines: &VecDeque<String>) -> String {
    lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
}

fn remember(lines: &mut VecDeque<String>, line: &str) {
    if lines.len() == LAST_LINES {
        lines.pop_front();
    }
    lines.push_back(line.to_owned());
}
