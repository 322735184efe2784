//! Lists, verifies and removes the boxes of the store.

use std::collections::BTreeSet;
use std::path::Path;

use super::base::Store;
use super::hold::Claim;
use crate::boxes::image::BoxImage;
use crate::boxes::index::Index;
use crate::boxes::layout::{FILES, MANIFEST, MANIFEST_SET_ASIDE};
use crate::boxes::manifest::Manifest;
use crate::boxes::progress::Task;
use crate::boxes::temp::Temp;
use crate::digest;
use crate::disk_space;
use crate::error::{Error, Kind, Result};

/// A box in the store, for lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its digest.
    pub digest: String,
    /// Its names, in order; a box that a Labfile named by path or address has none.
    pub names: Vec<String>,
    /// What is known of it; the error is that of a damaged box.
    pub manifest: std::result::Result<Manifest, String>,
}

/// The result of [`Store::remove`].
#[derive(Debug)]
pub struct Removed {
    /// The box's digest.
    pub digest: String,
    /// The names that it still has; without any, its files are removed.
    pub left: Vec<String>,
    /// Set where its files are removed: until this is dropped, nobody begins to use a box with this digest, so that
    /// its base images can be removed as well.
    pub claim: Option<Claim>,
}

/// The result of [`Store::verify`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// How many files were read.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// The faults of the box, for people; empty where it is whole.
    pub problems: Vec<String>,
}

impl Store {
    /// All boxes, by digest.
    pub fn list(&self) -> Result<Vec<Entry>> {
        let index = Index::read(&self.layout)?;
        let root = self.layout.root();
        let mut entries = Vec::new();
        let folders = match std::fs::read_dir(root) {
            Ok(folders) => folders,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(entries),
            Err(source) => return Err(Error::io("list", root, &source)),
        };
        for folder in folders.flatten() {
            let digest = folder.file_name().to_string_lossy().into_owned();
            if !digest::is_digest(&digest) {
                continue;
            }
            let manifest = match Manifest::read(&self.layout.box_dir(&digest)) {
                Ok(Some(manifest)) => Ok(manifest),
                // Removed at this moment by another process.
                Ok(None) => continue,
                Err(error) => Err(error.to_string()),
            };
            entries.push(Entry { names: index.names_of(&digest), digest, manifest });
        }
        entries.sort_by(|a, b| (&a.names, &a.digest).cmp(&(&b.names, &b.digest)));
        Ok(entries)
    }

    /// Removes a name from its box (`name` may also be a digest); a box without names is removed.
    ///
    /// The caller knows whether a lab uses the box: `is_free` is called with the digest when
    /// nobody can begin to use the box any more. Its error stops the removal.
    ///
    /// # Errors
    /// [`Kind::BoxNotFound`]; [`Kind::BoxInUse`] where a command is taking the box for a machine; those of
    /// `is_free`.
    pub fn remove(&self, name: &str, is_free: impl FnOnce(&str) -> Result<()>) -> Result<Removed> {
        let is_box = |digest: &str| digest::is_digest(digest) && self.layout.box_dir(digest).exists();
        let index = Index::read(&self.layout)?;
        if !index.names.contains_key(name) && !is_box(name) {
            return Err(self.unknown(name));
        }
        let bin = Temp::new(&self.layout)?;
        Index::change(&self.layout, |index| {
            let digest = index.names.remove(name).unwrap_or_else(|| name.to_owned());
            let left = if digest == name { Vec::new() } else { index.names_of(&digest) };
            let mut claim = None;
            if left.is_empty() {
                claim = Some(self.claim(&digest)?);
                is_free(&digest)?;
                if let Ok(Some(manifest)) = self.manifest_of(&digest) {
                    index.note_origin(&digest, &manifest.source);
                }
                index.forget(&digest);
                // The index changes after this: killed between, it leads to nothing, which is seen.
                self.set_aside(&digest, &bin)?;
            }
            Ok(Removed { digest, left, claim })
        })
    }

