//! What a Labfile's `box =` means: from a name, a path or an address to a box in the store.

mod pinned;
mod sources;

use std::path::Path;

use super::{Hold, Store, real};
use crate::boxes::BoxImage;
use crate::boxes::catalogue::Catalogue;
use crate::boxes::index::Index;
use crate::boxes::manifest::Manifest;
use crate::boxes::pins::Pin;
use crate::boxes::progress::Task;
use crate::boxes::registry;
use crate::boxes::source::Source;
use crate::boxes::versions::{self, Constraint};
use crate::error::{Error, Kind, Result};

/// What a Labfile asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The name of an added box, a path, an address, a name of the catalogue or of the registry.
    pub reference: &'a str,
    /// Where relative paths start.
    pub base_dir: &'a Path,
    /// `box_version`.
    pub version: Option<&'a Constraint>,
    /// A catalogue of the Labfile's own.
    pub catalogue: Option<&'a Path>,
    /// What it is held to.
    pub pin: Option<&'a Pin>,
    /// Whether to ask for what is newest, whatever is here.
    pub fresh: bool,
}

impl<'a> Wanted<'a> {
    /// A reference, with no more wishes.
    pub fn new(reference: &'a str, base_dir: &'a Path) -> Self {
        Wanted { reference, base_dir, version: None, catalogue: None, pin: None, fresh: false }
    }
}

/// A box that is in the store now, and what to hold to from now on.
#[derive(Debug)]
pub struct Resolved {
    /// The box.
    pub image: BoxImage,
    /// What it is.
    pub pin: Pin,
    /// Keeps it there until the machine that is made from it stands in its lab's state.
    pub hold: Hold,
}

/// A box, where it came from, and which version it is.
struct Found {
    image: BoxImage,
    source: Source,
    version: Option<String>,
}

impl Store {
    /// The box that a Labfile means. What is not in the store is added; what is held to is held to.
    ///
    /// # Errors
    /// [`Kind::BoxNotFound`], [`Kind::BadCatalogue`], and those of [`Store::add`]; [`Kind::BoxChecksum`] also
    /// where a box is not the one that `Labfile.lock` names.
    pub fn resolve(&self, wanted: &Wanted<'_>, task: &mut Task<'_>) -> Result<Resolved> {
        let (found, hold) = self.find_and_hold(wanted, task)?;
        let size = self.manifest_of(&found.image.digest)?.map_or(0, |manifest| manifest.size);
        let source = match &found.source {
            // As it is written, where that is from the Labfile's folder on.
            Source::File(_) if is_relative_path(wanted) => format!("file:{}", wanted.reference),
            source => source.public(),
        };
        let pin = Pin {
            name: wanted.reference.to_owned(),
            wanted: wanted.version.map(ToString::to_string),
            version: found.version,
            source,
            size,
            sha256: found.image.digest.clone(),
        };
        Ok(Resolved { image: found.image, pin: wanted.pin.cloned().unwrap_or(pin), hold })
    }

    /// The box, once it is certain that nobody removes it any more.
    fn find_and_hold(&self, wanted: &Wanted<'_>, task: &mut Task<'_>) -> Result<(Found, Hold)> {
        loop {
            let found = match wanted.pin {
                Some(pin) => self.pinned(wanted, pin, task)?,
                None => self.any(wanted, task)?,
            };
            let hold = self.hold(&found.image.digest, wanted.base_dir, task)?;
            // Somebody may have removed it just before: then it is looked for, and fetched, anew.
            if self.is_whole(&found.image.digest) {
                return Ok((found, hold));
            }
        }
    }

    fn manifest_of(&self, digest: &str) -> Result<Option<Manifest>> {
        Manifest::read(&self.layout.box_dir(digest))
    }

