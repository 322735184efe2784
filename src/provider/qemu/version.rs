//! The programs: where they are, and whether they are new enough.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::remembered;
use crate::boxes::Arch;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::process::{Cmd, find_on_path};
use crate::provider::SharedDir;

/// The oldest QEMU that this provider was run with (Debian 12's). What it needs is older: jobs that
/// save and load RAM (`snapshot-save`) came with 6.0. Raise it together with README's requirements.
pub(super) const MINIMUM_QEMU_VERSION: Version = Version { major: 7, minor: 2, micro: 0 };

/// The first version whose e1000 card cannot be had without auto-negotiation any more, as far as is known
/// here: the property went in the course of the 8 series, of which none was tried.
const E1000_ALWAYS_NEGOTIATES: Version = Version { major: 8, minor: 0, micro: 0 };

/// The environment variable that names the folder of QEMU's programs, for those not on `PATH`.
pub(super) const FOLDER: &str = "LAB_QEMU";

/// How long QEMU may take to say its version. A few milliseconds are usual; a first start from a
/// slow stick, with a virus scanner at work, is not.
const VERSION_TIMEOUT: Duration = Duration::from_secs(30);

/// A version of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) micro: u32,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

impl Version {
    /// Reads what `--version` prints: `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)`.
    fn parse(text: &str) -> Option<Self> {
        let word = text.split_once("version ")?.1.split([' ', '\n', '(', '-', '+']).next()?;
        let mut numbers = word.trim().split('.').map(str::parse);
        let mut next = || numbers.next().and_then(Result::ok);
        Some(Version { major: next()?, minor: next()?, micro: next().unwrap_or(0) })
    }

    /// Whether `-global e1000.autonegotiation=off` is known to it.
    pub(super) fn can_skip_negotiation(self) -> bool {
        self < E1000_ALWAYS_NEGOTIATES
    }

    /// An error unless it is new enough.
    ///
    /// # Errors
    /// [`Kind::ProgramTooOld`].
    pub(super) fn require(self) -> Result<Self> {
        if self >= MINIMUM_QEMU_VERSION {
            return Ok(self);
        }
        let (major, minor) = (MINIMUM_QEMU_VERSION.major, MINIMUM_QEMU_VERSION.minor);
        Err(Error::new(
            Kind::ProgramTooOld,
            format!("QEMU {self} is too old; version {major}.{minor} or newer is needed"),
        )
        .hint(format!("install a newer one, and set {FOLDER} to its folder if it is not the first on PATH")))
    }
}

/// The programs of QEMU.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    /// Where to look instead of `PATH`.
    folder: Option<PathBuf>,
}

impl Programs {
    /// Those that the environment points to. Nothing is looked for yet.
    pub(super) fn from_environment() -> Self {
        Programs { folder: std::env::var_os(FOLDER).filter(|dir| !dir.is_empty()).map(PathBuf::from) }
    }

    #[cfg(test)]
    pub(super) fn in_folder(folder: &std::path::Path) -> Self {
        Programs { folder: Some(folder.to_owned()) }
    }

    /// The emulator for guests of this kind.
    ///
    /// # Errors
    /// [`Kind::ProgramMissing`].
    pub(super) fn system(&self, arch: Arch) -> Result<Cmd> {
        self.find(system(arch)).map(Cmd::new)
    }

    /// `qemu-img`.
    ///
    /// # Errors
    /// [`Kind::ProgramMissing`].
    pub(super) fn img(&self) -> Result<Cmd> {
        self.find("qemu-img").map(Cmd::new)
    }

