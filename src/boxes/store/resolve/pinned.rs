//! The box that `Labfile.lock` names, and no other.

use super::sources::relative;
use super::{Found, Wanted, is_the_sources_fault};
use crate::boxes::BoxImage;
use crate::boxes::catalogue::Catalogue;
use crate::boxes::index::Index;
use crate::boxes::pins::Pin;
use crate::boxes::progress::{Phase, Task};
use crate::boxes::source::Source;
use crate::boxes::store::{Add, Store};
use crate::error::{Error, Kind, Result};

impl Store {
    /// The box that is held to, and no other.
    pub(super) fn pinned(&self, wanted: &Wanted<'_>, pin: &Pin, task: &mut Task<'_>) -> Result<Found> {
        let name = wanted.reference;
        let found = |image: BoxImage| {
            let source = Source::parse(&pin.source, wanted.base_dir)?;
            Ok(Found { image, source, version: pin.version.clone() })
        };
        // A file that is there counts as it is: whoever replaced it wants to know that it is not used.
        if let Some(Ok(source @ Source::File(_))) = Source::recognise(name, wanted.base_dir)
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
        for source in self.places_of(wanted, pin)? {
            let add = Add { expected: pin.expected(), version: pin.version.as_deref(), ..Add::new(source) };
            match self.add(&add, task) {
                Err(error) if is_the_sources_fault(error.kind()) => failures.push(error),
                Err(error) => return Err(error),
                Ok(image) => {
                    // Whoever asks for the name next has it, unless it is another's.
                    Index::change(&self.layout, |index| {
                        let is_name = Source::recognise(name, wanted.base_dir).is_none();
                        if is_name {
                            index.names.entry(name.to_owned()).or_insert_with(|| image.digest.clone());
                        }
                        Ok(())
                    })?;
                    return found(BoxImage { name: name.to_owned(), ..image });
                }
            }
            task.report(Phase::NextSource, 0, None);
        }
        Err(self.not_to_be_had(wanted, pin, failures)?)
    }

    /// Where the box that is held to may be had from.
    fn places_of(&self, wanted: &Wanted<'_>, pin: &Pin) -> Result<Vec<Source>> {
        let mut places = Vec::new();
        if let source @ Source::Url(_) = Source::parse(&pin.source, wanted.base_dir)? {
            places.push(source);
        }
        let catalogue = Catalogue::load(wanted.catalogue)?;
        if let Some(entry) = catalogue.get(wanted.reference) {
            let same = entry.versions.iter().filter(|release| release.version == pin.version);
            for place in same.flat_map(|release| &release.sources).filter(|place| place.is_usable()) {
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

    /// The error where the box that is held to is nowhere.
    fn not_to_be_had(&self, wanted: &Wanted<'_>, pin: &Pin, failures: Vec<Error>) -> Result<Error> {
        let name = wanted.reference;
        if let [only] = failures.as_slice() {
            return Ok(held(only.clone(), name));
        }
        if let Some(other) = Index::read(&self.layout)?.names.get(name).filter(|_| failures.is_empty()) {
            let message = format!("the box {name} here is not the one that Labfile.lock names");
            return Ok(Error::new(Kind::BoxChecksum, message)
                .detail(format!("its sha256 should be {}", pin.sha256))
                .detail(format!("              and is {other}"))
                .hint(format!("get the right one from whoever has it: lab box add --force {name} FILE"))
                .hint(format!("if the one that is here is meant: lab box update {name}")));
        }
        let (kind, message) = match failures.is_empty() {
            true => (Kind::BoxNotFound, format!("the box {name} that Labfile.lock names is not here")),
            false => (Kind::Download, format!("the box {name} that Labfile.lock names could not be had")),
        };
        let error = failures.iter().fold(Error::new(kind, message), |error, one| error.detail(one.message()));
        Ok(error
            .detail(format!("its sha256 is {}", pin.sha256))
            .hint(format!("get it from whoever has it, then: lab box add {name} FILE"))
            .hint(format!("or take whatever there is instead: lab box update {name}")))
    }
}

/// An error about a box that is held to, with the way to hold to another.
fn held(error: Error, name: &str) -> Error {
    match error.kind() {
        Kind::BoxChecksum => error
            .detail("Labfile.lock holds this lab to it")
            .hint(format!("if the other one is meant: lab box update {name}")),
        _ => error,
    }
}
