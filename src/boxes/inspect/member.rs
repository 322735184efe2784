//! The text files of an unpacked box.

use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::limited::{self, Links, Unread};

/// A text file of the box; `None` where the box has none of that name.
///
/// # Errors
/// [`Kind::BadBox`] where it is longer than `limit` bytes or no text; [`Kind::Io`].
pub(super) fn read_text(path: &Path, limit: u64) -> Result<Option<String>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let bytes = match limited::read(path, limit, Links::Refuse) {
        Ok(bytes) => bytes,
        Err(Unread::Missing) => return Ok(None),
        Err(Unread::Failed(source)) => return Err(Error::io("read", path, &source)),
        Err(unread) => return Err(bad(&format!("its {name} is not read: {unread}"))),
    };
    String::from_utf8(bytes).map(Some).map_err(|_| bad(&format!("its {name} is not UTF-8 text")))
}

/// A box that was unpacked and is not understood.
pub(super) fn bad(why: &str) -> Error {
    Error::new(Kind::BadBox, format!("the box cannot be used: {why}"))
}
