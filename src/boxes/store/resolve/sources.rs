//! A box where it is published: at an address, in a registry, at the sources that the catalogue lists.

use std::path::Path;

use super::wanted::{Found, Wanted, is_the_sources_fault, no_version};
use crate::boxes::address::Address;
use crate::boxes::catalogue::{self, CatalogueBox, CatalogueSource, SourceFormat};
use crate::boxes::checksum::Expected;
use crate::boxes::download::{Text, text};
use crate::boxes::hardware::{Arch, Hardware};
use crate::boxes::image::BoxImage;
use crate::boxes::index::Index;
use crate::boxes::progress::{Phase, Task};
use crate::boxes::registry::{self, Metadata};
use crate::boxes::source::Source;
use crate::boxes::store::add::{Add, must_be_a_file};
use crate::boxes::store::base::Store;
use crate::boxes::versions::{self, Constraint};
use crate::error::{Error, Kind, Result};
use crate::limited;

/// No document that describes a box is larger.
const LARGEST_DOCUMENT: u64 = 8 << 20;

impl Store {
    /// A path or an address: of a box, or of a document that describes one.
    pub(super) fn in_source(
        &self,
        source: &Source,
        wanted: &Wanted<'_>,
        task: &mut Task<'_>,
    ) -> Result<Found> {
        if let Some(metadata) = self.metadata_at(source, wanted, task)? {
            let name = metadata.name.clone().unwrap_or_else(|| source.default_name());
            let choice = metadata.choose(&name, wanted.version, registry::host_arch())?;
            let place = registry::relative_to(source, &choice.url)?.real();
            let add = Add {
                expected: choice.expected,
                version: Some(&choice.version),
                fresh: wanted.fresh,
                ..Add::new(place.clone())
            };
            let image = BoxImage { name, ..self.add(&add, task)? };
            return Ok(Found { image, source: place, version: Some(choice.version) });
        }
        if wanted.version.is_some() {
            return Err(no_version(wanted.reference));
        }
        // A file that is not there now (a stick that was pulled out) may have been added before.
        let known = if wanted.fresh { None } else { self.find(wanted.reference, wanted.base_dir)? };
        let image = match known {
            Some(image) => image,
            None => self.add(&Add { fresh: wanted.fresh, ..Add::new(source.clone()) }, task)?,
        };
        Ok(Found { image, source: source.clone(), version: None })
    }

    /// The document that describes a box, if the source has one.
    pub(super) fn metadata_at(
        &self,
        source: &Source,
        wanted: &Wanted<'_>,
        task: &mut Task<'_>,
    ) -> Result<Option<Metadata>> {
        if !source.may_be_metadata() {
            return Ok(None);
        }
        match source {
            Source::File(path) => {
                must_be_a_file(path)?;
                let text = limited::text(path, LARGEST_DOCUMENT);
                let text = text.map_err(|unread| unread.into_error(path, Kind::BadBox))?;
                Metadata::parse(&text, &source.key()).map(Some)
            }
            Source::Url(url) => {
                // An address that had a box before is a box, and no document.
                if !wanted.fresh && Index::read(&self.layout)?.urls.contains_key(url.as_str()) {
                    return Ok(None);
                }
                self.warn_if_plain(url, wanted, task);
                match text(url, !url.path().ends_with(".json"), self.patience, task)? {
                    Text::Found(text) => Metadata::parse(&text, url.as_str()).map(Some),
                    Text::Other => Ok(None),
                    Text::Missing | Text::Gone => {
                        let message = format!("could not download {url}: the server has no such file");
                        Err(Error::new(Kind::Download, message).hint("check the address"))
                    }
                }
            }
        }
    }

    /// Says that what a document tells, its checksums too, may be forged. A box that is pinned is known anyway.
    fn warn_if_plain(&self, url: &Address, wanted: &Wanted<'_>, task: &mut Task<'_>) {
        if url.is_plain() && wanted.pin.is_none() {
            task.report(Phase::Unprotected, 0, None);
        }
    }

    /// The box of this name in the registry.
    pub(super) fn in_registry(
        &self,
        name: &str,
        version: Option<&Constraint>,
        arch: Arch,
        wanted: &Wanted<'_>,
        task: &mut Task<'_>,
    ) -> Result<Found> {
        let address = self.registry.below(name);
        let document = Source::Url(address.clone());
        self.warn_if_plain(&address, wanted, task);
        let asked = text(&address, false, self.patience, task).map_err(|error| match error.kind() {
            Kind::Download => self
                .with_end_of_registry(error)
                .hint(format!("or take the box from a file: lab box add {name} FILE")),
            _ => error,
        });
        let metadata = match asked? {
            Text::Found(text) => Metadata::parse(&text, &document.key())?,
            Text::Missing | Text::Other => return Err(self.not_in_registry(name, false)),
            Text::Gone => return Err(self.not_in_registry(name, true)),
        };
        let choice = metadata.choose(name, version, arch)?;
        let place = registry::relative_to(&document, &choice.url)?;
        let add = Add {
            expected: choice.expected,
            version: Some(&choice.version),
            replace: true,
            ..Add::new(place.clone()).named(wanted.reference)
        };
        let image = self.add(&add, task)?;
        Ok(Found { image, source: place, version: Some(choice.version) })
    }

