//! What stands in the place of a lab's folder: looked at as something that anybody may have made.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::entry::FolderId;
use super::files::{Home, LabFiles};
use super::seal;
use crate::error::{Error, Result};
use crate::{nofollow, versioned};

/// How deep lab's own files lie: in `.lab`, in `machines`, in a machine's folder. What lies deeper is its provider's.
const DEPTH: usize = 3;

/// What is there.
#[derive(Debug)]
pub(super) enum Seen {
    /// Nothing.
    Nothing,
    /// Something that lab does not enter.
    Odd(Oddity),
    /// A folder of this user's.
    Folder(FolderId, State),
}

/// Why lab does not enter what is called `.lab`.
#[derive(Debug, Clone)]
pub enum Oddity {
    /// It is a link.
    Link,
    /// It is a file or the like.
    NoFolder,
    /// It is of the user with this number.
    Owner(u32),
    /// Every user of the computer may write to it.
    OpenToAll,
    /// This in it is neither a file nor a folder: a link leads out, a pipe never ends.
    Inside(PathBuf),
    /// It could not be looked at.
    Unreadable(Error),
}

/// What a folder says of the lab in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// There is no state, and nothing else that lab would go by: a command was killed before it had made anything.
    Begun,
    /// There is none that can be read, and there are keys or machines.
    Lost,
    /// That of this lab.
    Of {
        lab_id: String,
        /// Whether this user's lab wrote it.
        sealed: bool,
    },
}

/// Looks at the `.lab` in `dir`, and changes nothing.
pub(super) fn at(home: &Home, dir: &Path) -> Result<Seen> {
    let files = LabFiles::beside(dir);
    let root = files.root();
    let seen = match root.symlink_metadata() {
        Ok(seen) => seen,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Seen::Nothing),
        Err(source) => return Ok(Seen::Odd(Oddity::Unreadable(Error::io("look at", root, &source)))),
    };
    if seen.is_symlink() {
        return Ok(Seen::Odd(Oddity::Link));
    }
    let Some(id) = FolderId::of(root) else { return Ok(Seen::Odd(Oddity::NoFolder)) };
    if let Some(oddity) = stranger(dir, &seen) {
        return Ok(Seen::Odd(oddity));
    }
    Ok(Seen::Folder(id, state(home, &files)?))
}

/// What of lab's own files in `dir` is neither a file nor a folder.
pub(super) fn inside(dir: &Path) -> Option<Oddity> {
    odd_inside(LabFiles::beside(dir).root(), DEPTH).map(Oddity::Inside)
}

fn odd_inside(folder: &Path, depth: usize) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), entry.file_type().ok()?))).find_map(|(path, kind)| {
        if kind.is_dir() {
            return if depth > 1 { odd_inside(&path, depth - 1) } else { None };
        }
        (!kind.is_file()).then_some(path)
    })
}

/// Who else has a say in the folder.
#[cfg(unix)]
fn stranger(dir: &Path, seen: &std::fs::Metadata) -> Option<Oddity> {
    use std::os::unix::fs::MetadataExt;
    let us = rustix::process::geteuid();
    // Root may work in somebody's folder, and leaves what it makes to that somebody.
    let root_may = || us.is_root() && dir.metadata().is_ok_and(|around| around.uid() == seen.uid());
    if seen.uid() != us.as_raw() && !root_may() {
        return Some(Oddity::Owner(seen.uid()));
    }
    (seen.mode() & 0o002 != 0).then_some(Oddity::OpenToAll)
}

#[cfg(not(unix))]
fn stranger(_: &Path, _: &std::fs::Metadata) -> Option<Oddity> {
    None
}

fn state(home: &Home, files: &LabFiles) -> Result<State> {
    let value = nofollow::read(&files.state(), versioned::LIMIT).ok();
    let value = value.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let lab_id = value.as_ref().and_then(|value| value.get("lab_id")?.as_str().map(str::to_owned));
    match (value, lab_id) {
        (Some(value), Some(lab_id)) => Ok(State::Of { lab_id, sealed: seal::is_whole(home, value)? }),
        _ if is_begun(files) => Ok(State::Begun),
        _ => Ok(State::Lost),
    }
}

/// Whether nothing is there that lab would go by.
fn is_begun(files: &LabFiles) -> bool {
    let believed = [files.state(), files.key(), files.public_key(), files.insecure_key()];
    let is_empty = |dir: &Path| std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    let machines = files.machines();
    let no_machines = match machines.symlink_metadata() {
        Ok(seen) => seen.is_dir() && is_empty(&machines),
        Err(source) => source.kind() == std::io::ErrorKind::NotFound,
    };
    no_machines && believed.iter().all(|path| path.symlink_metadata().is_err())
}
