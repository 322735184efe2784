//! The metadata of a box in a registry: its versions, and where each is for which provider.
//!
//! The form is Vagrant's: <https://developer.hashicorp.com/vagrant/docs/boxes/format#box-metadata>.

use std::path::Path;

use super::address::{Address, without_credentials};
use super::checksum::{Checksum, Expected};
use super::hardware::Arch;
use super::notes::plain;
use super::source::Source;
use super::versions::{self, Constraint, Version};
use crate::error::{Error, Kind, Result};

/// Where boxes called `owner/name` are looked up, as Vagrant 2.3.4 and later do.
const DEFAULT: &str = "https://vagrantcloud.com/api/v2/vagrant";
/// What moves the registry; the second is Vagrant's own.
const VARIABLES: [&str; 2] = ["LAB_REGISTRY", "VAGRANT_SERVER_URL"];
/// The kinds of box that can be read, the best first: the first one runs with every provider.
pub(super) const PROVIDERS: [&str; 3] = ["virtualbox", "libvirt", "qemu"];

/// The registry's address; the metadata of `owner/name` is below it.
pub(super) fn of_environment() -> Address {
    let said = VARIABLES.iter().find_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()));
    Address::new(said.as_deref().unwrap_or(DEFAULT).trim_end_matches('/'))
}

/// How many versions, and files of all versions, a box may have. The oldest boxes have some hundred versions.
const MAX_ENTRIES: usize = 10_000;

/// Whether `name` is of the form that registries have: `owner/name`.
pub(super) fn is_name(name: &str) -> bool {
    name.split_once('/').is_some_and(|(owner, rest)| !owner.is_empty() && !rest.is_empty())
        && super::source::check_name(name).is_ok()
}

/// What a registry says of a box.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Metadata {
    /// Its name.
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    versions: Vec<Release>,
}

#[derive(Debug, serde::Deserialize)]
struct Release {
    version: String,
    /// Vagrant Cloud has `active`, `unreleased` and `revoked`.
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    providers: Vec<Provider>,
}

#[derive(Debug, serde::Deserialize)]
struct Provider {
    name: String,
    url: String,
    #[serde(default)]
    checksum: Option<String>,
    #[serde(default)]
    checksum_type: Option<String>,
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    default_architecture: bool,
}

/// A file that was chosen from a box's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) version: String,
    /// As the metadata has it; it may be relative.
    pub(super) url: String,
    pub(super) expected: Expected,
}

impl Metadata {
    /// Reads the metadata that stands at `from`.
    ///
    /// # Errors
    /// [`Kind::BadBox`].
    pub(super) fn parse(text: &str, from: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::new(Kind::BadBox, format!("what stands at {from} does not describe a box"))
                .detail(why)
                .hint("give the address of the box file, or of the metadata that Vagrant would read")
        };
        let metadata: Metadata = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if metadata.versions.is_empty() {
            return Err(wrong("it lists no versions".to_owned()));
        }
        let files: usize = metadata.versions.iter().map(|release| release.providers.len()).sum();
        if metadata.versions.len() > MAX_ENTRIES || files > MAX_ENTRIES {
            return Err(wrong(format!(
                "it lists more than {MAX_ENTRIES} versions or files, which is the limit"
            )));
        }
        Ok(metadata)
    }

    /// The newest version that is wanted: its file for `arch`, or else a file for another architecture.
    ///
    /// # Errors
    /// [`Kind::BoxNotFound`], naming what there is.
    pub(super) fn choose(&self, name: &str, wanted: Option<&Constraint>, arch: Arch) -> Result<Choice> {
        let mut releases: Vec<(Option<Version>, &Release)> = self
            .versions
            .iter()
            .filter(|release| release.status.as_deref().is_none_or(|status| status == "active"))
            .map(|release| (release.version.parse().ok(), release))
            .collect();
        releases.sort_by(|(a, _), (b, _)| b.cmp(a));
        let allowed = releases.iter().filter(|(_, release)| versions::allows(wanted, &release.version));
        let mut others = Vec::new();
        for (_, release) in allowed {
            if let Some(provider) = best(&release.providers, arch) {
                return Ok(Choice {
                    version: release.version.clone(),
                    url: provider.url.clone(),
                    expected: provider.expected()?,
                });
            }
            others.extend(release.providers.iter().map(|provider| provider.name.as_str()));
        }
        if !others.is_empty() {
            others.sort_unstable();
            others.dedup();
            let message = format!("the box {name} is not made for virtualbox, libvirt or qemu");
            return Err(Error::new(Kind::BoxNotFound, message)
                .detail(format!("it is there for {}", plain(&others.join(", "))))
                .hint("choose another box of the same system"));
        }
        let wish = wanted.map_or_else(String::new, |wanted| format!(" that is {wanted}"));
        let known: Vec<&str> = releases.iter().take(5).map(|(_, release)| release.version.as_str()).collect();
        let error = Error::new(Kind::BoxNotFound, format!("there is no version of the box {name}{wish}"));
        Err(match known.is_empty() {
            true => error.hint("its owner has withdrawn all of them: choose another box"),
            false => error
                .detail(format!("the newest are {}", plain(&known.join(", "))))
                .hint("correct box_version in the Labfile, or leave it out for the newest"),
        })
    }
}

