//! What is the user's and lies in a machine's folder, where VirtualBox's window puts new disks: it is moved out before the
//! folder goes.
//!
//! Two looks, since neither sees all: VirtualBox's list has disks of any name, and the differencing disks that a
//! snapshot has made of the user's; the folder has those that VirtualBox was told to forget.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::answers::Medium;
use super::base;
use super::disks::lies_in;
use super::manage::Manage;
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// How files of disks, discs and floppies end: the manual's "Disk Image Files", and what else people keep.
const DISKS: [&str; 16] = [
    "vdi", "vmdk", "vhd", "vhdx", "hdd", "qcow", "qcow2", "qed", "raw", "img", "ima", "dsk", "iso", "cdr",
    "viso", "dmg",
];
/// VirtualBox's folder for what it makes by itself when it takes snapshots.
const SNAPSHOTS: &str = "Snapshots";

/// Moves the disks of `media` that lie in `folder` and are the user's to the folder `to`. Of machines that are off: VirtualBox
/// itself does it, and so knows them there; a machine that has one attached keeps it.
pub(super) fn known(manage: Manage<'_>, media: &[Medium], folder: &Path, to: &Path) -> Result<()> {
    let users = media.iter().filter(|medium| {
        let place = &medium.location;
        lies_in(place, folder) && place.exists() && !is_labs(medium, media)
    });
    for medium in users {
        let place = free_place(to, &medium.location)?;
        let call = ["modifymedium", "disk", &medium.id, "--move"].map(OsStr::new);
        let call = call.into_iter().chain([place.as_os_str()]);
        manage.work(call, &Cancel::new(), &mut |_| {})?.map_err(|failure| not_moved(failure.into(), to))?;
    }
    Ok(())
}

/// Moves the files of disks in `folder` that are left there once VirtualBox has no machine in it to the folder `to`.
pub(super) fn strays(folder: &Path, to: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_disk =
            path.extension().is_some_and(|end| DISKS.iter().any(|disk| end.eq_ignore_ascii_case(disk)));
        // A disk for Parallels is a folder.
        if is_disk {
            let place = free_place(to, &path)?;
            fs::rename(&path, &place).map_err(|source| not_moved(Error::io("move", &path, &source), to))?;
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.file_name() != SNAPSHOTS {
            strays(&path, to)?;
        }
    }
    Ok(())
}

/// Whether a disk is a machine's own: a difference, over however many snapshots, to a base. One whose parent VirtualBox
/// does not know either is a difference to a base that has been removed by hand.
fn is_labs(medium: &Medium, media: &[Medium]) -> bool {
    let mut medium = medium;
    // As many steps as there are disks: a ring cannot be, and must not hang us.
    for _ in media {
        let Some(parent) = &medium.parent else { break };
        match media.iter().find(|other| other.id == *parent) {
            Some(other) => medium = other,
            None => return true,
        }
    }
    base::is_its_disk(&medium.location)
}

/// A place in the folder `to` for the file at `path`: under its own name, or with a number where that is taken.
fn free_place(to: &Path, path: &Path) -> Result<PathBuf> {
    fs::create_dir_all(to).map_err(|source| Error::io("create the folder", to, &source))?;
    let text = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (stem, end) = (text(path.file_stem()), text(path.extension()));
    let names = (1_u32..).map(|number| match number {
        1 => path.file_name().unwrap_or_default().to_owned(),
        _ => format!("{stem}-{number}.{end}").into(),
    });
    let mut places = names.map(|name| to.join(name)).filter(|place| fs::symlink_metadata(place).is_err());
    places.next().ok_or_else(|| Error::internal("a folder that is full of files"))
}

fn not_moved(error: Error, to: &Path) -> Error {
    error
        .detail(
            "the disk lies in the machine's folder, and lab did not make it: it has to be moved out first",
        )
        .hint(format!("move it elsewhere by hand, such as to {}, then run the command again", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medium(id: &str, parent: Option<&str>, location: &str) -> Medium {
        Medium { id: id.to_owned(), parent: parent.map(str::to_owned), location: location.into() }
    }

    #[test]
    fn only_differences_to_a_base_are_a_machines_own() {
        let media = [
            medium("base", None, "/home/anna/.local/share/lab/bases/virtualbox/5a10/23b9/base.vdi"),
            medium("clone", Some("base"), "/c/.lab/machines/web1/virtualbox/lab/c-web1/Snapshots/{1}.vdi"),
            medium("after", Some("clone"), "/c/.lab/machines/web1/virtualbox/lab/c-web1/Snapshots/{2}.vdi"),
            medium("own", None, "/c/.lab/machines/web1/virtualbox/lab/c-web1/own.vdi"),
            medium("change", Some("own"), "/c/.lab/machines/web1/virtualbox/lab/c-web1/Snapshots/{3}.vdi"),
            medium("orphan", Some("gone"), "/c/.lab/machines/web1/virtualbox/lab/c-web1/Snapshots/{4}.vdi"),
            medium("ring", Some("ring"), "/c/ring.vdi"),
        ];
        let labs: Vec<_> =
            media.iter().filter(|medium| is_labs(medium, &media)).map(|medium| medium.id.as_str()).collect();
        assert_eq!(labs, ["base", "clone", "after", "orphan"]);
    }

    #[test]
    fn files_of_disks_are_moved_out_and_never_over_another() {
        let dir = tempfile::tempdir().unwrap();
        let (home, to) = (dir.path().join("virtualbox/lab/c-web1"), dir.path().join("kept/web1"));
        fs::create_dir_all(home.join(SNAPSHOTS)).unwrap();
        fs::create_dir_all(home.join("more")).unwrap();
        strays(&dir.path().join("virtualbox"), &to).unwrap();
        assert!(!to.exists());
        for name in
            ["c-web1.vbox", "c-web1_1.VDI", "more/c-web1_1.VDI", "Snapshots/{1}.vdi", "more/notes.txt"]
        {
            fs::write(home.join(name), name).unwrap();
        }
        strays(&dir.path().join("virtualbox"), &to).unwrap();
        let mut kept: Vec<_> = fs::read_dir(&to)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        kept.sort();
        assert_eq!(kept, ["c-web1_1-2.VDI", "c-web1_1.VDI"]);
        assert!(home.join("Snapshots/{1}.vdi").exists() && home.join("more/notes.txt").exists());
    }
}
