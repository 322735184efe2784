//! What a session is to do in a guest, and what is seen of it meanwhile.

use std::path::PathBuf;
use std::time::Duration;

use crate::process::Stream;

/// Where a guest keeps the stamps of the steps that are done, and a session its files: a folder that
/// only root can write to, on a disk (a folder that is copied in may be larger than memory).
pub(super) const STATE_DIR: &str = "/var/lib/lab";

/// One thing to do in the guest.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// A stable word of `[a-z0-9-]` for it within the machine: what the guest notes its success under.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// Done even where the guest has noted it as done.
    pub force: bool,
    /// Time limit.
    pub timeout: Option<Duration>,
}

/// What a [`Step`] does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Runs a script: by its `#!` line, or with `sh` where it has none.
    Script {
        /// Its text, as it is.
        text: Vec<u8>,
        /// Its arguments.
        args: Vec<String>,
        /// Its environment, besides the guest's own.
        env: Vec<(String, String)>,
        /// As root in `/`, or as the login user as after a login: in the home folder, with its profile.
        root: bool,
    },
    /// Copies a file or a folder of the host in, as root. Modes are kept, owners become root.
    Copy {
        /// On the host.
        from: PathBuf,
        /// In the guest, absolute. What a folder holds is merged into it; a file is put into it where it is a
        /// folder or ends with `/`, else it is the file's new name.
        to: String,
    },
}

/// What is seen of a running session.
#[derive(Debug, Clone, PartialEq)]
pub enum StepEvent<'a> {
    /// We are in: lab's own shell runs in the guest. The kernel's boot id, empty where it has none.
    Entered {
        /// As in `/proc/sys/kernel/random/boot_id`.
        boot: &'a str,
    },
    /// The set-up begins.
    SettingUp,
    /// A line of the set-up.
    SetUpLine {
        /// The line, without its end.
        text: &'a str,
    },
    /// The set-up ended well: the guest is who it should be, and knows the lab's key.
    SetUp,
    /// Step `index` begins.
    Started {
        /// The step's place in the list.
        index: usize,
    },
    /// Step `index` had been done before; it is not done again.
    Skipped {
        /// The step's place in the list.
        index: usize,
    },
    /// A line of its output.
    Line {
        /// The step's place in the list.
        index: usize,
        /// [`Stream::Out`] for what the step said, [`Stream::Err`] for what `lab` has to say of it.
        stream: Stream,
        /// The line, without its end.
        text: &'a str,
    },
    /// Step `index` ended well.
    Finished {
        /// The step's place in the list.
        index: usize,
        /// How long it ran.
        took: Duration,
    },
    /// The guest goes down because of what a step did.
    GoingDown,
    /// Something was put right in the guest that the user should know of.
    PutRight {
        /// What, in one sentence.
        text: &'a str,
    },
}
