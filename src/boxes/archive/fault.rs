//! Why a box file is not unpacked, and the reading that all parts of the unpacking share.

use std::io::{self, Read};

use crate::error::{Error, Kind};

/// The reason for which unpacking stopped.
#[derive(Debug)]
pub(super) enum Fault {
    /// The stream of bytes broke; the gauge knows where.
    Read(io::Error),
    /// The box is refused, or could not be written.
    Refused(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Refused(error)
    }
}

pub(super) type Outcome<T> = std::result::Result<T, Fault>;

/// Reads until `buffer` is full or the end has come.
pub(super) fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

pub(super) const OTHERS: &str = "a box is an archive as Vagrant makes them (.box: tar, or tar in gzip, zstd or xz), an .ova, or a \
                      disk image (.qcow2, .vmdk, .vdi, or a raw one), compressed or not";

pub(super) fn bad(why: &str) -> Error {
    Error::new(Kind::BadBox, format!("not a box: {why}"))
}

pub(super) fn hostile(why: &str) -> Error {
    Error::new(Kind::HostileBox, format!("the box is refused: {why}"))
        .hint("nothing was kept of it; get it from a source that you trust")
}
