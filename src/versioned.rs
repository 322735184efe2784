//! State files: JSON with a `version`, written whole or not at all, refused when from a newer release.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::{atomic, nofollow};

/// The largest state file that is read, in bytes: a lab's has some kilobytes for each machine.
pub const LIMIT: u64 = 64 << 20;

/// The one field that every version of every state file has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Reads `path`; `None` where it is not there.
///
/// # Errors
/// [`Kind::StateTooNew`] when its `version` is above `newest`, naming both; [`Kind::StateDamaged`]
/// when it does not say what it should, is larger than 64 MiB, or is no regular file (a symlink, a pipe);
/// [`Kind::Io`].
pub fn read<T: DeserializeOwned>(path: &Path, newest: u32) -> Result<Option<T>> {
    read_any(path, newest, |_, value| T::deserialize(value))
}

/// The same, with `decode` for what each version says.
///
/// # Errors
/// As [`read`].
pub fn read_any<T>(
    path: &Path,
    newest: u32,
    decode: impl FnOnce(u32, Value) -> serde_json::Result<T>,
) -> Result<Option<T>> {
    let bytes = match nofollow::read(path, LIMIT) {
        Ok(bytes) => bytes,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let error = nofollow::error("read", path, &source);
            return Err(if nofollow::is_odd(&source) { error.as_kind(Kind::StateDamaged) } else { error });
        }
    };
    let damaged = |source: serde_json::Error| {
        Error::new(Kind::StateDamaged, format!("{} is damaged", path.display())).detail(source.to_string())
    };
    let value: Value = serde_json::from_slice(&bytes).map_err(damaged)?;
    let Versioned { version } = Versioned::deserialize(&value).map_err(damaged)?;
    if version > newest {
        let message = format!(
            "{} was written by a newer lab (version {version}; this lab reads up to version {newest})",
            path.display()
        );
        return Err(Error::new(Kind::StateTooNew, message).hint("update lab, or use the one that wrote it"));
    }
    decode(version, value).map(Some).map_err(damaged)
}

/// Writes `value`, which has a field `version`, to `path`.
///
/// # Errors
/// Those of [`atomic::write`].
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| Error::internal(format!("could not encode {}: {source}", path.display())))?;
    bytes.push(b'\n');
    atomic::write(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct State {
        version: u32,
        word: String,
    }

    #[test]
    fn what_is_written_is_read_and_a_newer_version_is_refused_by_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        assert_eq!(read::<State>(&path, 1).unwrap(), None);
        let state = State { version: 7, word: "x".into() };
        write(&path, &state).unwrap();
        assert_eq!(read(&path, 7).unwrap(), Some(state));
        let error = read::<State>(&path, 6).unwrap_err();
        assert_eq!(error.kind(), Kind::StateTooNew);
        assert!(error.message().contains("version 7") && error.message().contains("version 6"), "{error}");
        std::fs::write(&path, "{\"version\": 1").unwrap();
        assert_eq!(read::<State>(&path, 1).unwrap_err().kind(), Kind::StateDamaged);
    }
}
