//! Where a box comes from.
//!
//! Today a file or an address. A neighbour in the room or a bundle will be one
//! more variant here, with its own [`Source::key`] and its own way to be fetched.

use std::path::{Path, PathBuf};

use super::address::{Address, without_credentials};
use crate::error::{Error, Kind, Result};

/// A place that a box can be had from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file on this computer.
    File(PathBuf),
    /// An `http:` or `https:` address.
    Url(Address),
}

/// How box files end.
const ENDINGS: &[&str] =
    &[".box", ".ova", ".qcow2", ".vmdk", ".vdi", ".img", ".raw", ".tar", ".tgz", ".gz", ".xz", ".zst"];

impl Source {
    /// Reads an address or a path (relative ones start at `base_dir`).
    pub fn parse(text: &str, base_dir: &Path) -> Result<Self> {
        let lower = text.to_ascii_lowercase();
        match text.split_once("://") {
            Some((_, rest))
                if !rest.is_empty() && (lower.starts_with("http:") || lower.starts_with("https:")) =>
            {
                Ok(Source::Url(Address::new(text)))
            }
            Some(("file", path)) => {
                // file://HOST/path has no meaning here; file:///path and file://localhost/path do.
                let path = path.strip_prefix("localhost").unwrap_or(path);
                Ok(Source::File(PathBuf::from(percent_decoded(path)?)))
            }
            Some((scheme, _)) => {
                let message =
                    format!("lab cannot fetch boxes by {scheme:?}: {:?}", without_credentials(text));
                Err(Error::new(Kind::BoxNotFound, message).hint("http, https and file addresses work"))
            }
            None => match text.strip_prefix("file:") {
                Some(path) => Ok(Source::File(base_dir.join(percent_decoded(path)?))),
                None => Ok(Source::File(base_dir.join(text))),
            },
        }
    }

    /// As [`Source::parse`], where the text may also be a name: then `None`.
    pub fn recognise(text: &str, base_dir: &Path) -> Option<Result<Self>> {
        let lower = text.to_ascii_lowercase();
        let is_path = lower.contains(':')
            || text.contains('\\')
            || text.starts_with(['/', '.', '~'])
            || lower.ends_with(".json")
            || ENDINGS.iter().any(|ending| lower.ends_with(ending))
            // `owner/name` is what registries call their boxes; with more slashes it is a path.
            || text.matches('/').count() > 1
            || (text.contains('/') && base_dir.join(text).exists());
        is_path.then(|| Source::parse(text, base_dir))
    }

    /// A file by its real path, as far as the file is there.
    #[must_use]
    pub(super) fn real(self) -> Self {
        match self {
            Source::File(path) => {
                let real = std::fs::canonicalize(&path).or_else(|_| std::path::absolute(&path));
                Source::File(real.unwrap_or(path))
            }
            other => other,
        }
    }

    /// The text that identifies it, for locks, the index and people.
    pub fn key(&self) -> String {
        match self {
            Source::File(path) => path.display().to_string(),
            Source::Url(url) => url.as_str().to_owned(),
        }
    }

    /// Whether it may be a document that describes a box, rather than the box itself; told by its name.
    pub fn may_be_metadata(&self) -> bool {
        let path = match self {
            // To look into a file is cheap, but no box's name ends so.
            Source::File(path) => return path.extension().is_some_and(|ending| ending == "json"),
            Source::Url(url) => url.path().to_ascii_lowercase(),
        };
        !ENDINGS.iter().any(|ending| path.ends_with(ending))
    }

    /// Its name in a file that others read: without folders of this computer, names and passwords.
    pub fn public(&self) -> String {
        match self {
            Source::File(path) => {
                format!("file:{}", path.file_name().unwrap_or_default().to_string_lossy())
            }
            Source::Url(url) => url.as_str().to_owned(),
        }
    }