impl Provider {
    fn expected(&self) -> Result<Expected> {
        let said = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let (Some(kind), Some(sum)) = (said(&self.checksum_type), said(&self.checksum)) else {
            return Ok(Expected::default());
        };
        // A sum that lab cannot read must not count as "no sum".
        let sum = Checksum::new(&kind, &sum).ok_or_else(|| {
            Error::new(
                Kind::BadBox,
                format!("the checksum of {:?} is not one: {kind:?} {sum:?}", without_credentials(&self.url)),
            )
            .hint("tell whoever publishes the box, or choose another version")
        })?;
        Ok(Expected { size: None, sums: vec![sum] })
    }
}

/// The provider's file to take: the architecture decides, then the order of [`PROVIDERS`].
fn best(providers: &[Provider], arch: Arch) -> Option<&Provider> {
    let known = providers.iter().filter_map(|provider| {
        let rank = PROVIDERS.iter().position(|name| *name == provider.name)?;
        let fits = match provider.architecture.as_deref() {
            Some(text) if names_of(arch).contains(&text) => 0,
            None | Some("" | "unknown") => 1,
            Some(_) if provider.default_architecture => 2,
            Some(_) => 3,
        };
        Some(((fits, rank), provider))
    });
    known.min_by_key(|(order, _)| *order).map(|(_, provider)| provider)
}

/// What registries call an architecture.
fn names_of(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::I386 => &["i386", "386", "i686", "x86"],
        Arch::X86_64 => &["amd64", "x86_64"],
        Arch::Aarch64 => &["arm64", "aarch64"],
    }
}

/// This computer's architecture, as far as boxes are made for it.
pub(super) fn host_arch() -> Arch {
    match std::env::consts::ARCH {
        "aarch64" => Arch::Aarch64,
        "x86" => Arch::I386,
        _ => Arch::X86_64,
    }
}