    /// Reads all files of a box and compares them with the sums that were taken when they were unpacked.
    ///
    /// A damaged box is set aside: its files stay, but no machine is made from it any more,
    /// and adding it again replaces it.
    ///
    /// # Errors
    /// [`Kind::BoxNotFound`], [`Kind::Io`], [`Kind::Interrupted`]; what is wrong with the box is no error.
    pub fn verify(&self, digest: &str, task: &mut Task<'_>) -> Result<Verified> {
        let dir = self.layout.box_dir(digest);
        let mut verified = Verified { files: 0, bytes: 0, problems: Vec::new() };
        let manifest = match Manifest::read(&dir) {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return Err(self.unknown(digest)),
            Err(error) if error.kind() == Kind::StateDamaged => {
                verified.problems.push(error.message().to_owned());
                return Ok(verified);
            }
            Err(error) => return Err(error),
        };
        if manifest.sha256 != digest {
            verified.problems.push(format!("it says of itself that it is {}", manifest.sha256));
        }
        let files = dir.join(FILES);
        let total = manifest.files.values().map(|sum| sum.size).sum();
        for (name, sum) in &manifest.files {
            let path = files.join(name);
            match std::fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_file() && metadata.len() == sum.size => {}
                Ok(metadata) => {
                    let sizes = format!("{} bytes instead of {}", metadata.len(), sum.size);
                    verified.problems.push(format!("{name} has {sizes}"));
                    continue;
                }
                Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                    verified.problems.push(format!("{name} is missing"));
                    continue;
                }
                Err(source) => return Err(Error::io("read", &path, &source)),
            }
            let before = verified.bytes;
            let cancel = task.cancel;
            let found = digest::of_file(&path, cancel, |done, _| task.report_checked(before + done, total))?;
            verified.files += 1;
            verified.bytes += sum.size;
            if found != sum.sha256 {
                verified.problems.push(format!("{name} has changed: its sha256 is {found}"));
            }
        }
        for name in names_in(&files)?.difference(&manifest.files.keys().cloned().collect()) {
            verified.problems.push(format!("{name} does not belong to it"));
        }
        if !verified.problems.is_empty() {
            let (from, to) = (dir.join(MANIFEST), dir.join(MANIFEST_SET_ASIDE));
            std::fs::rename(&from, &to).map_err(|source| Error::io("set aside", &from, &source))?;
        }
        Ok(verified)
    }

    /// The names of files in the store that belong to no box, after the leftovers of killed commands have
    /// been removed. `lab` did not put them there.
    pub fn strays(&self) -> Result<Vec<String>> {
        let root = self.layout.root();
        if !root.exists() {
            return Ok(Vec::new());
        }
        drop(Temp::new(&self.layout)?);
        let known = |name: &String| digest::is_digest(name) || self.layout.is_known(name);
        let mut strays: Vec<String> = names_in(root)?.into_iter().filter(|name| !known(name)).collect();
        for digest in names_in(root)?.into_iter().filter(|name| digest::is_digest(name)) {
            let inside = names_in(&self.layout.box_dir(&digest))?.into_iter();
            let ours = |name: &String| [FILES, MANIFEST, MANIFEST_SET_ASIDE].contains(&name.as_str());
            strays.extend(inside.filter(|name| !ours(name)).map(|name| format!("{digest}/{name}")));
        }
        Ok(strays)
    }

    /// The bytes that a box takes up on the disk.
    pub fn on_disk(&self, digest: &str) -> u64 {
        disk_space::used(&self.layout.box_dir(digest))
    }

    /// The box of a digest, whatever it is called; `None` where it is not there.
    pub fn image_of(&self, digest: &str) -> Result<Option<BoxImage>> {
        let name: String = digest.chars().take(12).collect();
        self.image(digest, &name)
    }
}

/// The names in a folder; none where there is no folder (any more).
fn names_in(dir: &Path) -> Result<BTreeSet<String>> {
    let entries = match std::fs::read_dir(dir) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(|source| Error::io("list", dir, &source))?,
    };
    Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}
