//! Locks that keep a box in the store while a command uses it.
//!
//! A machine in a lab's state keeps its box. Between the moment in which a command has found
//! the box and the moment in which the machine is in the state, a lock keeps it: commands that use a box share
//! the lock, a command that removes the box has it alone. The operating system frees it when a command is killed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use super::base::{Store, TURN};
use crate::boxes::lock;
use crate::boxes::progress::Task;
use crate::error::{Error, Kind, Result};
use crate::{atomic, flock};

/// Keeps a box in the store until this is dropped.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "a lock is held by its file")] File);

/// A box that nobody can begin to use until this is dropped.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "a lock is held by its file")] File);

impl Store {
    /// Keeps the box of `digest` for the command that works in `dir`. The caller looks afterwards whether the box is
    /// there: the command that was waited for may have removed it.
    pub(super) fn hold(&self, digest: &str, dir: &Path, task: &Task<'_>) -> Result<Hold> {
        let path = self.layout.key_lock(digest);
        atomic::create_dirs(path.parent().unwrap_or(self.layout.root()))?;
        let file = flock::open(&path)?;
        // The file lists its holders, for people. Remove the names of holders that have ended.
        if flock::try_lock(&file, &path)? {
            let _ = file.set_len(0);
            let _ = file.unlock();
        }
        let line = format!("process {} in {}\n", std::process::id(), dir.display());
        // Written before the lock is taken: Windows lets nobody write to a shared file.
        let appended = OpenOptions::new().append(true).open(&path);
        let _ = appended.and_then(|mut file| file.write_all(line.as_bytes()));
        lock::share(&file, &path, TURN, task.cancel)?;
        Ok(Hold(file))
    }

    /// The box of `digest` for this command alone, to remove it.
    ///
    /// # Errors
    /// [`Kind::BoxInUse`] at once where another command uses it; the error names that command.
    pub fn claim(&self, digest: &str) -> Result<Claim> {
        let path = self.layout.key_lock(digest);
        atomic::create_dirs(path.parent().unwrap_or(self.layout.root()))?;
        let file = flock::open(&path)?;
        if flock::try_lock(&file, &path)? {
            return Ok(Claim(file));
        }
        let short: String = digest.chars().take(12).collect();
        let mut holders = String::new();
        let _ = file.take(MAX_WHO).read_to_string(&mut holders);
        let error = Error::new(Kind::BoxInUse, format!("a command that runs is taking the box {short}"));
        let error = holders.lines().fold(error, |error, line| error.detail(line));
        Err(error.hint("wait until its `lab up` has ended, then run the same command again"))
    }
}

/// How much of the list of holders is read.
const MAX_WHO: u64 = 4096;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::boxes::store::tests::Fixture;
    use crate::boxes::{Resolved, Wanted};
    use crate::cancel::Cancel;

    fn resolve(fixture: &Fixture) -> Resolved {
        let task = &mut Task { cancel: &Cancel::new(), progress: &mut |_| {} };
        fixture.store.resolve(&Wanted::new("a.box", &fixture.lab), task).unwrap()
    }

    #[test]
    fn a_box_that_is_being_taken_stays() {
        let fixture = Fixture::new();
        let (one, two) = (resolve(&fixture), resolve(&fixture));
        let digest = &one.image.digest;
        let error = fixture.store.remove(digest, |_| panic!("it is not free")).unwrap_err();
        assert_eq!(error.kind(), Kind::BoxInUse);
        let who = format!("process {} in {}", std::process::id(), fixture.lab.display());
        assert_eq!(error.details(), [who.clone(), who]);
        drop(one.hold);
        assert_eq!(fixture.store.claim(digest).unwrap_err().kind(), Kind::BoxInUse);
        drop(two.hold);
        // Its machine stands in a lab's state now.
        let used = || Error::new(Kind::BoxInUse, "in use");
        assert_eq!(fixture.store.remove(digest, |_| Err(used())).unwrap_err().message(), "in use");
        assert!(one.image.disk.exists());
        drop(fixture.store.remove(digest, |_| Ok(())).unwrap());
        assert!(!one.image.disk.exists());
        // Of those who held it before nothing is said.
        let _again = resolve(&fixture);
        assert_eq!(fixture.store.claim(digest).unwrap_err().details().len(), 1);
    }

    #[test]
    fn a_box_that_was_removed_after_it_was_found_is_found_anew() {
        let fixture = Fixture::new();
        let digest = resolve(&fixture).image.digest;
        let claim = fixture.store.claim(&digest).unwrap();
        std::thread::scope(|scope| {
            let taking = scope.spawn(|| resolve(&fixture));
            std::thread::sleep(Duration::from_millis(200));
            assert!(!taking.is_finished(), "it waits for the removal");
            std::fs::remove_dir_all(fixture.store.layout.box_dir(&digest)).unwrap();
            drop(claim);
            assert!(taking.join().unwrap().image.disk.exists());
        });
    }
}
