//! The program: where it is, and whether its version is one that this provider knows.

use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::process::find_on_path;

/// The oldest version that the calls of this provider are written for: 6.1 was the last series that was
/// kept up before 7.0, and is what distributions of 2020 and 2021 have. Raise it together with README's
/// requirements.
pub(super) const MINIMUM_VIRTUALBOX_VERSION: Version = Version { major: 6, minor: 1, micro: 0 };
/// The newest series that this provider was run with.
pub(super) const NEWEST_KNOWN: Version = Version { major: 7, minor: 2, micro: u32::MAX };

/// What the program is called.
const NAME: &str = "VBoxManage";
/// Folders that hold the program, by what the installers of Windows set. The second is the installer's own.
const FOLDER_VARIABLES: [&str; 2] = ["VBOX_INSTALL_PATH", "VBOX_MSI_INSTALL_PATH"];

/// A version of VirtualBox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) micro: u32,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

impl Version {
    /// Reads what `--version` prints: `7.2.22_Debianr175245`, `6.1.50r161033`, `7.0.8_Ubuntur156879`. It is
    /// the last line that begins with a number: Debian's wrapper prints warnings before it.
    pub(crate) fn parse(said: &str) -> Option<Self> {
        let number = |text: &str| {
            let digits = text.find(|c: char| !c.is_ascii_digit()).map_or(text, |end| &text[..end]);
            digits.parse().ok()
        };
        said.lines().rev().find_map(|line| {
            let mut parts = line.trim().splitn(3, '.');
            let (major, minor) = (parts.next()?, parts.next()?);
            Some(Version {
                major: major.parse().ok()?,
                minor: minor.parse().ok()?,
                micro: parts.next().and_then(number)?,
            })
        })
    }

    /// Whether it is at least `major.minor.micro`.
    pub(crate) fn is_at_least(self, major: u32, minor: u32, micro: u32) -> bool {
        self >= Version { major, minor, micro }
    }

    /// An error unless it is new enough.
    ///
    /// # Errors
    /// [`Kind::ProgramTooOld`].
    pub(super) fn require(self) -> Result<Self> {
        if self >= MINIMUM_VIRTUALBOX_VERSION {
            return Ok(self);
        }
        let Version { major, minor, .. } = MINIMUM_VIRTUALBOX_VERSION;
        Err(Error::new(
            Kind::ProgramTooOld,
            format!("VirtualBox {self} is too old; version {major}.{minor} or newer is needed"),
        )
        .hint("install a newer one: https://www.virtualbox.org/wiki/Downloads")
        .hint("or use QEMU: `lab up --provider qemu`"))
    }

    /// Whether it is newer than anything this provider was run with.
    pub(crate) fn is_unknown(self) -> bool {
        self > NEWEST_KNOWN
    }
}

/// Where VBoxManage is: on `PATH`, in the folder that the installer of Windows names, or where the installers
/// of macOS and Windows put it.
///
/// # Errors
/// [`Kind::ProgramMissing`].
pub(super) fn find() -> Result<PathBuf> {
    let named = FOLDER_VARIABLES.iter().filter_map(std::env::var_os).map(PathBuf::from);
    let usual: &[&str] = match std::env::consts::OS {
        "macos" => &["/usr/local/bin", "/Applications/VirtualBox.app/Contents/MacOS"],
        "windows" => &[r"C:\Program Files\Oracle\VirtualBox"],
        _ => &[],
    };
    let file = format!("{NAME}{}", std::env::consts::EXE_SUFFIX);
    let mut candidates = named
        .chain(usual.iter().map(PathBuf::from))
        .map(|folder| folder.join(&file))
        .filter(|path| path.is_file());
    find_on_path(&file).or_else(|| candidates.next()).ok_or_else(|| {
        let error = Error::new(Kind::ProgramMissing, "VirtualBox is not installed")
            .detail(format!("looked for {NAME} on PATH"));
        install_hints(std::env::consts::OS)
            .iter()
            .fold(error, |error, hint| error.hint(*hint))
            .hint("or use QEMU: `lab up --provider qemu`")
    })
}

/// How to get VirtualBox.
fn install_hints(os: &str) -> &'static [&'static str] {
    match os {
        "linux" => &[
            "Ubuntu: sudo apt-get install virtualbox",
            "others: https://www.virtualbox.org/wiki/Linux_Downloads",
        ],
        "macos" => &["brew install --cask virtualbox"],
        _ => &["see https://www.virtualbox.org/wiki/Downloads"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_printed() {
        let cases = [
            // Run by Debian's wrapper without the kernel module.
            (include_str!("samples/7.2.22-version.txt"), "7.2.22"),
            ("7.2.22_Debianr175245\n", "7.2.22"),
            ("6.1.50r161033\n", "6.1.50"),
            ("7.0.8_Ubuntur156879\r\n", "7.0.8"),
            ("7.1.0_BETA2r164697\n", "7.1.0"),
            ("5.2.42_Ubuntur137960\n", "5.2.42"),
        ];
        for (said, expected) in cases {
            assert_eq!(Version::parse(said).map(|version| version.to_string()).as_deref(), Some(expected));
        }
        for said in ["", "WARNING: The vboxdrv kernel module is not loaded.\n", "7\n", "7.x.1"] {
            assert_eq!(Version::parse(said), None, "{said}");
        }
    }

    #[test]
    fn old_versions_are_refused_and_new_ones_are_known_as_such() {
        let version = |major, minor, micro| Version { major, minor, micro };
        assert!(version(6, 1, 0).require().is_ok());
        let error = version(6, 0, 24).require().unwrap_err();
        assert_eq!(error.kind(), Kind::ProgramTooOld);
        assert_eq!(error.message(), "VirtualBox 6.0.24 is too old; version 6.1 or newer is needed");
        assert!(!version(7, 2, 99).is_unknown());
        assert!(version(7, 3, 0).is_unknown() && version(8, 0, 0).is_unknown());
    }
}
