//! The store: boxes by their content, under `LAB_HOME`, shared by all labs.
//!
//! A box is put together in a temporary folder and renamed to its digest when it is whole and on the
//! disk. So whatever is killed, and whenever: a box is in the store or it is not.

mod care;
mod hold;
mod leftovers;
mod resolve;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::checksum::{self, Algorithm, Expected, Measured};
use super::download::{self, Patience, Wish};
use super::index::{Index, Lookup};
use super::layout::{FILES, Layout, MANIFEST};
use super::manifest::Manifest;
use super::progress::{Phase, Task};
use super::source::{Source, check_name};
use super::temp::{self, Temp};
use super::{BoxImage, digest, index, lock, open_box, registry};
use crate::atomic;
use crate::error::{Error, Kind, Result};
use crate::versioned;
pub use care::{Entry, Removed, Verified};
pub use hold::{Claim, Hold};
pub use leftovers::Leftover;
pub use resolve::{Resolved, Wanted};

/// How long to wait for another process that adds the same box. It may be downloading it.
const TURN: Duration = Duration::from_secs(2 * 60 * 60);

/// The boxes of a `LAB_HOME`.
#[derive(Debug, Clone)]
pub struct Store {
    layout: Layout,
    patience: Patience,
    /// The address of the registry.
    registry: String,
}

/// What is to be added to the store.
#[derive(Debug, Clone)]
pub struct Add<'a> {
    /// The name to give it; without one it is found by its source alone.
    pub name: Option<&'a str>,
    /// Where it comes from.
    pub source: Source,
    /// What its file must be.
    pub expected: Expected,
    /// Whether the name may be taken from another box.
    pub replace: bool,
    /// Its version, as its registry or the catalogue has it.
    pub version: Option<&'a str>,
    /// Whether to look again at an address that a box was once had from.
    pub fresh: bool,
}

impl<'a> Add<'a> {
    /// A box from `source`, with no more wishes.
    pub fn new(source: Source) -> Self {
        Add { name: None, source, expected: Expected::default(), replace: false, version: None, fresh: false }
    }

    /// With a name.
    #[must_use]
    pub fn named(self, name: &'a str) -> Self {
        Add { name: Some(name), ..self }
    }
}

/// A folder for files on the way, see [`Store::workspace`].
#[derive(Debug)]
pub struct Workspace(Temp);

impl Workspace {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Store {
    /// The store of this home; touches nothing.
    pub fn open(home: &Path) -> Result<Self> {
        let home = std::path::absolute(home).map_err(|source| Error::io("find", home, &source))?;
        Ok(Store {
            layout: Layout::new(&home),
            patience: Patience::from_env(),
            registry: registry::of_environment(),
        })
    }

    /// The box that a Labfile's `box =` means, if it is in the store already. Quick: hashes nothing.
    ///
    /// A local file that was changed since it was added is not "in the store".
    pub fn find(&self, reference: &str, base_dir: &Path) -> Result<Option<BoxImage>> {
        let index = Index::read(&self.layout)?;
        if let Some(digest) = index.names.get(reference) {
            return self.image(digest, reference);
        }
        let Some(source) = Source::recognise(reference, base_dir) else { return Ok(None) };
        let source = real(source?);
        match index.lookup(&source) {
            Lookup::Same(digest) | Lookup::Gone(digest) => self.image(&digest, &source.default_name()),
            Lookup::Changed(_) | Lookup::Unknown => Ok(None),
        }
    }

    /// Adds a box; one that is there already gets the name, and that is all.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an impossible name, or one that another box has; [`Kind::BoxNotFound`];
    /// [`Kind::Download`]; [`Kind::BoxChecksum`]; [`Kind::HostileBox`] and [`Kind::BadBox`];
    /// [`Kind::DiskFull`]; [`Kind::BoxLocked`]; [`Kind::Interrupted`]. Nothing is left of it then.
    pub fn add(&self, add: &Add<'_>, task: &mut Task<'_>) -> Result<BoxImage> {
        if let Some(name) = add.name {
            check_name(name)?;
        }
        let source = real(add.source.clone());
        if let Source::File(path) = &source {
            must_be_a_file(path)?;
        }
        let _turn = self.turn(&source.key(), task)?;
        // Only now: whoever was waited for may have added it.
        let digest = match (Index::read(&self.layout)?.lookup(&source), &source) {
            (Lookup::Same(digest), Source::File(_)) if self.is_whole(&digest) => {
                self.check_known(&source, &add.expected, &digest)?;
                digest
            }
            // What stands at an address may be another box today: the one that is expected, perhaps.
            (Lookup::Same(digest), Source::Url(url))
                if self.is_whole(&digest)
                    && self.check_known(&source, &add.expected, &digest).is_ok()
                    && (!add.fresh || self.is_unchanged(url, task)?) =>
            {
                digest
            }
            (lookup, _) => match self.already(&source, &add.expected)? {
                Some(digest) => digest,
                None => self.bring(&source, lookup, add, task)?,
            },
        };
        if let Some(name) = add.name {
            Index::change(&self.layout, |index| give_name(index, name, &digest, add.replace))?;
        }
        let name = add.name.map_or_else(|| source.default_name(), str::to_owned);
        let gone = || Error::new(Kind::StateDamaged, format!("the box {name} vanished while it was added"));
        self.image(&digest, &name)?.ok_or_else(gone)
    }

