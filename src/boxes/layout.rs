//! The names of all files of the store.
//!
//! ```text
//! LAB_HOME/boxes/
//!   <sha256>/manifest.json   the manifest of the box
//!   <sha256>/files/…         the unpacked box, and nothing of ours: a box cannot bring our manifest
//!   index.json               names, addresses and local files that lead to a digest
//!   store.lock               held for the moment of a change to the index or to tmp/
//!   locks/<key>.lock         held by the command that adds the box of one source
//!   locks/<sha256>.lock      shared by commands that make machines of the box, held alone by a command that removes it
//!   partial/<key>/           an unfinished download; the command with the source's lock works there
//!   tmp/<id>/                work in progress; its `lock` is held by the process that works there
//! ```

use std::path::{Path, PathBuf};

use crate::digest;

/// The unpacked box inside a box's folder.
pub(super) const FILES: &str = "files";
/// The manifest, inside a box's folder.
pub(super) const MANIFEST: &str = "manifest.json";
/// The name that [`MANIFEST`] gets when the box was found damaged.
pub(super) const MANIFEST_SET_ASIDE: &str = "manifest.damaged.json";
/// Inside a temporary folder: held for as long as somebody works there.
pub(super) const TEMP_LOCK: &str = "lock";
/// Inside a temporary folder: the box folder that is being made.
pub(super) const TEMP_BOX: &str = "box";

/// The paths of the store's files.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout of the store in `home`.
    pub(super) fn new(home: &Path) -> Self {
        Layout { root: home.join("boxes") }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn box_dir(&self, digest: &str) -> PathBuf {
        self.root.join(digest)
    }

    pub(super) fn index(&self) -> PathBuf {
        self.root.join("index.json")
    }

    /// Whether something of this name stands beside the boxes.
    pub(super) fn is_known(&self, name: &str) -> bool {
        ["index.json", "store.lock", "locks", "partial", "tmp"].contains(&name)
    }

    pub(super) fn store_lock(&self) -> PathBuf {
        self.root.join("store.lock")
    }

    /// The lock of one source; its name is a hash, since paths and addresses are no file names.
    pub(super) fn source_lock(&self, source: &str) -> PathBuf {
        self.key_lock(&key(source))
    }

    /// The lock of the source with this key, or of the box with this digest.
    pub(super) fn key_lock(&self, key: &str) -> PathBuf {
        self.root.join("locks").join(format!("{key}.lock"))
    }

    /// The downloads that are not finished; each has a folder with the key of its source as its name.
    pub(super) fn partials(&self) -> PathBuf {
        self.root.join("partial")
    }

    /// The folder of an unfinished download.
    pub(super) fn partial(&self, source: &str) -> PathBuf {
        self.partials().join(key(source))
    }

    pub(super) fn temp(&self) -> PathBuf {
        self.root.join("tmp")
    }
}

/// The name that stands for a source in paths.
fn key(source: &str) -> String {
    digest::of_bytes(source.as_bytes()).chars().take(32).collect()
}
