//! `.lab/lab.log`: what commands did to a lab, for people and bug reports. Nothing is decided by it, since the
//! provider and the guest are asked what is really there.
//!
//! Each line is one write to a file opened for appending, so that several processes do not mix theirs; and
//! the file is opened for each, so that none writes on into one that was put aside or removed. What cannot be
//! written (a full disk) is lost: a log stops nobody's class.
//!
//! `tracing` was weighed for this. What there is to tell comes as events already, and from one place that
//! starts programs; what is left is a file of bounded size that several processes share, which
//! `tracing-appender` does not have.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::{nofollow, printable};

use crate::lab::tell::redact;

/// A log that has grown beyond this many bytes is put aside: there are two at most.
const LIMIT: u64 = 1 << 20;

/// The log of the lab that this command changes.
#[derive(Debug, Default)]
pub struct LabLog {
    path: Mutex<Option<PathBuf>>,
}

impl LabLog {
    /// Begins with the log at `path` of a lab whose lock we hold. What is told before is not kept: it
    /// belongs to no lab yet.
    pub fn begin(&self, path: &Path, command: &str) {
        let mut place = self.path.lock().unwrap_or_else(PoisonError::into_inner);
        if place.as_deref() == Some(path) && path.exists() {
            return;
        }
        // Others append to what is there, and never make it: they might make it in a lab that is just
        // being removed.
        if create(path).is_ok() {
            *place = Some(path.to_owned());
            drop(place);
            let (version, os, arch) =
                (env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
            let command = printable::line(command);
            self.line(&format!("=== {command} (lab {version}, {os}, {arch})"));
        }
    }

    /// Does `work` on a machine, with a line before and one after it.
    pub fn step<T>(&self, machine: &str, step: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        let machine = printable::line(machine);
        self.line(&format!("{machine}: {step}: begun"));
        let result = work();
        let took = begun.elapsed().as_secs_f64();
        self.line(&match &result {
            Ok(_) => format!("{machine}: {step}: done in {took:.2} s"),
            Err(error) => format!("{machine}: {step}: failed after {took:.2} s: {error}"),
        });
        result
    }

    /// Notes how the command ended.
    pub fn end<T>(&self, result: &Result<T>, words: impl FnOnce(&Error) -> String) {
        self.line(&match result {
            Ok(_) => "=== ended well".to_owned(),
            Err(error) => {
                let kind = error.kind();
                format!("=== ended with {} (exit code {}): {}", kind.code(), kind.exit() as u8, words(error))
            }
        });
    }

    /// Appends `text` with the time and our process's number in front. Further lines of it may be a guest's or a tool's
    /// words: they are indented behind a bar, so that none can pass for a line of the log, nor for one of another file
    /// that somebody has made the log a link to.
    pub fn line(&self, text: &str) {
        let place = self.path.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = place.as_deref() {
            let _ = append(path, &entry(text));
        }
    }
}

/// The logs of a lab that there are, the older one first.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let is_there = |path: &PathBuf| path.symlink_metadata().is_ok_and(|seen| seen.is_file());
    [older(path), path.to_owned()].into_iter().filter(is_there).collect()
}

