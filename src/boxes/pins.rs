//! `Labfile.lock`: which boxes exactly a lab's machines are made from, so that a whole class runs the same
//! bytes. Written at first use, held to afterwards, moved by `lab box update`.
//!
//! TOML with a line per fact: what changes in a box is what changes in a diff.

use std::path::Path;

use super::address::without_credentials;
use super::checksum::Expected;
use crate::atomic;
use crate::error::{Error, Kind, Result};
use crate::limited;

/// The name of the file; it stands beside the Labfile.
pub const FILE_NAME: &str = "Labfile.lock";
/// The version of its form that this release writes, and the newest that it reads.
const VERSION: u32 = 1;
/// A box takes about 300 bytes.
const MAX_SIZE: u64 = 1 << 20;
const HEAD: &str = "\
# The boxes that this lab's machines are made from. lab wrote this and holds to it: keep it beside the
# Labfile, and commit it. `lab box update` takes newer boxes.
";

/// One exact box that a lab uses.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pin {
    /// What the Labfile calls it.
    pub name: String,
    /// The `box_version` that the Labfile asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// Its version, where its registry or the catalogue has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it was had from: an address, or `file:` and a file's name.
    pub source: String,
    /// The size of the box file in bytes.
    pub size: u64,
    /// Its sha256.
    pub sha256: String,
}

impl Pin {
    /// The size and the sum that a file must have to be this box.
    pub fn expected(&self) -> Expected {
        Expected { size: Some(self.size), ..Expected::sha256(&self.sha256) }
    }

    /// Whether it is what a Labfile means by a name and a `box_version`.
    fn is_of(&self, name: &str, wanted: Option<&str>) -> bool {
        // A name that is an address was written down without its password.
        without_credentials(&self.name) == without_credentials(name) && self.wanted.as_deref() == wanted
    }
}

/// All pins of a lab.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    boxes: Vec<Pin>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct File {
    version: u32,
    #[serde(default, rename = "box")]
    boxes: Vec<Pin>,
}

/// The one field that every version has.
#[derive(serde::Deserialize)]
struct Versioned {
    version: u32,
}

