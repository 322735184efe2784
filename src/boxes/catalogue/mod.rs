//! The boxes that `lab` knows by name: the files under `boxes/`, which are compiled in, and files that a teacher adds.
//!
//! `boxes/schema.json` describes the files; a test holds them to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::checksum::{Algorithm, Checksum, Expected};
use super::hardware::Arch;
use super::source::{Source, check_name};
use crate::error::{Error, Kind, Result};
use crate::limited;

/// The environment variable that names a file, or a folder of files, that come before all others.
pub const VARIABLE: &str = "LAB_CATALOG";

/// How large a file of a catalogue may be. Those that are compiled in have 1 to 3 kB.
const MAX_SIZE: u64 = 256 << 10;
/// How many boxes a catalogue may have.
const MAX_FILES: usize = 1000;

/// The files that are compiled in.
const FILES: &[(&str, &str)] = &[
    ("boxes/debian-12.json", include_str!("../../../boxes/debian-12.json")),
    ("boxes/debian-13.json", include_str!("../../../boxes/debian-13.json")),
    ("boxes/demo.json", include_str!("../../../boxes/demo.json")),
    ("boxes/lucid32.json", include_str!("../../../boxes/lucid32.json")),
    ("boxes/lucid64.json", include_str!("../../../boxes/lucid64.json")),
    ("boxes/ubuntu-22.04.json", include_str!("../../../boxes/ubuntu-22.04.json")),
    ("boxes/ubuntu-24.04.json", include_str!("../../../boxes/ubuntu-24.04.json")),
];

/// A box of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct CatalogueBox {
    /// Where the description of this form is, for editors.
    #[serde(default, rename = "$schema")]
    _schema: Option<String>,
    /// The name that a Labfile gives it.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Its system.
    pub guest: Guest,
    /// Its processor architecture.
    pub arch: Arch,
    /// Its versions, the best first. None for a box that one makes oneself.
    #[serde(default)]
    pub versions: Vec<Release>,
    /// Hints for when no source has it.
    pub hints: Vec<String>,
    /// Settings that its machines need on single providers, by their names.
    #[serde(flatten)]
    own: BTreeMap<String, OnProvider>,
    /// The file with this entry: relative addresses start in its folder. `None` for an entry that is compiled in.
    #[serde(skip)]
    pub from: Option<PathBuf>,
}

/// A guest's system. Its ssh server and the set-up of its network are not described here: the
/// connection offers algorithms that all servers know, and the set-up looks at the guest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guest {
    /// The family of its system: `debian`, `ubuntu`, ….
    pub family: String,
    /// The release's own name: `lucid`, `bookworm`.
    #[serde(default)]
    pub release: Option<String>,
    /// The lines of `sources.list` for a release that left the main mirrors; `release` is given then.
    #[serde(default)]
    pub apt_sources: Vec<String>,
}

/// Settings that a box's machines need on one provider, in addition to those in the box.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OnProvider {
    /// Calls of `modifyvm`, as the Labfile's `customize` has them, which comes after them.
    #[serde(default)]
    customize: Vec<Vec<String>>,
}

impl CatalogueBox {
    /// The settings that its machines need on the provider called `provider`; null where there are none.
    pub fn settings(&self, provider: &str) -> serde_json::Value {
        self.own.get(provider).and_then(|own| serde_json::to_value(own).ok()).unwrap_or_default()
    }
}

/// A version of a box, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The version; `None` for the newest that the sources have.
    #[serde(default)]
    pub version: Option<String>,
    /// Where it can be had, the best first.
    pub sources: Vec<CatalogueSource>,
}

