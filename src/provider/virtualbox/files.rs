//! The files of a machine and of all machines, named in one place; and the locks among them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disks::real;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::flock;
use crate::provider::{MachineSpec, SharedDir};

/// How long a call that belonged to a killed command may still hold a machine's lock.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);

/// All that lies in a machine's folder; `*` stands for any end.
pub(super) const MADE: &[&str] =
    &["virtualbox", "virtualbox.json", "virtualbox.lock", "virtualbox-copy.vdi", "seed.iso", "console.log"];

/// A machine's files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files<'a> {
    machine: &'a MachineSpec,
}

impl<'a> Files<'a> {
    pub(super) fn of(machine: &'a MachineSpec) -> Self {
        Files { machine }
    }

    /// All that VirtualBox keeps of the machine lies in here, and nothing else.
    pub(super) fn folder(self) -> PathBuf {
        folder_in(&self.machine.dir)
    }

    /// The folder that VirtualBox makes for the machine: within the folder it was given, one for its group, one for its name.
    fn home(self) -> PathBuf {
        self.folder().join(GROUP.trim_start_matches('/')).join(self.title())
    }

    /// The machine's name in VirtualBox.
    pub(super) fn title(self) -> String {
        format!("{}-{}", self.machine.lab, self.machine.name)
    }

    /// VirtualBox's settings file.
    pub(super) fn settings(self) -> Option<PathBuf> {
        let expected = self.home().join(format!("{}.vbox", self.title()));
        if expected.is_file() {
            return Some(expected);
        }
        // The lab may have been renamed in the Labfile since.
        let folder = self.folder().join(GROUP.trim_start_matches('/'));
        let homes = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
        homes
            .filter_map(|home| Some(home.join(format!("{}.vbox", home.file_name()?.to_string_lossy()))))
            .find(|file| file.is_file())
    }

    /// VirtualBox's log of the machine's latest run.
    pub(super) fn log(self) -> PathBuf {
        let home = self.settings().and_then(|file| file.parent().map(Path::to_owned));
        home.unwrap_or_else(|| self.home()).join("Logs").join("VBox.log")
    }

    /// What the machine was last given: see [`super::machine::Given`].
    pub(super) fn given(self) -> PathBuf {
        self.machine.dir.join("virtualbox.json")
    }

    /// The machine's disk as one file, while it is exported.
    pub(super) fn copy(self) -> PathBuf {
        self.machine.dir.join("virtualbox-copy.vdi")
    }

    /// The disc that tells a machine its user.
    pub(super) fn seed(self) -> PathBuf {
        seed_in(&self.machine.dir)
    }

    pub(super) fn console(self) -> PathBuf {
        self.machine.dir.join("console.log")
    }

    /// Waits until no call of a killed command works on the machine any more; the lock is held until the file is dropped.
    pub(super) fn lock(self, cancel: &Cancel) -> Result<File> {
        let dir = &self.machine.dir;
        fs::create_dir_all(dir).map_err(|source| Error::io("create the folder", dir, &source))?;
        let taken = flock::wait(&dir.join("virtualbox.lock"), LOCK_PATIENCE, cancel, || {})?;
        taken.ok_or_else(|| {
            Error::new(Kind::WrongState, "a VBoxManage of an earlier command still works on it")
                .of(&self.machine.name)
                .hint("wait until it has ended, then run the command again")
        })
    }

    /// Whether `path` lies in the machine's folder.
    pub(super) fn has(self, path: &Path) -> bool {
        real(path).starts_with(real(&self.folder()))
    }
}

/// [`Files::folder`] of the machine whose folder is `dir`.
pub(super) fn folder_in(dir: &Path) -> PathBuf {
    dir.join("virtualbox")
}

/// [`Files::seed`] of the machine whose folder is `dir`.
pub(super) fn seed_in(dir: &Path) -> PathBuf {
    dir.join("seed.iso")
}

/// The group that machines of `lab` stand in, in VirtualBox's window.
pub(super) const GROUP: &str = "/lab";

/// The folder of what all labs share.
pub(super) fn shared(shared: &SharedDir) -> PathBuf {
    shared.join("virtualbox")
}