    /// Gives a box that is here a name.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an impossible name, or one that another box has.
    pub fn give_name(&self, name: &str, image: &BoxImage, replace: bool) -> Result<()> {
        check_name(name)?;
        Index::change(&self.layout, |index| give_name(index, name, &image.digest, replace))
    }

    /// Takes the turn of whoever adds the box of a source, or looks up a name.
    fn turn(&self, key: &str, task: &mut Task<'_>) -> Result<File> {
        let path = self.layout.source_lock(key);
        temp::create_dirs(path.parent().unwrap_or(self.layout.root()))?;
        lock::wait(&path, TURN, task.cancel, || {
            (task.progress)(super::Progress { phase: Phase::Waiting, done: 0, total: None });
        })
    }

    /// The box of an address that is here already, by the sum that it must have: nothing is downloaded then.
    fn already(&self, source: &Source, expected: &Expected) -> Result<Option<String>> {
        let sum = expected.sums.iter().find(|sum| sum.algorithm == Algorithm::Sha256);
        match (source, sum) {
            (Source::Url(_), Some(sum)) if self.is_whole(&sum.hex) => Index::change(&self.layout, |index| {
                index.learn(source, &sum.hex, None);
                Ok(Some(sum.hex.clone()))
            }),
            _ => Ok(None),
        }
    }

    /// A folder in the store for files on the way to a box; gone when dropped, or when its process dies
    /// with the next change to the store.
    pub fn workspace(&self) -> Result<Workspace> {
        Temp::new(&self.layout).map(Workspace)
    }

    /// The box of a digest; `None` where it is not in the store.
    fn image(&self, digest: &str, name: &str) -> Result<Option<BoxImage>> {
        let dir = self.layout.box_dir(digest);
        let manifest = Manifest::read(&dir)?.filter(|_| digest::is_digest(digest));
        Ok(manifest.map(|manifest| manifest.image(&dir, name)))
    }

    fn is_whole(&self, digest: &str) -> bool {
        digest::is_digest(digest) && matches!(Manifest::read(&self.layout.box_dir(digest)), Ok(Some(_)))
    }

    /// Gets a source's box into the store, and its digest into the index. The source is locked.
    fn bring(&self, source: &Source, lookup: Lookup, add: &Add<'_>, task: &mut Task<'_>) -> Result<String> {
        let temp = Temp::new(&self.layout)?;
        let expected = &add.expected;
        let (digest, stamp) = match source {
            Source::Url(url) => (self.download(url, add, &temp, task)?, None),
            Source::File(path) => {
                let stamp = index::stamp(path)?;
                // Where a file was only touched, or must have a certain sum, it is hashed first.
                let known = match lookup {
                    Lookup::Changed(_) | Lookup::Same(_) => true,
                    Lookup::Unknown | Lookup::Gone(_) => *expected != Expected::default(),
                };
                let measured = if known { Some(checksum::of_file(path, expected, task)?) } else { None };
                if let Some(measured) = &measured {
                    expected.check(&source.key(), measured)?;
                }
                let digest = match measured {
                    Some(measured) if self.is_whole(&measured.sha256) => measured.sha256,
                    _ => self.unpack(path, add, &temp, task)?,
                };
                if index::stamp(path)? != stamp {
                    return Err(changed(path));
                }
                (digest, Some(stamp))
            }
        };
        Index::change(&self.layout, |index| {
            index.learn(source, &digest, stamp);
            Ok(())
        })?;
        Ok(digest)
    }

