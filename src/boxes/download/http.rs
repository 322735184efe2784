//! One request over http or https, answered piece by piece.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use ureq::config::RedirectAuthHeaders;
use ureq::http::HeaderMap;
use ureq::tls::{RootCerts, TlsConfig};

use super::failure::Failure;
use super::patience::Patience;
use super::proxy;
use crate::boxes::address::Address;
use crate::cancel::Cancel;
use crate::error::Result;

/// How often a wait for the network looks whether it is to stop.
pub(super) const TICK: Duration = Duration::from_millis(50);
/// How much the network is asked for at a time.
const INPUT: usize = 64 << 10;
/// How much is handed on at a time at most. To wake another thread for every read costs a tenth of the time.
const PIECE: usize = 512 << 10;
/// How many pieces of an answer are on their way at most.
const DEPTH: usize = 4;

/// A request.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    /// Where to ask.
    pub(super) address: Address,
    /// The value of `Accept`; empty for any kind of answer.
    pub(super) accept: &'static str,
    /// Ask for the bytes from this one on.
    pub(super) from: Option<u64>,
    /// The part is wanted only if the file is still this one (`If-Range`); else the whole file.
    pub(super) if_range: Option<String>,
    /// The file is wanted only if its entity tag is another one than this.
    pub(super) if_none_match: Option<String>,
}

/// The head of an answer of any status.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    pub(super) status: u16,
    /// How many bytes follow, where the server tells.
    pub(super) length: Option<u64>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    pub(super) content_range: Option<String>,
    pub(super) content_type: Option<String>,
    /// How long the server asks to wait.
    pub(super) retry_after: Option<Duration>,
}

/// The events of an answer, in this order.
#[derive(Debug)]
pub(super) enum Event {
    /// The answer has begun.
    Head(Head),
    /// The next bytes.
    Bytes(Vec<u8>),
    /// That was all.
    End,
    /// It went wrong.
    Failed(Failure),
}

/// The answer to a request. When it is dropped, the connection ends.
pub(super) struct Answer {
    events: Receiver<Event>,
    used: Sender<Vec<u8>>,
}

/// Sends a request.
///
/// The network has a thread of its own, so that nobody waits for it who no longer wants to. When the
/// answer is dropped, the thread ends with its next piece or time-out.
pub(super) fn send(request: Request, patience: Patience) -> Answer {
    let (send, events) = sync_channel(DEPTH);
    let (used, free) = channel();
    std::thread::spawn(move || {
        let events = send;
        let last = match stream(&request, patience, &events, &free) {
            Ok(()) => Event::End,
            Err(error) => Event::Failed(Failure::from(&error).about(&request.address)),
        };
        let _ = events.send(last);
    });
    Answer { events, used }
}

impl Answer {
    /// The next event; `None` when there was none for a moment.
    ///
    /// # Errors
    /// [`crate::error::Kind::Interrupted`], at once.
    pub(super) fn next(&self, cancel: &Cancel) -> Result<Option<Event>> {
        cancel.check()?;
        match self.events.recv_timeout(TICK) {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            // The thread says how it ended, unless it panicked.
            Err(RecvTimeoutError::Disconnected) => {
                Ok(Some(Event::Failed(Failure::last("the thread of the download ended without a word"))))
            }
        }
    }

    /// Gives a piece back, to be filled again.
    pub(super) fn give_back(&self, piece: Vec<u8>) {
        // Nobody takes the piece when everything has come, which is no error.
        let _ = self.used.send(piece);
    }
}

fn stream(
    request: &Request,
    patience: Patience,
    events: &SyncSender<Event>,
    free: &Receiver<Vec<u8>>,
) -> Result<(), ureq::Error> {
    let agent = agent(&request.address, patience);
    // A box is the bytes of its file: nothing on the way is to compress it once more.
    let mut asked = agent.get(request.address.asked()).header("Accept-Encoding", "identity");
    // Sent to this server alone, and not to where it redirects (ureq's default, and set below).
    if let Some(authorization) = request.address.authorization() {
        asked = asked.header("Authorization", authorization);
    }
    if !request.accept.is_empty() {
        asked = asked.header("Accept", request.accept);
    }
    if let Some(from) = request.from {
        asked = asked.header("Range", format!("bytes={from}-"));
    }
    if let Some(validator) = &request.if_range {
        asked = asked.header("If-Range", validator);
    }
    if let Some(tag) = &request.if_none_match {
        asked = asked.header("If-None-Match", tag);
    }
    let mut response = asked.call()?;
    let head = head(response.status().as_u16(), response.headers(), response.body().content_length());
    if events.send(Event::Head(head)).is_err() {
        return Ok(());
    }
    let mut body = response.body_mut().with_config().limit(u64::MAX).reader();
    loop {
        let mut piece = free.try_recv().unwrap_or_default();
        piece.resize(PIECE, 0);
        let (count, ended) = gather(&mut body, &mut piece);
        piece.truncate(count);
        if count > 0 && events.send(Event::Bytes(piece)).is_err() {
            return Ok(());
        }
        if let Some(how) = ended {
            return how.map_err(ureq::Error::from);
        }
    }
}

/// Fills a piece while the network has as much as it is asked for: slow bytes are passed on at
/// once. Returns how much it was, and how the body ended if it did.
fn gather(body: &mut impl Read, piece: &mut [u8]) -> (usize, Option<io::Result<()>>) {
    let mut count = 0;
    while let Some(rest) = piece.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match body.read(rest) {
            Ok(0) => return (count, Some(Ok(()))),
            Ok(more) => {
                count += more;
                if more < INPUT {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (count, Some(Err(error))),
        }
    }
    (count, None)
}

fn agent(address: &Address, patience: Patience) -> ureq::Agent {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build();
    let config = ureq::Agent::config_builder()
        .user_agent(concat!("lab/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        // Redirects count: what was asked for over https does not come over http.
        .https_only(!address.is_plain())
        .redirect_auth_headers(RedirectAuthHeaders::Never)
        .max_redirects(10)
        .tls_config(tls)
        .proxy(proxy::of_environment(address.as_str()))
        .input_buffer_size(INPUT)
        .timeout_resolve(Some(patience.connect))
        .timeout_connect(Some(patience.connect))
        .timeout_recv_response(Some(patience.connect))
        .timeout_per_read(Some(patience.stall));
    ureq::Agent::new_with_config(config.build())
}

fn head(status: u16, headers: &HeaderMap, length: Option<u64>) -> Head {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Head {
        status,
        length,
        etag: text("etag"),
        last_modified: text("last-modified"),
        content_range: text("content-range"),
        content_type: text("content-type"),
        // It may also be a date; then our own pauses do.
        retry_after: text("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs),
    }
}
