//! The readers of what guests say, for the fuzz targets. No part of lab calls this.

use std::path::Path;

use super::{check, marks, unpack};
use crate::error::Result;

/// Unpacks an archive that a guest sent of `./x` as `target`; returns the number of entries.
///
/// # Errors
/// Those of `lab cp` for an archive that is refused.
pub fn archive(bytes: &[u8], target: &Path) -> Result<usize> {
    unpack::unpack(bytes, "x", target)
}

/// Reads what a provisioning session says, in which `token` marks lab's own lines; returns the lines of the scripts.
pub fn marks(text: &str, token: &str) -> usize {
    let (mut marks, mut lines) = (marks::Marks::new(token), 0);
    for line in text.lines() {
        let _ = marks.read(line, |_| lines += 1);
    }
    lines + marks::named_line(text, "x.sh").unwrap_or(0).min(1)
}

/// Reads the answers to `count` checks, in which `mark` stands for lab's own lines; returns how many came.
pub fn answers(text: &str, mark: &str, count: usize) -> usize {
    check::read(mark, count, text.lines()).iter().flatten().count()
}