/// A place that a box of the catalogue can be had from. Either `url` or `registry` is given.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueSource {
    /// Its address; a relative one starts at the catalogue's file.
    #[serde(default)]
    pub url: Option<String>,
    /// Its name in the Vagrant registry: `owner/name`.
    #[serde(default)]
    pub registry: Option<String>,
    /// The processor architecture of its file, where it is not the entry's.
    #[serde(default)]
    pub arch: Option<Arch>,
    /// The kind of file.
    pub format: SourceFormat,
    /// Its exact size in bytes, where it is publicly known.
    #[serde(default)]
    pub size: Option<u64>,
    /// About how many MB (of 1,000,000 bytes) it has, for people.
    #[serde(default)]
    pub about_mb: Option<u64>,
    /// Its sha256, where it is publicly known.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Its sha512, where it is publicly known.
    #[serde(default)]
    pub sha512: Option<String>,
    /// The address of a list of sums, as `sha256sum` writes it, that has the file.
    #[serde(default)]
    pub sums: Option<String>,
    /// It is known to be there no more: kept for the record, not tried.
    #[serde(default)]
    pub gone: bool,
    /// A remark for people.
    #[serde(default)]
    pub note: Option<String>,
}

/// The kind of file at a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceFormat {
    /// A Vagrant box.
    VagrantBox,
    /// A disk image that wants a seed for its user and key.
    CloudImage,
    /// An installation medium: no box, but one could be made from it.
    InstallIso,
}

impl CatalogueSource {
    /// Whether there is any sense in trying it.
    pub fn is_usable(&self) -> bool {
        !self.gone && self.format != SourceFormat::InstallIso
    }

    /// What the catalogue knows of its file.
    pub fn expected(&self) -> Expected {
        let sums =
            [&self.sha256, &self.sha512].into_iter().flatten().filter_map(|hex| Checksum::of_length(hex));
        Expected { size: self.size, sums: sums.collect() }
    }
}

impl Release {
    /// The sources to try, in their order, on a computer of the architecture `host`: those made for it before
    /// others, and none for ARM on a computer that is not.
    pub fn sources_for(&self, own: Arch, host: Arch) -> Vec<&CatalogueSource> {
        let arch = |place: &CatalogueSource| place.arch.unwrap_or(own);
        let mut places: Vec<_> = self.sources.iter().filter(|place| place.is_usable()).collect();
        places.retain(|place| arch(place) != Arch::Aarch64 || host == Arch::Aarch64);
        // A registry has files for several, and is asked for the host's.
        places.sort_by_key(|place| place.registry.is_none() && host == Arch::Aarch64 && arch(place) != host);
        places
    }
}

/// All boxes that are known by name.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    boxes: Vec<CatalogueBox>,
}

impl Catalogue {
    /// The entries that [`VARIABLE`] names, then those that the Labfile names, then those that are compiled in. The first box of a
    /// name is used.
    ///
    /// # Errors
    /// [`Kind::Io`] and [`Kind::BadCatalogue`] for a named file that cannot be read.
    pub fn load(labfiles: Option<&Path>) -> Result<Self> {
        let own = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let mut boxes = Vec::new();
        for path in own.as_deref().into_iter().chain(labfiles) {
            boxes.extend(read(path)?);
        }
        for (path, text) in FILES {
            // A test compares each of them with the schema.
            boxes.push(parse(text, Path::new(path)).map_err(|error| Error::internal(error.to_string()))?);
        }
        Ok(Catalogue { boxes })
    }

    /// The box of this name.
    pub fn get(&self, name: &str) -> Option<&CatalogueBox> {
        self.boxes.iter().find(|entry| entry.name == name)
    }

    /// The releases that left the main mirrors, each with the lines of `sources.list` that lead to its archive.
    pub fn archived(&self) -> Vec<(String, Vec<String>)> {
        let mut archived: Vec<(String, Vec<String>)> = Vec::new();
        for guest in self.boxes.iter().map(|entry| &entry.guest).filter(|guest| !guest.apt_sources.is_empty())
        {
            if let Some(release) = &guest.release
                && !archived.iter().any(|(known, _)| known == release)
            {
                archived.push((release.clone(), guest.apt_sources.clone()));
            }
        }
        archived
    }

    /// The names of all boxes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.boxes.iter().map(|entry| entry.name.as_str())
    }
}

