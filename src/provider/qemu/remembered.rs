//! The emulator's version, remembered as long as its program stays the same file.
//!
//! To be asked, the program has to be started, which takes 20 ms, and a second from a cold disk: at the
//! beginning of every `lab up`, with nothing else to be done meanwhile. What is remembered is worth no error:
//! where it cannot be read or written, QEMU is asked. `lab doctor` always asks.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::files;
use super::version::Version;
use crate::atomic;
use crate::provider::SharedDir;
use crate::versioned;

/// The version of the form of what is kept.
const FORM: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    version: u32,
    program: Program,
    said: Version,
}

/// A program, so that another one under its name is noticed.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Program {
    path: PathBuf,
    /// In bytes.
    size: u64,
    /// In nanoseconds since 1970.
    modified: u64,
}

impl Program {
    fn at(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        Some(Program { path: path.to_owned(), size: metadata.len(), modified: modified.try_into().ok()? })
    }
}

/// What the program at `path` said of itself.
pub(super) fn recall(shared: &SharedDir, path: &Path) -> Option<Version> {
    let Note { program, said, .. } = versioned::read(&files::version_note(shared), FORM).ok()??;
    (Program::at(path)? == program).then_some(said)
}

/// Keeps it.
pub(super) fn note(shared: &SharedDir, path: &Path, said: Version) {
    let Some(program) = Program::at(path) else { return };
    // A program that is being replaced at this moment would be taken for its successor.
    let settled = |modified: u64| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
        now.saturating_sub(modified.into()) > 2_000_000_000
    };
    let folder = files::base_dir(shared);
    // Whoever only asks makes no folder.
    if settled(program.modified) && folder.exists() {
        // What a kill left of an earlier one. Should somebody write at this moment, theirs is lost, which is no harm.
        atomic::sweep(&folder);
        let _ = versioned::write(&files::version_note(shared), &Note { version: FORM, program, said });
    }
}

/// Forgets it: after a start that failed, since a script that stands for the program may lead to another one
/// by now.
pub(super) fn forget(shared: &SharedDir) {
    let _ = fs::remove_file(files::version_note(shared));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_remembered_until_the_program_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let shared = SharedDir(dir.path().join("bases"));
        let program = dir.path().join("qemu");
        let said = Version { major: 7, minor: 2, micro: 22 };
        fs::create_dir_all(files::base_dir(&shared)).unwrap();
        let put = |text: &str, age: u64| {
            fs::write(&program, text).unwrap();
            let at = SystemTime::now() - std::time::Duration::from_secs(age);
            fs::File::options().write(true).open(&program).unwrap().set_modified(at).unwrap();
        };
        note(&shared, &program, said);
        assert_eq!(recall(&shared, &program), None, "there is no such program");
        put("one", 0);
        note(&shared, &program, said);
        assert_eq!(recall(&shared, &program), None, "it may still be in the making");
        put("one", 60);
        note(&shared, &program, said);
        assert_eq!(recall(&shared, &program), Some(said));
        assert_eq!(recall(&shared, &dir.path().join("other")), None);
        put("one", 30);
        assert_eq!(recall(&shared, &program), None, "it has another time");
        put("three", 60);
        assert_eq!(recall(&shared, &program), None, "it has another size");
        put("one", 60);
        note(&shared, &program, said);
        forget(&shared);
        assert_eq!(recall(&shared, &program), None);
        fs::write(files::version_note(&shared), "{").unwrap();
        assert_eq!(recall(&shared, &program), None);
    }
}