/// What an address in a document means, when the document stands at `from`: it may be relative.
///
/// # Errors
/// [`Kind::HostileBox`] where a document from the web names a file of this computer, or one from https an
/// address that anybody on the way could forge.
pub(super) fn relative_to(from: &Source, address: &str) -> Result<Source> {
    let url = match from {
        Source::File(path) => return Source::parse(address, path.parent().unwrap_or(Path::new("/"))),
        Source::Url(url) => url,
    };
    let shown = without_credentials(address);
    let refused = |why: &str| {
        Error::new(Kind::HostileBox, format!("what stands at {url} leads to {shown:?}: {why}"))
            .hint("tell whoever publishes it, or download the box yourself and type: lab box add NAME FILE")
    };
    let scheme = address.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https") => {
            let Source::Url(to) = Source::parse(address, Path::new("/"))? else {
                return Err(refused("that is no address of the web"));
            };
            match to.is_plain() && !url.is_plain() {
                true => {
                    Err(refused("from https lab goes to https only, since anybody on the way can forge http"))
                }
                false => Ok(Source::Url(to)),
            }
        }
        Some("file") => Err(refused("only a document on this computer may name a file of it")),
        _ if address.starts_with("//") => {
            let scheme = if url.is_plain() { "http:" } else { "https:" };
            Ok(Source::Url(Address::new(&format!("{scheme}{address}"))))
        }
        Some(_) if address.contains("://") => Err(refused("only https and http addresses work there")),
        _ if address.starts_with('/') => Ok(Source::Url(url.beside(address))),
        _ => {
            let path = url.path();
            let root = path.find("://").map_or(0, |at| at + 3);
            let base = path.rfind('/').filter(|at| *at >= root).and_then(|at| path.get(..at)).unwrap_or(path);
            let base =
                base.get(root..).and_then(|rest| rest.split_once('/')).map_or("", |(_, folders)| folders);
            let slash = if base.is_empty() { "" } else { "/" };
            Ok(Source::Url(url.beside(&format!("/{base}{slash}{address}"))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "900150983cd24fb0d6963f7d28e17f72";

    fn metadata() -> Metadata {
        let file = |name: &str, arch: &str, default: bool| {
            format!(
                r#"{{"name":"{name}","url":"https://h/{name}-{arch}.box","checksum":"{SUM}","checksum_type":"md5",
                    "architecture":"{arch}","default_architecture":{default}}}"#
            )
        };
        let old = r#"{"name":"virtualbox","url":"old.box","checksum":"","checksum_type":null}"#;
        let text = format!(
            r#"{{"name":"bento/x","description":"d","versions":[
                {{"version":"1.9.0","status":"active","providers":[{old}]}},
                {{"version":"1.10.0","providers":[{}, {}, {}]}},
                {{"version":"2.0.0","status":"active","providers":[{{"name":"vmware_desktop","url":"v.box"}}]}},
                {{"version":"3.0.0","status":"revoked","providers":[{old}]}}]}}"#,
            file("libvirt", "amd64", true),
            file("virtualbox", "amd64", true),
            file("virtualbox", "arm64", false),
        );
        Metadata::parse(&text, "x").unwrap()
    }

    fn chosen(wanted: &str, arch: Arch) -> Result<Choice> {
        let wanted: Option<Constraint> = (!wanted.is_empty()).then(|| wanted.parse().unwrap());
        metadata().choose("bento/x", wanted.as_ref(), arch)
    }

    #[test]
    fn the_newest_that_fits_is_chosen() {
        let newest = chosen("", Arch::X86_64).unwrap();
        assert_eq!(
            (newest.version.as_str(), newest.url.as_str()),
            ("1.10.0", "https://h/virtualbox-amd64.box")
        );
        assert_eq!(newest.expected.sums, [Checksum::new("md5", SUM).unwrap()]);
        assert_eq!(chosen("", Arch::Aarch64).unwrap().url, "https://h/virtualbox-arm64.box");
        assert_eq!(chosen("", Arch::I386).unwrap().url, "https://h/virtualbox-amd64.box");
        let old = chosen("~> 1.9.0", Arch::X86_64).unwrap();
        assert_eq!((old.version.as_str(), old.expected), ("1.9.0", Expected::default()));
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let error = chosen("> 4", Arch::X86_64).unwrap_err();
        assert_eq!(error.kind(), Kind::BoxNotFound);
        assert!(error.message().contains("> 4"));
        assert_eq!(error.details(), ["the newest are 2.0.0, 1.10.0, 1.9.0"]);
        let error = chosen("2.0", Arch::X86_64).unwrap_err();
        assert!(error.details()[0].contains("vmware_desktop"), "{error:?}");
        for text in ["", "[]", "{}", r#"{"versions":[]}"#, r#"{"versions":[{"providers":[]}]}"#] {
            assert_eq!(Metadata::parse(text, "x").unwrap_err().kind(), Kind::BadBox, "{text}");
        }
    }

    #[test]
    fn a_sum_that_cannot_be_read_is_an_error() {
        let text = r#"{"versions":[{"version":"1","providers":
            [{"name":"virtualbox","url":"u","checksum":"abc","checksum_type":"sha256"}]}]}"#;
        let error = Metadata::parse(text, "x").unwrap().choose("x", None, Arch::X86_64).unwrap_err();
        assert_eq!(error.kind(), Kind::BadBox);
    }

    #[test]
    fn addresses_in_a_document_may_be_relative() {
        let from = |url: &str| Source::Url(url.into());
        for (document, address, meant) in [
            ("http://h/a/m.json?x=/1", "b.box", "http://h/a/b.box"),
            ("http://h/a/m.json", "/b.box", "http://h/b.box"),
            ("http://h", "b.box", "http://h/b.box"),
            ("http://h/a/m.json", "https://o/b.box", "https://o/b.box"),
            ("https://h/a/m.json", "//o/b.box", "https://o/b.box"),
            ("http://me:pw@h/a/b/m.json", "c/b.box", "http://me:pw@h/a/b/c/b.box"),
            ("https://me:pw@h/m.json", "HTTPS://o/b.box", "https://o/b.box"),
        ] {
            assert_eq!(relative_to(&from(document), address).unwrap(), from(meant), "{document} {address}");
        }
        let file = Source::File("/stick/m.json".into());
        assert_eq!(relative_to(&file, "b.box").unwrap(), Source::File("/stick/b.box".into()));
        assert_eq!(relative_to(&file, "http://h/b.box").unwrap(), from("http://h/b.box"));
    }

    #[test]
    fn a_document_from_the_web_leads_to_nothing_weaker() {
        for (document, address) in [
            ("https://h/m.json", "http://h/b.box"),
            ("https://h/m.json", "HTTP://h/b.box"),
            ("https://h/m.json", "file:///etc/passwd"),
            ("http://h/m.json", "file:///etc/passwd"),
            ("http://h/m.json", "file:/etc/passwd"),
            ("http://h/m.json", "FILE://localhost/etc/passwd"),
            ("http://h/m.json", "ftp://h/b.box"),
        ] {
            let error = relative_to(&Source::Url(document.into()), address).unwrap_err();
            assert_eq!(error.kind(), Kind::HostileBox, "{document} {address}");
        }
    }

    #[test]
    fn names_of_registries_have_an_owner() {
        assert!(is_name("bento/ubuntu-22.04"));
        for name in ["ubuntu", "/x", "a/b/c", "../x", "a/x.box"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
