//! The boxes that `lab` knows by name: the files under `boxes/`, compiled in.

use super::hardware::Arch;
use crate::error::{Error, Result};

/// The files of the catalogue.
const FILES: &[(&str, &str)] = &[
    ("boxes/demo.json", include_str!("../../boxes/demo.json")),
    ("boxes/lucid32.json", include_str!("../../boxes/lucid32.json")),
    ("boxes/lucid64.json", include_str!("../../boxes/lucid64.json")),
];

/// A box of the catalogue.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueBox {
    /// What it is asked for by.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// The family of its system: `debian`, `ubuntu`, ….
    pub guest: String,
    /// Its processor architecture.
    pub arch: Arch,
    /// Where it can be had, the best first. None for a box that one makes oneself.
    pub sources: Vec<CatalogueSource>,
    /// What to do when it cannot be had from any of them.
    pub hints: Vec<String>,
}

/// A place that a box of the catalogue can be had from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueSource {
    /// Its address.
    pub url: String,
    /// Its sha256, where it is publicly known.
    pub sha256: Option<String>,
}

/// All boxes of the catalogue.
///
/// # Errors
/// Only as a defect of this build: a test holds every file to its form.
pub fn all() -> Result<Vec<CatalogueBox>> {
    let read = |(path, text): &(&str, &str)| {
        serde_json::from_str(text).map_err(|source| Error::internal(format!("{path}: {source}")))
    };
    FILES.iter().map(read).collect()
}

/// The box of this name, if the catalogue has one.
pub fn get(name: &str) -> Result<Option<CatalogueBox>> {
    Ok(all()?.into_iter().find(|entry| entry.name == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::digest;
    use crate::boxes::source::{Source, check_name};

    #[test]
    fn every_file_of_the_catalogue_is_in_and_good() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("boxes");
        let mut there: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| format!("boxes/{}", entry.unwrap().file_name().to_str().unwrap()))
            .filter(|name| name.ends_with(".json"))
            .collect();
        there.sort();
        let compiled_in: Vec<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(compiled_in, there);
        for (entry, (path, _)) in all().unwrap().iter().zip(FILES) {
            assert_eq!(&format!("boxes/{}.json", entry.name), path);
            check_name(&entry.name).unwrap();
            assert!(!entry.hints.is_empty(), "{path}");
            for source in &entry.sources {
                let parsed = Source::parse(&source.url, std::path::Path::new("/")).unwrap();
                assert!(matches!(parsed, Source::Url(_)), "{path}");
                assert!(source.sha256.as_deref().is_none_or(digest::is_digest), "{path}");
            }
        }
    }
}