/// The boxes of a file, or of all `*.json` of a folder.
fn read(path: &Path) -> Result<Vec<CatalogueBox>> {
    let absolute = std::path::absolute(path).map_err(|source| Error::io("find", path, &source))?;
    let failed = |source: std::io::Error| {
        Error::io("read", &absolute, &source)
            .hint(format!("{VARIABLE}, or `catalog` in the Labfile, names a catalogue's file or folder"))
    };
    let mut files = Vec::new();
    if std::fs::metadata(&absolute).map_err(failed)?.is_dir() {
        for entry in std::fs::read_dir(&absolute).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let is_schema = path.file_name().is_some_and(|name| name == "schema.json");
            if path.extension().is_some_and(|extension| extension == "json") && !is_schema {
                files.push(path);
            }
        }
        files.sort();
    } else {
        files.push(absolute.clone());
    }
    let mut boxes = Vec::new();
    for path in files {
        if boxes.len() == MAX_FILES {
            let message =
                format!("{} has more than {MAX_FILES} entries, which is the limit", absolute.display());
            return Err(Error::new(Kind::BadCatalogue, message));
        }
        let text =
            limited::text(&path, MAX_SIZE).map_err(|unread| unread.into_error(&path, Kind::BadCatalogue))?;
        boxes.push(CatalogueBox { from: Some(path.clone()), ..parse(&text, &path)? });
    }
    Ok(boxes)
}

/// Reads one file, and checks the rules that its types alone do not express.
pub(super) fn parse(text: &str, path: &Path) -> Result<CatalogueBox> {
    let wrong = |why: String| {
        Error::new(Kind::BadCatalogue, format!("{} is no entry of a catalogue: {why}", path.display()))
            .hint("boxes/schema.json in lab's repository describes the form")
    };
    let entry: CatalogueBox = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    check_name(&entry.name).map_err(|error| wrong(error.to_string()))?;
    let guest = &entry.guest;
    if !guest.apt_sources.is_empty() && guest.release.is_none() {
        return Err(wrong("`apt_sources` are of a `release`".to_owned()));
    }
    if guest.apt_sources.iter().any(|line| !line.starts_with("deb ") || line.contains('\n')) {
        return Err(wrong("a line of `apt_sources` begins with `deb `".to_owned()));
    }
    let is_modification = |call: &Vec<String>| matches!(call.as_slice(), [verb, id, _, ..] if verb == "modifyvm" && id == "{id}");
    if let Some(name) = entry.own.keys().find(|name| !super::registry::PROVIDERS.contains(&name.as_str())) {
        return Err(wrong(format!("unknown field `{name}`")));
    }
    if !entry.own.values().flat_map(|own| &own.customize).all(is_modification) {
        return Err(wrong("a call of `customize` begins with `modifyvm`, `{id}`".to_owned()));
    }
    for source in entry.versions.iter().flat_map(|release| &release.sources) {
        let is_sum = |hex: &Option<String>, algorithm: Algorithm| {
            hex.as_deref().is_none_or(|hex| {
                Checksum::of_length(hex).is_some_and(|sum| sum.algorithm == algorithm && sum.hex == hex)
            })
        };
        if !is_sum(&source.sha256, Algorithm::Sha256) || !is_sum(&source.sha512, Algorithm::Sha512) {
            return Err(wrong("a checksum is not of its kind".to_owned()));
        }
        match (&source.url, &source.registry) {
            (Some(url), None) => {
                Source::parse(url, path).map_err(|error| wrong(error.to_string()))?;
            }
            (None, Some(name)) if super::registry::is_name(name) => {}
            (None, Some(name)) => return Err(wrong(format!("{name:?} is no name of a registry"))),
            _ => return Err(wrong("a source has either `url` or `registry`".to_owned())),
        }
    }
    Ok(entry)
}

/// The sum of the file `name` in a list as `sha256sum` and its kin write it.
pub(super) fn sum_in_list(list: &str, name: &str) -> Option<Checksum> {
    list.lines().find_map(|line| {
        let (sum, file) = line.trim().split_once(char::is_whitespace)?;
        // A star says that the file was read as bytes, which makes no difference here.
        let file = file.trim_start().trim_start_matches('*').trim_start_matches("./");
        (file == name).then(|| Checksum::of_length(sum)).flatten()
    })
}

#[cfg(test)]
mod tests;
