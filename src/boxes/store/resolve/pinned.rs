//! The box that `Labfile.lock` names, and no other.

use super::sources::relative;
use super::wanted::{Found, Wanted, is_the_sources_fault};
use crate::boxes::address::without_credentials;
use crate::boxes::catalogue::Catalogue;
use crate::boxes::checksum::{Algorithm, Checksum};
use crate::boxes::image::BoxImage;
use crate::boxes::index::Index;
use crate::boxes::pins::Pin;
use crate::boxes::progress::{Phase, Task};
use crate::boxes::registry;
use crate::boxes::source::Source;
use crate::boxes::store::add::Add;
use crate::boxes::store::base::Store;
use crate::error::{Error, Kind, Result};

impl Store {
    /// The pinned box, and no other.
    pub(super) fn pinned(&self, wanted: &Wanted<'_>, pin: &Pin, task: &mut Task<'_>) -> Result<Found> {
        let name = &without_credentials(wanted.reference);
        let found = |image: BoxImage| {
            let source = Source::parse(&pin.source, wanted.base_dir)?;
            Ok(Found { image, source, version: pin.version.clone() })
        };
        // An existing file is compared with the pin: a user who replaced it must hear that it is not used.
        if let Some(Ok(source @ Source::File(_))) = Source::recognise(wanted.reference, wanted.base_dir)
            && !source.may_be_metadata()
            && matches!(&source, Source::File(path) if path.is_file())
        {
            let add = Add { expected: pin.expected(), version: pin.version.as_deref(), ..Add::new(source) };
            return found(self.add(&add, task).map_err(|error| held(error, name))?);
        }
        if let Some(image) = self.image(&pin.sha256, name)? {
            return found(image);
        }
        let mut failures = Vec::new();
        let near = self.places_of(wanted, pin)?;
        if let Some(image) = self.first_of(&near, wanted, pin, &mut failures, task)? {
            return found(image);
        }
        // Addresses change; the box's publisher may know the new one.
        let far = self.published(wanted, pin, task)?.filter(|place| !near.contains(place));
        if let Some(image) = self.first_of(far.as_slice(), wanted, pin, &mut failures, task)? {
            return found(image);
        }
        Err(self.not_to_be_had(wanted, pin, failures)?)
    }

    /// The pinned box from the first of these places that has it.
    fn first_of(
        &self,
        places: &[Source],
        wanted: &Wanted<'_>,
        pin: &Pin,
        failures: &mut Vec<Error>,
        task: &mut Task<'_>,
    ) -> Result<Option<BoxImage>> {
        let name = &without_credentials(wanted.reference);
        for place in places {
            if !failures.is_empty() {
                task.report(Phase::NextSource, 0, None);
            }
            let expected = pin.expected();
            let add = Add { expected, version: pin.version.as_deref(), ..Add::new(place.clone()) };
            match self.add(&add, task) {
                Err(error) if is_the_sources_fault(error.kind()) => failures.push(error),
                Err(error) => return Err(error),
                Ok(image) => {
                    // Give it the name, unless another box has that.
                    if Source::recognise(wanted.reference, wanted.base_dir).is_none() {
                        Index::change(&self.layout, |index| {
                            index.names.entry(name.to_owned()).or_insert_with(|| image.digest.clone());
                            Ok(())
                        })?;
                    }
                    return Ok(Some(BoxImage { name: name.to_owned(), ..image }));
                }
            }
        }
        Ok(None)
    }

    /// Where the registry, or the document that the Labfile names, has the pinned version today.
    ///
    /// # Errors
    /// [`Kind::Interrupted`]; other failures are not reported, since the places before have failed too.
    fn published(&self, wanted: &Wanted<'_>, pin: &Pin, task: &mut Task<'_>) -> Result<Option<Source>> {
        let name = &without_credentials(wanted.reference);
        let document = match Source::recognise(wanted.reference, wanted.base_dir) {
            Some(Ok(source)) => source.real(),
            None if registry::is_name(name) => Source::Url(self.registry.below(name)),
            _ => return Ok(None),
        };
        let metadata = match self.metadata_at(&document, &Wanted { fresh: true, ..*wanted }, task) {
            Ok(Some(metadata)) => metadata,
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            _ => return Ok(None),
        };
        let version = pin.version.as_deref().and_then(|version| version.parse().ok());
        let Ok(choice) = metadata.choose(name, version.as_ref(), registry::host_arch()) else {
            return Ok(None);
        };
        let other = |sum: &Checksum| sum.algorithm == Algorithm::Sha256 && sum.hex != pin.sha256;
        if version.is_none() || choice.expected.sums.iter().any(other) {
            return Ok(None);
        }
        Ok(registry::relative_to(&document, &choice.url).ok().map(Source::real))
    }

    /// The places that may have the pinned box.
    fn places_of(&self, wanted: &Wanted<'_>, pin: &Pin) -> Result<Vec<Source>> {
        let mut places = Vec::new();
        if let source @ Source::Url(_) = Source::parse(&pin.source, wanted.base_dir)? {
            places.push(source);
        }
        let catalogue = Catalogue::load(wanted.catalogue)?;
        if let Some(entry) = catalogue.get(wanted.reference) {
            let same = entry.versions.iter().filter(|release| release.version == pin.version);
            for place in same.flat_map(|release| release.sources_for(entry.arch, registry::host_arch())) {
                let other = place.sha256.as_ref().is_some_and(|sum| *sum != pin.sha256);
                if let (Some(url), false) = (&place.url, other) {
                    let source = relative(entry, url)?;
                    if !places.contains(&source) {
                        places.push(source);
                    }
                }
            }
        }
        Ok(places)
    }

    /// The error where no place has the pinned box.
    fn not_to_be_had(&self, wanted: &Wanted<'_>, pin: &Pin, failures: Vec<Error>) -> Result<Error> {
        let name = &without_credentials(wanted.reference);
        if let [only] = failures.as_slice() {
            return Ok(held(only.clone(), name));
        }
        if let Some(other) = Index::read(&self.layout)?.names.get(name).filter(|_| failures.is_empty()) {
            let message = format!("the box {name} here is not the one that Labfile.lock names");
            return Ok(Error::new(Kind::BoxChecksum, message)
                .detail(format!("its sha256 should be {}", pin.sha256))
                .detail(format!("              and is {other}"))
                .hint(format!("get the right one from whoever has it: lab box add --force {name} FILE"))
                .hint(format!("to use the box that is here from now on: lab box update {name}")));
        }
        let (kind, message) = match failures.is_empty() {
            true => (Kind::BoxNotFound, format!("the box {name} that Labfile.lock names is not here")),
            false => (Kind::Download, format!("no source has the box {name} that Labfile.lock names")),
        };
        let error = failures.iter().fold(Error::new(kind, message), |error, one| error.detail(one.message()));
        Ok(error
            .detail(format!("its sha256 is {}", pin.sha256))
            .hint(format!("get it from whoever has it, then: lab box add {name} FILE"))
            .hint(format!("or take whatever there is instead: lab box update {name}")))
    }
}

/// An error about a pinned box, with the command that pins another one.
fn held(error: Error, name: &str) -> Error {
    match error.kind() {
        Kind::BoxChecksum => error
            .detail("Labfile.lock holds this lab to it")
            .hint(format!("to use the other box from now on: lab box update {name}")),
        _ => error,
    }
}
