//! The Labfile on disk.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::lines::Lines;
use super::trust::{self, About, Believed};
use crate::error::{Error, Kind, Result};
use crate::process::quote;

/// The name of a Labfile on disk.
pub const FILE_NAME: &str = "Labfile";

/// The largest Labfile that is read, in bytes. A thousand machines take about 100 KiB.
const SIZE_MAX: u64 = 1024 * 1024;

/// The Labfile in the folder `start`, or in the nearest folder above that has one.
///
/// The user named `start`, by standing in it or by `-C`: a Labfile there is meant. One above must be this user's own or
/// root's, and nobody else may be able to change it. The search ends where the file system does.
///
/// # Errors
/// [`Kind::NoLabfile`] where no folder has one; a hint names a file that may be meant, such as `Labfile.txt`.
/// [`Kind::NotTrusted`] where somebody else could have put it there.
pub fn find(start: &Path) -> Result<PathBuf> {
    let start = canonical(start)?;
    let device = |folder: &Path| fs::metadata(folder).map(|metadata| About::from(&metadata).device).ok();
    find_on(&start, device, &Believed::here())
}

/// The same; `device` tells which file system a folder lies on.
fn find_on(start: &Path, device: impl Fn(&Path) -> Option<u64>, believed: &Believed) -> Result<PathBuf> {
    // A folder of that name does not count: where case makes no difference, `labfile/` has it too.
    let has_one = |folder: &Path| {
        let path = folder.join(FILE_NAME);
        fs::metadata(&path).is_ok_and(|about| !about.is_dir()).then_some(path)
    };
    let (mut here, mut beyond) = (Vec::new(), Vec::new());
    for folder in start.ancestors() {
        let same = beyond.is_empty() && device(folder) == device(start);
        if same { here.push(folder) } else { beyond.push(folder) }
    }
    if let Some(path) = here.into_iter().find_map(has_one) {
        if path.parent() != Some(start) {
            trust::check_found(&path, believed)?;
        }
        return Ok(path);
    }
    let error = Error::new(
        Kind::NoLabfile,
        format!("there is no Labfile in {} or in a folder above", start.display()),
    );
    if let Some(folder) = beyond.into_iter().find(|folder| has_one(folder).is_some()) {
        let shown = folder.display();
        return Err(error
            .detail(format!(
                "there is one in {shown}, but on another disk, where lab does not look by itself"
            ))
            .hint(format!("if you want that lab, name its folder: lab -C {} …", quote(&shown.to_string()))));
    }
    let misnamed = ["labfile", "LabFile", "LABFILE", "Labfile.toml", "labfile.toml", "Labfile.txt"];
    Err(match misnamed.iter().find(|name| start.join(name).is_file()) {
        Some(name) => error.hint(format!("is it meant to be {name}? Rename it: mv {name} {FILE_NAME}")),
        None => error.hint("go to the folder that has one, or write one here with: lab init"),
    })
}

/// Reads the Labfile at `path`. Gives its text, and its path with the links of the folder followed: the real folder is
/// the identity of the lab, whichever path led to it.
pub(super) fn read(path: &Path) -> Result<(PathBuf, String)> {
    let shown = path.display();
    let about = fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(Kind::NoLabfile, format!("there is no {shown}"))
            .hint("go to the folder that has one, or write one here with: lab init"),
        _ => Error::io("read", path, &error),
    })?;
    if about.is_dir() {
        return Err(bad(format!("{shown} is a folder, not a Labfile"))
            .hint(format!("name the file in it: {}", path.join(FILE_NAME).display())));
    }
    // Opening a pipe would wait until another program writes to it.
    if !about.is_file() {
        return Err(bad(format!("{shown} is not a regular file")).hint("name a Labfile"));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(SIZE_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| Error::io("read", path, &error))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > SIZE_MAX {
        let size = about.len().div_ceil(1024 * 1024).max(2);
        return Err(bad(format!("{shown} is no Labfile: it has {size} MiB, and the most is 1 MiB"))
            .hint("scripts and data go into files of their own, which the Labfile names"));
    }
    let text =
        String::from_utf8(bytes).map_err(|error| not_text(path, error.as_bytes(), &error.utf8_error()))?;

    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    Ok((canonical(folder)?.join(path.file_name().unwrap_or_default()), text))
}

