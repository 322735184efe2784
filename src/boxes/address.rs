//! An `http:` or `https:` address, with its secrets kept apart.
//!
//! `https://me:secret@host/x.box?token=abc` has a name, a password and a token in it. They are sent to the server
//! and never written down or shown: all that reads an [`Address`] as text gets it without them.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Parameters whose values let somebody in, as file hosts call them (S3, GitLab, GitHub, Azure, Vagrant Cloud).
const SECRETS: [&str; 19] = [
    "access_token",
    "accesskey",
    "api_key",
    "apikey",
    "auth",
    "authorization",
    "awsaccesskeyid",
    "job_token",
    "passwd",
    "password",
    "private_token",
    "pwd",
    "secret",
    "sig",
    "signature",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
];
/// Stands for what is left out.
const LEFT_OUT: &str = "…";

/// Where something is on the web.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// Without secrets.
    public: String,
    /// As it is asked for: without name and password, with the other secrets.
    asked: String,
    /// The value of the `Authorization` header.
    authorization: Option<String>,
}

impl Address {
    /// Takes an address apart. One that is none of http or https is only looked through for secrets.
    pub fn new(text: &str) -> Self {
        let (head, query) = match text.find(['?', '#']) {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let Some((scheme, rest)) = head.split_once("://") else {
            return Address {
                public: head.to_owned() + &without_secrets(query),
                asked: text.to_owned(),
                ..Address::default()
            };
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (login, host) = match authority.rsplit_once('@') {
            Some((login, host)) => (Some(login), host),
            None => (None, authority),
        };
        let head = format!("{}://{host}{path}", scheme.to_ascii_lowercase());
        Address {
            public: format!("{head}{}", without_secrets(query)),
            asked: format!("{head}{query}"),
            authorization: login.filter(|login| !login.is_empty()).map(basic),
        }
    }

    /// The address without secrets: to be shown, stored and compared.
    pub fn as_str(&self) -> &str {
        &self.public
    }

    /// The address to ask for. Not to be shown: it may have a token in it.
    pub(super) fn asked(&self) -> &str {
        &self.asked
    }

    /// What to send as `Authorization`, where the address has a name and a password.
    pub(super) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// Whether anybody on the way can read and change what comes from here.
    pub fn is_plain(&self) -> bool {
        self.public.starts_with("http://")
    }

    /// The address without what follows `?` or `#`.
    pub(super) fn path(&self) -> &str {
        self.public.split(['?', '#']).next().unwrap_or_default()
    }

    /// The address of what lies below this one, such as `owner/name` in a registry.
    pub(super) fn below(&self, name: &str) -> Self {
        let add = |text: &str| format!("{text}/{name}");
        Address {
            public: add(&self.public),
            asked: add(&self.asked),
            authorization: self.authorization.clone(),
        }
    }

    /// Another address on the same server, with the same name and password. `path` begins with a slash.
    pub(super) fn beside(&self, path: &str) -> Self {
        let head = self.path();
        let authority = head.find("://").map_or(0, |at| at + 3);
        let end =
            head.get(authority..).and_then(|rest| rest.find('/')).map_or(head.len(), |at| authority + at);
        let other = Address::new(&format!("{}{path}", head.get(..end).unwrap_or(head)));
        Address { authorization: self.authorization.clone(), ..other }
    }
}

/// A text that may be an address (what a Labfile or a user calls a box), without secrets.
pub fn without_credentials(text: &str) -> String {
    if text.contains("://") { Address::new(text).public } else { text.to_owned() }
}

impl From<&str> for Address {
    fn from(text: &str) -> Self {
        Address::new(text)
    }
}

impl From<String> for Address {
    fn from(text: String) -> Self {
        Address::new(&text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:?})", self.public)
    }
}

/// RFC 7617: name and password, joined by a colon, in base64.
fn basic(login: &str) -> String {
    let (name, password) = login.split_once(':').unwrap_or((login, ""));
    let mut both = decoded(name);
    both.push(b':');
    both.extend(decoded(password));
    format!("Basic {}", BASE64_STANDARD.encode(both))
}

/// The bytes of a part of an address, in which `%41` is `A`.
fn decoded(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

/// The part of an address from `?` or `#` on, without the values of [`SECRETS`].
fn without_secrets(query: &str) -> String {
    let mut clean = String::with_capacity(query.len());
    for part in query.split_inclusive(['?', '&', '#', ';']) {
        let (pair, end) = match part.char_indices().next_back() {
            Some((at, '?' | '&' | '#' | ';')) => part.split_at(at),
            _ => (part, ""),
        };
        match pair.split_once('=') {
            Some((name, _)) if SECRETS.contains(&name.to_ascii_lowercase().as_str()) => {
                clean += name;
                clean += "=";
                clean += LEFT_OUT;
            }
            _ => clean += pair,
        }
        clean += end;
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_sent_and_not_shown() {
        for (text, public, asked, login) in [
            ("https://h:1/a.box", "https://h:1/a.box", "https://h:1/a.box", None),
            (
                "HTTPS://me:secret@h:1/a@b.box",
                "https://h:1/a@b.box",
                "https://h:1/a@b.box",
                Some("me:secret"),
            ),
            ("http://me:p%40:ss@h/x", "http://h/x", "http://h/x", Some("me:p@:ss")),
            ("http://a@b@h", "http://h", "http://h", Some("a@b:")),
            ("http://me:x@h?y=1", "http://h?y=1", "http://h?y=1", Some("me:x")),
            ("http://h/x?v=1&Token=abc#z", "http://h/x?v=1&Token=…#z", "http://h/x?v=1&Token=abc#z", None),
            (
                "http://h/x?X-Amz-Signature=a%2F",
                "http://h/x?X-Amz-Signature=…",
                "http://h/x?X-Amz-Signature=a%2F",
                None,
            ),
            ("http://%zz:%4@h/", "http://h/", "http://h/", Some("%zz:%4")),
            ("http://@h/", "http://h/", "http://h/", None),
        ] {
            let address = Address::new(text);
            assert_eq!((address.as_str(), address.asked()), (public, asked), "{text}");
            let expected = login.map(|login| format!("Basic {}", BASE64_STANDARD.encode(login)));
            assert_eq!(address.authorization(), expected.as_deref(), "{text}");
            for shown in [address.to_string(), format!("{address:?}"), without_credentials(text)] {
                assert!(!shown.contains("secret") && !shown.contains("abc"), "{shown}");
            }
        }
        assert_eq!(without_credentials("bento/ubuntu"), "bento/ubuntu");
    }

    #[test]
    fn a_neighbour_on_the_same_server_is_asked_with_the_same_name() {
        let document = Address::new("https://me:secret@h:1/a/b.json?x=1");
        let beside = document.beside("/c.box");
        assert_eq!(beside.as_str(), "https://h:1/c.box");
        assert_eq!(beside.authorization(), document.authorization());
        assert_eq!(Address::new("http://h").beside("/x").as_str(), "http://h/x");
    }
}
