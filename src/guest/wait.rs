//! Waiting for a machine's sshd without starting an ssh for every try.
//!
//! A connection that opens says nothing: QEMU's user network (and VirtualBox's NAT) accepts on the
//! host before it has asked the guest. Then one of three things happens:
//!
//! 1. The guest's network is not up: the connection stays silent. The user network (libslirp) repeats
//!    its question after 6, 18 and 42 s, *even when we have closed the connection*: every try is paid
//!    for by a process of the guest's sshd later on.
//! 2. The guest's network is up, and it has no sshd yet: the connection ends at once, for nothing.
//! 3. sshd listens and sends its banner, when its new process gets to it: in a guest that is busy
//!    booting under emulation, that takes seconds.
//!
//! 1 and 3 look alike. So tries are rarer the longer nothing is heard, and are left open, since their
//! question is repeated anyway; once 2 has been seen they are frequent, and silence is then taken for 3
//! and waited for. (Five a second, each given up after a second, kept a Debian 12 guest from letting
//! anybody in for 46 s: its sshd had reached `MaxStartups`.) The first banner wins.
//!
//! A guest that says something on its console after a silence has got over something, its network perhaps or
//! the start of its sshd: then a try is made at once, and few are made for no reason.

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};

/// How often the console is looked at.
const GLANCE: Duration = Duration::from_millis(15);
/// How often the machine is looked at: to be asked costs its emulator time that the guest would boot in.
const LOOK: Duration = Duration::from_secs(1);
/// How long a console says nothing before its next word counts.
const SILENCE: Duration = Duration::from_millis(300);
/// How soon after a try no word of the console brings another, where a boot takes long: it says a lot. At least
/// this, and a quarter of the time that has been waited for.
const SPARED: Duration = Duration::from_secs(2);
/// The same in the first seconds, when it may be a short one.
const SPARED_IN_QUICK_BOOT: Duration = Duration::from_millis(100);
/// How often a fresh try is made at most while nothing is heard, and the longest time before a wish to stop is
/// seen.
const SPACING: Duration = Duration::from_millis(250);
/// How soon one is made after another that found the network up, and no sshd: it costs the guest next to nothing.
const AFTER_REFUSAL: Duration = Duration::from_millis(50);
/// A machine is up already or not at all in the first second: one try.
const FIRST_SPACING: Duration = Duration::from_secs(1);
/// The longest boot that is taken for a quick one, in which half a second counts and a word is worth a try.
const QUICK_BOOT: Duration = Duration::from_secs(6);
/// How often at least: between the times after which libslirp repeats itself.
const LONGEST_SPACING: Duration = Duration::from_secs(8);
/// How long a try may be silent: libslirp gives up after 75 s.
const PATIENCE: Duration = Duration::from_secs(75);
/// How long until a try that sshd is thought to be working on gets a second one beside it; a third
/// after three times that, and so on.
const HOLD_OFF: Duration = Duration::from_secs(3);
/// The longest time that the host may take to open a connection.
const CONNECT: Duration = Duration::from_secs(2);

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// A banner came.
    Banner,
    /// It was closed, reset or refused.
    Turned,
    /// It was silent for its whole time.
    Silent,
}

