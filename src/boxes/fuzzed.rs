//! The readers of the boxes room that are private, for the fuzz targets. No part of lab calls this.

use std::path::Path;

use super::hardware::Arch;
use super::registry::{self, Metadata};
use super::source::Source;
use super::{catalogue, foreign};

/// Reads the metadata of a box as a registry has it, and chooses a file.
pub fn registry(text: &str) {
    let document = Source::Url("https://example.org/owner/name".into());
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let Ok(metadata) = Metadata::parse(text, "https://example.org") else { return };
        if let Ok(choice) = metadata.choose("owner/name", None, arch)
            && let Ok(place) = registry::relative_to(&document, &choice.url)
        {
            let is_safe = matches!(&place, Source::Url(address) if !address.is_plain());
            assert!(is_safe, "from https to {place:?}");
        }
    }
}

/// Reads a file of a catalogue, and the same text as a list of checksums.
pub fn catalogue(text: &str) {
    let _ = catalogue::parse(text, Path::new("/x/catalogue.json"));
    let _ = catalogue::sum_in_list(text, "x.box");
}

/// Says what a file is that begins so, and shows how it begins.
pub fn head(bytes: &[u8]) {
    let shown = foreign::first_line(bytes).unwrap_or_default();
    assert!(shown.chars().count() <= 100 && !shown.contains('\u{1b}'), "{shown:?}");
}