fn older(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

fn entry(text: &str) -> String {
    let now = jiff::Zoned::now();
    let mut entry = format!("{} [{}]", now.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z"), std::process::id());
    for (index, line) in redact::secrets(text).lines().enumerate() {
        entry.push_str(if index == 0 { " " } else { "\n    | " });
        entry.push_str(&printable::line(line));
    }
    entry.push('\n');
    entry
}

fn append(path: &Path, entry: &str) -> io::Result<()> {
    let open = |path: &Path| nofollow::append(path, false);
    // Somebody may be putting it aside at this moment.
    let mut file = open(path).or_else(|_| open(&older(path)))?;
    file.write_all(entry.as_bytes())?;
    if file.metadata()?.len() > LIMIT {
        put_aside(path, &file)?;
    }
    Ok(())
}

/// Puts a full log aside and begins a new one. Of several who find it full, one does.
fn put_aside(path: &Path, file: &File) -> io::Result<()> {
    if file.try_lock().is_ok() && path.metadata()?.len() > LIMIT {
        std::fs::rename(path, older(path))?;
        create(path)?;
    }
    Ok(())
}

/// Makes it for this user alone, where it is not there.
fn create(path: &Path) -> io::Result<()> {
    nofollow::append(path, true).map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::error::Kind;

    fn log_in(dir: &Path) -> (LabLog, PathBuf) {
        let path = dir.join("lab.log");
        let log = LabLog::default();
        log.begin(&path, "lab up");
        (log, path)
    }

    #[test]
    fn a_line_has_its_time_and_an_error_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (log, path) = log_in(dir.path());
        let error: Result<()> = Err(Error::new(Kind::PortTaken, "port 8080 is taken").detail("by nginx"));
        assert!(log.step("web1", "start", || error.clone()).is_err());
        log.end(&error, |error| format!("{error}\n{}", error.details().join("\n")));
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("] === lab up (lab "), "{text}");
        let (time, _) = lines[1].split_once(" [").unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
        assert!(lines[2].contains("web1: start: failed after"), "{text}");
        assert!(lines[3].ends_with("=== ended with port-taken (exit code 5): port 8080 is taken"), "{text}");
        assert_eq!(lines[4], "    | by nginx");
    }

    #[test]
    fn nothing_that_is_quoted_makes_a_line_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (log, path) = log_in(dir.path());
        let key = "\nssh-ed25519 AAAA evil\n2026-01-01T00:00:00 [1] web1: start: done\r\u{2028}\u{85}";
        log.begin(&dir.path().join("other.log"), &format!("lab up {key}"));
        log.begin(&path, &format!("lab up {key}"));
        let error = Error::new(Kind::BoxChecksum, format!("no sum: {key}")).detail(key).hint(key);
        let _ = log.step(key, "start", || -> Result<()> { Err(error.clone()) });
        log.end::<()>(&Err(error), |error| format!("{error}\n{}", error.details().join("\n")));
        for path in files(&path).iter().chain(&files(&dir.path().join("other.log"))) {
            let text = std::fs::read_to_string(path).unwrap();
            assert!(!text.contains(|c| printable::is_tricky(c) && c != '\n'), "{text:?}");
            for line in text.lines() {
                let pid = format!("[{}]", std::process::id());
                assert!(line.starts_with("    | ") || line.contains(&pid), "{line}");
            }
        }
    }

    #[test]
    fn nothing_is_written_before_the_beginning_or_after_the_lab_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lab.log");
        LabLog::default().line("x");
        let (log, _) = log_in(dir.path());
        std::fs::remove_file(&path).unwrap();
        log.line("x");
        assert_eq!(files(&path), Vec::<PathBuf>::new());
        log.begin(&dir.path().join("no/such/folder/lab.log"), "lab up");
        log.line("x");
    }

    #[test]
    fn many_at_once_do_not_mix_lines_and_the_size_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lab.log");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let dir = dir.path();
                scope.spawn(move || {
                    // As another process would: with a log of its own.
                    let (log, _) = log_in(dir);
                    for number in 0..2000 {
                        log.line(&format!("writer {writer} line {number} {}", "x".repeat(200)));
                    }
                });
            }
        });
        let logs = files(&path);
        assert_eq!(logs.len(), 2);
        let text: String = logs.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        assert!(logs.iter().all(|path| path.metadata().unwrap().len() < LIMIT + 100_000));
        let mut last = BTreeMap::new();
        for line in text.lines().filter(|line| !line.contains("===")) {
            let (_, said) = line.split_once("] writer ").unwrap();
            let words: Vec<&str> = said.split(' ').collect();
            assert_eq!((words[1], words[3].len()), ("line", 200), "{line}");
            last.insert(words[0].to_owned(), words[2].to_owned());
        }
        assert!(last.values().all(|number| number == "1999"), "{last:?}");
    }
}
