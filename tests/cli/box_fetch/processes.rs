//! Downloads that are killed, and two at once.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{a_box, partial, sha256, strays};
use crate::common::TestLab;
use crate::common::box_server::{BoxServer, Reply};

fn add(lab: &TestLab, url: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["box", "add", "net", url])
        .env("LAB_HOME", lab.home())
        .current_dir(lab.dir())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}: waited too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_killed_download_goes_on_where_it_stopped() {
    let lab = TestLab::bare("");
    let body = a_box(1, 3_000_000);
    let served = body.clone();
    // Slow enough to be killed several times: some 10 s in all.
    let server = BoxServer::start(move |_, request| {
        Reply::file(&served, request).trickle(6_000, Duration::from_millis(20))
    });
    let url = server.url("/net.box");
    let mut before = 0;
    for _ in 0..3 {
        let mut child = add(&lab, &url);
        // A note is written about every two seconds; what it names survives the kill.
        let target = before + 300_000;
        let note = || {
            let folder = std::fs::read_dir(lab.home().join("boxes/partial")).ok()?.flatten().next()?;
            let note = std::fs::read_to_string(folder.path().join("note.json")).ok()?;
            serde_json::from_str::<serde_json::Value>(&note).ok()?["length"].as_u64()
        };
        until("a note of progress", || note().is_some_and(|length| length > target));
        child.kill().unwrap();
        child.wait().unwrap();
        before = note().unwrap();
        assert!(before <= partial(lab.home()));
    }
    let run = lab.lab(&["box", "add", "net", &url]).ok();
    assert!(run.stderr.contains("checking") && run.stderr.contains("downloading"), "{}", run.stderr);
    let requests = server.requests();
    let ranges: Vec<_> = requests.iter().map(|request| request.range()).collect();
    assert_eq!(ranges[0], None);
    assert!(ranges[1..].iter().all(Option::is_some), "{ranges:?}");
    assert!(ranges.windows(2).all(|pair| pair[0] < pair[1]), "each goes on further on: {ranges:?}");
    assert_eq!(*ranges.last().unwrap(), Some(before), "{ranges:?}");
    assert!(lab.lab(&["box", "list", "--json"]).ok().stdout.contains(&sha256(&body)));
    lab.lab(&["box", "verify"]).ok();
    assert_eq!(strays(lab.home()), [""; 0]);
}

#[test]
fn downloads_killed_at_any_moment_come_to_a_good_end() {
    let lab = TestLab::bare("");
    let body = a_box(4, 1_500_000);
    let sum = sha256(&body);
    let server = BoxServer::start(move |n, request| {
        // The network is bad, too: some connections break off.
        let reply = Reply::file(&body, request).trickle(10_000, Duration::from_millis(10));
        if n % 5 == 4 { reply.cut(100_000) } else { reply }
    });
    let url = server.url("/net.box");
    let mut finished = 0;
    for round in 0u64..40 {
        let mut child = add(&lab, &url);
        // From before its first request to after its last byte.
        std::thread::sleep(Duration::from_millis(round.wrapping_mul(2_654_435_761) % 400));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            finished += 1;
        }
    }
    lab.lab(&["box", "add", "--force", "net", &url]).ok();
    assert!(lab.lab(&["box", "list", "--json"]).ok().stdout.contains(&sum));
    lab.lab(&["box", "verify"]).ok();
    assert_eq!(strays(lab.home()), [""; 0]);
    assert!(finished < 20, "{finished} of 40 were not killed in time");
}

#[test]
fn two_that_want_one_box_download_it_once() {
    let lab = TestLab::bare("");
    let body = a_box(2, 600_000);
    let server = BoxServer::start(move |_, request| {
        Reply::file(&body, request).trickle(6_000, Duration::from_millis(15))
    });
    let url = server.url("/net.box");
    let first = add(&lab, &url);
    until("the first one's request", || !server.requests().is_empty());
    let second = add(&lab, &url);
    let both = [first.wait_with_output().unwrap(), second.wait_with_output().unwrap()];
    let said: Vec<_> =
        both.iter().map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).collect();
    assert!(both.iter().all(|output| output.status.success()), "{said:?}");
    assert_eq!(server.requests().len(), 1);
    assert!(said[1].contains("waiting for another lab that is adding it"), "{}", said[1]);
    assert!(!said[0].contains("waiting"), "{}", said[0]);
    assert_eq!(strays(lab.home()), [""; 0]);
}

#[test]
fn ctrl_c_keeps_what_has_come() {
    let lab = TestLab::bare("");
    let body = a_box(3, 900_000);
    let served = body.clone();
    let server = BoxServer::start(move |n, request| match n {
        0 => Reply::file(&served, request).stall(700_000),
        _ => Reply::file(&served, request),
    });
    let url = server.url("/net.box");
    let child = add(&lab, &url);
    until("the first part", || partial(lab.home()) == 700_000);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    lab.lab(&["box", "add", "net", &url]).ok();
    assert_eq!(server.requests()[1].range(), Some(700_000));
    assert_eq!(strays(lab.home()), [""; 0]);
}

#[test]
fn a_box_that_is_no_box_leaves_nothing() {
    let lab = TestLab::bare("");
    let server = BoxServer::of(b"<html>Please log in to this network</html>".to_vec());
    lab.lab(&["box", "add", "net", &server.url("/net.box")]).exits(6).says(&["not a box"]);
    assert_eq!(strays(lab.home()), [""; 0]);
}