/// Waits until an ssh server at `address` has sent its banner; returns how long that took.
///
/// `alive` is asked once a second; its error ends the wait. `said` is how much the guest has said on its
/// console, in any unit.
///
/// # Errors
/// [`crate::error::Kind::NoSsh`] after `limit`; `alive`'s; [`crate::error::Kind::Interrupted`].
pub fn wait_for_ssh(
    address: SocketAddr,
    limit: Duration,
    cancel: &Cancel,
    alive: &mut dyn FnMut() -> Result<()>,
    said: &mut dyn FnMut() -> u64,
) -> Result<Duration> {
    let started = Instant::now();
    let (send, receive) = mpsc::channel();
    // Silent tries; those from before the guest's network was up.
    let (mut open, mut early) = (Vec::<Try>::new(), Vec::<Try>::new());
    // The guest's network has been seen to be up; nothing listens on this side.
    let (mut reset, mut refused) = (false, false);
    let (mut last, mut looked) = (None::<Instant>, None::<Instant>);
    let mut count = 0;
    let mut console = Console::new(said);
    loop {
        cancel.check()?;
        if looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            alive()?;
            looked = Some(Instant::now());
        }
        if started.elapsed() >= limit {
            let why = match (refused, reset) {
                (true, _) => "nothing listens there on this side",
                (false, true) => "its network is up, no sshd answers",
                (false, false) => "connections stay silent",
            };
            return Err(no_answer(address, limit, why));
        }
        let pause = pace(started.elapsed(), console.talks, reset.then_some(open.len()));
        if last.is_none_or(|last| last.elapsed() >= pause) {
            let opened = Try::start(count, address, send.clone());
            refused = opened.is_err();
            open.extend(opened);
            (last, count) = (Some(Instant::now()), count + 1);
            console.tried();
        }
        let before = reset;
        let until = Instant::now() + SPACING.min(pause);
        while Instant::now() < until && reset == before {
            if first_banner(&receive, &mut open, &mut early, &mut reset) {
                return Ok(started.elapsed());
            }
            if console.calls_for_a_try(last.map(|last| last.elapsed()), spared(started.elapsed())) {
                last = None;
                break;
            }
        }
        if reset && !before {
            early.append(&mut open);
        }
    }
}

/// How long after the latest try the next one is made. `talks`: words on the guest's console bring others.
/// `at_work`: the guest's network is up, and so many tries that were made since are silent.
///
/// All that is tried before the network is up comes back after 6, 18 and 42 s: those of a boot's first seconds all
/// together.
fn pace(waited: Duration, talks: bool, at_work: Option<usize>) -> Duration {
    match at_work {
        None if waited < FIRST_SPACING => FIRST_SPACING,
        None if waited < QUICK_BOOT && !talks => SPACING.max(waited / 4),
        None => LONGEST_SPACING.min(waited / 2),
        Some(0) => AFTER_REFUSAL,
        Some(silent) => HOLD_OFF * 3u32.pow(u32::try_from(silent - 1).unwrap_or(9).min(9)),
    }
}

/// How soon after a try a word of the console brings another.
fn spared(waited: Duration) -> Duration {
    if waited < QUICK_BOOT { SPARED_IN_QUICK_BOOT } else { SPARED.max(waited / 4) }
}

/// The guest's console, as far as it tells that something happens.
struct Console<'a> {
    said: &'a mut dyn FnMut() -> u64,
    seen: u64,
    since: Instant,
    /// It has said something.
    talks: bool,
    /// A word after a silence has not been looked into yet.
    word: bool,
}

impl<'a> Console<'a> {
    fn new(said: &'a mut dyn FnMut() -> u64) -> Self {
        let seen = said();
        Console { said, seen, since: Instant::now(), talks: false, word: false }
    }

    /// Whether a try is to be made, the latest of which is so long ago, for a word that came after a silence.
    fn calls_for_a_try(&mut self, latest: Option<Duration>, spared: Duration) -> bool {
        self.word |= self.broke_its_silence();
        self.word && latest.is_none_or(|latest| latest >= spared)
    }

    /// A try has been made.
    fn tried(&mut self) {
        self.word = false;
    }

    /// Whether it has just said something, for the first time in [`SILENCE`].
    fn broke_its_silence(&mut self) -> bool {
        let said = (self.said)();
        if said == self.seen {
            return false;
        }
        (self.seen, self.talks) = (said, true);
        std::mem::replace(&mut self.since, Instant::now()).elapsed() >= SILENCE
    }
}

