//! One command at a time changes a lab.
//!
//! The lock protects `.lab/` and everything the state names: machines, ports, sockets. Reading
//! commands (`status`, `ssh`, `logs`) do not take it. It is a lock of the operating system's, so a
//! killed command holds nothing; what the file says of its holder is for people.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::{flock, nofollow, owner, unlink};

use super::files::LabFiles;
use super::state::now;
use super::wait::{TIMEOUT_VARIABLE, Wait, limit};

/// How long a command waits for the lock unless told otherwise: as long as an `up` may take.
const TIMEOUT: Duration = Duration::from_secs(600);
/// The largest lock file that is read, in bytes: it has a command in it.
const HOLDER_LIMIT: u64 = 1 << 20;
/// How often it tries; the operating system has no wait with a time limit for such locks.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// The lock, held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    files: LabFiles,
}

/// What the lock file says of its holder.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    command: String,
    since: u64,
}

impl Lock {
    /// Takes the lock of the lab of `files` (its folder is made) for `command`, waiting where another has it.
    ///
    /// # Errors
    /// [`Kind::LabLocked`] after [`TIMEOUT_VARIABLE`] seconds, naming the holder; [`Kind::Usage`]
    /// where the variable is no number.
    pub fn take(files: &LabFiles, command: &str, wait: Wait<'_>) -> Result<Self> {
        let limit = limit(TIMEOUT)?;
        let started = Instant::now();
        let mut said = false;
        loop {
            if let Some(lock) = try_take(files, command)? {
                return Ok(lock);
            }
            let holder = read_holder(&files.lock());
            if started.elapsed() >= limit {
                return Err(Error::new(
                    Kind::LabLocked,
                    format!("{} is working on this lab", words(&holder)),
                )
                .hint("wait for it to end, or stop it with Ctrl-C where it runs")
                .hint(format!("{TIMEOUT_VARIABLE}=SECONDS sets how long to wait for it")));
            }
            if !std::mem::replace(&mut said, true) {
                wait.sink.note(format!("{} is working on this lab; waiting for it to end", words(&holder)));
            }
            wait.cancel.sleep(TRY_EVERY)?;
        }
    }

    /// Removes the lock's file while still holding it: for a lab that is gone.
    pub fn remove(self) -> Result<()> {
        unlink::file(&self.files.lock())
    }
}

impl Drop for Lock {
    /// Where root has worked in somebody's lab, it stays that somebody's.
    fn drop(&mut self) {
        owner::give_all(self.files.root());
    }
}

fn try_take(files: &LabFiles, command: &str) -> Result<Option<Lock>> {
    let path = &files.lock();
    let error = |source: std::io::Error| Error::io("lock", path, &source);
    files.make()?;
    let mut file = match nofollow::open_or_create(path) {
        Ok(file) => file,
        // The folder went between the two lines above: a `destroy` ended. Try again.
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(nofollow::error("lock", path, &source)),
    };
    if !flock::try_lock(&file, path)? {
        return Ok(None);
    }
    if !is_at(&file, path) {
        // We waited on the lock of a lab that has been destroyed meanwhile.
        return Ok(None);
    }
    let holder = Holder { pid: std::process::id(), command: command.to_owned(), since: now() };
    let text = serde_json::to_vec(&holder).unwrap_or_default();
    file.set_len(0).and_then(|()| file.write_all(&text)).map_err(error)?;
    Ok(Some(Lock { _file: file, files: files.clone() }))
}

/// Whether `file` is (still) what stands at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
    matches!((file.metadata().map(id), path.metadata().map(id)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

fn read_holder(path: &Path) -> Option<Holder> {
    serde_json::from_slice(&nofollow::read(path, HOLDER_LIMIT).ok()?).ok()
}

fn words(holder: &Option<Holder>) -> String {
    match holder {
        Some(Holder { pid, command, since }) => {
            let ago = now().saturating_sub(*since);
            format!("another command (`{command}`, process {pid}, for {ago} s)")
        }
        None => "another command".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Cancel;
    use crate::lab::tell::event::Silent;

    fn lab() -> (tempfile::TempDir, LabFiles, Cancel) {
        let dir = tempfile::tempdir().unwrap();
        let files = LabFiles::beside(dir.path());
        (dir, files, Cancel::new())
    }

    #[test]
    fn the_second_waits_for_the_first() {
        let (_dir, files, cancel) = lab();
        let wait = Wait { cancel: &cancel, sink: &Silent };
        let first = Lock::take(&files, "lab up", wait).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| Lock::take(&files, "lab halt", wait).map(drop));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!second.is_finished());
            drop(first);
            assert!(second.join().unwrap().is_ok());
        });
    }

    #[test]
    fn a_lock_whose_file_was_removed_is_not_the_lock() {
        let (_dir, files, cancel) = lab();
        let wait = Wait { cancel: &cancel, sink: &Silent };
        let first = Lock::take(&files, "lab destroy", wait).unwrap();
        first.remove().unwrap();
        let second = Lock::take(&files, "lab up", wait).unwrap();
        assert!(is_at(&second._file, &files.lock()));
    }

    #[test]
    fn the_holder_is_named() {
        let (_dir, files, cancel) = lab();
        let _held = Lock::take(&files, "lab up web1", Wait { cancel: &cancel, sink: &Silent }).unwrap();
        let words = words(&read_holder(&files.lock()));
        assert!(
            words.contains("`lab up web1`") && words.contains(&std::process::id().to_string()),
            "{words}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn the_lock_is_this_users_alone_and_no_link_is_written_through() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let (dir, files, cancel) = lab();
        let wait = Wait { cancel: &cancel, sink: &Silent };
        drop(Lock::take(&files, "lab up", wait).unwrap());
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(files.root()), mode(&files.lock())), (0o700, 0o600));
        let thesis = dir.path().join("thesis.tex");
        std::fs::write(&thesis, "precious").unwrap();
        unlink::file(&files.lock()).unwrap();
        symlink(&thesis, files.lock()).unwrap();
        assert!(Lock::take(&files, "lab up", wait).is_err());
        unlink::file(&files.lock()).unwrap();
        std::fs::create_dir(files.lock()).unwrap();
        let error = Lock::take(&files, "lab up", wait).unwrap_err();
        assert!(error.message().contains("not what lab makes"), "{error}");
        assert_eq!(std::fs::read_to_string(thesis).unwrap(), "precious");
    }
}
