//! Removing what lab made: by the names that it gives, so that nothing else goes.
//!
//! Whatever else lies in a lab's folder stays, and is told. Killed at any moment, a removal leaves what the next command
//! knows as this lab, or as nothing: the state goes when the keys and the machines are gone.

use std::io;
use std::path::{Path, PathBuf};

use super::files::LabFiles;
use super::lock::Lock;
use crate::error::{Error, Kind, Result};
use crate::{nofollow, unlink};

/// What lab makes in its folder, in the order in which it goes; `*` stands for any end.
const LAB: [&[&str]; 2] = [
    &["id_rsa", "id_rsa.pub", "insecure_key", ".new-*", ".tmp*"],
    &["state.json", "lab.log", "lab.log.1", ".gitignore"],
];
/// What goes after those.
const LAST: &str = "lock";
/// What lab makes in a machine's folder, without its provider.
const MACHINE: &[&str] = &["known_hosts*", "setup.log", "provision.log", ".new-*", ".tmp*"];

/// Removes a machine's folder, of which the provider has let go. `made`: what providers make in it. Returns what stayed.
///
/// # Errors
/// [`Kind::Io`]; [`Kind::StateDamaged`] for a name that no machine can have.
pub fn machine(files: &LabFiles, name: &str, made: &[&str]) -> Result<Vec<PathBuf>> {
    files.check_name(name)?;
    let left = machine_folder(&files.machine(name), made)?;
    // Other machines may be in it.
    let _ = std::fs::remove_dir(files.machines());
    Ok(left)
}

/// Removes a lab's folder, the lock in it last. `made`: what providers make in a machine's folder. Returns what stayed.
///
/// # Errors
/// [`Kind::Io`].
pub fn lab(files: &LabFiles, lock: Lock, made: &[&str]) -> Result<Vec<PathBuf>> {
    let left = contents(files, made)?;
    lock.remove()?;
    // Not empty any more: another command has begun a new lab here in this instant.
    let _ = std::fs::remove_dir(files.root());
    Ok(left)
}

/// Removes what lab makes in a folder that is not believed: a copy, or one that came from elsewhere. A link goes, and
/// nothing of what it leads to. Returns what stayed.
///
/// # Errors
/// [`Kind::Io`]; [`Kind::ForeignLab`] for a file in the folder's place.
pub fn unbelieved(files: &LabFiles, made: &[&str]) -> Result<Vec<PathBuf>> {
    let root = files.root();
    match root.symlink_metadata() {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(Error::io("look at", root, &source)),
        Ok(seen) if seen.is_symlink() => unlink::file(root).map(|()| Vec::new()),
        Ok(seen) if !seen.is_dir() => {
            let root = root.display();
            Err(Error::new(Kind::ForeignLab, format!("{root} is no folder, and lab did not make it"))
                .hint("remove it yourself, if you do not need it"))
        }
        Ok(_) => {
            let mut left = contents(files, made)?;
            left.extend(
                named(root, &[LAST])?.into_iter().filter(|path| !left.contains(path)).collect::<Vec<_>>(),
            );
            let _ = std::fs::remove_dir(root);
            Ok(left)
        }
    }
}

/// Removes all but the lock.
fn contents(files: &LabFiles, made: &[&str]) -> Result<Vec<PathBuf>> {
    let root = files.root();
    let mut left = machines(&files.machines(), made)?;
    let mut others = Vec::new();
    for names in LAB {
        others = named(root, names)?;
    }
    others.retain(|path| *path != files.machines() && *path != files.lock());
    left.extend(others);
    Ok(left)
}

fn machines(folder: &Path, made: &[&str]) -> Result<Vec<PathBuf>> {
    let failed = |source| nofollow::error("read the folder", folder, &source);
    let Some(names) = nofollow::list(folder).map_err(failed)? else { return Ok(Vec::new()) };
    let mut left = Vec::new();
    for name in names {
        let dir = folder.join(&name);
        let is_ours = name.to_str().is_some_and(crate::labfile::is_machine_name)
            && dir.symlink_metadata().is_ok_and(|seen| seen.is_dir());
        if is_ours {
            left.extend(machine_folder(&dir, made)?);
        } else {
            left.push(dir);
        }
    }
    let _ = std::fs::remove_dir(folder);
    Ok(left)
}

fn machine_folder(dir: &Path, made: &[&str]) -> Result<Vec<PathBuf>> {
    let left = named(dir, &[made, MACHINE].concat())?;
    let _ = std::fs::remove_dir(dir);
    Ok(left)
}

