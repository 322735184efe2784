//! The seal of a lab's state: who cannot read this user's secret cannot have written it.
//!
//! A state file goes where its folder goes, through an archive or a stick, and comes back. The secret stays in `LAB_HOME`.

use std::path::Path;

use aws_lc_rs::{hmac, rand};
use serde::Serialize;
use serde_json::Value;

use super::files::Home;
use crate::error::{Error, Kind, Result};
use crate::{atomic, nofollow, versioned};

/// The length of the secret, in bytes: that of the digest, as RFC 2104 recommends.
const LENGTH: usize = 32;
/// How often the secret is written before it is given up.
const TRIES: usize = 5;
/// The field of a state file that has the seal of the others.
const FIELD: &str = "seal";

/// The seal of `bytes`, in hexadecimal digits. The secret is made where there is none.
///
/// # Errors
/// [`Kind::Io`], [`Kind::DiskFull`]; [`Kind::StateDamaged`] where the secret is.
pub fn seal(home: &Home, bytes: &[u8]) -> Result<String> {
    let key = match key(home)? {
        Some(key) => key,
        None => make(home)?,
    };
    Ok(hmac::sign(&key, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether `seal` is the one that this user's secret gives `bytes`.
///
/// # Errors
/// Those of [`seal()`].
pub fn is_sealed(home: &Home, bytes: &[u8], seal: &str) -> Result<bool> {
    let digit = |at: usize| seal.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let given: Option<Vec<u8>> = (0..seal.len()).step_by(2).map(digit).collect();
    let Some((key, given)) = key(home)?.zip(given) else { return Ok(false) };
    Ok(hmac::verify(&key, bytes, &given).is_ok())
}

/// `value`, an object, as the text of a file that carries its own seal as the last field.
///
/// Numbers must be whole ones: those are written again as they were read.
///
/// # Errors
/// Those of [`seal()`].
pub fn encode<T: Serialize>(home: &Home, value: &T) -> Result<Vec<u8>> {
    let bug = |source: serde_json::Error| Error::internal(format!("could not encode a state: {source}"));
    let mut value = serde_json::to_value(value).map_err(bug)?;
    let seal = seal(home, &without_seal(&mut value)?)?;
    if let Value::Object(fields) = &mut value {
        fields.insert(FIELD.to_owned(), Value::String(seal));
    }
    let mut bytes = serde_json::to_vec_pretty(&value).map_err(bug)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Whether `value`, read from a file that [`encode`] wrote, carries its seal; a file without one does not.
///
/// # Errors
/// Those of [`seal()`].
pub fn is_whole(home: &Home, mut value: Value) -> Result<bool> {
    let Some(seal) = value.get(FIELD).and_then(Value::as_str).map(str::to_owned) else { return Ok(false) };
    is_sealed(home, &without_seal(&mut value)?, &seal)
}

fn without_seal(value: &mut Value) -> Result<Vec<u8>> {
    if let Value::Object(fields) = value {
        fields.shift_remove(FIELD);
    }
    serde_json::to_vec(value).map_err(|source| Error::internal(format!("could not encode a state: {source}")))
}

fn key(home: &Home) -> Result<Option<hmac::Key>> {
    let path = home.secret();
    let bytes = match nofollow::read(&path, versioned::LIMIT) {
        Ok(bytes) => bytes,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(nofollow::error("read", &path, &source)),
    };
    if bytes.len() != LENGTH {
        let (path, length) = (path.display(), bytes.len());
        return Err(Error::new(
            Kind::StateDamaged,
            format!("{path} is damaged: it has {length} bytes, not {LENGTH}"),
        )
        .hint(
            "remove it, then run the command again: labs that stayed where they were are known without it",
        ));
    }
    Ok(Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
}

/// Makes the secret. Of several who do so at once, the first one's stays.
fn make(home: &Home) -> Result<hmac::Key> {
    home.make()?;
    let path = home.secret();
    let mut bytes = [0; LENGTH];
    rand::fill(&mut bytes).map_err(|_| Error::internal("this computer gives no random numbers"))?;
    put_new(&path, &bytes)?;
    key(home)?.ok_or_else(|| {
        Error::new(Kind::Io, format!("{} is gone again just after it was made", path.display()))
            .hint("run the same command again")
    })
}

/// Writes a file of mode 0600 whole, where there is none yet. Whoever has the registers' lock sweeps what killed writers
/// left, and may take this one's for it: then it is written again.
fn put_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut tries = 0;
    loop {
        tries += 1;
        match atomic::write_new(path, bytes) {
            Err(error) if error.kind() == Kind::FileExists => return Ok(()),
            Err(error) if error.kind() == Kind::Io && tries < TRIES => {}
            written => return written,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path().join("home"));
        (root, home)
    }

    #[test]
    fn only_the_same_bytes_and_the_same_secret_give_the_same_seal() {
        let ((_a, home), (_b, other)) = (home(), home());
        assert!(!is_sealed(&home, b"state", "00").unwrap());
        let mark = seal(&home, b"state").unwrap();
        assert!(is_sealed(&home, b"state", &mark).unwrap());
        assert_ne!(mark, seal(&other, b"state").unwrap());
        for (bytes, mark) in [
            (&b"statf"[..], mark.as_str()),
            (b"state", &mark[2..]),
            (b"state", ""),
            (b"state", "ä"),
            (b"state", "0"),
        ] {
            assert!(!is_sealed(&home, bytes, mark).unwrap(), "{mark}");
        }
    }

    #[test]
    fn a_file_carries_its_seal_and_a_change_breaks_it() {
        let (_root, home) = home();
        let state =
            serde_json::json!({ "version": 2, "lab_id": "x", "machines": { "b": 1, "a": [true, null] } });
        let text = String::from_utf8(encode(&home, &state).unwrap()).unwrap();
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert!(is_whole(&home, read(&text)).unwrap(), "{text}");
        assert!(!is_whole(&home, read(&text.replace("\"x\"", "\"y\""))).unwrap());
        assert!(!is_whole(&home, state).unwrap());
        // Written again, it has one seal.
        assert_eq!(encode(&home, &read(&text)).unwrap(), text.as_bytes());
    }

    #[test]
    fn many_at_once_agree_on_one_secret() {
        let (_root, home) = home();
        let seals: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| seal(&home, b"x").unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(seals.iter().all(|seal| *seal == seals[0]), "{seals:?}");
    }

    #[cfg(unix)]
    #[test]
    fn the_secret_is_this_users_alone_and_a_damaged_one_is_said() {
        use std::os::unix::fs::PermissionsExt;
        let (_root, home) = home();
        seal(&home, b"x").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&home.secret()), mode(home.root())), (0o600, 0o700));
        std::fs::write(home.secret(), "short").unwrap();
        assert_eq!(seal(&home, b"x").unwrap_err().kind(), Kind::StateDamaged);
    }
}
