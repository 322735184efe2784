//! What went wrong, for the person at the keyboard: what happened, where, what to type next.
//!
//! Every error carries a [`Kind`]; the kind decides the exit code and is the stable word by which
//! the JSON output and the documentation name the error. The message and the hints are written
//! where the error arises, since only there is it known which machine, file or port it is about.

use std::borrow::Cow;
use std::fmt;

use crate::printable;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Exit codes of `lab`. They are part of the outer contract: scripts depend on them.
///
/// `lab ssh` and `lab exec` hand the remote command's own status through instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// All is as asked.
    Success = 0,
    /// The operation failed, or failed for at least one machine.
    Failed = 1,
    /// The command line was not understood.
    Usage = 2,
    /// The Labfile, or a file it names, has mistakes. Nothing was touched.
    Labfile = 3,
    /// This computer lacks something: a program, a version, a right.
    Host = 4,
    /// A resource is taken or used up: a port, the disk, the lab's lock.
    Resource = 5,
    /// The box is missing, damaged, hostile or not understood.
    Box = 6,
    /// A machine did not get as far as it should: no ssh, a crash, a time-out.
    Machine = 7,
    /// A provisioner failed.
    Provision = 8,
    /// A defect of `lab` itself.
    Internal = 70,
    /// Stopped by Ctrl-C or a termination signal.
    Interrupted = 130,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal => $exit:ident,)+) => {
        /// The kinds of error, each with a stable code for scripts and documentation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Kind {
            /// Every kind there is, in the order of the documentation.
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)+];

            /// The stable word for this kind, as in `--json` and the documentation.
            pub fn code(self) -> &'static str {
                match self { $(Kind::$name => $code,)+ }
            }

            /// What `lab` exits with when this is the error that ended it.
            pub fn exit(self) -> ExitCode {
                match self { $(Kind::$name => ExitCode::$exit,)+ }
            }

            /// One sentence on what the kind means.
            pub fn meaning(self) -> &'static str {
                match self { $(Kind::$name => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

kinds! {
    // What was typed
    /// The command line asks for something that cannot be meant.
    Usage = "usage" => Usage,
    /// A machine is named that the Labfile does not have.
    UnknownMachine = "unknown-machine" => Usage,
    /// A question had to be asked and nobody was there to answer it.
    NotConfirmed = "not-confirmed" => Usage,
    // The Labfile
    /// There is no Labfile here or in a folder above.
    NoLabfile = "no-labfile" => Labfile,
    /// The Labfile has mistakes.
    BadLabfile = "bad-labfile" => Labfile,
    /// A Labfile was found that somebody else could have written, or asks for more than it may.
    NotTrusted = "not-trusted" => Labfile,
    /// The Vagrantfile cannot be turned into a Labfile.
    BadVagrantfile = "bad-vagrantfile" => Labfile,
    /// A file that would be written exists already.
    FileExists = "file-exists" => Usage,
    // This computer
    /// A program that is needed is not installed.
    ProgramMissing = "program-missing" => Host,
    /// A program that is needed is too old.
    ProgramTooOld = "program-too-old" => Host,
    /// A program is there and could not be started.
    ProgramNotStarted = "program-not-started" => Host,
    /// A program ran and failed in a way nobody foresaw.
    ProgramFailed = "program-failed" => Host,
    /// A program did not end within its time limit.
    ProgramTimeout = "program-timeout" => Host,
    /// No provider on this computer can run the box.
    NoProvider = "no-provider" => Host,
    /// `lab doctor` found something that will keep the lab from running.
    HostUnfit = "host-unfit" => Host,
    /// A file or folder could not be read or written.
    Io = "io" => Host,
    // Resources
    /// The disk is full, or too full for what is about to be done.
    DiskFull = "disk-full" => Resource,
    /// A port on this computer is taken.
    PortTaken = "port-taken" => Resource,
    /// Another command is working on this lab.
    LabLocked = "lab-locked" => Resource,
    /// Another command is working on this box.
    BoxLocked = "box-locked" => Resource,
    /// No further process or thread could be started.
    TooManyProcesses = "too-many-processes" => Resource,
    // State on disk
    /// A state file was written by a newer release.
    StateTooNew = "state-too-new" => Host,
    /// A state file is damaged.
    StateDamaged = "state-damaged" => Host,
    /// A `.lab` is a copy of that of another lab.
    CopiedLab = "copied-lab" => Host,
    /// A `.lab` was not made by this user on this computer, or is no folder of this user's.
    ForeignLab = "foreign-lab" => Host,
    // Boxes
    /// There is no box of that name, path or address.
    BoxNotFound = "box-not-found" => Box,
    /// The box is not a box, or one of a form that is not understood.
    BadBox = "bad-box" => Box,
    /// A file of the catalogue is not of its form.
    BadCatalogue = "bad-catalogue" => Box,
    /// The box's archive tries to write where it must not.
    HostileBox = "hostile-box" => Box,
    /// The box is not what its checksum says.
    BoxChecksum = "box-checksum" => Box,
    /// The box could not be downloaded.
    Download = "download" => Box,
    /// A lab still uses the box.
    BoxInUse = "box-in-use" => Box,
    // Machines
    /// The machine's emulator did not start.
    StartFailed = "start-failed" => Machine,
    /// The machine's emulator ended by itself.
    Crashed = "crashed" => Machine,
    /// The machine did not answer on ssh in time.
    NoSsh = "no-ssh" => Machine,
    /// The machine answered, but ssh did not let us in.
    SshRefused = "ssh-refused" => Machine,
    /// The machine's host key is not the one learnt on its first boot.
    HostKeyChanged = "host-key-changed" => Machine,
    /// The machine is not in the state that the command needs.
    WrongState = "wrong-state" => Machine,
    /// The emulator refused or did not answer a command.
    Monitor = "monitor" => Machine,
    /// The guest's first-boot set-up failed.
    SetupFailed = "setup-failed" => Machine,
    /// A machine that this one waits for did not become ready.
    DependencyFailed = "dependency-failed" => Machine,
    /// At least one machine failed; each has said why.
    SomeMachinesFailed = "some-machines-failed" => Machine,
    // Provisioning and files
    /// A provisioner failed.
    ProvisionFailed = "provision-failed" => Provision,
    /// A provisioner took longer than its time limit.
    ProvisionTimeout = "provision-timeout" => Provision,
    /// Files could not be copied to or from a machine.
    CopyFailed = "copy-failed" => Provision,
    /// Not everything that `lab check` looks at is achieved.
    ChecksFailed = "checks-failed" => Failed,
    // The end
    /// Stopped by Ctrl-C or a termination signal.
    Interrupted = "interrupted" => Interrupted,
    /// A defect of lab itself.
    Internal = "internal" => Internal,
}

/// An error for a person: what happened, the particulars, and what to do next.
///
/// Small on purpose (one pointer), since it travels in every `Result`.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: Kind,
    machine: Option<String>,
    message: String,
    details: Vec<String>,
    hints: Vec<String>,
}

impl Error {
    /// An error of `kind`; `message` is one sentence without a final full stop.
    ///
    /// Message and hints may quote a guest, a server or a file's name. They are made one printable line here, so that
    /// nothing quoted can pass for a line of lab's own, wherever they are shown or written.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = one_line(message.into());
        let (details, hints) = (Vec::new(), Vec::new());
        Error(Box::new(Inner { kind, machine: None, message, details, hints }))
    }

    /// A defect of `lab`: printed with where to report it.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(Kind::Internal, message)
    }

    /// An I/O error while doing `what` (`"read"`, `"create the folder"`) to `path`.
    ///
    /// A full disk gets its own [`Kind`], whoever met it first.
    pub fn io(what: &str, path: &std::path::Path, source: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let path = path.display();
        match source.kind() {
            K::StorageFull | K::QuotaExceeded => {
                Error::new(Kind::DiskFull, format!("the disk is full: could not {what} {path}"))
                    .hint("free some space, then run the same command again")
            }
            K::PermissionDenied => {
                Error::new(Kind::Io, format!("no permission to {what} {path}")).hint(format!(
                    "files made with sudo belong to root, and this gives them back: sudo chown -R \"$USER\" '{path}'"
                ))
            }
            K::AlreadyExists | K::NotADirectory => {
                Error::new(Kind::Io, format!("could not {what} {path}: {source}"))
                    .hint("something else is in its place: move that away, then run the same command again")
            }
            K::NotFound => Error::new(Kind::Io, format!("could not {what} {path}: it does not exist")),
            _ => Error::new(Kind::Io, format!("could not {what} {path}: {source}")),
        }
    }

    /// Adds a line of particulars (a command, a tool's own words, a log's last lines), or several joined by `\n`. They are
    /// kept as they were said: whoever shows them indents them and makes them printable.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.0.details.push(line.into());
        self
    }

    /// Adds a hint: what to type or do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(one_line(hint.into()));
        self
    }

    /// Says which machine it is about. The first to say so knows best.
    #[must_use]
    pub fn of(mut self, machine: &str) -> Self {
        self.0.machine.get_or_insert_with(|| one_line(machine.to_owned()));
        self
    }

    /// The machine that it is about.
    pub fn machine(&self) -> Option<&str> {
        self.0.machine.as_deref()
    }

    /// The same error as one of another kind.
    #[must_use]
    pub fn as_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What kind of error it is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The one-sentence message, without the machine's name where [`Error::machine`] has it.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The particulars, a line (or several, joined by `\n`) each.
    pub fn details(&self) -> &[String] {
        &self.0.details
    }

    /// What to do next.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }
}