    /// The emulator's version, as [remembered], or as it says when it is started: some 20 ms.
    ///
    /// # Errors
    /// [`Kind::ProgramMissing`], [`Kind::ProgramFailed`] and what [`Cmd::run`] has.
    pub(super) fn version(&self, arch: Arch, shared: &SharedDir, cancel: &Cancel) -> Result<Version> {
        let program = self.find(system(arch))?;
        if let Some(version) = remembered::recall(shared, &program) {
            return Ok(version);
        }
        let said = Cmd::new(&program).arg("--version").timeout(VERSION_TIMEOUT).run(cancel)?;
        let version = Version::parse(&said).ok_or_else(|| {
            Error::new(Kind::ProgramFailed, "QEMU did not say its version").detail(said.trim_end())
        })?;
        remembered::note(shared, &program, version);
        Ok(version)
    }

    fn find(&self, name: &str) -> Result<PathBuf> {
        let found = match &self.folder {
            Some(folder) => Some(folder.join(name)).filter(|path| path.is_file()),
            None => find_on_path(name),
        };
        found.ok_or_else(|| {
            let place = match &self.folder {
                Some(folder) => format!("in {} (from {FOLDER})", folder.display()),
                None => "on PATH".to_owned(),
            };
            let error = Error::new(Kind::ProgramMissing, format!("{name} is not installed"))
                .detail(format!("looked for {name} {place}"));
            install_hints(std::env::consts::OS).iter().fold(error, |error, hint| error.hint(*hint))
        })
    }
}

fn system(arch: Arch) -> &'static str {
    match arch {
        Arch::I386 | Arch::X86_64 => "qemu-system-x86_64",
        Arch::Aarch64 => "qemu-system-aarch64",
    }
}

/// How to get QEMU.
fn install_hints(os: &str) -> &'static [&'static str] {
    match os {
        "linux" => &[
            "Debian, Ubuntu: sudo apt-get install qemu-system-x86 qemu-utils",
            "Fedora: sudo dnf install qemu-system-x86 qemu-img",
        ],
        "macos" => &["brew install qemu"],
        _ => &["see https://www.qemu.org/download/"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_print_them() {
        let cases = [
            (
                "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright (c) 2003-2022 Fabrice Bellard and the QEMU Project developers\n",
                "7.2.22",
            ),
            (
                "QEMU emulator version 10.0.2\nCopyright (c) 2003-2025 Fabrice Bellard and the QEMU Project developers\n",
                "10.0.2",
            ),
            ("QEMU emulator version 4.2.1 (Debian 1:4.2-3ubuntu6.30)\n", "4.2.1"),
            ("QEMU emulator version 8.2.2 (qemu-8.2.2-1.fc40)\n", "8.2.2"),
            ("QEMU emulator version 9.1.0-rc2 (v9.1.0-rc2)\n", "9.1.0"),
            ("QEMU emulator version 9.0\r\n", "9.0.0"),
            (
                "qemu-img version 2.5.0 (Debian 1:2.5+dfsg-5ubuntu10), Copyright (c) 2004-2008 Fabrice Bellard\n",
                "2.5.0",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Version::parse(text).map(|version| version.to_string()).as_deref(), Some(expected));
        }
        for text in ["", "QEMU emulator version ", "QEMU emulator version seven"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_old_version_is_refused_with_both_named() {
        let version = |major, minor| Version { major, minor, micro: 0 };
        assert!(version(7, 2).require().is_ok());
        assert!(version(10, 0).require().is_ok());
        let error = version(6, 2).require().unwrap_err();
        assert_eq!(error.kind(), Kind::ProgramTooOld);
        assert_eq!(error.message(), "QEMU 6.2.0 is too old; version 7.2 or newer is needed");
    }

    #[test]
    fn a_missing_program_comes_with_how_to_get_it() {
        let programs = Programs { folder: Some(PathBuf::from("/no/such folder")) };
        let error = programs.img().unwrap_err();
        assert_eq!(error.kind(), Kind::ProgramMissing);
        assert_eq!(error.details(), ["looked for qemu-img in /no/such folder (from LAB_QEMU)"]);
        assert!(!error.hints().is_empty());
        assert!(install_hints("linux")[0].contains("apt-get install qemu-system-x86 qemu-utils"));
    }
}
