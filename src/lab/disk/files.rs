//! Every file name that `lab` uses on disk, in one place.
//!
//! - `.lab/` beside the Labfile: what one lab knows of itself. Gone after `lab destroy`.
//! - `LAB_HOME`: what all labs share (boxes, base images, port claims).

use std::path::{Path, PathBuf};

use crate::boxes::pins;
use super::lock::Lock;
use crate::error::{Error, Kind, Result};
use crate::unlink;

/// The environment variable that moves [`Home`].
pub const HOME_VARIABLE: &str = "LAB_HOME";

/// `.lab/` beside a Labfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabFiles {
    root: PathBuf,
}

impl LabFiles {
    /// The name of the folder.
    pub const NAME: &'static str = ".lab";

    /// The files of the lab whose Labfile stands in `dir`.
    pub fn beside(dir: &Path) -> Self {
        LabFiles { root: dir.join(Self::NAME) }
    }

    /// `.lab/` itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Which boxes the lab is held to; the one file that stands beside the Labfile and stays.
    pub fn pins(&self) -> PathBuf {
        self.root.with_file_name(pins::FILE_NAME)
    }

    /// Where disks go that a user made in a machine's folder, when that goes. Beside the Labfile: they outlive the lab.
    pub fn kept(&self) -> PathBuf {
        self.root.with_file_name("kept-disks")
    }

    /// What is known of the machines.
    pub fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// Held while a command changes the lab.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// What commands did to the lab; `lab.log.1` beside it is what was there before.
    pub fn log(&self) -> PathBuf {
        self.root.join("lab.log")
    }

    /// The lab's own private key; `.pub` beside it.
    pub fn key(&self) -> PathBuf {
        self.root.join("id_rsa")
    }

    /// Its public half.
    pub fn public_key(&self) -> PathBuf {
        self.root.join("id_rsa.pub")
    }

    /// Vagrant's insecure private key, for a machine's first connection.
    pub fn insecure_key(&self) -> PathBuf {
        self.root.join("insecure_key")
    }

    /// A machine's own folder: its disks, its logs.
    pub fn machine(&self, name: &str) -> PathBuf {
        self.root.join("machines").join(name)
    }

    /// The folder of all machines' folders.
    pub fn machines(&self) -> PathBuf {
        self.root.join("machines")
    }

    /// A machine's learnt host key. One file per machine, so that machines that are set up or
    /// destroyed side by side never rewrite each other's.
    pub fn known_hosts(&self, name: &str) -> PathBuf {
        self.machine(name).join("known_hosts")
    }

    /// Removes `.lab/`, the lock in it last.
    ///
    /// # Errors
    /// [`Kind::Io`].
    pub fn remove_all(&self, lock: Lock) -> Result<()> {
    let root = self.root();
    let lock_path = self.lock();
    let entries = std::fs::read_dir(root).map_err(|source| Error::io("read the folder", root, &source))?;
    for entry in entries.filter_map(Result::ok).filter(|entry| entry.path() != lock_path) {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            unlink::folder(&path)?;
        } else {
            std::fs::remove_file(&path).map_err(|source| Error::io("remove", &path, &source))?;
        }
    }
    lock.remove()?;
    // Not empty any more: another command has begun a new lab here in this instant.
    let _ = std::fs::remove_dir(root);
    Ok(())
}

    /// What the first-boot set-up said.
    pub fn setup_log(&self, name: &str) -> PathBuf {
        self.machine(name).join("setup.log")
    }

    /// What a machine's provisioners said.
    pub fn provision_log(&self, name: &str) -> PathBuf {
        self.machine(name).join("provision.log")
    }
}

/// The folder that all labs of a user share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// `LAB_HOME`, or else `lab` in the platform's data folder (`~/.local/share/lab`,
    /// `~/Library/Application Support/lab`, `%APPDATA%\lab`).
    ///
    /// # Errors
    /// [`Kind::Io`] where there is neither `LAB_HOME` nor a home folder.
    pub fn find() -> Result<Self> {
        if let Some(root) = std::env::var_os(HOME_VARIABLE).filter(|root| !root.is_empty()) {
            let root = std::path::absolute(&root)
                .map_err(|source| Error::io("find the folder", Path::new(&root), &source))?;
            return Ok(Home { root });
        }
        use etcetera::BaseStrategy;
        let data = etcetera::base_strategy::choose_native_strategy().map(|strategy| strategy.data_dir());
        let data = data.map_err(|_| {
            Error::new(Kind::Io, "this user has no home folder to keep boxes in")
                .hint(format!("name a folder with room for boxes: {HOME_VARIABLE}=/some/folder lab …"))
        })?;
        Ok(Home { root: data.join("lab") })
    }

    /// A home at `root`.
    pub fn at(root: PathBuf) -> Self {
        Home { root }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where providers keep their base images, each in a folder of its name.
    pub fn bases(&self) -> PathBuf {
        self.root.join("bases")
    }

    /// Which lab claims which port.
    pub fn ports(&self) -> PathBuf {
        self.root.join("ports.json")
    }

    /// Held while [`Home::ports`] is read and written.
    pub fn ports_lock(&self) -> PathBuf {
        self.root.join("ports.lock")
    }
}
