//! Why a try failed, in words, and whether another try may succeed.

use std::time::Duration;

use crate::boxes::address::{Address, without_credentials};
use crate::disk_space;
use crate::error::{Error, Kind};

/// Whether another try may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It may.
    Passing {
        /// How long the server asks to wait before it.
        asked: Option<Duration>,
    },
    /// It will not.
    Last,
}

/// Why a try failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// In words, to follow "could not download …: ".
    pub(super) why: String,
    /// Whether another try may succeed.
    pub(super) fate: Fate,
}

impl Failure {
    /// A failure that may be over in a moment.
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Failure { why: why.into(), fate: Fate::Passing { asked: None } }
    }

    /// A failure that will be the same at the next try.
    pub(super) fn last(why: impl Into<String>) -> Self {
        Failure { why: why.into(), fate: Fate::Last }
    }

    /// A status that is no success.
    pub(super) fn status(status: u16, asked: Option<Duration>) -> Self {
        match status {
            404 => Failure::last("the server has no such file (status 404)"),
            410 => Failure::last("the server has no such file any more (status 410)"),
            401 | 403 => Failure::last(format!(
                "the server wants a name and a password, or does not give it to us (status {status})"
            )),
            407 => Failure::last("the proxy wants a name and a password"),
            408 | 425 | 429 | 500..=599 => Failure {
                why: format!("the server answered with status {status}"),
                fate: Fate::Passing { asked },
            },
            _ => Failure::last(format!("the server answered with status {status}")),
        }
    }

    /// The same, in words that have nothing secret of the address in them.
    pub(super) fn about(mut self, address: &Address) -> Self {
        self.why = self.why.replace(address.asked(), address.as_str());
        self
    }

    /// A server that does not prove who it is.
    fn untrusted(why: &str) -> Self {
        Failure::last(format!(
            "the server cannot be trusted ({why}); a network that asks for a login looks like this, too"
        ))
    }

    /// A file larger than `most` bytes, which no box is.
    pub(super) fn too_large(most: u64) -> Self {
        Failure::last(format!("it is larger than {}", disk_space::human(most)))
    }

    /// The error for people.
    pub(super) fn into_error(self, url: &Address, have: u64) -> Error {
        let mut error = Error::new(Kind::Download, format!("could not download {url}: {}", self.why));
        if have > 0 {
            error = error.detail(format!("{} of it are here, and are kept", disk_space::human(have)));
        }
        if have > 0 && self.fate != Fate::Last {
            error = error.hint("run the same command again: it goes on where this one stopped");
        }
        if self.why.contains("a name and a password") && !self.why.contains("proxy") {
            error = error
                .hint("write them into the address, https://NAME:PASSWORD@…: they are sent, and not kept");
        }
        error.hint("or take the box from a file (a stick, a neighbour): lab box add NAME FILE")
    }
}

impl From<&ureq::Error> for Failure {
    fn from(error: &ureq::Error) -> Self {
        use std::io::ErrorKind::{ConnectionRefused, InvalidData, UnexpectedEof};
        use ureq::Error as E;
        match error {
            E::StatusCode(status) => Failure::status(*status, None),
            E::Timeout(ureq::Timeout::PerRead) => Failure::passing("nothing came for too long"),
            E::Timeout(_) => Failure::passing("the server did not answer in time"),
            E::HostNotFound => Failure::passing("the server's name is not known"),
            E::ConnectionFailed => Failure::passing("no connection"),
            E::Io(source) if source.kind() == ConnectionRefused => {
                Failure::passing("nobody answers at that address")
            }
            E::Io(source) if source.kind() == UnexpectedEof => Failure::passing("the connection broke off"),
            // rustls's verdict comes wrapped. What else it may find wrong passes, as all damage on the way does.
            E::Io(source) if source.kind() == InvalidData && source.to_string().contains("certificate") => {
                Failure::untrusted(&source.to_string())
            }
            E::Io(_) | E::Protocol(_) => Failure::passing(error.to_string()),
            E::TooManyRedirects => Failure::last("it is redirected again and again"),
            E::RequireHttpsOnly(to) => Failure::last(format!(
                "the server sends us from https to {}, which anybody could forge",
                without_credentials(to.strip_prefix("configured for https only: ").unwrap_or(to))
            )),
            E::ConnectProxyFailed(why) => Failure::passing(format!("the proxy failed: {why}")),
            E::Tls(_) | E::Rustls(_) => Failure::untrusted(&error.to_string()),
            other => Failure::last(other.to_string()),
        }
    }
}
