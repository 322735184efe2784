//! A client of QMP, QEMU's monitor protocol: lines of JSON over a unix socket.
//!
//! Own code rather than the `qapi` crate (0.15 was tried): that one compiles the whole schema of one
//! QEMU version (9.1) into 25 900 lines of generated Rust, half a minute of an unoptimised build with
//! `syn` and its kin, for the ten commands used here; an enum value that a later QEMU adds fails to
//! parse; and its blocking client has no time limits, which are what a monitor client is made of: a
//! QEMU that hangs must not hang `lab`.
//!
//! The protocol: <https://www.qemu.org/docs/master/interop/qmp-spec.html>.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::socket::{self, Stream};
use super::version::Version;
use crate::error::{Error, Kind};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody listens on the socket.
    NotThere(String),
    /// No answer in time: QEMU hangs, is busy, or talks to somebody else.
    Silent,
    /// QEMU closed the connection: as a rule it has ended.
    Gone,
    /// QEMU refused the command, in its own words.
    Refused(String),
    /// What came is not QMP.
    Garbled(String),
}

impl Failure {
    /// The error for a person; `doing` is what was asked of which machine.
    pub(super) fn error(&self, machine: &str, doing: &str) -> Error {
        let (words, detail) = match self {
            Failure::NotThere(source) => ("QEMU's monitor cannot be reached", Some(source)),
            Failure::Silent => ("QEMU did not answer in time", None),
            Failure::Gone => ("QEMU ended meanwhile", None),
            Failure::Refused(words) => ("QEMU refused", Some(words)),
            Failure::Garbled(words) => ("QEMU's answer was not understood", Some(words)),
        };
        let error = Error::new(Kind::Monitor, format!("could not {doing}: {words}")).of(machine);
        let error = detail.into_iter().fold(error, |error, detail| error.detail(detail.as_str()));
        match self {
            Failure::Silent => {
                error.hint(format!("if it stays so, `lab halt --force {machine}` cuts its power"))
            }
            _ => error,
        }
    }
}

/// An event that QEMU told of by itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: Value,
}

/// A connection to one monitor. While it stands, nobody else is served there.
#[derive(Debug)]
pub(super) struct Qmp {
    stream: Stream,
    /// What came and is not a whole line yet.
    pending: Vec<u8>,
    events: VecDeque<Event>,
    last_id: u64,
}

impl Qmp {
    /// Connects and gets ready for commands, all within `limit`.
    pub(super) fn connect(socket: &Path, limit: Duration) -> Result<Self, Failure> {
        let until = Instant::now() + limit;
        let mut qmp = Qmp::dial(socket)?;
        qmp.greeting(limit)?;
        qmp.negotiate(until.saturating_duration_since(Instant::now()))?;
        Ok(qmp)
    }

    /// Connects without waiting for a word from QEMU.
    pub(super) fn dial(socket: &Path) -> Result<Self, Failure> {
        let stream = socket::connect(socket).map_err(|source| match source.kind() {
            ErrorKind::WouldBlock => Failure::Silent,
            _ => Failure::NotThere(source.to_string()),
        })?;
        Ok(Qmp { stream, pending: Vec::new(), events: VecDeque::new(), last_id: 0 })
    }

    /// Waits for QEMU's first words; may be called again after [`Failure::Silent`].
    pub(super) fn greeting(&mut self, limit: Duration) -> Result<Version, Failure> {
        let greeting = self.message(Instant::now() + limit)?;
        let version = &greeting["QMP"]["version"]["qemu"];
        let number = |name: &str| version[name].as_u64().and_then(|number| u32::try_from(number).ok());
        match (number("major"), number("minor"), number("micro")) {
            (Some(major), Some(minor), Some(micro)) => Ok(Version { major, minor, micro }),
            _ => Err(Failure::Garbled(greeting.to_string())),
        }
    }

    /// Ends the negotiation that the greeting began: from here on, commands are taken.
    pub(super) fn negotiate(&mut self, limit: Duration) -> Result<(), Failure> {
        self.execute("qmp_capabilities", json!({}), limit).map(drop)
    }

    /// Has QEMU do `command`; returns what it returned. Events met on the way are kept.
    pub(super) fn execute(
        &mut self,
        command: &str,
        arguments: Value,
        limit: Duration,
    ) -> Result<Value, Failure> {
        let until = Instant::now() + limit;
        self.last_id += 1;
        let id = self.last_id;
        let mut line = json!({ "execute": command, "arguments": arguments, "id": id }).to_string();
        line.push('\n');
        self.stream.set_write_timeout(Some(nonzero(limit))).map_err(|source| broken(&source))?;
        self.stream.write_all(line.as_bytes()).map_err(|source| broken(&source))?;
        loop {
            let mut message = self.message(until)?;
            if let Some(event) = event(&mut message) {
                self.events.push_back(event);
            } else if message["id"] != id {
                // The late answer to a command that was given up.
            } else if let Some(error) = message.get("error") {
                let words = error["desc"].as_str().map_or_else(|| error.to_string(), str::to_owned);
                return Err(Failure::Refused(words));
            } else {
                return Ok(message["return"].take());
            }
        }
    }

    /// The next event, those that came during commands first.
    pub(super) fn event(&mut self, limit: Duration) -> Result<Event, Failure> {
        let until = Instant::now() + limit;
        if let Some(event) = self.events.pop_front() {
            return Ok(event);
        }
        loop {
            if let Some(event) = event(&mut self.message(until)?) {
                return Ok(event);
            }
        }
    }

