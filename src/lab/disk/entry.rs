//! What the register of labs says of one lab.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::LabFiles;
use super::state::now;

/// What tells a folder from every other one, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderId {
    device: u64,
    inode: u64,
    /// When it was made, in nanoseconds since 1970, where the file system knows: the inode of a folder that was removed
    /// soon belongs to another one.
    made: Option<u64>,
}

impl FolderId {
    /// The folder at `path`; `None` where there is none, or a link.
    pub fn of(path: &Path) -> Option<Self> {
        let seen = path.symlink_metadata().ok().filter(std::fs::Metadata::is_dir)?;
        let made = seen.created().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        #[cfg(unix)]
        let (device, inode) = {
            use std::os::unix::fs::MetadataExt;
            (seen.dev(), seen.ino())
        };
        #[cfg(not(unix))]
        let (device, inode) = (0, 0);
        Some(FolderId { device, inode, made: made.and_then(|made| u64::try_from(made.as_nanos()).ok()) })
    }

    /// Whether it is the folder `other`.
    pub fn is(&self, other: &FolderId) -> bool {
        self.device == other.device && self.is_on_some_device(other)
    }

    /// As [`FolderId::is`], whatever number its device has now: after a restart, it may be another.
    pub fn is_on_some_device(&self, other: &FolderId) -> bool {
        let times = self.made.zip(other.made);
        self.inode == other.inode && times.is_none_or(|(a, b)| a == b)
    }
}

/// One lab.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The UUID in its state.
    pub lab_id: String,
    /// The folder of its Labfile, where it was last seen: absolute, without links.
    pub dir: PathBuf,
    /// That folder, by what it is. `None` for a lab of the release before that was not there to be looked at.
    pub folder: Option<FolderId>,
    /// Its `.lab`, by what it is. `None` as above.
    pub lab: Option<FolderId>,
    /// The provider that its machines were made with.
    pub provider: String,
    /// What the provider alone understands, and what holds on this computer alone: the folder of the sockets, a number
    /// of a network.
    #[serde(default)]
    pub own: serde_json::Value,
    /// Its machines by name.
    pub machines: BTreeMap<String, Machine>,
    /// When a command last worked in it, in seconds since 1970.
    pub seen: u64,
}

/// One machine of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The UUID that the provider knows it by.
    pub id: String,
    /// The sha256 of its box.
    pub digest: String,
    /// What the Labfile calls the box.
    #[serde(rename = "box")]
    pub image: String,
}

impl Entry {
    /// The lab `lab_id`, as it stands in `dir` now, without machines.
    pub fn new(lab_id: &str, dir: &Path, provider: &str) -> Self {
        let mut entry = Entry {
            lab_id: lab_id.to_owned(),
            dir: PathBuf::new(),
            folder: None,
            lab: None,
            provider: provider.to_owned(),
            own: serde_json::Value::Null,
            machines: BTreeMap::new(),
            seen: 0,
        };
        entry.move_to(dir);
        entry
    }

    /// The same lab, as it stands in `dir` now.
    pub(super) fn at(mut self, dir: &Path) -> Self {
        self.move_to(dir);
        self
    }

    fn move_to(&mut self, dir: &Path) {
        self.dir = real(dir);
        self.folder = FolderId::of(&self.dir);
        self.lab = FolderId::of(LabFiles::beside(&self.dir).root());
        self.seen = now();
    }
}

/// The path of `dir` without links, so that one folder has one path; as it is, where it is not there.
pub(super) fn real(dir: &Path) -> PathBuf {
    let absolute = || std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    std::fs::canonicalize(dir).unwrap_or_else(|_| absolute())
}
