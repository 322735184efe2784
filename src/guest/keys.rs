//! The lab's own key, and Vagrant's well-known insecure ones.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::nofollow;

use super::rsa::RsaKey;

/// The lab's key pair: RSA, since old guests understand nothing newer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabKey {
    /// The private key's file, mode 0600.
    pub private: PathBuf,
    /// The public key's line, as in authorized_keys, without a line end.
    pub public: String,
}

/// Vagrant's insecure private key (RSA), as the `keys/vagrant` of its releases.
const INSECURE_KEY: &str = include_str!("keys/vagrant_insecure");

/// The middle fields (base64) of Vagrant's insecure public keys (RSA, and the ed25519 of newer boxes):
/// lines in authorized_keys that hold one of them are removed from a machine.
pub const INSECURE_PUBLIC_KEYS: &[&str] = &[
    "AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8iallvQVp22WDkTkyrtvp9eWW6A8YVr+kz4TjGYe7gHzIw+niNltGEFHzD8+v1I2YJ6oXevct1YeS0o9HZyN1Q9qgCgzUFtdOKLv6IedplqoPkcmF0aYet2PkEDo3MlTBckFXPITAMzF8dJSIFo9D8HfdOV0IAdx4O7PtixWKn5y2hMNG0zQPyUecp4pzC6kivAIhyfHilFR61RGL+GPXQ2MWZWFYbAGjyiYJnAmCP3NOTd0jMZEnDkbUvxhMmBYSdETk1rRgm+R4LOzFUGaHqHDLKLX+FIPKcF96hrucXzcWyLbIbEgE98OHlnVYCzRdK8jlqm8tehUc9c9WhQ==",
    "AAAAC3NzaC1lZDI1NTE5AAAAIN1YdxBpNlzxDqfJyw/QKow1F+wvG9hXGoqiysfJOn5Y",
];

/// The lab's key at `path` (`….pub` beside it); made where it is not there.
/// Killed at any moment, it leaves either a whole pair or nothing that the next call stumbles over.
///
/// # Errors
/// [`Kind::Io`], [`Kind::DiskFull`]; [`Kind::StateDamaged`] where the file is there and holds no private key.
pub fn lab_key(path: &Path) -> Result<LabKey> {
    if !path.try_exists().map_err(|source| Error::io("look for", path, &source))? {
        generate(path)?;
    }
    Ok(LabKey { private: path.to_owned(), public: public_key(path)? })
}

/// The public half that stands beside the private key at `path`, as a line of authorized_keys.
pub(super) fn line_beside(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(beside(path)).ok()?;
    is_public_key(text.trim()).then(|| text.trim().to_owned())
}

/// Writes Vagrant's insecure private key to `path`, mode 0600, where it is not there.
///
/// # Errors
/// [`Kind::Io`], [`Kind::DiskFull`].
pub fn write_insecure_key(path: &Path) -> Result<()> {
    if path.try_exists().map_err(|source| Error::io("look for", path, &source))? {
        return Ok(());
    }
    put(path, INSECURE_KEY.as_bytes(), true)
}

/// Makes a pair and puts it in place. The private half is what counts as "there": who comes second keeps the
/// first one's. The public half goes beside it afterwards, if it is the one to it.
fn generate(path: &Path) -> Result<()> {
    let key = RsaKey::generate()?;
    let private = key.to_pem();
    put(path, private.as_bytes(), false)?;
    if std::fs::read(path).is_ok_and(|placed| placed == private.as_bytes()) {
        put(&beside(path), format!("{}\n", public_line(&key, path)).as_bytes(), true)?;
    }
    Ok(())
}

/// The public half of the key at `path`. It is read from `….pub` only where that belongs to the
/// private half; else it is worked out anew, since whoever was killed may have left none or another's.
fn public_key(path: &Path) -> Result<String> {
    let beside = beside(path);
    let newer = |a: &Path, b: &Path| -> Option<bool> {
        Some(a.metadata().ok()?.modified().ok()? >= b.metadata().ok()?.modified().ok()?)
    };
    if newer(&beside, path) == Some(true)
        && let Ok(text) = std::fs::read_to_string(&beside)
        && is_public_key(text.trim())
    {
        return Ok(text.trim().to_owned());
    }
    let private = std::fs::read(path).map_err(|source| Error::io("read", path, &source))?;
    let Some(key) = RsaKey::from_pem(&private) else {
        return Err(Error::new(
            Kind::StateDamaged,
            format!("{} is not a usable private key", path.display()),
        )
        .hint("`lab destroy` the machines, remove the file, and `lab up` makes a new key"));
    };
    let line = public_line(&key, path);
    put(&beside, format!("{line}\n").as_bytes(), true)?;
    Ok(line)
}

/// The public half of the key at `path`, as a line of authorized_keys that names the lab.
fn public_line(key: &RsaKey, path: &Path) -> String {
    let lab = parent(path).parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    format!("{} {}", key.public(), comment(&lab))
}

/// Writes a file of mode 0600 whole or not at all; `replace`: over one that is there.
fn put(path: &Path, bytes: &[u8], replace: bool) -> Result<()> {
    let dir = parent(path);
    nofollow::check_way(path).map_err(|source| nofollow::error("write", path, &source))?;
    // tempfile's files are made with mode 0600.
    let mut file =
        tempfile::NamedTempFile::new_in(dir).map_err(|source| Error::io("create a file in", dir, &source))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(|source| Error::io("write", path, &source))?;
    let placed = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    match placed {
        Err(failed) if failed.error.kind() == ErrorKind::AlreadyExists && !replace => Ok(()),
        Err(failed) => Err(Error::io("write", path, &failed.error)),
        Ok(_) => Ok(()),
    }
}

/// Where the public half of the key at `path` is.
fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    PathBuf::from(beside)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A comment that is one word list in authorized_keys and harmless in a shell.
fn comment(lab: &str) -> String {
    let lab: String = lab.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    format!("lab {lab}").trim_end().to_owned()
}

fn is_public_key(line: &str) -> bool {
    let mut words = line.split(' ');
    let kind = words.next().unwrap_or_default();
    let body = words.next().unwrap_or_default();
    kind.starts_with("ssh-") && body.len() > 40 && !line.contains(['\n', '\''])
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_insecure_key_is_the_one_of_the_public_list() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("insecure");
        write_insecure_key(&path).unwrap();
        write_insecure_key(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let public = public_key(&path).unwrap();
        assert_eq!(public.split(' ').nth(1), Some(INSECURE_PUBLIC_KEYS[0]));
    }

    #[test]
    fn a_lab_has_one_key_whoever_asks_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("my lab's").join("id_rsa");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let ask = || scope.spawn(|| lab_key(&path).unwrap());
            let threads: Vec<_> = (0..4).map(|_| ask()).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| key == &keys[0]), "{keys:?}");
        assert!(keys[0].public.starts_with("ssh-rsa AAAA"));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let left: Vec<_> =
            std::fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn a_public_half_left_by_someone_killed_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("id_rsa");
        let key = lab_key(&path).unwrap();
        std::fs::write(dir.path().join("id_rsa.pub"), "half a li").unwrap();
        assert_eq!(lab_key(&path).unwrap(), key);
    }

    #[test]
    fn a_private_key_that_is_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("id_rsa");
        std::fs::write(&path, "nonsense").unwrap();
        assert_eq!(lab_key(&path).unwrap_err().kind(), Kind::StateDamaged);
    }
}