    /// The name for people of a box that was given none: the file's, without its ending.
    pub fn default_name(&self) -> String {
        let text = match self {
            Source::File(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Source::Url(url) => {
                url.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
            }
        };
        let mut name = text.as_str();
        // `disk.qcow2.xz` ends twice.
        while let Some(ending) = ENDINGS.iter().find(|ending| name.to_ascii_lowercase().ends_with(**ending)) {
            match name.get(..name.len() - ending.len()).filter(|name| !name.is_empty()) {
                Some(shorter) => name = shorter,
                None => break,
            }
        }
        name.to_owned()
    }
}

/// Whether a box can be given this name: what a catalogue or a registry (`owner/name`) would use,
/// and nothing that looks like a path.
pub fn check_name(name: &str) -> Result<()> {
    let good = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    let ends_like_a_file = ENDINGS.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
    let parts: Vec<_> = name.split('/').collect();
    if name.len() <= 128 && parts.len() <= 2 && parts.iter().all(|part| good(part)) && !ends_like_a_file {
        return Ok(());
    }
    Err(Error::new(Kind::Usage, format!("a box cannot be called {name:?}"))
        .hint("use letters, digits, `.`, `_` and `-`, as in lucid32, and no ending such as .box"))
}

fn percent_decoded(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let byte = byte.ok_or_else(|| {
            Error::new(Kind::BoxNotFound, format!("not an address: {text}"))
                .hint("write a per cent sign as %25, or give the path without file:")
        })?;
        bytes.push(byte);
        rest = tail.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| Error::new(Kind::BoxNotFound, format!("not an address: {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_labfile_says_is_told_apart() {
        let base = Path::new("/lab");
        let file = |path: &str| Some(Source::File(PathBuf::from(path)));
        for (text, expected) in [
            ("demo", None),
            ("bento/ubuntu-10.04", None),
            ("demo.box", file("/lab/demo.box")),
            ("boxes/demo.box", file("/lab/boxes/demo.box")),
            ("./demo", file("/lab/./demo")),
            ("../demo", file("/lab/../demo")),
            ("a/b/c", file("/lab/a/b/c")),
            ("/tmp/x", file("/tmp/x")),
            ("file:///tmp/a%20b.box", file("/tmp/a b.box")),
            ("file:x.box", file("/lab/x.box")),
            ("http://x/y.box", Some(Source::Url("http://x/y.box".into()))),
            ("HTTP://me:secret@x/y.box", Some(Source::Url("http://me:secret@x/y.box".into()))),
        ] {
            let found = Source::recognise(text, base).transpose().unwrap();
            assert_eq!(found, expected, "{text}");
        }
        for text in ["ftp://x/y.box", "http://", "file:///%zz"] {
            assert_eq!(Source::parse(text, base).unwrap_err().kind(), Kind::BoxNotFound, "{text}");
        }
    }

    #[test]
    fn names_for_people() {
        assert_eq!(Source::File("/x/demo.box".into()).default_name(), "demo");
        assert_eq!(Source::Url("https://h/a/lucid32.box?x=1".into()).default_name(), "lucid32");
        assert_eq!(Source::File("/x/.box".into()).default_name(), ".box");
    }

    #[test]
    fn what_others_read_has_no_secrets() {
        let url = |text: &str| Source::Url(text.into()).public();
        assert_eq!(url("https://me:secret@h:1/a@b.box"), "https://h:1/a@b.box");
        assert_eq!(url("https://h"), "https://h");
        assert_eq!(Source::File("/home/me/x.box".into()).public(), "file:x.box");
    }

    #[test]
    fn documents_are_told_from_boxes_by_their_names() {
        for (text, may_be) in [
            ("http://h/x.box?y=1", false),
            ("http://h/x.qcow2", false),
            ("http://h/boxes/x", true),
            ("http://h/x.json", true),
            ("/stick/x.json", true),
            ("/stick/x", false),
        ] {
            let source = Source::parse(text, Path::new("/")).unwrap();
            assert_eq!(source.may_be_metadata(), may_be, "{text}");
        }
    }

    #[test]
    fn names_that_look_like_paths_are_refused() {
        for name in ["demo", "bento/ubuntu-10.04", "a_b.c"] {
            check_name(name).unwrap();
        }
        for name in ["", "..", "../x", "a/b/c", "x.box", "-x", "a b", "/x", "ä", "a/"] {
            assert_eq!(check_name(name).unwrap_err().kind(), Kind::Usage, "{name}");
        }
    }
}