/// Takes in how tries ended, for [`GLANCE`] at most; tells whether one had a banner.
fn first_banner(
    receive: &Receiver<(u32, Outcome)>,
    open: &mut Vec<Try>,
    early: &mut Vec<Try>,
    reset: &mut bool,
) -> bool {
    let until = Instant::now() + GLANCE;
    loop {
        match receive.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok((number, outcome)) => {
                open.retain(|one| one.number != number);
                early.retain(|one| one.number != number);
                match outcome {
                    Outcome::Banner => return true,
                    Outcome::Turned => *reset = true,
                    Outcome::Silent => {}
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
        }
    }
}

fn no_answer(address: SocketAddr, limit: Duration, why: &str) -> Error {
    Error::new(Kind::NoSsh, format!("no answer on ssh at {address} within {} s ({why})", limit.as_secs()))
        .hint("a slow computer needs longer: write `boot_timeout = \"10 min\"` for the machine into the Labfile")
}

/// One open connection, read by a thread of its own. Dropped, it is closed and the thread ends.
#[derive(Debug)]
struct Try {
    number: u32,
    stream: TcpStream,
}

impl Try {
    fn start(number: u32, address: SocketAddr, report: Sender<(u32, Outcome)>) -> io::Result<Try> {
        let stream = TcpStream::connect_timeout(&address, CONNECT)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = stream.try_clone()?;
        std::thread::Builder::new().name("ssh-banner".into()).stack_size(64 * 1024).spawn(move || {
            let outcome = read_banner(&mut reader);
            // Closed by us before the report: the server sees an orderly end, not a reset.
            let _ = reader.shutdown(Shutdown::Both);
            // Nobody listens any more when another try has won.
            let _ = report.send((number, outcome));
        })?;
        Ok(Try { number, stream })
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Reads until a line begins with `SSH-`. RFC 4253, 4.2: a server may send other lines before.
fn read_banner(stream: &mut impl Read) -> Outcome {
    const LIMIT: usize = 8 * 1024;
    let mut seen = Vec::new();
    let mut buffer = [0; 256];
    while seen.len() < LIMIT {
        match stream.read(&mut buffer) {
            Ok(0) => return Outcome::Turned,
            Ok(count) => seen.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Outcome::Silent;
            }
            Err(_) => return Outcome::Turned,
        }
        if seen.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"SSH-")) {
            return Outcome::Banner;
        }
    }
    Outcome::Turned
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    const SHORT: Duration = Duration::from_secs(1);

    fn wait(address: SocketAddr, limit: Duration) -> Result<Duration> {
        wait_for_ssh(address, limit, &Cancel::new(), &mut || Ok(()), &mut || 0)
    }

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[test]
    fn a_guest_that_is_busy_is_left_alone() {
        let second = Duration::from_secs(1);
        // Not up: a fresh try soon, and less soon the longer nothing is heard.
        assert_eq!(pace(second / 2, false, None), FIRST_SPACING);
        assert_eq!(pace(second, false, None), SPACING);
        assert_eq!(pace(4 * second, false, None), second);
        assert_eq!(pace(60 * second, false, None), LONGEST_SPACING);
        // With a console that tells when to look, others are made for good measure.
        assert_eq!(pace(4 * second, true, None), 2 * second);
        // Up and without sshd: a fresh try soon. Then silent: sshd is at it.
        for talks in [false, true] {
            assert_eq!(pace(60 * second, talks, Some(0)), AFTER_REFUSAL);
            assert_eq!(pace(60 * second, talks, Some(1)), HOLD_OFF);
            assert_eq!(pace(60 * second, talks, Some(2)), 3 * HOLD_OFF);
            assert!(pace(60 * second, talks, Some(1000)) > Duration::from_secs(3600));
        }
    }

    /// When tries are made of a machine whose network comes up after `boot`.
    fn tries(boot: Duration, talks: bool) -> Vec<Duration> {
        const TICK: Duration = Duration::from_millis(20);
        let (mut tries, mut now) = (vec![Duration::ZERO], Duration::ZERO);
        while now < boot {
            let latest = now - tries.last().copied().unwrap_or_default();
            let word = talks && now > QUICK_BOOT && latest >= spared(now);
            if word || latest >= pace(now, talks, None) {
                tries.push(now);
            }
            now += TICK;
        }
        tries
    }

    /// Debian's sshd lets ten in that have not logged in yet (`MaxStartups 10:30:100`), and sends others away: a
    /// `lab ssh` among them.
    #[test]
    fn tries_do_not_crowd_the_sshd_of_a_slow_guest() {
        const CROWD: Duration = Duration::from_secs(10);
        let repeats = [0, 6, 18, 42].map(Duration::from_secs);
        for boot in (8..120).map(Duration::from_secs) {
            for talks in [false, true] {
                // Its sshd comes up with its network, and has all that was tried before on its hands at once.
                let next = |at: &Duration| repeats.iter().map(|after| *at + *after).find(|at| *at >= boot);
                let tries = tries(boot, talks);
                let crowd = tries.iter().filter_map(next).filter(|at| *at < boot + CROWD).count();
                assert!(crowd <= 10, "{crowd} within {CROWD:?} of a boot of {boot:?}, talking: {talks}");
            }
        }
    }

    #[test]
    fn nobody_there_is_said_after_the_limit() {
        let (listener, address) = listener();
        drop(listener);
        assert_eq!(wait(address, SHORT).unwrap_err().kind(), Kind::NoSsh);
    }

    #[test]
    fn a_silent_listener_is_no_ssh() {
        let (_listener, address) = listener();
        let error = wait(address, SHORT).unwrap_err();
        assert!(error.message().contains("silent"), "{error}");
    }

    #[test]
    fn one_that_resets_is_asked_again_until_it_speaks() {
        let (listener, address) = listener();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                if number >= 3 {
                    stream.write_all(b"hello\r\nSSH-2.0-OpenSSH_5.3p1\r\n").unwrap();
                }
            }
        });
        let took = wait(address, Duration::from_secs(20)).unwrap();
        assert!(took >= 2 * AFTER_REFUSAL, "{took:?}");
    }

    #[test]
    fn one_that_starts_late_is_noticed_soon() {
        let (listener, address) = listener();
        drop(listener);
        let delay = Duration::from_millis(700);
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            let listener = TcpListener::bind(address).unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"SSH-2.0-x\r\n").unwrap();
            std::thread::sleep(SHORT);
        });
        let took = wait(address, Duration::from_secs(20)).unwrap();
        assert!(took >= delay && took < delay + Duration::from_millis(400), "{took:?}");
    }

    #[test]
    fn a_word_after_a_silence_is_looked_into_at_once() {
        let (listener, address) = listener();
        let second = Duration::from_secs(1);
        // The first try is made at once and stays silent; by its own pace the next comes a second later.
        let started = Instant::now();
        let server = std::thread::spawn(move || {
            let _silent = listener.accept().unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"SSH-2.0-x\r\n").unwrap();
            std::thread::sleep(second);
        });
        let mut said = || u64::from(started.elapsed() > second / 2);
        let took = wait_for_ssh(address, 20 * second, &Cancel::new(), &mut || Ok(()), &mut said).unwrap();
        assert!(took > second / 2 && took < second * 9 / 10, "{took:?}");
        server.join().unwrap();
    }

    #[test]
    fn a_word_right_after_a_try_is_not_forgotten() {
        let mut said = || 0;
        let mut console = Console::new(&mut said);
        assert!(!console.calls_for_a_try(None, SPARED));
        console.since -= 2 * SILENCE;
        console.seen = 1;
        assert!(!console.calls_for_a_try(Some(SPARED / 2), SPARED), "the last try is fresh");
        assert!(console.calls_for_a_try(Some(SPARED), SPARED), "now it is not");
        console.tried();
        assert!(!console.calls_for_a_try(Some(SPARED), SPARED), "it has been looked into");
    }

    #[test]
    fn a_machine_is_not_asked_at_every_turn() {
        let (_listener, address) = listener();
        let mut asked = 0;
        let mut alive = || {
            asked += 1;
            Ok(())
        };
        let limit = Duration::from_millis(2500);
        wait_for_ssh(address, limit, &Cancel::new(), &mut alive, &mut || 0).unwrap_err();
        assert!((1..=3).contains(&asked), "{asked}");
    }

    #[test]
    fn a_console_that_keeps_talking_is_nothing_new() {
        let mut words = 0;
        let mut said = || {
            words += 1;
            words
        };
        let mut console = Console::new(&mut said);
        assert!((0..20).all(|_| !console.broke_its_silence()));
    }

    #[test]
    fn a_dead_machine_and_a_wish_to_stop_end_the_wait() {
        let (_listener, address) = listener();
        let mut dead = || Err(Error::new(Kind::Crashed, "qemu ended"));
        let limit = Duration::from_secs(60);
        let error = wait_for_ssh(address, limit, &Cancel::new(), &mut dead, &mut || 0).unwrap_err();
        assert_eq!(error.kind(), Kind::Crashed);
        let cancel = Cancel::new();
        cancel.cancel();
        let error = wait_for_ssh(address, limit, &cancel, &mut || Ok(()), &mut || 0).unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted);
    }
}
