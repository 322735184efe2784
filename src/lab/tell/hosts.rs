//! The machines' names in this computer's hosts file, between two marked lines.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::atomic::{self, HALF_WRITTEN};
use crate::error::{Error, Kind, Result};
use crate::labfile::Labfile;

/// The environment variable that names another hosts file.
pub const FILE_VARIABLE: &str = "LAB_HOSTS_FILE";

/// What the first line says where the file had no line end before it: it goes with the block.
const LINE_END_ADDED: &str = " (and the line end above)";

/// The hosts file of this computer.
pub fn file() -> PathBuf {
    if let Some(path) = std::env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()) {
        return path.into();
    }
    match std::env::var_os("SystemRoot") {
        Some(root) if cfg!(windows) => PathBuf::from(root).join(r"System32\drivers\etc\hosts"),
        _ => PathBuf::from("/etc/hosts"),
    }
}

/// A line for each machine: its address and its name.
pub fn lines(labfile: &Labfile) -> String {
    labfile.machines.iter().map(|machine| format!("{}\t{}\n", machine.ip, machine.name)).collect()
}

/// Puts `lines` into the hosts file at `path`, as those of the lab in `dir`; tells whether that changed it.
///
/// # Errors
/// [`Kind::Io`] where it may not be written, [`Kind::StateDamaged`] where a marked line is missing.
pub fn apply(path: &Path, dir: &Path, lines: &str) -> Result<bool> {
    change(path, dir, Some(lines))
}

/// Takes the lines of the lab in `dir` out; tells whether there were any.
///
/// # Errors
/// As [`apply`].
pub fn remove(path: &Path, dir: &Path) -> Result<bool> {
    // Most labs have none, and every `destroy` asks.
    match std::fs::read(path) {
        Ok(text) if changed(&text, &label(dir), None).is_ok_and(|without| without == text) => {
            return Ok(false);
        }
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        _ => {}
    }
    change(path, dir, None)
}

fn change(path: &Path, dir: &Path, lines: Option<&str>) -> Result<bool> {
    // What a link points to is replaced, not the link.
    let path = path.canonicalize().map_err(|source| Error::io("find", path, &source))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    // Two commands that change it go one after the other. Where a folder cannot be locked, nothing can.
    let _lock = File::open(folder).inspect(|folder| drop(folder.lock()));
    let old = std::fs::read(&path).map_err(|source| Error::io("read", &path, &source))?;
    let new = changed(&old, &label(dir), lines).map_err(|missing| {
        Error::new(
            Kind::StateDamaged,
            format!("{} has one of lab's two marked lines, but not `{missing}`", path.display()),
        )
        .hint("take lab's lines out of it in an editor, then run the same command again")
    })?;
    if new == old {
        return Ok(false);
    }
    write(&path, folder, &new).map(|()| true)
}

/// How the lab in `dir` is named in the marked lines.
fn label(dir: &Path) -> String {
    dir.display().to_string().chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The file's new text. All but the block stays as it is, byte for byte.
fn changed(old: &[u8], label: &str, lines: Option<&str>) -> Result<Vec<u8>, String> {
    let (begin, end) = (format!("# BEGIN lab {label}"), format!("# END lab {label}"));
    let begin_after_line = format!("{begin}{LINE_END_ADDED}");
    let mut at = 0;
    let (mut from, mut to) = (None, None);
    for line in old.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text == begin.as_bytes() {
            from = Some(at);
        } else if text == begin_after_line.as_bytes() {
            from = Some(usize::saturating_sub(at, 1));
        } else if text == end.as_bytes() && from.is_some() {
            to = Some(at + line.len());
        }
        at += line.len();
    }
    let (before, after) = match (from, to) {
        (Some(from), Some(to)) => (old.get(..from), old.get(to..)),
        (Some(_), None) => return Err(end),
        (None, _) => (Some(old), None),
    };
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let mut new = before.to_vec();
    if let Some(lines) = lines.filter(|lines| !lines.is_empty()) {
        let mut begin = begin;
        if !before.is_empty() && !before.ends_with(b"\n") {
            new.push(b'\n');
            begin = begin_after_line;
        }
        new.extend(format!("{begin}\n{lines}{end}\n").bytes());
    }
    new.extend(after);
    Ok(new)
}

/// Replaces the file with one of the same mode and owner.
fn write(path: &Path, folder: &Path, bytes: &[u8]) -> Result<()> {
    let error = |source: std::io::Error| Error::io("write", path, &source);
    let about = path.metadata().map_err(error)?;
    let mut file = tempfile::Builder::new().prefix(HALF_WRITTEN).tempfile_in(folder).map_err(error)?;
    file.write_all(bytes).map_err(error)?;
    file.as_file().set_permissions(about.permissions()).map_err(error)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let own = file.as_file().metadata().map_err(error)?;
        if (own.uid(), own.gid()) != (about.uid(), about.gid()) {
            fchown(file.as_file(), Some(about.uid()), Some(about.gid())).map_err(error)?;
        }
    }
    file.as_file().sync_data().map_err(error)?;
    match file.persist(path) {
        Ok(_) => atomic::sync_dir(folder),
        // A container's hosts file is mounted over another: it can be written to, and not replaced.
        Err(failed) if failed.error.kind() == std::io::ErrorKind::ResourceBusy => {
            std::fs::write(path, bytes).map_err(error)
        }
        Err(failed) => Err(error(failed.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "192.168.56.10\tweb1\n";

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn in_and_out_leaves_every_byte() {
        for old in ["", "127.0.0.1 localhost\n", "127.0.0.1 localhost", "a\r\n\r\n# b\r\n", "\n\n"] {
            let with = changed(old.as_bytes(), "/x", Some(LINES)).unwrap();
            assert!(text(&with).contains(LINES) && text(&with).starts_with(old), "{old:?}");
            assert_eq!(changed(&with, "/x", Some(LINES)).unwrap(), with);
            let other = changed(&with, "/x y", Some("1.2.3.4\tb\n")).unwrap();
            let new = changed(&other, "/x", Some("10.0.0.1\tz\n")).unwrap();
            assert!(text(&new).contains("10.0.0.1\tz") && !text(&new).contains("web1"));
            let new = changed(&changed(&new, "/x y", None).unwrap(), "/x", None).unwrap();
            assert_eq!(text(&new), old);
        }
        assert_eq!(changed(b"\xff\xfe\n", "/x", None).unwrap(), b"\xff\xfe\n");
    }

    #[test]
    fn a_missing_mark_is_no_guess() {
        assert_eq!(changed(b"# BEGIN lab /x\n1 a\n", "/x", None).unwrap_err(), "# END lab /x");
        assert_eq!(changed(b"# END lab /x\n", "/x", None).unwrap(), b"# END lab /x\n");
    }

    #[cfg(unix)]
    #[test]
    fn mode_and_link_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("hosts"));
        std::fs::write(&real, "127.0.0.1 localhost\n").unwrap();
        std::fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(apply(&link, Path::new("/x"), LINES).unwrap());
        assert!(!apply(&link, Path::new("/x"), LINES).unwrap());
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert!(remove(&link, Path::new("/x")).unwrap());
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "127.0.0.1 localhost\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(!remove(&folder.path().join("none"), Path::new("/x")).unwrap());
    }
}