fn one_line(text: String) -> String {
    match printable::line(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(line) => line,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.machine {
            // A message may name its machine as the subject of its sentence.
            Some(machine) if !self.0.message.starts_with(&format!("{machine} ")) => {
                write!(f, "{machine}: {}", self.0.message)
            }
            _ => f.write_str(&self.0.message),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct() {
        let mut codes: Vec<_> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        codes.sort_unstable();
        let before = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), before);
    }

    #[test]
    fn a_machine_is_named_once() {
        let shown = |message: &str| Error::new(Kind::Crashed, message).of("web1").of("web2").to_string();
        assert_eq!(shown("its QEMU has ended"), "web1: its QEMU has ended");
        assert_eq!(shown("web1 is off"), "web1 is off");
        assert_eq!(shown("web10 is off"), "web1: web10 is off");
    }

    #[test]
    fn what_is_quoted_cannot_pass_for_a_line_of_ours() {
        let error =
            Error::new(Kind::BadBox, "no \u{1b}[2Jbox\n\nhint: run evil").hint("\u{202e}x\ny").of("a\nb");
        assert_eq!(error.to_string(), r"a\nb: no \u{1b}[2Jbox\n\nhint: run evil");
        assert_eq!(error.hints(), [r"\u{202e}x\ny"]);
    }

    #[test]
    fn a_full_disk_is_named_as_such() {
        let error = Error::io(
            "write",
            std::path::Path::new("/x"),
            &std::io::Error::from(std::io::ErrorKind::StorageFull),
        );
        assert_eq!(error.kind(), Kind::DiskFull);
        assert_eq!(error.kind().exit(), ExitCode::Resource);
    }
}