impl Pins {
    /// The pins in the file at `path`; none where there is no such file.
    ///
    /// # Errors
    /// [`Kind::StateDamaged`], [`Kind::StateTooNew`], [`Kind::Io`].
    pub fn read(path: &Path) -> Result<Self> {
        let mend = "get it back from where the lab came from (git restore Labfile.lock), or delete it: `lab up` writes it anew";
        let text = match limited::text_if_there(path, MAX_SIZE, Kind::StateDamaged) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(Pins::default()),
            Err(error) if error.kind() == Kind::StateDamaged => return Err(error.hint(mend)),
            Err(error) => return Err(error),
        };
        let damaged = |error: toml::de::Error| {
            Error::new(Kind::StateDamaged, format!("{} is damaged", path.display()))
                .detail(error.to_string().trim_end().to_owned())
                .hint(mend)
        };
        let Versioned { version } = toml::from_str(&text).map_err(damaged)?;
        if version > VERSION {
            let message = format!(
                "{} was written by a newer lab (version {version}; this lab reads up to version {VERSION})",
                path.display()
            );
            return Err(
                Error::new(Kind::StateTooNew, message).hint("update lab, or use the one that wrote it")
            );
        }
        let file: File = toml::from_str(&text).map_err(damaged)?;
        if let Some(pin) = file.boxes.iter().find(|pin| !crate::digest::is_digest(&pin.sha256)) {
            let message =
                format!("{}: the sha256 of {:?} is not a sha256: {:?}", path.display(), pin.name, pin.sha256);
            return Err(Error::new(Kind::StateDamaged, message).hint("it has 64 digits, in small letters"));
        }
        Ok(Pins { boxes: file.boxes })
    }

    /// Writes them to `path`.
    ///
    /// # Errors
    /// [`Kind::DiskFull`], [`Kind::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let file = File { version: VERSION, boxes: self.boxes.clone() };
        let text = toml::to_string(&file)
            .map_err(|error| Error::internal(format!("could not encode {}: {error}", path.display())))?;
        atomic::write_shared(path, format!("{HEAD}{text}").as_bytes())
    }

    /// The pin of a name with a `box_version`.
    pub fn get(&self, name: &str, wanted: Option<&str>) -> Option<&Pin> {
        self.boxes.iter().find(|pin| pin.is_of(name, wanted))
    }

    /// Sets the pin of a name; it replaces the one before.
    pub fn set(&mut self, pin: Pin) {
        self.boxes.retain(|known| !known.is_of(&pin.name, pin.wanted.as_deref()));
        self.boxes.push(pin);
        self.boxes.sort_by(|a, b| (&a.name, &a.wanted).cmp(&(&b.name, &b.wanted)));
    }

    /// Removes the pins for which `keep`, given name and `box_version`, is false; returns them.
    pub fn retain(&mut self, keep: impl Fn(&str, Option<&str>) -> bool) -> Vec<Pin> {
        let all = std::mem::take(&mut self.boxes);
        let (kept, gone) = all.into_iter().partition(|pin| keep(&pin.name, pin.wanted.as_deref()));
        self.boxes = kept;
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(name: &str, wanted: Option<&str>, digit: &str) -> Pin {
        Pin {
            name: name.to_owned(),
            wanted: wanted.map(str::to_owned),
            version: wanted.map(|_| "2.2.3".to_owned()),
            source: "https://example.org/x.box".to_owned(),
            size: 320_000_000,
            sha256: digit.repeat(64),
        }
    }

    #[test]
    fn what_is_written_reads_well_and_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let mut pins = Pins::read(&path).unwrap();
        assert_eq!(pins, Pins::default());
        pins.set(pin("lucid32", Some("~> 2.2"), "a"));
        pins.set(pin("demo", None, "b"));
        pins.write(&path).unwrap();
        insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap(), @r#"
        # The boxes that this lab's machines are made from. lab wrote this and holds to it: keep it beside the
        # Labfile, and commit it. `lab box update` takes newer boxes.
        version = 1

        [[box]]
        name = "demo"
        source = "https://example.org/x.box"
        size = 320000000
        sha256 = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

        [[box]]
        name = "lucid32"
        wanted = "~> 2.2"
        version = "2.2.3"
        source = "https://example.org/x.box"
        size = 320000000
        sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "#);
        assert_eq!(Pins::read(&path).unwrap(), pins);
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
            std::fs::write(dir.path().join("usual"), "").unwrap();
            let usual = std::fs::metadata(dir.path().join("usual")).unwrap();
            assert_eq!(mode, std::os::unix::fs::MetadataExt::mode(&usual));
        }
    }

    #[test]
    fn a_name_is_held_to_one_box_for_each_version_wanted() {
        let mut pins = Pins::default();
        pins.set(pin("x", None, "a"));
        pins.set(pin("x", Some("~> 2"), "b"));
        pins.set(pin("x", None, "c"));
        assert_eq!(pins.get("x", None).unwrap().sha256, "c".repeat(64));
        assert_eq!(pins.get("x", Some("~> 2")).unwrap().sha256, "b".repeat(64));
        assert_eq!(pins.get("x", Some("~> 3")), None);
        assert_eq!(pins.retain(|_, wanted| wanted.is_none()).len(), 1);
        assert_eq!(pins.get("x", Some("~> 2")), None);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        for (text, kind) in [
            ("<<<<<<< HEAD", Kind::StateDamaged),
            ("version = 2\n[future]\n", Kind::StateTooNew),
            ("version = 1\n[[box]]\nname = \"x\"\n", Kind::StateDamaged),
            (
                "version = 1\n[[box]]\nname = \"x\"\nsource = \"y\"\nsize = 1\nsha256 = \"../z\"\n",
                Kind::StateDamaged,
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Pins::read(&path).unwrap_err();
            assert_eq!(error.kind(), kind, "{text}");
            assert!(!error.hints().is_empty());
        }
    }
}
