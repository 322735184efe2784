//! Whose files they are: root that works in somebody's folder leaves them that somebody's.

use std::fs::File;
use std::path::Path;

/// Gives `file`, which stands in `dir`, to whom that folder belongs, if we are root and it is root's. Failing is no error: a
/// file system may have no owners.
#[cfg(unix)]
pub fn give(file: &File, dir: &Path) {
    use std::os::unix::fs::{MetadataExt, fchown};
    if rustix::process::geteuid().is_root()
        && let (Ok(folder), Ok(seen)) = (dir.metadata(), file.metadata())
        && folder.uid() != 0
        && seen.uid() == 0
        && (seen.is_dir() || seen.nlink() == 1)
    {
        let _ = fchown(file, Some(folder.uid()), Some(folder.gid()));
    }
}

/// There is no root here.
#[cfg(not(unix))]
pub fn give(_: &File, _: &Path) {}

/// Gives what root has made in a lab's folder to whom the folder around it belongs, if we are root: a program that root
/// started has made files as well. No link is followed; a file with several names is left, since one of them may lie
/// anywhere.
#[cfg(unix)]
pub fn give_all(lab: &Path) {
    use std::os::unix::fs::MetadataExt;
    let around = lab.parent().and_then(|dir| dir.metadata().ok());
    if let Some(around) = around
        && rustix::process::geteuid().is_root()
        && around.uid() != 0
        && lab.symlink_metadata().is_ok_and(|folder| folder.is_dir())
    {
        walk(lab, around.uid(), around.gid());
    }
}

/// There is no root here.
#[cfg(not(unix))]
pub fn give_all(_: &Path) {}

#[cfg(unix)]
fn walk(path: &Path, uid: u32, gid: u32) {
    use std::os::unix::fs::{MetadataExt, lchown};
    let Ok(seen) = path.symlink_metadata() else { return };
    if seen.is_dir() {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            walk(&entry.path(), uid, gid);
        }
    }
    // Last, so that nobody but us can change a folder while we are in it.
    if seen.uid() == 0 && (seen.is_dir() || seen.nlink() == 1) {
        let _ = lchown(path, Some(uid), Some(gid));
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{MetadataExt, chown, symlink};

    use super::*;
    use crate::atomic;

    #[test]
    fn what_root_makes_in_somebodys_lab_is_that_somebodys() {
        if !rustix::process::geteuid().is_root() {
            // Only root has files to give away.
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let (class, lab) = (root.path().join("class"), root.path().join("class/.lab"));
        let machine = lab.join("machines/web1");
        std::fs::create_dir_all(&machine).unwrap();
        let outside = root.path().join("outside");
        std::fs::write(&outside, "").unwrap();
        symlink(&outside, machine.join("link")).unwrap();
        std::fs::hard_link(&outside, machine.join("second-name")).unwrap();
        std::fs::write(machine.join("qemu.log"), "").unwrap();
        chown(&class, Some(21001), Some(21001)).unwrap();
        give_all(&lab);
        let owner = |path: &Path| path.symlink_metadata().unwrap().uid();
        for path in [&lab, &machine, &machine.join("qemu.log"), &machine.join("link")] {
            assert_eq!(owner(path), 21001, "{}", path.display());
        }
        assert_eq!(owner(&outside), 0);
        atomic::write(&lab.join("state.json"), b"{}").unwrap();
        assert_eq!(owner(&lab.join("state.json")), 21001);
    }
}
