//! What is tried with bytes from anybody. A panic, or a promise that is broken, is a finding.

use std::path::Path;

use labfile::boxes::disk::{self, Content};
use labfile::boxes::{self, Task, ovf, vagrantfile};
use labfile::cancel::Cancel;
use labfile::error::Kind;

/// The readers, by name.
pub const TARGETS: [(&str, fn(&[u8])); 4] =
    [("archive", archive), ("ovf", ovf), ("disk", disk), ("vagrantfile", vagrantfile)];

/// A folder in memory where there is one: nothing here is worth a disk.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// A box file: taken or refused, and nothing written outside of its folder.
pub fn archive(data: &[u8]) {
    let dir = folder();
    let (file, into) = (dir.path().join("x.box"), dir.path().join("into"));
    std::fs::write(&file, data).unwrap();
    std::fs::create_dir(&into).unwrap();
    let task = &mut Task { cancel: &Cancel::new(), progress: &mut |_| {} };
    match boxes::open_box(&file, &into, task) {
        Ok(manifest) => {
            assert!(into.join(&manifest.disk).is_file());
            assert!(manifest.files.keys().all(|name| !name.contains(['/', '\\']) && name != ".."));
        }
        Err(error) => assert_ne!(error.kind(), Kind::Internal, "{error:?}"),
    }
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    for entry in std::fs::read_dir(&into).unwrap() {
        assert!(entry.unwrap().file_type().unwrap().is_file());
    }
}

/// An OVF: understood or refused; its disk never leads out.
pub fn ovf(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(found) = ovf::read(text) {
        assert!(!found.disk.is_empty() && !found.disk.contains(['/', '\\', '\0']), "{found:?}");
    }
}

/// A disk image: what passes does not lead to another file, as far as its header goes.
pub fn disk(data: &[u8]) {
    if let Content::Disk(format) = disk::sniff(data.get(..disk::SNIFF).unwrap_or(data)) {
        let dir = folder();
        let path = dir.path().join("disk");
        std::fs::write(&path, data).unwrap();
        let _ = disk::check(&path, format, "disk");
    }
}

/// The Vagrantfile of a box: never fails, and a key's name never leads out.
pub fn vagrantfile(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let found = vagrantfile::read(text);
    assert!(found.private_key.is_none_or(|key| !key.contains(['/', '\\']) && key != ".."));
}
