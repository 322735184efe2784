//! The end of a log, for an error message.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How much of a log's end is looked at, in bytes.
const WINDOW: u64 = 16 * 1024;

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
    let text = read().unwrap_or_default();
    let mut lines: Vec<String> = String::from_utf8_lossy(&text)
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
    fn the_last_lines_of_a_log_are_fit_for_a_terminal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "old\none\n\n\x1b[31mtwo\r\nthree").unwrap();
        assert_eq!(last_lines(&path, 0, 2), ["[31mtwo", "three"]);
        assert_eq!(last_lines(&path, 4, 9), ["one", "[31mtwo", "three"]);
        assert_eq!(last_lines(&dir.path().join("none"), 0, 2), Vec::<String>::new());
    }
}
