//! A server of boxes on this computer that can do all that servers and networks do to a download: for the
//! unit tests of the download and for tests of the whole program.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of this")]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request, as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, or a proxy's `CONNECT`.
    pub method: String,
    /// The path with its query; a proxy gets a whole address.
    pub path: String,
    /// The header's lines, names in small letters.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// From which byte on the file is wanted; `None` for all of it.
    pub fn range(&self) -> Option<u64> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// How an answer's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// When all of it is sent.
    Whole,
    /// In the middle: the connection is closed after so many bytes.
    Cut(usize),
    /// In the middle: nothing comes after so many bytes, and the connection stays open.
    Stall(usize),
    /// Never.
    Endless,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    ending: Ending,
    pace: Option<(usize, Duration)>,
}

impl Reply {
    /// What a well-behaved server answers: the file or the wanted part of it, with an entity tag.
    pub fn file(body: &[u8], request: &Request) -> Self {
        Reply::tagged(body, &tag(body), request)
    }

    /// The same, with this entity tag.
    pub fn tagged(body: &[u8], tag: &str, request: &Request) -> Self {
        let wanted = request.range().filter(|_| request.header("if-range").is_none_or(|known| known == tag));
        let whole = body.len() as u64;
        let reply = match wanted {
            Some(from) if from >= whole => {
                Reply::status(416).with("Content-Range", &format!("bytes */{whole}"))
            }
            Some(from) => Reply::new(206, &body[usize::try_from(from).unwrap()..])
                .with("Content-Range", &format!("bytes {from}-{}/{whole}", whole - 1)),
            None => Reply::new(200, body),
        };
        reply.with("ETag", tag)
    }

    /// The file, whatever part of it was wanted, with nothing that tells its state.
    pub fn whole(body: &[u8]) -> Self {
        Reply::new(200, body)
    }

    /// A JSON document.
    pub fn json(text: &str) -> Self {
        Reply::new(200, text.as_bytes()).with("Content-Type", "application/json; charset=utf-8")
    }

    /// No more than a status.
    pub fn status(status: u16) -> Self {
        Reply::new(status, b"")
    }

    /// Somewhere else.
    pub fn redirect(to: &str) -> Self {
        Reply::status(302).with("Location", to)
    }

    /// Bytes without an end, and without a word on how many there will be.
    pub fn endless() -> Self {
        let mut reply = Reply::new(200, &[7; 65536]).ending(Ending::Endless);
        reply.headers.retain(|(name, _)| name != "Content-Length");
        reply
    }

    fn new(status: u16, body: &[u8]) -> Self {
        let headers = vec![("Content-Length".to_owned(), body.len().to_string())];
        Reply { status, headers, body: body.to_vec(), ending: Ending::Whole, pace: None }
    }

    fn ending(self, ending: Ending) -> Self {
        Reply { ending, ..self }
    }

    /// With this header, in the place of any other of its name.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without this header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// The connection ends after so many bytes of the body.
    pub fn cut(self, after: usize) -> Self {
        self.ending(Ending::Cut(after))
    }

    /// Nothing more comes after so many bytes of the body.
    pub fn stall(self, after: usize) -> Self {
        self.ending(Ending::Stall(after))
    }

    /// So many bytes at a time, with a pause between.
    pub fn trickle(self, bytes: usize, pause: Duration) -> Self {
        Reply { pace: Some((bytes, pause)), ..self }
    }

    /// Sends it; `stop` ends what would go on.
    fn send(&self, connection: &mut TcpStream, stop: &AtomicBool) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} Whatever\r\nConnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        connection.write_all(format!("{head}\r\n").as_bytes())?;
        let length = match self.ending {
            Ending::Cut(length) | Ending::Stall(length) => length.min(self.body.len()),
            Ending::Whole | Ending::Endless => self.body.len(),
        };
        let (step, pause) = self.pace.unwrap_or((length.max(1), Duration::ZERO));
        for piece in self.body[..length].chunks(step) {
            connection.write_all(piece)?;
            connection.flush()?;
            if stop.load(Ordering::SeqCst) {
                return Ok(());
            }
            std::thread::sleep(pause);
        }
        while self.ending == Ending::Endless && !stop.load(Ordering::SeqCst) {
            connection.write_all(&self.body)?;
        }
        if matches!(self.ending, Ending::Stall(_)) {
            // Until the other end has had enough.
            let _ = connection.read(&mut [0]);
        }
        connection.shutdown(Shutdown::Both)
    }
}

/// An entity tag for these bytes.
pub fn tag(body: &[u8]) -> String {
    let sum = body.iter().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("\"{sum:x}\"")
}

/// A running server; it ends when dropped.
pub struct BoxServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
}

impl BoxServer {
    /// A server that answers the n-th request (from 0 on) by `play`.
    pub fn start(play: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (log, ended, count) = (Arc::clone(&requests), Arc::clone(&stop), AtomicUsize::new(0));
        std::thread::spawn(move || {
            std::thread::scope(|scope| {
                for connection in listener.incoming() {
                    if ended.load(Ordering::SeqCst) {
                        break;
                    }
                    let Ok(mut connection) = connection else { continue };
                    let (play, log, ended, count) = (&play, &log, &ended, &count);
                    scope.spawn(move || {
                        let Some(request) = read_request(&connection) else { return };
                        log.lock().unwrap().push(request.clone());
                        let reply = play(count.fetch_add(1, Ordering::SeqCst), &request);
                        // A client may go away whenever it likes.
                        let _ = reply.send(&mut connection, ended);
                    });
                }
            });
        });
        BoxServer { address, requests, stop }
    }

    /// A well-behaved server of one file.
    pub fn of(body: Vec<u8>) -> Self {
        BoxServer::start(move |_, request| Reply::file(&body, request))
    }

    /// Where it listens: `127.0.0.1:PORT`.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// The address of a file there.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests until now.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for BoxServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the listener, so that it closes.
        let _ = TcpStream::connect(self.address);
    }
}

fn read_request(connection: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(connection).lines().map_while(std::result::Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect();
    Some(Request { method, path, headers })
}
