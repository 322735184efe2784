//! Decides which members of an archive are taken, and which make lab refuse the archive.

use std::io::Read;

use super::fault::{bad, hostile};
use crate::error::Result;

/// How many folders deep a member may lie. Real boxes have one or two; deeper ones are made to break programs that unpack
/// them.
const DEPTH: usize = 32;

/// How a member is treated.
pub(super) enum Member {
    /// Taken, under this name.
    File(String),
    /// Harmless and not taken.
    LeftOut(String),
    /// A folder, or a header for the archive as a whole.
    Nothing,
}

impl Member {
    pub(super) fn of<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Self> {
        use tar::EntryType as T;
        let kind = entry.header().entry_type();
        if kind == T::XGlobalHeader {
            return Ok(Member::Nothing);
        }
        let bytes = entry.path_bytes().into_owned();
        let Ok(name) = String::from_utf8(bytes) else {
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            return Err(hostile(&format!("the name {name:?} is not UTF-8")));
        };
        let parts = name_parts(&name)?;
        match kind {
            T::Directory => return Ok(Member::Nothing),
            T::Regular | T::Continuous | T::GNUSparse => {}
            T::Symlink | T::Link => {
                return Err(hostile(&format!("{name:?} is a link")));
            }
            T::Char | T::Block | T::Fifo => {
                return Err(hostile(&format!("{name:?} is a device")));
            }
            _ => return Err(hostile(&format!("{name:?} is of an unknown kind"))),
        }
        if let Ok(Some(extensions)) = entry.pax_extensions() {
            let sparse = extensions.flatten().any(|item| item.key_bytes().starts_with(b"GNU.sparse"));
            if sparse {
                return Err(bad(&format!("{name:?} is sparse in a form that is not understood"))
                    .hint("pack it again with: tar --format=gnu -czf NEW.box *"));
            }
        }
        match parts.as_slice() {
            // A regular file whose name ends in a slash is a folder to old tars.
            [_] if name.ends_with('/') => Ok(Member::Nothing),
            [name] => Ok(Member::File((*name).to_owned())),
            _ => Ok(Member::LeftOut(name)),
        }
    }
}

/// The parts of a member's name, without the part `.`.
fn name_parts(name: &str) -> Result<Vec<&str>> {
    let refuse = |why: &str| Err(hostile(&format!("the name {name:?} {why}")));
    if name.starts_with('/') {
        return refuse("is absolute");
    }
    // Windows separates folders by one and streams and drives by the other.
    if name.contains(|c: char| c == '\\' || c == ':' || c.is_control()) {
        return refuse("has characters that no file should have");
    }
    let parts: Vec<_> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return refuse("leads out of the box");
    }
    if parts.len() > DEPTH {
        let begin = parts.iter().take(3).copied().collect::<Vec<_>>().join("/");
        return Err(hostile(&format!("a name that begins with {begin:?} lies {} folders deep", parts.len())));
    }
    Ok(parts)
}
