//! The end of a log, for an error message.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::atomic;
use crate::error::{Error, Result};

/// How much of a log's end is looked at, in bytes.
const WINDOW: u64 = 16 * 1024;

/// A console's log with more bytes than this is cut to its last half before its machine is started again.
const CONSOLE_LIMIT: u64 = 2 << 20;

/// Cuts the console's log at `path` where it has grown long. Nobody writes to it now.
///
/// Neither QEMU nor VirtualBox bounds the file that a serial port is written to, so that one that says much
/// in a single run grows without end until the next start.
pub fn cut_console(path: &Path) -> Result<()> {
    if path.metadata().is_ok_and(|log| log.len() > CONSOLE_LIMIT) {
        let end = end_of(path, CONSOLE_LIMIT / 2).map_err(|source| Error::io("read", path, &source))?;
        // From the next whole line on.
        let from = end.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        atomic::write(path, &end[from..])?;
    }
    Ok(())
}

/// The last `count` bytes of a file, or all of it.
///
/// # Errors
/// Those of reading it.
pub fn end_of(path: &Path, count: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(count);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(count).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last `count` non-empty lines of a file from byte `from` on; empty when it cannot be read.
/// Control characters other than tabs are dropped, since this is shown on terminals.
pub fn last_lines(path: &Path, from: u64, count: usize) -> Vec<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let start = file.metadata()?.len().saturating_sub(WINDOW).max(from);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(WINDOW).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    last_lines_of(&read().unwrap_or_default(), count)
}

/// The last `count` non-empty lines of `text`, without control characters other than tabs.
pub fn last_lines_of(text: &[u8], count: usize) -> Vec<String> {
    let mut lines: Vec<String> = String::from_utf8_lossy(text)
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control() || *c == '\t').collect::<String>())
        .map(|line| line.trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    lines.drain(..lines.len().saturating_sub(count));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_console_is_cut_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("console.log");
        cut_console(&path).unwrap();
        let lines = |count: usize| (0..count).map(|number| format!("line {number:09}\n")).collect::<String>();
        std::fs::write(&path, lines(1000)).unwrap();
        cut_console(&path).unwrap();
        assert_eq!(path.metadata().unwrap().len(), 15_000);
        std::fs::write(&path, lines(200_000)).unwrap();
        cut_console(&path).unwrap();
        let left = std::fs::read_to_string(&path).unwrap();
        assert!(left.len() as u64 <= CONSOLE_LIMIT / 2 && left.len() > 1_000_000, "{}", left.len());
        assert!(left.starts_with("line ") && left.ends_with("line 000199999\n"));
    }

    #[test]
    fn the_last_lines_of_a_log_are_fit_for_a_terminal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "old\none\n\n\x1b[31mtwo\r\nthree").unwrap();
        assert_eq!(last_lines(&path, 0, 2), ["[31mtwo", "three"]);
        assert_eq!(last_lines(&path, 4, 9), ["one", "[31mtwo", "three"]);
        assert_eq!(last_lines(&dir.path().join("none"), 0, 2), Vec::<String>::new());
    }
}