/// Removes what is called by one of `names` in `folder`; returns what is not.
fn named(folder: &Path, names: &[&str]) -> Result<Vec<PathBuf>> {
    let is_ours = |name: &str| {
        names.iter().any(|known| match known.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => name == *known,
        })
    };
    let left = nofollow::remove_in(folder, &|name| name.to_str().is_some_and(is_ours));
    let left = left.map_err(|source| nofollow::error("remove files in", folder, &source))?;
    Ok(left.into_iter().map(|name| folder.join(name)).collect())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::cancel::Cancel;
    use crate::lab::disk::Wait;
    use crate::lab::tell::event::Silent;

    const MADE: &[&str] = &["disk.qcow2", "virtualbox", ".qemu-*"];

    /// A lab with a machine, and something of the user's outside it.
    fn place() -> (tempfile::TempDir, LabFiles, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let outside = root.path().join("Documents");
        fs::create_dir_all(outside.join("thesis")).unwrap();
        fs::write(outside.join("thesis/thesis.tex"), "precious").unwrap();
        let dir = root.path().join("class");
        fs::create_dir(&dir).unwrap();
        let files = LabFiles::beside(&dir);
        files.make().unwrap();
        let machine = files.make_machine("web1").unwrap();
        for name in ["disk.qcow2", "known_hosts", "provision.log", ".qemu-1"] {
            fs::write(machine.join(name), "").unwrap();
        }
        fs::create_dir_all(machine.join("virtualbox/lab/x/Logs")).unwrap();
        fs::write(machine.join("virtualbox/lab/x/Logs/VBox.log"), "").unwrap();
        for path in [files.state(), files.key(), files.public_key(), files.log(), files.insecure_key()] {
            fs::write(path, "").unwrap();
        }
        (root, files, outside)
    }

    fn lock(files: &LabFiles) -> Lock {
        Lock::take(files, "lab destroy", Wait { cancel: &Cancel::new(), sink: &Silent }).unwrap()
    }

    fn is_whole(outside: &Path) -> bool {
        fs::read_to_string(outside.join("thesis/thesis.tex")).is_ok_and(|text| text == "precious")
    }

    #[test]
    fn what_lab_made_goes_and_nothing_is_left_of_it() {
        let (_root, files, _) = place();
        assert_eq!(lab(&files, lock(&files), MADE).unwrap(), Vec::<PathBuf>::new());
        assert!(!files.root().exists());
    }

    #[test]
    fn what_is_not_labs_stays_and_is_named() {
        let (_root, files, outside) = place();
        let (notes, disk) = (files.root().join("notes.txt"), files.machine("web1").join("mine.img"));
        let (strange, link) = (files.machines().join("Not A Name"), files.machines().join("web2"));
        fs::write(&notes, "").unwrap();
        fs::write(&disk, "").unwrap();
        fs::create_dir(&strange).unwrap();
        symlink(&outside, &link).unwrap();
        let mut left = lab(&files, lock(&files), MADE).unwrap();
        left.sort();
        assert_eq!(left, [strange, disk.clone(), link, notes]);
        assert!(disk.exists() && !files.state().exists() && !files.lock().exists());
        assert!(is_whole(&outside));
    }

    #[test]
    fn links_go_and_what_they_lead_to_stays() {
        let (root, files, outside) = place();
        for path in [files.state(), files.log(), files.machine("web1").join("known_hosts")] {
            fs::remove_file(&path).unwrap();
            symlink(outside.join("thesis/thesis.tex"), path).unwrap();
        }
        let folder = files.machine("web1").join("virtualbox");
        fs::remove_dir_all(&folder).unwrap();
        symlink(&outside, &folder).unwrap();
        symlink(&outside, files.machine("web1").join(".qemu-link")).unwrap();
        assert!(unbelieved(&files, MADE).unwrap().is_empty());
        assert!(!files.root().exists() && is_whole(&outside));
        // The whole folder is one.
        symlink(&outside, files.root()).unwrap();
        assert!(unbelieved(&files, MADE).unwrap().is_empty());
        assert!(files.root().symlink_metadata().is_err() && is_whole(&outside));
        // The folder of machines is one.
        files.make().unwrap();
        symlink(root.path(), files.machines()).unwrap();
        assert!(unbelieved(&files, MADE).is_err());
        assert!(is_whole(&outside));
    }

    #[test]
    fn no_name_of_a_machine_leads_out_of_the_lab() {
        let (_root, files, outside) = place();
        for name in ["../../../Documents", "..", "", "/"] {
            assert_eq!(machine(&files, name, &["thesis"]).unwrap_err().kind(), Kind::StateDamaged);
        }
        assert!(is_whole(&outside));
        assert!(machine(&files, "web1", MADE).unwrap().is_empty());
        assert!(!files.machines().exists());
        // Again.
        assert!(machine(&files, "web1", MADE).unwrap().is_empty());
    }

    #[test]
    fn folders_and_pipes_in_the_place_of_files_go_as_well() {
        let (_root, files, _) = place();
        fs::remove_file(files.state()).unwrap();
        fs::create_dir_all(files.state().join("deep/er")).unwrap();
        fs::create_dir(files.lock()).unwrap();
        fs::remove_file(files.log()).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, files.log(), rustix::fs::Mode::RWXU).unwrap();
        assert!(unbelieved(&files, MADE).unwrap().is_empty());
        assert!(!files.root().exists());
    }
}