    /// Runs a background job (`snapshot-save` and kin) to its end.
    pub(super) fn job(
        &mut self,
        command: &str,
        mut arguments: Value,
        limit: Duration,
    ) -> Result<(), Failure> {
        let until = Instant::now() + limit;
        let left = || until.saturating_duration_since(Instant::now());
        let id = fresh_job_id();
        arguments["job-id"] = json!(id);
        self.execute(command, arguments, limit)?;
        loop {
            let Event { name, data } = self.event(left())?;
            if name == "JOB_STATUS_CHANGE" && data["id"] == id.as_str() && data["status"] == "concluded" {
                break;
            }
        }
        let jobs = self.execute("query-jobs", json!({}), left())?;
        let job = jobs.as_array().and_then(|jobs| jobs.iter().find(|job| job["id"] == id.as_str()));
        let outcome = match job.and_then(|job| job["error"].as_str()) {
            Some(words) => Err(Failure::Refused(words.to_owned())),
            None => Ok(()),
        };
        self.execute("job-dismiss", json!({ "id": id }), left())?;
        outcome
    }

    /// The next line, as JSON.
    fn message(&mut self, until: Instant) -> Result<Value, Failure> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return serde_json::from_slice(&line)
                    .map_err(|_| Failure::Garbled(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::Silent);
            }
            self.stream.set_read_timeout(Some(left)).map_err(|source| broken(&source))?;
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(Failure::Gone),
                Ok(count) => self.pending.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(source) if source.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(broken(&source)),
            }
        }
    }
}

/// Takes an event out of a message, if it is one.
fn event(message: &mut Value) -> Option<Event> {
    let name = message.get("event")?.as_str()?.to_owned();
    Some(Event { name, data: message["data"].take() })
}

/// A job id that neither another thread nor an earlier, killed `lab` has used in this QEMU.
fn fresh_job_id() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("lab-{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

/// A time limit as sockets take it: zero would mean none.
fn nonzero(limit: Duration) -> Duration {
    limit.max(Duration::from_millis(1))
}

fn broken(source: &std::io::Error) -> Failure {
    match source.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Failure::Silent,
        // A reset is how an end looks when QEMU had not read all that we wrote.
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => Failure::Gone,
        _ => Failure::Garbled(source.to_string()),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use super::*;

    const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}"#;
    const LIMIT: Duration = Duration::from_secs(10);

    /// A monitor that greets, and for each line that it is sent says the next of `answers`.
    fn monitor(answers: &'static [&'static str]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            writeln!(stream, "{GREETING}").unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for answer in answers {
                let _ = lines.next();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        (dir, path)
    }

    const READY: &str = "{\"return\": {}, \"id\": 1}\r\n";

    #[test]
    fn answers_find_their_question_past_events_and_late_ones() {
        let (_dir, path) = monitor(&[
            READY,
            "{\"event\": \"STOP\", \"data\": {\"x\": 1}}\n{\"return\": 9, \"id\": 1}\n{\"return\": {\"running\": true}, \"id\": 2}\n",
        ]);
        let mut qmp = Qmp::connect(&path, LIMIT).unwrap();
        assert_eq!(qmp.execute("query-status", json!({}), LIMIT), Ok(json!({ "running": true })));
        let event = qmp.event(LIMIT).unwrap();
        assert_eq!((event.name.as_str(), &event.data["x"]), ("STOP", &json!(1)));
        assert_eq!(qmp.event(LIMIT), Err(Failure::Gone));
    }

    #[test]
    fn a_refusal_has_qemus_words() {
        let (_dir, path) = monitor(&[
            READY,
            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such tag\"}, \"id\": 2}\n",
        ]);
        let mut qmp = Qmp::connect(&path, LIMIT).unwrap();
        let failure = qmp.execute("loadvm", json!({}), LIMIT).unwrap_err();
        assert_eq!(failure, Failure::Refused("no such tag".to_owned()));
        let error = failure.error("web1", "resume");
        assert_eq!(error.to_string(), "web1: could not resume: QEMU refused");
        assert_eq!(error.details(), ["no such tag"]);
    }

    #[test]
    fn what_is_not_json_is_quoted() {
        let (_dir, path) = monitor(&["hello\n"]);
        assert_eq!(Qmp::connect(&path, LIMIT).unwrap_err(), Failure::Garbled("hello".to_owned()));
    }

    #[test]
    fn a_monitor_that_hangs_holds_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q");
        let listener = UnixListener::bind(&path).unwrap();
        rustix::net::listen(&listener, 1).unwrap();
        let started = Instant::now();
        // More clients than the listener's queue has places.
        let mut clients: Vec<_> = (0..9).map(|_| Qmp::dial(&path)).collect();
        let greeting = clients[0].as_mut().unwrap().greeting(Duration::from_millis(50));
        assert_eq!(greeting, Err(Failure::Silent));
        if cfg!(target_os = "linux") {
            assert_eq!(clients.last().unwrap().as_ref().unwrap_err(), &Failure::Silent);
        }
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_socket_without_a_listener_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q");
        assert!(matches!(Qmp::dial(&path), Err(Failure::NotThere(_))));
        drop(UnixListener::bind(&path).unwrap());
        assert!(matches!(Qmp::dial(&path), Err(Failure::NotThere(_))));
    }
}
