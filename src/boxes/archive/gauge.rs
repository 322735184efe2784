//! The state that the readers of a box share (compression, tar): how much was read, and where it failed.

use std::cell::Cell;
use std::io::{self, Read};
use std::path::Path;

use super::fault::{Fault, bad, hostile};
use crate::disk_space::human;
use crate::error::{Error, Kind};

/// How much may be read for the headers of one member. The tar reader keeps long names and lists of
/// sparse pieces in memory, so that without this a few kB of gzip could claim it all.
const MAX_HEADERS: u64 = 4 << 20;

/// Shared by the readers of one box. They cannot reach each other, since libraries lie between them.
#[derive(Debug)]
pub(super) struct Gauge {
    /// The limit on the contents, in bytes.
    limit: u64,
    /// How many bytes of `limit` are left for the unpacked stream.
    left: Cell<u64>,
    /// How many bytes of [`MAX_HEADERS`] are left; `None` inside a member.
    headers_left: Cell<Option<u64>>,
    /// The unpacked stream has come to its end.
    ended: Cell<bool>,
    /// The stream went over one of the limits.
    over: Cell<bool>,
}

impl Gauge {
    pub(super) fn new(limit: u64) -> Self {
        Gauge {
            limit,
            // Headers and padding come on top of the contents.
            left: Cell::new(limit.saturating_add(64 << 20)),
            headers_left: Cell::new(None),
            ended: Cell::new(false),
            over: Cell::new(false),
        }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// A member's contents come next.
    pub(super) fn enter_member(&self) {
        self.headers_left.set(None);
    }

    /// The headers of a member come next.
    pub(super) fn enter_headers(&self) {
        self.headers_left.set(Some(MAX_HEADERS));
    }

    pub(super) fn ended(&self) -> bool {
        self.ended.get()
    }

    pub(super) fn too_large(&self) -> Error {
        hostile(&format!("it would unpack to more than {}", human(self.limit)))
    }

    /// Why reading stopped, for people.
    pub(super) fn explain(&self, path: &Path, fault: Fault) -> Error {
        let error = match fault {
            Fault::Refused(error) => error,
            Fault::Read(source) => {
                if self.over.get() && self.headers_left.get().is_some() {
                    hostile(&format!("the names before a member have more than {}", human(MAX_HEADERS)))
                } else if self.over.get() {
                    self.too_large()
                } else if self.ended() || source.kind() == io::ErrorKind::UnexpectedEof {
                    bad("it ends too early").hint("the file was cut short: copy or download it again")
                } else {
                    bad("it is damaged").detail(source.to_string()).hint("copy or download it again")
                }
            }
        };
        // Errors about other files (no room, say) have their own place in them.
        match error.kind() {
            Kind::BadBox | Kind::HostileBox => error.detail(format!("in {}", path.display())),
            _ => error,
        }
    }
}

/// The unpacked stream, held to its limits.
pub(super) struct Stream<'a> {
    inner: &'a mut dyn Read,
    gauge: &'a Gauge,
}

impl<'a> Stream<'a> {
    pub(super) fn new(inner: &'a mut dyn Read, gauge: &'a Gauge) -> Self {
        Stream { inner, gauge }
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let gauge = self.gauge;
        let count = self.inner.read(buffer)?;
        let bytes = count as u64;
        let headers = gauge.headers_left.get();
        if bytes > gauge.left.get() || headers.is_some_and(|left| bytes > left) {
            gauge.over.set(true);
            return Err(io::Error::other("too much"));
        }
        gauge.left.set(gauge.left.get() - bytes);
        gauge.headers_left.set(headers.map(|left| left - bytes));
        if count == 0 && !buffer.is_empty() {
            gauge.ended.set(true);
        }
        Ok(count)
    }
}
