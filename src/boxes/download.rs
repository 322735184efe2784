//! Fetching a box over http and https, hashed while it is written.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::digest::{CHUNK, Hasher};
use super::progress::{Phase, Task};
use super::room;
use crate::error::{Error, Kind, Result};

/// No box is larger.
const MAX_SIZE: u64 = 64 << 30;
/// How often a wait for the network looks whether it is to stop.
const TICK: Duration = Duration::from_millis(50);

/// How patient a download is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a connection, and for the first line of an answer.
    pub(super) connect: Duration,
    /// For the next bytes of an answer. There is no limit on the whole.
    pub(super) stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { connect: Duration::from_secs(20), stall: Duration::from_secs(30) }
    }
}

/// Fetches `url` into the new file `into`; returns its sha256.
///
/// # Errors
/// [`Kind::Download`], [`Kind::DiskFull`] (before the first byte where the server tells the size),
/// [`Kind::Io`], [`Kind::Interrupted`] (at once, even while the network stalls).
pub(super) fn fetch(url: &str, into: &Path, patience: Patience, task: &mut Task<'_>) -> Result<String> {
    let failed = |source: io::Error| Error::io("write", into, &source);
    let mut file = File::create_new(into).map_err(failed)?;
    task.report(Phase::Downloading, 0, None);
    // The network has a thread of its own, so that nobody waits for it who no longer wants to. When
    // the receiver is gone, it ends with its next chunk or time-out.
    let (send, receive) = sync_channel(4);
    let address = url.to_owned();
    std::thread::spawn(move || get(&address, patience, &send));

    let (mut hasher, mut done, mut total) = (Hasher::default(), 0u64, None);
    loop {
        task.cancel.check()?;
        match receive.recv_timeout(TICK) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::internal("the thread of a download ended without a word"));
            }
            Ok(Event::Size(size)) => {
                total = size;
                room::check(into.parent().unwrap_or(into), size.unwrap_or(0), "the download")?;
            }
            Ok(Event::Bytes(bytes)) => {
                hasher.update(&bytes);
                file.write_all(&bytes).map_err(failed)?;
                done += bytes.len() as u64;
                task.report(Phase::Downloading, done, total);
            }
            Ok(Event::End) => return Ok(hasher.finish()),
            Ok(Event::Failed(error)) => return Err(explain(url, done, &error)),
        }
    }
}

/// What the network says.
enum Event {
    /// The answer has begun; this is its size, where the server tells.
    Size(Option<u64>),
    Bytes(Vec<u8>),
    End,
    Failed(ureq::Error),
}

/// Sends what comes from `url` until its end, an error, or nobody listens.
fn get(url: &str, patience: Patience, send: &SyncSender<Event>) {
    let last = match stream(url, patience, send) {
        Ok(()) => Event::End,
        Err(error) => Event::Failed(error),
    };
    let _ = send.send(last);
}

fn stream(url: &str, patience: Patience, send: &SyncSender<Event>) -> Result<(), ureq::Error> {
    let mut config = ureq::Agent::config_builder()
        .user_agent(concat!("lab/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(patience.connect))
        .timeout_connect(Some(patience.connect))
        .timeout_recv_response(Some(patience.connect))
        .timeout_per_read(Some(patience.stall));
    if is_this_computer(url) {
        config = config.proxy(None);
    }
    let agent = ureq::Agent::new_with_config(config.build());
    let mut response = agent.get(url).call()?;
    let size = response.body().content_length();
    if send.send(Event::Size(size)).is_err() {
        return Ok(());
    }
    let mut body = response.body_mut().with_config().limit(MAX_SIZE).reader();
    loop {
        let mut buffer = vec![0; CHUNK];
        let count = body.read(&mut buffer).map_err(ureq::Error::from)?;
        buffer.truncate(count);
        if count == 0 || send.send(Event::Bytes(buffer)).is_err() {
            return Ok(());
        }
    }
}

/// A proxy, where the environment names one, cannot lead back here.
fn is_this_computer(url: &str) -> bool {
    let authority = url.split('/').nth(2).unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _port)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

const OTHER_WAYS: &str =
    "try again later, or take the box from a file (a stick, a neighbour): lab box add NAME FILE";

fn explain(url: &str, done: u64, error: &ureq::Error) -> Error {
    use ureq::Error as E;
    let why = match error {
        E::StatusCode(404 | 410) => "the server has no such file".to_owned(),
        E::StatusCode(code) => format!("the server answered with status {code}"),
        E::Timeout(ureq::Timeout::PerRead) => "nothing came for too long".to_owned(),
        E::Timeout(_) => "the server did not answer in time".to_owned(),
        E::HostNotFound => "the server's name is not known".to_owned(),
        E::ConnectionFailed => "no connection".to_owned(),
        E::TooManyRedirects => "it is redirected again and again".to_owned(),
        E::BodyExceedsLimit(_) => format!("it is larger than {}", room::human(MAX_SIZE)),
        other => other.to_string(),
    };
    let mut failed = Error::new(Kind::Download, format!("could not download {url}: {why}"));
    if done > 0 {
        failed = failed.detail(format!("after {}", room::human(done)));
    }
    failed.hint(OTHER_WAYS)
}

#[cfg(test)]
pub(super) mod tests;
