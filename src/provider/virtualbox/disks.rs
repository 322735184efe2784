//! Disks as VirtualBox's list has them. No file is touched here, except that a copy is written.

use std::fs;
use std::path::{Path, PathBuf};

use super::answers;
use super::manage::Manage;
use crate::error::Result;

/// The call that writes a copy of the disk `from`, a file or an id, to `to`.
pub(super) fn copy<'a>(from: &'a Path, to: &'a Path) -> [&'a Path; 6] {
    let word = Path::new;
    [word("clonemedium"), word("disk"), from, to, word("--format"), word("VDI")]
}

/// Takes a disk out of the list, where it is there by itself.
pub(super) fn close(manage: Manage<'_>, file: &Path) -> Result<()> {
    manage.call([Path::new("closemedium"), Path::new("disk"), file]).map(drop)
}

/// Takes those in `folder` out of the list.
pub(super) fn close_all(manage: Manage<'_>, folder: &Path) -> Result<()> {
    let media = answers::media(&manage.list(&["hdds"])?);
    let disks = media.into_iter().filter(|medium| lies_in(&medium.location, folder)).collect();
    // One that others are a difference to is refused: those first.
    in_rounds(disks, |disk| Ok(manage.call(["closemedium", "disk", &disk.id])?.is_ok()))
}

/// Does `work` to all of `items`, and again to those that refused, as long as that helps: some wait for others.
pub(super) fn in_rounds<T>(mut items: Vec<T>, work: impl Fn(&T) -> Result<bool>) -> Result<()> {
    loop {
        let before = items.len();
        let mut left = Vec::new();
        for item in items {
            if !work(&item)? {
                left.push(item);
            }
        }
        items = left;
        if items.is_empty() || items.len() == before {
            return Ok(());
        }
    }
}

/// Whether `path` lies in `folder`, as it is written or by its real path: VirtualBox writes what it was told.
pub(super) fn lies_in(path: &Path, folder: &Path) -> bool {
    path.starts_with(folder) || path.starts_with(real(folder))
}

/// Without symlinks, where it is there.
pub(super) fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_waits_for_others_is_done_after_them() {
        // Each can go when the one above it is gone.
        let gone = Cell::new(5);
        let round = |item: &u32| {
            let can = *item + 1 == gone.get();
            if can {
                gone.set(*item);
            }
            Ok(can)
        };
        in_rounds(vec![2, 0, 4, 1, 3], round).unwrap();
        assert_eq!(gone.get(), 0);
        let tries = Cell::new(0);
        in_rounds(vec![1, 2], |_| {
            tries.set(tries.get() + 1);
            Ok(false)
        })
        .unwrap();
        assert_eq!(tries.get(), 2);
    }
}
