use std::net::TcpListener;
use std::time::Instant;

use super::*;
use crate::boxes::digest;
use crate::cancel::Cancel;

/// Serves one connection: reads the request's head, writes `answer`, then holds the connection open
/// for `hold`. Returns the address of a box there.
pub(in crate::boxes) fn serve(answer: Vec<u8>, hold: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).unwrap_or(0) == 1 {
            head.push(byte[0]);
        }
        let _ = connection.write_all(&answer);
        std::thread::sleep(hold);
    });
    format!("http://{address}/a.box")
}

/// An answer with this body, whose length is said to be `length`.
pub(in crate::boxes) fn ok(body: &[u8], length: usize) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

const SHORT: Patience = Patience { connect: Duration::from_millis(400), stall: Duration::from_millis(400) };

fn fetched(url: &str, cancel: &Cancel) -> Result<(String, Vec<u8>, Vec<crate::boxes::Progress>)> {
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("download");
    let mut told = Vec::new();
    let digest = fetch(url, &into, SHORT, &mut Task { cancel, progress: &mut |at| told.push(at) })?;
    Ok((digest, std::fs::read(into).unwrap(), told))
}

#[test]
fn a_download_is_hashed_and_reported() {
    let body = vec![7; 700_000];
    let url = serve(ok(&body, body.len()), Duration::ZERO);
    let (digest, written, told) = fetched(&url, &Cancel::new()).unwrap();
    assert_eq!(digest, digest::of_bytes(&body));
    assert!(written == body);
    let last = told.last().unwrap();
    assert_eq!((last.phase, last.done, last.total), (Phase::Downloading, 700_000, Some(700_000)));
}

#[test]
fn this_computer_is_told_from_others() {
    for url in ["http://127.0.0.1:80/x", "http://localhost/x", "https://[::1]:8000/"] {
        assert!(is_this_computer(url), "{url}");
    }
    for url in ["http://localhost.example/x", "http://10.0.0.1:80/127.0.0.1", "http://a@b/"] {
        assert!(!is_this_computer(url), "{url}");
    }
}

#[test]
fn failures_are_downloads_errors() {
    let close = Duration::ZERO;
    for (answer, word) in [
        (ok(&[1; 100], 200), "could not download"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(), "no such file"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec(), "status 500"),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), "could not download"),
    ] {
        let error = fetched(&serve(answer, close), &Cancel::new()).unwrap_err();
        assert_eq!(error.kind(), Kind::Download);
        assert!(error.message().contains(word), "{error}");
    }
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = fetched(&format!("http://{gone}/x"), &Cancel::new()).unwrap_err();
    assert_eq!(error.kind(), Kind::Download);
}

#[test]
fn a_stall_ends_in_time() {
    let long = Duration::from_secs(20);
    let started = Instant::now();
    let error = fetched(&serve(ok(&[1; 100], 200), long), &Cancel::new()).unwrap_err();
    assert!(error.message().ends_with("nothing came for too long"), "{error}");
    let error = fetched(&serve(Vec::new(), long), &Cancel::new()).unwrap_err();
    assert!(error.message().ends_with("did not answer in time"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_download_is_cancelled_while_the_network_stalls() {
    let dir = tempfile::tempdir().unwrap();
    let url = serve(ok(&[1; 100], 200), Duration::from_secs(20));
    let patience = Patience { stall: Duration::from_secs(20), ..SHORT };
    let cancel = Cancel::new();
    let wish = cancel.clone();
    let mut progress = |at: crate::boxes::Progress| {
        if at.done > 0 {
            wish.cancel();
        }
    };
    let started = Instant::now();
    let task = &mut Task { cancel: &cancel, progress: &mut progress };
    let error = fetch(&url, &dir.path().join("x"), patience, task).unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
    assert!(started.elapsed() < Duration::from_secs(10));
}
