//! One command at a time changes a lab.
//!
//! The lock protects `.lab/` and everything the state names: machines, ports, sockets. Reading
//! commands (`status`, `ssh`, `logs`) do not take it. It is a lock of the operating system's, so a
//! killed command holds nothing; what the file says of its holder is for people.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::flock;

use crate::lab::tell::event::Sink;
use super::state::now;

/// The environment variable that says how many seconds a command waits for the lock.
pub const TIMEOUT_VARIABLE: &str = "LAB_LOCK_TIMEOUT";
/// How long a command waits for the lock unless told otherwise: as long as an `up` may take.
const TIMEOUT: Duration = Duration::from_secs(600);
/// How often it tries; the operating system has no wait with a time limit for such locks.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// The lock, held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    path: PathBuf,
}

/// What the lock file says of its holder.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    command: String,
    since: u64,
}

impl Lock {
    /// Takes the lock at `path` (its folder is made) for `command`, waiting where another has it.
    ///
    /// # Errors
    /// [`Kind::LabLocked`] after [`TIMEOUT_VARIABLE`] seconds, naming the holder; [`Kind::Usage`]
    /// where the variable is no number.
    pub fn take(path: &Path, command: &str, cancel: &Cancel, sink: &dyn Sink) -> Result<Self> {
        let limit = match std::env::var(TIMEOUT_VARIABLE) {
            Ok(text) if !text.is_empty() => Duration::from_secs(text.parse().map_err(|_| {
                Error::new(
                    Kind::Usage,
                    format!("{TIMEOUT_VARIABLE} is '{text}', which is no number of seconds"),
                )
                .hint(format!("unset it, or set it to a number: {TIMEOUT_VARIABLE}=60"))
            })?),
            _ => TIMEOUT,
        };
        let started = Instant::now();
        let mut said = false;
        loop {
            if let Some(lock) = try_take(path, command)? {
                return Ok(lock);
            }
            let holder = read_holder(path);
            if started.elapsed() >= limit {
                return Err(Error::new(
                    Kind::LabLocked,
                    format!("{} is working on this lab", words(&holder)),
                )
                .hint("wait for it to end, or stop it with Ctrl-C where it runs")
                .hint(format!("{TIMEOUT_VARIABLE}=SECONDS sets how long to wait for it")));
            }
            if !std::mem::replace(&mut said, true) {
                sink.note(format!("{} is working on this lab; waiting for it to end", words(&holder)));
            }
            cancel.sleep(TRY_EVERY)?;
        }
    }

    /// Removes the lock's file while still holding it: for a lab that is gone.
    pub fn remove(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(|source| Error::io("remove", &self.path, &source))
    }
}

fn try_take(path: &Path, command: &str) -> Result<Option<Lock>> {
    let error = |source: std::io::Error| Error::io("lock", path, &source);
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|source| Error::io("create the folder", dir, &source))?;
    }
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(path);
    let mut file = match opened {
        Ok(file) => file,
        // The folder went between the two lines above: a `destroy` ended. Try again.
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(error(source)),
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
    Ok(Some(Lock { _file: file, path: path.to_owned() }))
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
    let mut text = String::new();
    File::open(path).ok()?.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
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
    use crate::lab::tell::event::Silent;

    #[test]
    fn the_second_waits_for_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lab/lock");
        let cancel = Cancel::new();
        let first = Lock::take(&path, "lab up", &cancel, &Silent).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| Lock::take(&path, "lab halt", &cancel, &Silent).map(drop));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!second.is_finished());
            drop(first);
            assert!(second.join().unwrap().is_ok());
        });
    }

    #[test]
    fn a_lock_whose_file_was_removed_is_not_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lab/lock");
        let cancel = Cancel::new();
        let first = Lock::take(&path, "lab destroy", &cancel, &Silent).unwrap();
        first.remove().unwrap();
        let second = Lock::take(&path, "lab up", &cancel, &Silent).unwrap();
        assert!(is_at(&second._file, &path));
    }

    #[test]
    fn the_holder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let _held = Lock::take(&path, "lab up web1", &Cancel::new(), &Silent).unwrap();
        let words = words(&read_holder(&path));
        assert!(
            words.contains("`lab up web1`") && words.contains(&std::process::id().to_string()),
            "{words}"
        );
    }
}
