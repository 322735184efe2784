//! Every file name that `lab` uses on disk, in one place.
//!
//! - `.lab/` beside the Labfile: what one lab knows of itself. Gone after `lab destroy`.
//! - `LAB_HOME`: what all labs share (boxes, base images, the registers of labs and of ports, the secret).

use std::path::{Path, PathBuf};

use crate::boxes::pins;
use crate::error::{Error, Kind, Result};
use crate::{atomic, nofollow};

/// The environment variable that moves [`Home`].
pub const HOME_VARIABLE: &str = "LAB_HOME";

/// `.lab/` beside a Labfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabFiles {
    root: PathBuf,
}

impl LabFiles {
    /// The name of the folder.
    pub const NAME: &'static str = nofollow::LAB_DIR;

    /// The files of the lab whose Labfile stands in `dir`.
    pub fn beside(dir: &Path) -> Self {
        LabFiles { root: dir.join(Self::NAME) }
    }

    /// `.lab/` itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes `.lab/`, for this user alone and unseen by git: keys and disks lie in it.
    ///
    /// # Errors
    /// [`Kind::Io`], where a link or a file is in its place as well; [`Kind::DiskFull`].
    pub fn make(&self) -> Result<()> {
        make(&self.root)?;
        let ignore = self.gitignore();
        if ignore.symlink_metadata().is_err() {
            atomic::write(&ignore, b"*\n")?;
        }
        Ok(())
    }

    /// Makes a machine's own folder, for this user alone.
    ///
    /// # Errors
    /// Those of [`LabFiles::make`]; [`Kind::StateDamaged`] for a name that no machine can have.
    pub fn make_machine(&self, name: &str) -> Result<PathBuf> {
        self.check_name(name)?;
        let dir = self.machine(name);
        make(&dir)?;
        Ok(dir)
    }

    /// Whether `name` can be a part of a path in the lab.
    ///
    /// # Errors
    /// [`Kind::StateDamaged`] for a name that no machine can have.
    pub fn check_name(&self, name: &str) -> Result<()> {
        if crate::labfile::is_machine_name(name) {
            return Ok(());
        }
        Err(Error::new(
            Kind::StateDamaged,
            format!("no machine can be called {name:?}, and the lab's state has one of that name"),
        )
        .hint("`lab destroy` removes the lab"))
    }

    /// Keeps git from seeing `.lab/`.
    pub fn gitignore(&self) -> PathBuf {
        self.root.join(".gitignore")
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

    /// Makes the folder, for this user alone: it holds the secret and the registers.
    ///
    /// # Errors
    /// [`Kind::Io`].
    pub fn make(&self) -> Result<()> {
        if !self.root.is_dir() {
            let parent = self.root.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(parent)
                .map_err(|source| Error::io("create the folder", parent, &source))?;
        }
        make(&self.root)
    }

    /// Which labs there are.
    pub fn labs(&self) -> PathBuf {
        self.root.join("labs.json")
    }

    /// What seals the states of labs: 32 random bytes.
    pub fn secret(&self) -> PathBuf {
        self.root.join("secret")
    }

    /// What this user has agreed to: an empty file per consent, called by the digest of what it is to.
    pub fn consents(&self) -> PathBuf {
        self.root.join("consents")
    }

    /// Which lab claims which port.
    pub fn ports(&self) -> PathBuf {
        self.root.join("ports.json")
    }

    /// Held while [`Home::labs`] or [`Home::ports`] is written. Its name is from when there were only ports.
    pub fn registers_lock(&self) -> PathBuf {
        self.root.join("ports.lock")
    }
}

fn make(dir: &Path) -> Result<()> {
    nofollow::make_dir(dir).map_err(|source| nofollow::error("create the folder", dir, &source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_is_unseen_by_git_from_the_first_moment_and_a_machines_name_stays_in_it() {
        let root = tempfile::tempdir().unwrap();
        let files = LabFiles::beside(root.path());
        files.make().unwrap();
        assert_eq!(std::fs::read_to_string(root.path().join(".lab/.gitignore")).unwrap(), "*\n");
        files.make().unwrap();
        assert!(files.make_machine("web1").unwrap().is_dir());
        for name in ["../x", "", ".", "..", "a/b", "a\nb", "/etc"] {
            assert_eq!(files.make_machine(name).unwrap_err().kind(), Kind::StateDamaged, "{name}");
        }
    }
}
