//! What a command reports while it works. The live display, the plain lines, the JSON stream and the lab's
//! log are its consumers; nothing below `cli/` and `ui/` prints.

use std::time::Duration;

use crate::error::Error;
use crate::process::{Call, Stream};

/// Where a machine is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its disk is being made.
    Creating,
    /// It is being started.
    Starting,
    /// It is being woken from RAM on disk.
    Resuming,
    /// It boots; we wait for its ssh.
    Booting,
    /// Name, addresses and key are being set.
    SettingUp,
    /// Its provisioners run.
    Provisioning,
    /// It is being shut down.
    Halting,
    /// Its RAM is being written to disk.
    Suspending,
    /// It is being removed.
    Destroying,
    /// A snapshot of it is being taken.
    TakingSnapshot,
    /// It is being brought back to a snapshot.
    Restoring,
    /// A snapshot of it is being given up.
    DeletingSnapshot,
}

impl Phase {
    /// The phase in words, for a line of progress.
    pub fn words(self) -> &'static str {
        match self {
            Phase::Creating => "creating",
            Phase::Starting => "starting",
            Phase::Resuming => "resuming",
            Phase::Booting => "booting",
            Phase::SettingUp => "setting up",
            Phase::Provisioning => "provisioning",
            Phase::Halting => "halting",
            Phase::Suspending => "suspending",
            Phase::Destroying => "destroying",
            Phase::TakingSnapshot => "taking a snapshot",
            Phase::Restoring => "going back to a snapshot",
            Phase::DeletingSnapshot => "deleting a snapshot",
        }
    }
}

/// How a machine came out of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was ready before; nothing was done.
    AlreadyReady,
    /// It is ready.
    Ready,
    /// It is off.
    Halted,
    /// Its RAM is on disk.
    Suspended,
    /// It is gone.
    Destroyed,
    /// There is a snapshot of it.
    Saved,
    /// It is what it was at a snapshot.
    Restored,
    /// A snapshot of it is gone.
    Deleted,
    /// There was nothing to do.
    Unchanged,
}

impl Outcome {
    /// The outcome in words.
    pub fn words(self) -> &'static str {
        match self {
            Outcome::AlreadyReady => "already ready",
            Outcome::Ready => "ready",
            Outcome::Halted => "halted",
            Outcome::Suspended => "suspended",
            Outcome::Destroyed => "destroyed",
            Outcome::Saved => "snapshot taken",
            Outcome::Restored => "back at the snapshot",
            Outcome::Deleted => "snapshot deleted",
            Outcome::Unchanged => "nothing to do",
        }
    }
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes {
    /// How many bytes are here.
    pub done: u64,
    /// How many there will be, where that is known.
    pub total: Option<u64>,
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Work on several machines begins.
    Begin {
        /// Their names, in the order in which people know them.
        machines: Vec<String>,
    },
    /// Work on several machines is over.
    End,
    /// A machine cannot begin yet.
    Waiting {
        /// Which.
        machine: String,
        /// The machines that must be ready before it; none where only `--jobs` holds it up.
        on: Vec<String>,
    },
    /// A machine enters a phase.
    Phase {
        /// Whose.
        machine: String,
        /// Which.
        phase: Phase,
    },
    /// A provisioner or copy begins in a machine.
    StepStarted {
        /// Whose.
        machine: String,
        /// Its name, for people.
        step: String,
    },
    /// A provisioner or copy ended well.
    StepFinished {
        /// Whose.
        machine: String,
        /// Its name, for people.
        step: String,
        /// How long it ran.
        took: Duration,
    },
    /// A provisioner said a line.
    Output {
        /// Whose.
        machine: String,
        /// Which provisioner.
        step: String,
        /// Where it came from.
        stream: Stream,
        /// The line, without its end.
        line: String,
    },
    /// A machine came out well.
    Done {
        /// Whose.
        machine: String,
        /// How.
        outcome: Outcome,
        /// Since the command began with it.
        took: Duration,
    },
    /// A machine failed; the others go on.
    Failed {
        /// Whose.
        machine: String,
        /// Why.
        error: Error,
    },
    /// Something worth knowing.
    Note {
        /// Whose, if it is about one machine.
        machine: Option<String>,
        /// What.
        text: String,
    },
    /// Something that may bite.
    Warning {
        /// Whose, if it is about one machine.
        machine: Option<String>,
        /// What.
        text: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Work on something shared by all machines (a box, a base image) goes on.
    Progress {
        /// What is being done, for people: "unpacking demo".
        what: String,
        /// How much of it is done, 0.0 to 1.0, where that is known.
        fraction: Option<f64>,
        /// How many bytes have come, where it is a download.
        bytes: Option<Bytes>,
    },
    /// A program was started, or has ended. For those who want to know how it is done.
    Program(Call),
    /// That work is over.
    ProgressEnd {
        /// What was being done.
        what: String,
    },
}

/// Takes events, from several threads at once.
pub trait Sink: Sync {
    /// Takes one event.
    fn emit(&self, event: Event);

    /// Notes something, without a machine.
    fn note(&self, text: String) {
        self.emit(Event::Note { machine: None, text });
    }
}

/// Takes events and forgets them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Sink for Silent {
    fn emit(&self, _: Event) {}
}
