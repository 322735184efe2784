//! Removes files and folders. One that is not there is no error.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Error, Result};

/// Removes a file, or a symlink.
///
/// # Errors
/// [`crate::error::Kind::Io`].
pub fn file(path: &Path) -> Result<()> {
    gone(path, fs::remove_file(path))
}

/// Removes a folder with all that is in it.
///
/// # Errors
/// [`crate::error::Kind::Io`].
pub fn folder(path: &Path) -> Result<()> {
    gone(path, fs::remove_dir_all(path))
}

fn gone(path: &Path, removed: io::Result<()>) -> Result<()> {
    match removed {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, &source)),
        _ => Ok(()),
    }
}
