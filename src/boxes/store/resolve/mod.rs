//! Finds the box that a Labfile's `box =` means: from a name, a path or an address to a box in the store.

mod pinned;
mod sources;
mod wanted;

use std::path::Path;

use super::base::Store;
use super::hold::Hold;
use crate::boxes::address::without_credentials;
use crate::boxes::catalogue::Catalogue;
use crate::boxes::image::BoxImage;
use crate::boxes::index::Index;
use crate::boxes::pins::Pin;
use crate::boxes::progress::Task;
use crate::boxes::registry;
use crate::boxes::source::Source;
use crate::boxes::versions;
use crate::error::{Kind, Result};
use wanted::{Found, no_version};

pub use wanted::Wanted;

/// A box that is in the store now, and its pin.
#[derive(Debug)]
pub struct Resolved {
    /// The box.
    pub image: BoxImage,
    /// Its pin: this exact box, from now on.
    pub pin: Pin,
    /// Keeps the box in the store until its machine is in the lab's state.
    pub hold: Hold,
}

impl Store {
    /// The box that a Labfile means. A box that is not in the store is added; a pin decides which box it is.
    ///
    /// # Errors
    /// [`Kind::BoxNotFound`], [`Kind::BadCatalogue`], and those of [`Store::add`]; [`Kind::BoxChecksum`] also
    /// where a box is not the one that `Labfile.lock` names.
    pub fn resolve(&self, wanted: &Wanted<'_>, task: &mut Task<'_>) -> Result<Resolved> {
        let (found, hold) = self.find_and_hold(wanted, task)?;
        let size = self.manifest_of(&found.image.digest)?.map_or(0, |manifest| manifest.size);
        let source = match &found.source {
            // A relative path, as the Labfile has it.
            Source::File(_) if is_relative_path(wanted) => format!("file:{}", wanted.reference),
            source => source.public(),
        };
        let pin = Pin {
            name: without_credentials(wanted.reference),
            wanted: wanted.version.map(ToString::to_string),
            version: found.version,
            source,
            size,
            sha256: found.image.digest.clone(),
        };
        let image = BoxImage { name: without_credentials(&found.image.name), ..found.image };
        Ok(Resolved { image, pin: wanted.pin.cloned().unwrap_or(pin), hold })
    }

    /// The box, with a lock by which nobody can remove it.
    fn find_and_hold(&self, wanted: &Wanted<'_>, task: &mut Task<'_>) -> Result<(Found, Hold)> {
        loop {
            let found = match wanted.pin {
                Some(pin) => self.pinned(wanted, pin, task)?,
                None => self.any(wanted, task)?,
            };
            let hold = self.hold(&found.image.digest, wanted.base_dir, task)?;
            // Another command may have removed it just before: then look for it, and fetch it, again.
            if self.is_whole(&found.image.digest) {
                return Ok((found, hold));
            }
        }
    }

    fn any(&self, wanted: &Wanted<'_>, task: &mut Task<'_>) -> Result<Found> {
        if !wanted.fresh
            && let Some(found) = self.named(wanted)?
        {
            return Ok(found);
        }
        if let Some(source) = Source::recognise(wanted.reference, wanted.base_dir) {
            return self.in_source(&source?.real(), wanted, task);
        }
        // Two commands that want one name take turns, so that they do not try its sources side by side.
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
                // A box that the user made has no newer version than the one in the store.
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
            true => Source::Url(manifest.source.into()),
            false => Source::File(manifest.source.into()),
        };
        Ok(allowed.then_some(Found { image, source, version }))
    }
}

fn is_relative_path(wanted: &Wanted<'_>) -> bool {
    !wanted.reference.contains(':')
        && Path::new(wanted.reference).is_relative()
        && Source::recognise(wanted.reference, wanted.base_dir).is_some()
}
