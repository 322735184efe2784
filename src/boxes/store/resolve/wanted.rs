//! The box that a Labfile asks for, the box that was found, and code that both ways to a box share.

use std::path::Path;

use crate::boxes::image::BoxImage;
use crate::boxes::pins::Pin;
use crate::boxes::source::Source;
use crate::boxes::versions::Constraint;
use crate::error::{Error, Kind};

/// The box that a Labfile asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The name of an added box, a path, an address, a name of the catalogue or of the registry.
    pub reference: &'a str,
    /// Where relative paths start.
    pub base_dir: &'a Path,
    /// `box_version`.
    pub version: Option<&'a Constraint>,
    /// A catalogue of the Labfile's own.
    pub catalogue: Option<&'a Path>,
    /// The pin that it must match.
    pub pin: Option<&'a Pin>,
    /// Whether to ask for the newest version, whatever the store has.
    pub fresh: bool,
}

impl<'a> Wanted<'a> {
    /// A reference, with no further conditions.
    pub fn new(reference: &'a str, base_dir: &'a Path) -> Self {
        Wanted { reference, base_dir, version: None, catalogue: None, pin: None, fresh: false }
    }
}

/// A box, where it came from, and which version it is.
pub(super) struct Found {
    pub(super) image: BoxImage,
    pub(super) source: Source,
    pub(super) version: Option<String>,
}

/// Whether another source may do better.
pub(super) fn is_the_sources_fault(kind: Kind) -> bool {
    matches!(kind, Kind::Download | Kind::BoxChecksum | Kind::BadBox | Kind::HostileBox | Kind::BoxNotFound)
}

pub(super) fn no_version(reference: &str) -> Error {
    Error::new(Kind::BoxNotFound, format!("the version of the box {reference} is not known"))
        .detail("box_version is for boxes of a registry or of the catalogue")
        .hint("take box_version out of the Labfile")
}