    fn any(&self, wanted: &Wanted<'_>, task: &mut Task<'_>) -> Result<Found> {
        if !wanted.fresh
            && let Some(found) = self.named(wanted)?
        {
            return Ok(found);
        }
        if let Some(source) = Source::recognise(wanted.reference, wanted.base_dir) {
            return self.in_source(&real(source?), wanted, task);
        }
        // Two that want one name take turns, so that they do not try its sources side by side.
        let _turn = self.turn(&format!("name {}", wanted.reference), task)?;
        if !wanted.fresh
            && let Some(found) = self.named(wanted)?
        {
            return Ok(found);
        }
        let catalogue = Catalogue::load(wanted.catalogue)?;
        if let Some(entry) = catalogue.get(wanted.reference) {
            let found = self.in_catalogue(entry, wanted, task);
            return match found {
                // A box that one makes oneself has no newer version than the one that is here.
                Err(error) if error.kind() == Kind::BoxNotFound && wanted.fresh => {
                    self.named(wanted)?.ok_or(error)
                }
                found => found,
            };
        }
        if registry::is_name(wanted.reference) {
            let name = wanted.reference;
            let found = self.in_registry(name, wanted.version, registry::host_arch(), wanted, task);
            return match found {
                Err(error) if error.kind() == Kind::BoxNotFound => self.named(wanted)?.ok_or(error),
                found => found,
            };
        }
        self.named(wanted)?.ok_or_else(|| match self.has_name(wanted.reference) {
            true => no_version(wanted.reference),
            false => self.unknown_in(wanted.reference, &catalogue),
        })
    }

    fn has_name(&self, name: &str) -> bool {
        Index::read(&self.layout).is_ok_and(|index| index.names.contains_key(name))
    }

    /// The box of this name in the store, if it is of a version that is wanted.
    fn named(&self, wanted: &Wanted<'_>) -> Result<Option<Found>> {
        let index = Index::read(&self.layout)?;
        let Some(digest) = index.names.get(wanted.reference) else { return Ok(None) };
        let (Some(image), Some(manifest)) =
            (self.image(digest, wanted.reference)?, self.manifest_of(digest)?)
        else {
            return Ok(None);
        };
        let version = manifest.box_version;
        let allowed = match (&version, wanted.version) {
            (_, None) => true,
            (Some(version), wanted) => versions::allows(wanted, version),
            (None, Some(_)) => false,
        };
        let source = match manifest.source.contains("://") {
            true => Source::Url(manifest.source),
            false => Source::File(manifest.source.into()),
        };
        Ok(allowed.then_some(Found { image, source, version }))
    }

    /// The error for a name that nothing has.
    pub(in crate::boxes) fn unknown(&self, name: &str) -> Error {
        // A catalogue that cannot be read has been reported before this.
        self.unknown_in(name, &Catalogue::load(None).unwrap_or_default())
    }

    fn unknown_in(&self, name: &str, catalogue: &Catalogue) -> Error {
        let error = Error::new(Kind::BoxNotFound, format!("there is no box called {name}"));
        if name.contains('/') {
            return error
                .detail("neither a file of that path is there, nor has a box of that name been added")
                .detail(format!("nor does the registry know it: {}/{name}", self.registry))
                .hint(format!("check its name, or download the box and type: lab box add {name} FILE"));
        }
        let added = Index::read(&self.layout).map(|index| index.names.into_keys().collect());
        let mut names: Vec<String> = added.unwrap_or_default();
        names.extend(catalogue.names().map(str::to_owned));
        let nearest = names
            .iter()
            .map(|known| (strsim::damerau_levenshtein(known, name), known))
            .filter(|(distance, _)| *distance <= 2)
            .min();
        let error = match nearest {
            Some((_, known)) => error.hint(format!("did you mean {known}?")),
            None => error,
        };
        error.hint(format!(
            "`lab box list` shows those that there are; to add one: lab box add {name} FILE-OR-URL"
        ))
    }
}

/// Whether another source may do better.
fn is_the_sources_fault(kind: Kind) -> bool {
    matches!(kind, Kind::Download | Kind::BoxChecksum | Kind::BadBox | Kind::HostileBox | Kind::BoxNotFound)
}

fn no_version(reference: &str) -> Error {
    Error::new(Kind::BoxNotFound, format!("the version of the box {reference} is not known"))
        .detail("box_version is for boxes of a registry or of the catalogue")
        .hint("take box_version out of the Labfile")
}

fn is_relative_path(wanted: &Wanted<'_>) -> bool {
    !wanted.reference.contains(':')
        && Path::new(wanted.reference).is_relative()
        && Source::recognise(wanted.reference, wanted.base_dir).is_some()
}
