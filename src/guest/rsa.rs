//! RSA keys in the two forms that every OpenSSH reads, old or new: the private half as PKCS#1 in PEM, the
//! public half as words of authorized_keys.
//!
//! They are made in this process: `ssh-keygen` with OpenSSL 3.0 takes 0.24 s of a processor for one on average,
//! and 0.7 s now and then, which machines that boot under emulation lack; this takes 0.07 s.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result};

const BEGIN: &str = "-----BEGIN RSA PRIVATE KEY-----";
const END: &str = "-----END RSA PRIVATE KEY-----";
/// A line's length (RFC 7468, 2).
const LINE: usize = 64;

/// A key pair.
#[derive(Debug)]
pub(super) struct RsaKey {
    pair: KeyPair,
    /// The `RSAPrivateKey` of RFC 8017, A.1.2.
    pkcs1: Vec<u8>,
}

impl RsaKey {
    /// A new one, of 2048 bits: every sshd takes them, and each bit more costs an emulated guest time at a login.
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`] where the computer gives no random numbers.
    pub(super) fn generate() -> Result<RsaKey> {
        let broken = |_| Error::internal("no RSA key could be made");
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(broken)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(broken)?;
        let pkcs1 =
            inside_pkcs8(der.as_ref()).ok_or_else(|| Error::internal("an RSA key of no known form"))?;
        Ok(RsaKey { pkcs1: pkcs1.to_vec(), pair })
    }

    /// The key that `text` holds; `None` where it is none, not whole, or of another form.
    pub(super) fn from_pem(text: &[u8]) -> Option<RsaKey> {
        let text = std::str::from_utf8(text).ok()?.trim();
        let body: String = text.strip_prefix(BEGIN)?.strip_suffix(END)?.split_whitespace().collect();
        let pkcs1 = STANDARD.decode(body).ok()?;
        Some(RsaKey { pair: KeyPair::from_der(&pkcs1).ok()?, pkcs1 })
    }

    /// The private half, ended by a line end.
    pub(super) fn to_pem(&self) -> String {
        let body = STANDARD.encode(&self.pkcs1);
        let mut text = format!("{BEGIN}\n");
        for line in body.as_bytes().chunks(LINE) {
            text.extend(line.iter().map(|byte| char::from(*byte)));
            text.push('\n');
        }
        text + END + "\n"
    }

    /// The public half: `ssh-rsa`, and the key (RFC 4253, 6.6) in base64.
    pub(super) fn public(&self) -> String {
        let public = self.pair.public_key();
        let mut blob = Vec::new();
        let mut put = |part: &[u8]| {
            blob.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            blob.extend(part);
        };
        put(b"ssh-rsa");
        put(&mpint(public.exponent().big_endian_without_leading_zero()));
        put(&mpint(public.modulus().big_endian_without_leading_zero()));
        format!("ssh-rsa {}", STANDARD.encode(blob))
    }
}

/// A positive number as ssh writes it (RFC 4251, 5): with a zero in front where it would look negative.
fn mpint(digits: &[u8]) -> Vec<u8> {
    let zero = digits.first().is_some_and(|first| first & 0x80 != 0);
    zero.then_some(0).into_iter().chain(digits.iter().copied()).collect()
}

/// The `RSAPrivateKey` that a `PrivateKeyInfo` (RFC 5208, 5) wraps: behind the algorithm's name, as an octet
/// string of up to 64 KiB.
fn inside_pkcs8(der: &[u8]) -> Option<&[u8]> {
    /// A SEQUENCE whose length takes two bytes, and the version, INTEGER 0.
    const BEFORE: usize = 4 + 3;
    /// SEQUENCE { OBJECT IDENTIFIER 1.2.840.113549.1.1.1 (rsaEncryption), NULL }.
    const ALGORITHM: &[u8] = &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
    let rest = der.get(BEFORE..)?.strip_prefix(ALGORITHM)?;
    let (head, inside) = rest.split_at_checked(4)?;
    let [4, 0x82, high, low] = *head else { return None };
    inside.get(..usize::from(u16::from_be_bytes([high, low])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let key = RsaKey::generate().unwrap();
        let text = key.to_pem();
        assert!(text.lines().all(|line| line.len() <= LINE), "{text}");
        let again = RsaKey::from_pem(text.as_bytes()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(again.to_pem(), text);
    }

    #[test]
    fn what_is_no_whole_key_is_none() {
        let text = RsaKey::generate().unwrap().to_pem();
        for end in [0, 1, 40, 100, text.len() / 2, text.len() - 5] {
            assert!(RsaKey::from_pem(&text.as_bytes()[..end]).is_none(), "{end}");
        }
        let without_a_line: String =
            text.lines().enumerate().filter(|(n, _)| *n != 5).map(|(_, line)| format!("{line}\n")).collect();
        let empty = format!("{BEGIN}{END}");
        for bad in [without_a_line.as_str(), "nonsense", &empty, BEGIN] {
            assert!(RsaKey::from_pem(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(RsaKey::from_pem(&[0xff, 0xfe]).is_none());
    }

    #[test]
    fn a_number_never_looks_negative() {
        assert_eq!(mpint(&[1, 0, 1]), [1, 0, 1]);
        assert_eq!(mpint(&[0x80]), [0, 0x80]);
    }
}