    /// Tries a catalogue's sources one after the other.
    pub(super) fn in_catalogue(
        &self,
        entry: &CatalogueBox,
        wanted: &Wanted<'_>,
        task: &mut Task<'_>,
    ) -> Result<Found> {
        let mut failures: Vec<Error> = Vec::new();
        for release in &entry.versions {
            let own = release.version.as_deref();
            if own.is_some_and(|version| !versions::allows(wanted.version, version)) {
                continue;
            }
            for place in release.sources_for(entry.arch, registry::host_arch()) {
                // A source without a version cannot match the condition; a registry knows its versions.
                if own.is_none() && wanted.version.is_some() && place.registry.is_none() {
                    continue;
                }
                if !failures.is_empty() {
                    task.report(Phase::NextSource, 0, None);
                }
                match self.in_place(entry, own, place, wanted, task) {
                    Err(error) if is_the_sources_fault(error.kind()) => failures.push(error),
                    done => return done,
                }
            }
        }
        let name = &entry.name;
        let (kind, message) = match (failures.is_empty(), wanted.version) {
            (true, Some(version)) => {
                (Kind::BoxNotFound, format!("there is no version of the box {name} that is {version}"))
            }
            (true, None) => (Kind::BoxNotFound, format!("the box {name} has not been added yet")),
            (false, _) => (Kind::Download, format!("no source of the box {name} worked")),
        };
        let mut error =
            failures.iter().fold(Error::new(kind, message), |error, one| error.detail(one.message()));
        let has_registry =
            entry.versions.iter().flat_map(|release| &release.sources).any(|place| place.registry.is_some());
        if has_registry && !failures.is_empty() {
            error = self.with_end_of_registry(error);
        }
        Err(entry.hints.iter().fold(error, |error, hint| error.hint(hint)))
    }

    fn in_place(
        &self,
        entry: &CatalogueBox,
        version: Option<&str>,
        place: &CatalogueSource,
        wanted: &Wanted<'_>,
        task: &mut Task<'_>,
    ) -> Result<Found> {
        if let Some(name) = &place.registry {
            let own: Option<Constraint> = version.and_then(|version| version.parse().ok());
            // Publishers often have both; where they have not, the other one is taken.
            let arch = if registry::host_arch() == Arch::Aarch64 { Arch::Aarch64 } else { entry.arch };
            return self.in_registry(name, own.as_ref().or(wanted.version), arch, wanted, task);
        }
        let url = place.url.as_deref().unwrap_or_default();
        let source = relative(entry, url)?.real();
        let add = Add {
            expected: place.expected().and(&self.listed(entry, place, wanted, task)?),
            version,
            replace: true,
            fresh: wanted.fresh && version.is_none(),
            assumed: (place.format == SourceFormat::CloudImage)
                .then(|| Hardware::of_cloud_image(place.arch.unwrap_or(entry.arch))),
            ..Add::new(source.clone()).named(&entry.name)
        };
        let image = self.add(&add, task)?;
        Ok(Found { image, source, version: version.map(str::to_owned) })
    }

    /// The checksum of a source's file, from the list of sums beside it.
    fn listed(
        &self,
        entry: &CatalogueBox,
        place: &CatalogueSource,
        wanted: &Wanted<'_>,
        task: &mut Task<'_>,
    ) -> Result<Expected> {
        let Some(list) = &place.sums else { return Ok(Expected::default()) };
        let url = place.url.as_deref().unwrap_or_default();
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        let missing = || Error::new(Kind::Download, format!("{list} does not list {file}"));
        let text = match relative(entry, list)? {
            Source::File(path) => limited::text(&path, LARGEST_DOCUMENT)
                .map_err(|unread| unread.into_error(&path, Kind::Download))?,
            Source::Url(list) => {
                self.warn_if_plain(&list, wanted, task);
                match text(&list, false, self.patience, task)? {
                    Text::Found(text) => text,
                    Text::Missing | Text::Gone | Text::Other => return Err(missing()),
                }
            }
        };
        let sum = catalogue::sum_in_list(&text, file).ok_or_else(missing)?;
        Ok(Expected { size: None, sums: vec![sum] })
    }
}

/// Where an address in the catalogue leads.
pub(super) fn relative(entry: &CatalogueBox, address: &str) -> Result<Source> {
    match &entry.from {
        Some(path) => registry::relative_to(&Source::File(path.clone()), address),
        None => Source::parse(address, Path::new("/")),
    }
}
