//! Adding a box: from a file or an address, unpacked beside its place and renamed when it is whole.

use std::path::Path;

use super::base::Store;
use crate::boxes::address::Address;
use crate::boxes::checksum::{self, Algorithm, Expected, Measured};
use crate::boxes::download::{self, Wish};
use crate::boxes::hardware::Hardware;
use crate::boxes::image::BoxImage;
use crate::boxes::index::{self, Index, Lookup};
use crate::boxes::layout::{FILES, MANIFEST};
use crate::boxes::manifest::Manifest;
use crate::boxes::open::open_assuming;
use crate::boxes::progress::{Phase, Task};
use crate::boxes::source::{Source, check_name};
use crate::boxes::temp::{self, Temp};
use crate::error::{Error, Kind, Result};
use crate::{atomic, versioned};

/// A box to add to the store.
#[derive(Debug, Clone)]
pub struct Add<'a> {
    /// The name to give it; without one it is found by its source alone.
    pub name: Option<&'a str>,
    /// Where it comes from.
    pub source: Source,
    /// The size and the sums that its file must have.
    pub expected: Expected,
    /// Whether the name may be taken from another box.
    pub replace: bool,
    /// Its version, as its registry or the catalogue has it.
    pub version: Option<&'a str>,
    /// The hardware for a disk image alone, where its publisher says what it needs.
    pub assumed: Option<Hardware>,
    /// Whether to look again at an address that a box was once had from.
    pub fresh: bool,
}

impl<'a> Add<'a> {
    /// A box from `source`, with no further conditions.
    pub fn new(source: Source) -> Self {
        Add {
            name: None,
            source,
            expected: Expected::default(),
            replace: false,
            version: None,
            assumed: None,
            fresh: false,
        }
    }

    /// With a name.
    #[must_use]
    pub fn named(self, name: &'a str) -> Self {
        Add { name: Some(name), ..self }
    }
}

impl Store {
    /// Adds a box; a box that is there already only gets the name.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an impossible name, or one that another box has; [`Kind::BoxNotFound`];
    /// [`Kind::Download`]; [`Kind::BoxChecksum`]; [`Kind::HostileBox`] and [`Kind::BadBox`];
    /// [`Kind::DiskFull`]; [`Kind::BoxLocked`]; [`Kind::Interrupted`]. Then nothing of the box is left.
    pub fn add(&self, add: &Add<'_>, task: &mut Task<'_>) -> Result<BoxImage> {
        if let Some(name) = add.name {
            check_name(name)?;
        }
        let source = add.source.clone().real();
        if let Source::File(path) = &source {
            must_be_a_file(path)?;
        }
        let _turn = self.turn(&source.key(), task)?;
        // Read after the wait: the other command may have added it.
        let digest = match (Index::read(&self.layout)?.lookup(&source), &source) {
            (Lookup::Same(digest), Source::File(_)) if self.is_whole(&digest) => {
                self.check_known(&source, &add.expected, &digest)?;
                digest
            }
            // The address may have another box today: perhaps the expected one.
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

    /// Gives a name to a box in the store.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an impossible name, or one that another box has.
    pub fn give_name(&self, name: &str, image: &BoxImage, replace: bool) -> Result<()> {
        check_name(name)?;
        Index::change(&self.layout, |index| give_name(index, name, &image.digest, replace))
    }

    /// The box with the expected sha256, if it is in the store already: then nothing is downloaded.
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
            index.note_origin(&digest, &source.key());
            Ok(())
        })?;
        Ok(digest)
    }

    /// Downloads a box and unpacks it; returns its digest. Its source is locked.
    fn download(&self, url: &Address, add: &Add<'_>, temp: &Temp, task: &mut Task<'_>) -> Result<String> {
        if add.expected.has_sums() && !add.expected.is_strong() {
            task.report(Phase::WeakChecksum, 0, None);
        }
        if url.is_plain() && !add.expected.is_strong() {
            task.report(Phase::Unprotected, 0, None);
        }
        let dir = self.layout.partial(url.as_str());
        let (partial, measured) =
            download::fetch(Wish { url, expected: &add.expected, dir: &dir }, self.patience, task)?;
        if !self.is_whole(&measured.sha256)
            && let Err(error) = self.unpack(partial.path(), add, temp, task)
        {
            // The same file would fail again. After a full disk or a Ctrl-C, the download stays for the next try.
            if matches!(error.kind(), Kind::BadBox | Kind::HostileBox) {
                partial.remove()?;
            }
            return Err(error);
        }
        let facts = partial.facts().clone();
        partial.remove()?;
        Index::change(&self.layout, |index| {
            index.urls.insert(url.as_str().to_owned(), measured.sha256.clone());
            index.facts.insert(url.as_str().to_owned(), facts);
            Ok(())
        })?;
        Ok(measured.sha256)
    }

    /// Whether the file at an address has not changed since it was fetched.
    fn is_unchanged(&self, url: &Address, task: &mut Task<'_>) -> Result<bool> {
        match Index::read(&self.layout)?.facts.get(url.as_str()) {
            Some(facts) => download::is_unchanged(url, facts, self.patience, task),
            None => Ok(false),
        }
    }

    /// Compares a box in the store with the expected size and sha256.
    fn check_known(&self, source: &Source, expected: &Expected, digest: &str) -> Result<()> {
        let size = Manifest::read(&self.layout.box_dir(digest))?.map_or(0, |manifest| manifest.size);
        expected.check(&source.key(), &Measured::of_digest(size, digest))
    }

    /// Unpacks a box file into the store; returns its digest.
    fn unpack(&self, file: &Path, add: &Add<'_>, temp: &Temp, task: &mut Task<'_>) -> Result<String> {
        let dir = temp.box_dir();
        let files = dir.join(FILES);
        atomic::create_dirs(&files)?;
        let manifest = Manifest {
            source: add.source.clone().real().key(),
            box_version: add.version.map(str::to_owned),
            ..open_assuming(file, &files, add.assumed.as_ref(), task)?
        };
        atomic::sync_dir(&files)?;
        versioned::write(&dir.join(MANIFEST), &manifest)?;
        self.settle(&dir, &manifest.sha256, temp)?;
        Ok(manifest.sha256)
    }

    /// Moves a whole box to its place, unless another process has put the same box there.
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
}

pub(super) fn must_be_a_file(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(metadata) if metadata.is_dir() => {
            let message = format!("not a box: {} is a folder", path.display());
            let is_box = ["metadata.json", "box.ovf", "box.img"].iter().any(|name| path.join(name).is_file());
            Err(Error::new(Kind::BadBox, message).hint(match is_box {
                true => format!("it is the inside of a box: tar -C {} -czf NEW.box .", path.display()),
                false => "a box is one file, such as demo.box: give its path".to_owned(),
            }))
        }
        Ok(_) => {
            let message = format!("not a box: {} is not a regular file", path.display());
            Err(Error::new(Kind::BadBox, message)
                .hint("a pipe or a device has no end: save it to a file first"))
        }
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
