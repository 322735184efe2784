//! A connection to a unix socket that is made without ever waiting.

use std::io;
use std::path::Path;

#[cfg(unix)]
pub(super) use std::os::unix::net::UnixStream as Stream;

/// Connects. [`UnixStream::connect`](std::os::unix::net::UnixStream::connect) waits without limit
/// where the queue of the listener is full, and a stopped QEMU's is after two clients that gave up;
/// here that is an error of kind `WouldBlock`.
#[cfg(unix)]
pub(super) fn connect(socket: &Path) -> io::Result<Stream> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
    let address = SocketAddrUnix::new(socket)?;
    #[cfg(not(target_vendor = "apple"))]
    let fd = {
        let flags = rustix::net::SocketFlags::CLOEXEC;
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?
    };
    #[cfg(target_vendor = "apple")]
    let fd = {
        let fd = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
        fd
    };
    let stream = Stream::from(fd);
    stream.set_nonblocking(true)?;
    rustix::net::connect(&stream, &address)?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// The standard library has no unix sockets here; `command::supports` refuses before it matters.
#[cfg(not(unix))]
pub(super) type Stream = std::net::TcpStream;

/// Not there yet on this system.
#[cfg(not(unix))]
pub(super) fn connect(_: &Path) -> io::Result<Stream> {
    Err(io::ErrorKind::Unsupported.into())
}
