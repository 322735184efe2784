//! What is tried with bytes from anybody. A panic, or a promise that is broken, is a finding.

use std::path::Path;

use labfile::boxes::disk::{self, Content};
use labfile::boxes::{self, Task, ovf, vagrantfile};
use labfile::cancel::Cancel;
use labfile::error::{Error, Kind};
use labfile::labfile::import::{Around, import};

/// A reader of text or bytes from outside.
pub type Target = fn(&[u8]);

/// The readers, by name.
pub const TARGETS: [(&str, Target); 12] = [
    ("archive", archive),
    ("ovf", ovf),
    ("disk", disk),
    ("vagrantfile", vagrantfile),
    ("labfile", labfile),
    ("import", import_vagrantfile),
    ("registry", registry),
    ("catalogue", catalogue),
    ("guest_archive", guest_archive),
    ("guest_lines", guest_lines),
    ("state", state),
    ("console", console),
];

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

/// The first bytes of a file: named without a panic, and shown without control characters. A disk image: what passes does not lead to another file, as far as its header goes.
pub fn disk(data: &[u8]) {
    boxes::fuzzed::head(data);
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

/// An error may say anything but that lab is at fault.
fn is_no_bug(error: &Error) {
    assert_ne!(error.kind(), Kind::Internal, "{error:?}");
}

/// A Labfile: understood, or each mistake shown at its place.
pub fn labfile(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let dir = folder();
    match labfile::labfile::parse(text, &dir.path().join("Labfile")) {
        Ok(loaded) => drop(loaded.warnings.render(false)),
        Err(report) => assert!(!report.render(false).is_empty() && report.errors() > 0),
    }
}

/// A Vagrantfile to be imported: what comes out is a Labfile, or the error says why there is none.
pub fn import_vagrantfile(data: &[u8]) {
    let dir = folder();
    let path = dir.path().join("Vagrantfile");
    std::fs::write(&path, data).unwrap();
    let around =
        Around { dir: dir.path(), prefix: Path::new(""), shown: "Vagrantfile", knows_box: &|_| false };
    match import(&path, &around) {
        Ok(imported) => assert!(imported.text.contains("[lab]") || imported.text.contains("[machine"), "{}", imported.text),
        Err(error) => is_no_bug(&error),
    }
}

/// What a registry says of a box: from https nothing leads to less.
pub fn registry(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        boxes::fuzzed::registry(text);
    }
}

/// An entry of a catalogue, and a list of checksums.
pub fn catalogue(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        boxes::fuzzed::catalogue(text);
    }
}

/// An archive from a guest: nothing is written outside of what the user named.
pub fn guest_archive(data: &[u8]) {
    let dir = folder();
    let outside = dir.path().join("outside");
    std::fs::write(&outside, "as it was").unwrap();
    if let Err(error) = labfile::guest::fuzzed::archive(data, &dir.path().join("x")) {
        is_no_bug(&error);
    }
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "as it was");
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(name == "x" || name == "outside", "{name:?}");
    }
}

/// What a guest says while it is provisioned, and its answers to checks. The token and the mark are guessed right.
pub fn guest_lines(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    labfile::guest::fuzzed::marks(&text, "token");
    assert!(labfile::guest::fuzzed::answers(&text, "mark", 3) <= 3);
}

/// A state file.
pub fn state(data: &[u8]) {
    let dir = folder();
    let path = dir.path().join("state.json");
    std::fs::write(&path, data).unwrap();
    if let Err(error) = labfile::lab::state::read(&path) {
        is_no_bug(&error);
        assert!(!error.hints().is_empty(), "{error:?}");
    }
}

/// What a machine wrote to its console: no line of it has characters that a terminal obeys.
pub fn console(data: &[u8]) {
    let dir = folder();
    let path = dir.path().join("console.log");
    std::fs::write(&path, data).unwrap();
    for line in labfile::tail::last_lines(&path, 0, 20) {
        assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
    }
}