fn bad(message: String) -> Error {
    Error::new(Kind::BadLabfile, message)
}

fn not_text(path: &Path, bytes: &[u8], error: &std::str::Utf8Error) -> Error {
    let shown = path.display();
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return bad(format!("{shown} is written in UTF-16, not in UTF-8"))
            .hint("save it again as UTF-8: most editors ask for the encoding in \"Save as\"");
    }
    let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
    let text = String::from_utf8_lossy(before);
    let place = Lines::new(&text).place(text.len());
    bad(format!("{shown}:{}:{}: the text is not UTF-8 from here on", place.line, place.column))
        .hint("save it again as UTF-8, or write the character anew")
}

/// A folder's real path. On Windows that would be one of a form that many programs do not understand.
fn canonical(folder: &Path) -> Result<PathBuf> {
    let real = if cfg!(windows) { std::path::absolute(folder) } else { folder.canonicalize() };
    real.map_err(|error| Error::io("look into", folder, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        (folder, path)
    }

    #[test]
    fn it_is_found_from_below() {
        let (_keep, top) = folder();
        fs::create_dir_all(top.join("a/b/Labfile")).unwrap();
        fs::write(top.join("Labfile"), "").unwrap();
        assert_eq!(find(&top.join("a/b")).unwrap(), top.join("Labfile"));
    }

    #[test]
    fn the_search_ends_with_the_file_system() {
        let (_keep, top) = folder();
        fs::create_dir_all(top.join("mount/below")).unwrap();
        fs::write(top.join("Labfile"), "").unwrap();
        let (mount, below) = (top.join("mount"), top.join("mount/below"));
        let device = |folder: &Path| Some(u64::from(folder.starts_with(&mount)));
        let error = find_on(&below, device, &Believed::here()).unwrap_err();
        assert_eq!(error.kind(), Kind::NoLabfile);
        assert_eq!(
            error.hints(),
            [format!("if you want that lab, name its folder: lab -C {} …", top.display())]
        );
        fs::write(mount.join("Labfile"), "").unwrap();
        assert_eq!(find_on(&below, device, &Believed::here()).unwrap(), mount.join("Labfile"));
    }

    #[cfg(unix)]
    #[test]
    fn one_that_others_may_write_counts_only_where_it_is_named() {
        use std::os::unix::fs::PermissionsExt;

        let (_keep, top) = folder();
        fs::create_dir_all(top.join("mine")).unwrap();
        fs::write(top.join("Labfile"), "").unwrap();
        fs::set_permissions(&top, fs::Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(find(&top.join("mine")).unwrap_err().kind(), Kind::NotTrusted);
        assert_eq!(find(&top).unwrap(), top.join("Labfile"));
        assert_eq!(find(&top.join("mine/..")).unwrap(), top.join("Labfile"));
    }

    #[test]
    fn none_is_a_hint() {
        let (_keep, top) = folder();
        let error = find(&top).unwrap_err();
        assert_eq!(error.kind(), Kind::NoLabfile);
        assert!(error.hints()[0].contains("lab init"));
        fs::write(top.join("Labfile.toml"), "").unwrap();
        assert!(find(&top).unwrap_err().hints()[0].contains("mv Labfile.toml Labfile"));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let (_keep, top) = folder();
        let path = top.join("Labfile");
        let says = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read(&path).unwrap_err().message().to_owned()
        };
        assert!(says(b"[lab]\nname = \"\xe9\"\n").contains(":2:9: the text is not UTF-8"));
        assert!(says(b"\xff\xfe[\0").contains("UTF-16"));
        assert!(says(&vec![b'#'; 3 << 20]).contains("it has 3 MiB, and the most is 1 MiB"));
        assert!(read(&top).unwrap_err().message().contains("is a folder"));
        assert_eq!(read(&top.join("none")).unwrap_err().kind(), Kind::NoLabfile);
    }

    #[test]
    fn a_huge_file_is_not_read() {
        let (_keep, top) = folder();
        let path = top.join("Labfile");
        File::create(&path).unwrap().set_len(100 << 20).unwrap();
        assert!(read(&path).unwrap_err().message().contains("100 MiB"));
    }
}