    /// Downloads a box and unpacks it; returns its digest. Its source is locked.
    fn download(&self, url: &str, add: &Add<'_>, temp: &Temp, task: &mut Task<'_>) -> Result<String> {
        let dir = self.layout.partial(url);
        let (partial, measured) =
            download::fetch(Wish { url, expected: &add.expected, dir: &dir }, self.patience, task)?;
        if !self.is_whole(&measured.sha256)
            && let Err(error) = self.unpack(partial.path(), add, temp, task)
        {
            // It will be no better box the next time. On a full disk, or when stopped, it waits there.
            if matches!(error.kind(), Kind::BadBox | Kind::HostileBox) {
                partial.remove()?;
            }
            return Err(error);
        }
        let facts = partial.facts().clone();
        partial.remove()?;
        Index::change(&self.layout, |index| {
            index.urls.insert(url.to_owned(), measured.sha256.clone());
            index.facts.insert(url.to_owned(), facts);
            Ok(())
        })?;
        Ok(measured.sha256)
    }

    /// Whether what stands at an address is still what was had from there.
    fn is_unchanged(&self, url: &str, task: &mut Task<'_>) -> Result<bool> {
        match Index::read(&self.layout)?.facts.get(url) {
            Some(facts) => download::is_unchanged(url, facts, self.patience, task),
            None => Ok(false),
        }
    }

    /// Holds a box that is here to what is expected of its file, as far as its manifest knows that.
    fn check_known(&self, source: &Source, expected: &Expected, digest: &str) -> Result<()> {
        let size = Manifest::read(&self.layout.box_dir(digest))?.map_or(0, |manifest| manifest.size);
        expected.check(&source.key(), &Measured::of_digest(size, digest))
    }

    /// Unpacks a box file into the store; returns its digest.
    fn unpack(&self, file: &Path, add: &Add<'_>, temp: &Temp, task: &mut Task<'_>) -> Result<String> {
        let dir = temp.box_dir();
        let files = dir.join(FILES);
        temp::create_dirs(&files)?;
        let manifest = Manifest {
            source: real(add.source.clone()).key(),
            box_version: add.version.map(str::to_owned),
            ..open_box(file, &files, task)?
        };
        atomic::sync_dir(&files)?;
        versioned::write(&dir.join(MANIFEST), &manifest)?;
        self.settle(&dir, &manifest.sha256, temp)?;
        Ok(manifest.sha256)
    }

    /// Gives a whole box its place, unless another process put the same box there meanwhile.
    fn settle(&self, dir: &Path, digest: &str, temp: &Temp) -> Result<()> {
        let _store = temp::lock_store(&self.layout)?;
        if self.is_whole(digest) {
            return Ok(());
        }
        self.set_aside(digest, temp)?;
        let place = self.layout.box_dir(digest);
        std::fs::rename(dir, &place).map_err(|source| Error::io("create", &place, &source))?;
        atomic::sync_dir(self.layout.root())
    }

    /// Moves a box out of the store at one stroke, into a folder that is about to be removed.
    fn set_aside(&self, digest: &str, temp: &Temp) -> Result<()> {
        let place = self.layout.box_dir(digest);
        match std::fs::rename(&place, temp.bin()) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("remove", &place, &source))
            }
            _ => Ok(()),
        }
    }
}

/// A file by its real path, as far as it is there.
fn real(source: Source) -> Source {
    match source {
        Source::File(path) => {
            let real = std::fs::canonicalize(&path).or_else(|_| std::path::absolute(&path));
            Source::File(real.unwrap_or(path))
        }
        other => other,
    }
}

fn must_be_a_file(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(metadata) if metadata.is_dir() => {
            let message = format!("not a box: {} is a folder", path.display());
            Err(Error::new(Kind::BadBox, message).hint("a box is one file, such as demo.box"))
        }
        Ok(_) => Err(Error::new(Kind::BadBox, format!("not a box: {} is no file", path.display()))),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            let hint = if path.iter().any(|part| part == "~") {
                "`~` has no meaning here: write the whole path"
            } else {
                "a relative path in a Labfile starts at the Labfile's folder"
            };
            let message = format!("there is no box at {}", path.display());
            Err(Error::new(Kind::BoxNotFound, message).hint(hint))
        }
        Err(source) => Err(Error::io("read", path, &source)),
    }
}

fn give_name(index: &mut Index, name: &str, digest: &str, replace: bool) -> Result<()> {
    if index.names.get(name).is_some_and(|other| other != digest) && !replace {
        return Err(Error::new(Kind::Usage, format!("another box is called {name} already"))
            .hint(format!("choose another name, or replace it: lab box add --force {name} …")));
    }
    index.names.insert(name.to_owned(), digest.to_owned());
    Ok(())
}

fn changed(path: &Path) -> Error {
    Error::new(Kind::BadBox, format!("{} changed while it was read", path.display()))
        .hint("wait until whatever writes it has finished, then run the same command again")
}

#[cfg(test)]
mod resolve_tests;
#[cfg(test)]
pub(super) mod tests;
