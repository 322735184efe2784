//! What a Labfile may ask for that is more than its guests, ports on loopback, and files inside its folder.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::section::Reaching;

/// One thing that reaches beyond.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Beyond {
    /// A file or folder that lies outside of the Labfile's folder: a guest, or lab itself, reads it.
    File {
        /// As it is written.
        written: String,
        /// Where it is, all links followed.
        real: PathBuf,
    },
    /// A box that is a file outside of the Labfile's folder: as a rule on a stick, or in the folder of downloads.
    Box {
        /// As it is written.
        written: String,
        /// Where it is, all links followed.
        real: PathBuf,
    },
    /// What a provider may be made to do, beyond running the machine.
    Provider {
        /// The words, and what they do.
        what: Reaching,
        /// The file of the catalogue that brings them, if they are none of the Labfile itself.
        catalogue: Option<PathBuf>,
    },
}

/// Something that reaches beyond, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The line of the Labfile, from 1.
    pub line: usize,
    /// What it is.
    pub what: Beyond,
}

impl Beyond {
    /// Whether the user is asked first. A box becomes a machine's disk, and is there for that.
    pub fn needs_consent(&self) -> bool {
        !matches!(self, Beyond::Box { .. })
    }

    /// A stable word for its kind: `file`, `box`, or the provider's ([`Reaching::kind`]).
    pub fn kind(&self) -> &'static str {
        match self {
            Beyond::File { .. } => "file",
            Beyond::Box { .. } => "box",
            Beyond::Provider { what, .. } => what.kind,
        }
    }

    /// What it does, for people: one sentence without a full stop.
    pub fn text(&self) -> String {
        match self {
            Beyond::File { written, real } | Beyond::Box { written, real } => {
                format!("{written} is outside of the Labfile's folder: {}", real.display())
            }
            Beyond::Provider { what, catalogue: None } => what.text.clone(),
            Beyond::Provider { what, catalogue: Some(file) } => {
                format!("{} ({} has it)", what.text, file.display())
            }
        }
    }

    /// The parts that decide what it does to this computer.
    fn parts(&self) -> Vec<&[u8]> {
        match self {
            Beyond::File { written: _, real } | Beyond::Box { written: _, real } => {
                vec![real.as_os_str().as_encoded_bytes()]
            }
            Beyond::Provider { what, catalogue: _ } => what.words.iter().map(String::as_bytes).collect(),
        }
    }
}

/// A digest (64 hex digits) of what the list asks for. It stays the same when lines move, when something is asked for a
/// second time, and when other parts of the Labfile change: who has agreed once is asked again only about something new.
pub fn digest(reaches: &[Reach]) -> String {
    let mut all: Vec<(&str, Vec<&[u8]>)> =
        reaches.iter().map(|reach| (reach.what.kind(), reach.what.parts())).collect();
    all.sort_unstable();
    all.dedup();
    let mut hash = Sha256::new();
    // Each part is preceded by its length: no two lists give the same bytes.
    let mut add = |part: &[u8]| {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    };
    for (kind, parts) in all {
        add(kind.as_bytes());
        add(&parts.len().to_le_bytes());
        parts.into_iter().for_each(&mut add);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where `path` really is, if that is outside of `folder` (absolute, its links followed). `None` too where there is no
/// such file.
pub(super) fn outside(folder: &Path, path: &Path) -> Option<PathBuf> {
    let real = path.canonicalize().ok()?;
    (!real.starts_with(folder)).then_some(real)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, what: Beyond) -> Reach {
        Reach { line, what }
    }

    fn qemu(words: &[&str]) -> Beyond {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Beyond::Provider { what: Reaching { kind: "arguments", words, text: String::new() }, catalogue: None }
    }

    fn file(real: &str) -> Beyond {
        Beyond::File { written: "x".to_owned(), real: PathBuf::from(real) }
    }

    #[test]
    fn the_digest_is_of_what_is_asked_for() {
        let list = [at(3, qemu(&["-vnc", ":1"])), at(9, file("/a"))];
        let moved = [at(1, file("/a")), at(2, qemu(&["-vnc", ":1"])), at(7, file("/a"))];
        assert_eq!(digest(&list), digest(&moved));
        // It stands in files of users: it must never change by itself.
        assert_eq!(digest(&[]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let others = [
            vec![],
            vec![at(3, qemu(&["-vnc :1"]))],
            vec![at(3, qemu(&["-vnc", ":1"]))],
            vec![at(3, qemu(&["-vnc", ":1", "/a"]))],
            vec![at(3, qemu(&["-vnc", ":1"])), at(9, file("/b"))],
            vec![at(3, qemu(&["-vnc"])), at(3, qemu(&[":1"])), at(9, file("/a"))],
        ];
        for other in &others {
            assert_ne!(digest(&list), digest(other), "{other:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_before_a_path_is_judged() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        let (lab, secret) = (top.join("lab"), top.join("lab-secret"));
        std::fs::create_dir_all(lab.join("site/deep")).unwrap();
        std::fs::create_dir_all(&secret).unwrap();
        std::os::unix::fs::symlink("../lab-secret", lab.join("out")).unwrap();
        std::os::unix::fs::symlink("site/deep", lab.join("in")).unwrap();
        let leads = |path: &str| outside(&lab, &lab.join(path));
        for inside in ["", "site", "in", "site/../in", "./site/deep/../..", "missing"] {
            assert_eq!(leads(inside), None, "{inside}");
        }
        for path in ["out", "../lab-secret", "in/../../../lab-secret", "site/../out"] {
            assert_eq!(leads(path), Some(secret.clone()), "{path}");
        }
        assert_eq!(leads(".."), Some(top.clone()));
        assert_eq!(outside(&lab, Path::new("/")), Some(PathBuf::from("/")));
    }
}
