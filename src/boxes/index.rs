//! The ways to a box in the store: its names, the addresses that it was fetched from, and the local
//! files that were hashed once and need not be hashed again while they stay as they are.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::address::without_credentials;
use super::download::Facts;
use super::layout::Layout;
use super::source::Source;
use super::temp;
use crate::error::{Error, Kind, Result};
use crate::{atomic, versioned};

const VERSION: u32 = 1;
/// How many origins are kept.
const MAX_ORIGINS: usize = 1000;

/// The index: everything in it leads to a digest.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Index {
    version: u32,
    /// Names given by `lab box add`, or taken from the catalogue.
    pub(super) names: BTreeMap<String, String>,
    /// Addresses.
    pub(super) urls: BTreeMap<String, String>,
    /// What their servers said of the files there.
    #[serde(default)]
    pub(super) facts: BTreeMap<String, Facts>,
    /// Files, by their real path.
    pub(super) files: BTreeMap<String, Known>,
    /// Where the box of a digest came from. It stays when the box goes: a lab may still need the box, and then
    /// its user is told where to get it.
    #[serde(default)]
    pub(super) origins: BTreeMap<String, String>,
}

/// A file that was hashed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Known {
    pub(super) digest: String,
    pub(super) stamp: Stamp,
}

/// The facts by which lab sees that a file has not changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Stamp {
    size: u64,
    /// Nanoseconds since 1970; negative before. JSON has no 128 bits, 64 last until 2262.
    modified: i64,
    /// 0 where there are none.
    inode: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Stamp {
            size: metadata.len(),
            modified: nanoseconds(metadata.modified().unwrap_or(UNIX_EPOCH)),
            inode,
        }
    }
}

fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

impl Index {
    fn new() -> Self {
        Index {
            version: VERSION,
            names: BTreeMap::new(),
            urls: BTreeMap::new(),
            facts: BTreeMap::new(),
            files: BTreeMap::new(),
            origins: BTreeMap::new(),
        }
    }

    /// The index as it is; an empty one where there is none.
    pub(super) fn read(layout: &Layout) -> Result<Self> {
        match versioned::read(&layout.index(), VERSION) {
            Ok(index) => Ok(index.map_or_else(Index::new, Index::without_secrets)),
            Err(error) if error.kind() == Kind::StateDamaged => Err(error.hint(format!(
                "delete {}: the boxes stay, their names are given anew by `lab box add`",
                layout.index().display()
            ))),
            Err(error) => Err(error),
        }
    }

    /// The index without the passwords and tokens that lab wrote down until 0.1.
    fn without_secrets(self) -> Self {
        let urls = self.urls.into_iter().map(|(url, digest)| (without_credentials(&url), digest)).collect();
        let facts = self.facts.into_iter().map(|(url, facts)| (without_credentials(&url), facts)).collect();
        let origins =
            self.origins.into_iter().map(|(digest, from)| (digest, without_credentials(&from))).collect();
        Index { urls, facts, origins, ..self }
    }

    /// Changes the index; several processes take turns.
    pub(super) fn change<T>(layout: &Layout, change: impl FnOnce(&mut Index) -> Result<T>) -> Result<T> {
        atomic::create_dirs(layout.root())?;
        let _store = temp::lock_store(layout)?;
        let before = Index::read(layout)?;
        let mut index = before.clone();
        // A killed removal of a box leaves entries that lead to it.
        index.retain(|digest| layout.box_dir(digest).exists());
        let result = change(&mut index)?;
        if index != before {
            versioned::write(&layout.index(), &index)?;
        }
        Ok(result)
    }

    /// What the index knows of a source. For a file, also whether it has changed since it was hashed.
    pub(super) fn lookup(&self, source: &Source) -> Lookup {
        match source {
            Source::Url(url) => self.urls.get(url.as_str()).cloned().map_or(Lookup::Unknown, Lookup::Same),
            Source::File(path) => {
                let Some(known) = self.files.get(&source.key()) else { return Lookup::Unknown };
                match std::fs::metadata(path) {
                    Ok(now) if Stamp::of(&now) == known.stamp => Lookup::Same(known.digest.clone()),
                    Ok(_) => Lookup::Changed(known.digest.clone()),
                    Err(_) => Lookup::Gone(known.digest.clone()),
                }
            }
        }
    }

    /// Notes where a box came from.
    pub(super) fn note_origin(&mut self, digest: &str, source: &str) {
        self.origins.insert(digest.to_owned(), source.to_owned());
        while self.origins.len() > MAX_ORIGINS {
            self.origins.pop_first();
        }
    }

    /// Notes which box a source led to; `stamp` is a file's.
    pub(super) fn learn(&mut self, source: &Source, digest: &str, stamp: Option<Stamp>) {
        match (source, stamp) {
            (Source::Url(url), _) => {
                self.urls.insert(url.as_str().to_owned(), digest.to_owned());
            }
            (Source::File(_), Some(stamp)) => {
                self.files.insert(source.key(), Known { digest: digest.to_owned(), stamp });
            }
            (Source::File(_), None) => {}
        }
    }

    /// The names of a box.
    pub(super) fn names_of(&self, digest: &str) -> Vec<String> {
        self.names.iter().filter(|(_, other)| *other == digest).map(|(name, _)| name.clone()).collect()
    }

    /// Removes all entries that lead to a box.
    pub(super) fn forget(&mut self, digest: &str) {
        self.retain(|other| other != digest);
    }

    fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.names.retain(|_, digest| keep(digest));
        self.urls.retain(|_, digest| keep(digest));
        let urls = &self.urls;
        self.facts.retain(|url, _| urls.contains_key(url));
        self.files.retain(|_, known| keep(&known.digest));
    }
}

/// What the index knows of a source.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// Nothing.
    Unknown,
    /// It has not changed.
    Same(String),
    /// It has been touched, or replaced, since it was hashed.
    Changed(String),
    /// The file is away (a stick that was pulled out); its box may be in the store.
    Gone(String),
}

/// The stamp of a file that is to be read as a box.
pub(super) fn stamp(path: &Path) -> Result<Stamp> {
    let metadata = std::fs::metadata(path).map_err(|source| Error::io("read", path, &source))?;
    Ok(Stamp::of(&metadata))
}
