//! What QEMU needs to know of a lab: the folder of its machines' sockets, and the number of its private network.
//!
//! Sockets lie in a short path of their own, because the address of a unix socket has room for about 100 characters and
//! home folders can be deeper than that.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::provider::{Block, Claims};
use crate::unlink;

/// What is decided of a lab and kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    /// The folder of the sockets, mode 0700.
    pub(super) run_dir: PathBuf,
    /// The multicast port of the private network.
    pub(super) network_port: u16,
}

impl Run {
    /// Decides what is not decided yet.
    pub(super) fn plan(lab_id: &str, known: &Block, claims: &dyn Claims) -> Result<Block> {
        let mut run: Run = known.read()?;
        if run.network_port == 0 {
            run.network_port = claims.network_number()?;
        }
        if run.run_dir.as_os_str().is_empty() {
            run.run_dir = choose(lab_id);
        }
        Block::of(&run)
    }
}

/// Longest path of a run folder that leaves room for a socket's name: 104 bytes is the least that
/// any supported system gives an address (macOS; Linux has 108), and the names are 20 bytes or less.
const RUN_DIR_LIMIT: usize = 80;

/// Where the sockets of the lab `lab_id` go: under `XDG_RUNTIME_DIR` where that is short enough,
/// else under `/tmp/lab-<user id>`. The choice is kept in the state, since the variable is not the
/// same in every terminal of a user.
pub(super) fn choose(lab_id: &str) -> PathBuf {
    let short: String = lab_id.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    runtime
        .filter(|dir| dir.is_absolute() && dir.is_dir())
        .map(|dir| dir.join("lab").join(&short))
        .filter(|dir| dir.as_os_str().len() <= RUN_DIR_LIMIT)
        .unwrap_or_else(|| fallback_run_dir().join(&short))
}

#[cfg(unix)]
fn fallback_run_dir() -> PathBuf {
    PathBuf::from(format!("/tmp/lab-{}", rustix::process::getuid().as_raw()))
}

#[cfg(not(unix))]
fn fallback_run_dir() -> PathBuf {
    std::env::temp_dir().join("lab")
}

/// Makes the run folder `dir`, and its parent, for this user alone.
///
/// # Errors
/// [`Kind::Io`] where it cannot be made, and where it or the parent (which may lie in `/tmp`) belongs to somebody else or
/// is a link: they could then take our sockets away.
pub(super) fn make(dir: &Path) -> Result<()> {
    let parents = dir.parent().into_iter().chain([dir]);
    for dir in parents {
        make_private_dir(dir)?;
    }
    Ok(())
}

#[cfg(unix)]
fn make_private_dir(dir: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| Error::io("create the folder", dir, &source))?;
    let meta = dir.symlink_metadata().map_err(|source| Error::io("look at", dir, &source))?;
    let ours = rustix::process::geteuid().as_raw();
    if !meta.is_dir() || meta.uid() != ours {
        return Err(Error::new(Kind::Io, format!("{} belongs to another user", dir.display()))
            .hint("set XDG_RUNTIME_DIR to a folder of your own, then run the command again")
            .hint("in a lab of that user: run lab as that user, without sudo"));
    }
    if meta.mode() & 0o077 != 0 {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
            .map_err(|source| Error::io("take from other users what they may do in", dir, &source))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private_dir(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|source| Error::io("create the folder", dir, &source))
}

/// Removes the run folder, and its parent where that is empty then. What is not there is no error.
pub(super) fn remove(dir: &Path) -> Result<()> {
    unlink::folder(dir)?;
    if let Some(parent) = dir.parent() {
        // Another lab may be using it, or have just gone the same way: both are fine.
        let _ = std::fs::remove_dir(parent);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_folder_leaves_room_for_a_socket_name() {
        let dir = choose("0b5e1b8a-1f1c-4a59-9c7e-0d9f6f1f2a3b");
        assert!(dir.as_os_str().len() <= RUN_DIR_LIMIT, "{}", dir.display());
        assert!(dir.ends_with("0b5e1b8a"));
    }

    #[cfg(unix)]
    #[test]
    fn a_run_folder_that_was_open_to_all_is_closed_and_a_link_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("lab/0b5e1b8a");
        let mode = |dir: &Path| dir.metadata().unwrap().permissions().mode() & 0o777;
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o777)).unwrap();
        make(&dir).unwrap();
        assert_eq!((mode(&dir), mode(dir.parent().unwrap())), (0o700, 0o700));
        std::fs::remove_dir(&dir).unwrap();
        std::os::unix::fs::symlink(root.path(), &dir).unwrap();
        assert!(make(&dir).is_err());
        assert_ne!(mode(root.path()), 0o777);
    }
}
