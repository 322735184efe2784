//! Whether what a Labfile copies has changed: a digest of a file's or a folder's contents.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

/// Up to how many bytes in all are read. Of more, sizes and times say whether they have changed: `lab status` asks, and
/// must not read gigabytes.
const READ: u64 = 8 << 20;
/// How many files and folders are looked at. More are not compared.
const MOST: usize = 100_000;

/// A digest of all that `from` holds: names, permissions, contents (sizes and times where there are more than 8 MiB), and where
/// symlinks lead. `None` where it cannot be read, or holds more than 100,000 entries.
pub fn digest(from: &Path) -> Option<String> {
    let mut found = Vec::new();
    // What is named is followed, as it is when it is copied.
    walk(from, fs::metadata(from).ok()?, &mut found).ok()?;
    let size: u64 = found.iter().filter(|(_, meta)| meta.is_file()).map(|(_, meta)| meta.len()).sum();
    let mut hash = Sha256::new();
    for (path, meta) in &found {
        let name = path.strip_prefix(from).unwrap_or(path).as_os_str().as_encoded_bytes();
        let mode = mode(meta);
        let (kind, length) = match () {
            () if meta.is_file() => (b'f', meta.len()),
            () if meta.is_symlink() => (b'l', 0),
            () => (b'd', 0),
        };
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update([kind]);
        hash.update(mode.to_le_bytes());
        hash.update(length.to_le_bytes());
        if meta.is_symlink() {
            hash.update(fs::read_link(path).ok()?.as_os_str().as_encoded_bytes());
        } else if meta.is_file() && size <= READ {
            read_into(&mut hash, path, length).ok()?;
        } else if meta.is_file() {
            let since = meta.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            hash.update(since.as_nanos().to_le_bytes());
        }
    }
    Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The first `length` bytes of the file at `path`.
fn read_into(hash: &mut Sha256, path: &Path, length: u64) -> io::Result<()> {
    let mut file = File::open(path)?.take(length);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            count => hash.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// `path` and all below it, in the order of their names. What is neither file, folder nor symlink is not copied either.
fn walk(path: &Path, meta: Metadata, found: &mut Vec<(PathBuf, Metadata)>) -> io::Result<()> {
    if found.len() >= MOST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let is_dir = meta.is_dir();
    if is_dir || meta.is_file() || meta.is_symlink() {
        found.push((path.to_owned(), meta));
    }
    if is_dir {
        let mut listed = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        listed.sort_by_key(fs::DirEntry::file_name);
        for entry in listed {
            let below = entry.path();
            let meta = below.symlink_metadata()?;
            walk(&below, meta, found)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn mode(meta: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o7777
}

#[cfg(not(unix))]
fn mode(_: &Metadata) -> u32 {
    0
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn every_change_of_a_folder_is_seen_and_its_place_and_time_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let site = dir.path().join("site");
        fs::create_dir_all(site.join("sub")).unwrap();
        fs::write(site.join("sub/index.html"), "v1").unwrap();
        symlink("sub", site.join("link")).unwrap();
        let mut seen = vec![digest(&site).unwrap()];
        let mut changed = |what: &str| {
            let now = digest(&site).unwrap();
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        fs::write(site.join("sub/index.html"), "v2").unwrap();
        changed("contents of the same size");
        fs::set_permissions(site.join("sub/index.html"), fs::Permissions::from_mode(0o755)).unwrap();
        changed("permissions");
        fs::rename(site.join("sub/index.html"), site.join("sub/home.html")).unwrap();
        changed("a name");
        fs::remove_file(site.join("link")).unwrap();
        symlink("sub/", site.join("link")).unwrap();
        changed("where a symlink leads");
        fs::create_dir(site.join("empty")).unwrap();
        changed("a folder");

        let before = digest(&site).unwrap();
        let moved = dir.path().join("elsewhere");
        fs::rename(&site, &moved).unwrap();
        let old = File::options().write(true).open(moved.join("sub/home.html")).unwrap();
        old.set_modified(UNIX_EPOCH).unwrap();
        assert_eq!(digest(&moved).unwrap(), before);
        // A single file, and what is not there.
        assert!(digest(&moved.join("sub/home.html")).is_some());
        assert_eq!(digest(&site), None);
    }

    #[test]
    fn much_is_compared_by_sizes_and_times() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        let file = File::create(&path).unwrap();
        file.set_len(READ + 1).unwrap();
        let before = digest(&path).unwrap();
        assert_eq!(digest(&path).unwrap(), before);
        file.set_modified(UNIX_EPOCH).unwrap();
        assert_ne!(digest(&path).unwrap(), before);
    }
}
