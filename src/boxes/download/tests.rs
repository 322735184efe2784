use std::sync::Mutex;

use super::*;
use crate::boxes::Progress;
use crate::boxes::box_server::{BoxServer, Reply, Request, tag};
use crate::boxes::checksum::Checksum;
use crate::cancel::Cancel;
use crate::digest;

/// Patience for tests. Its limits bear a busy machine; what waits for them waits for one of them only.
pub(in crate::boxes) const SHORT: Patience = Patience {
    connect: Duration::from_secs(2),
    stall: Duration::from_millis(700),
    pause: Duration::from_millis(5),
    longest_pause: Duration::from_millis(20),
    tries: 3,
    tries_midway: 4,
};

/// A folder for a download, kept between the tries of a test.
struct Place {
    dir: tempfile::TempDir,
    cancel: Cancel,
    told: Mutex<Vec<Progress>>,
}

impl Place {
    fn new() -> Self {
        Place { dir: tempfile::tempdir().unwrap(), cancel: Cancel::new(), told: Mutex::default() }
    }

    fn partial(&self) -> std::path::PathBuf {
        self.dir.path().join("partial")
    }

    /// What is fetched, byte by byte.
    fn fetch(&self, url: &str, expected: &Expected) -> Result<Vec<u8>> {
        let mut progress = |at| self.told.lock().unwrap().push(at);
        let task = &mut Task { cancel: &self.cancel, progress: &mut progress };
        let dir = self.partial();
        let (partial, measured) = fetch(Wish { url: &url.into(), expected, dir: &dir }, SHORT, task)?;
        let bytes = std::fs::read(partial.path()).unwrap();
        assert_eq!(measured.sha256, digest::of_bytes(&bytes), "what was measured is what was written");
        assert_eq!(measured.size, bytes.len() as u64);
        partial.remove().unwrap();
        assert!(!dir.exists());
        Ok(bytes)
    }

    fn phases(&self) -> Vec<Phase> {
        let mut phases: Vec<_> = self.told.lock().unwrap().iter().map(|at| at.phase).collect();
        phases.dedup();
        phases
    }
}

fn fetched(server: &BoxServer) -> Result<Vec<u8>> {
    Place::new().fetch(&server.url("/a.box"), &Expected::default())
}

/// Bytes of which no part is like another.
fn body(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn ranges(server: &BoxServer) -> Vec<Option<u64>> {
    server.requests().iter().map(Request::range).collect()
}

#[test]
fn a_download_is_measured_and_told() {
    let body = body(700_000);
    let server = BoxServer::of(body.clone());
    let place = Place::new();
    let sums = vec![Checksum::sha256(&digest::of_bytes(&body))];
    let expected = Expected { size: Some(700_000), sums };
    assert!(place.fetch(&server.url("/a.box"), &expected).unwrap() == body);
    let last = place.told.lock().unwrap().last().copied().unwrap();
    assert_eq!((last.phase, last.done, last.total), (Phase::Downloading, 700_000, Some(700_000)));
    assert_eq!(ranges(&server), [None]);
}

#[test]
fn a_connection_that_breaks_off_goes_on_where_it_stopped() {
    let body = body(400_000);
    let served = body.clone();
    let server = BoxServer::start(move |n, request| match n {
        0 => Reply::file(&served, request).cut(100_000),
        1 => Reply::file(&served, request).cut(150_000),
        _ => Reply::file(&served, request),
    });
    let place = Place::new();
    assert!(place.fetch(&server.url("/a.box"), &Expected::default()).unwrap() == body);
    assert_eq!(ranges(&server), [None, Some(100_000), Some(250_000)]);
    let etag = tag(&body);
    assert!(server.requests()[1..].iter().all(|request| request.header("if-range") == Some(&etag)));
    let phases = place.phases();
    assert_eq!(phases.iter().filter(|phase| **phase == Phase::Retrying).count(), 2, "{phases:?}");
}

#[test]
fn a_stall_ends_in_time_and_the_rest_is_asked_for() {
    let body = body(300_000);
    let served = body.clone();
    let server = BoxServer::start(move |n, request| match n {
        0 => Reply::file(&served, request).stall(200_000),
        _ => Reply::file(&served, request),
    });
    let started = Instant::now();
    assert!(fetched(&server).unwrap() == body);
    assert_eq!(ranges(&server), [None, Some(200_000)]);
    assert!(started.elapsed() >= SHORT.stall);
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_slow_trickle_is_no_stall() {
    let body = body(2_000);
    let served = body.clone();
    // Twice as long in all as nothing may come.
    let server = BoxServer::start(move |_, request| {
        Reply::file(&served, request).trickle(100, Duration::from_millis(70))
    });
    let started = Instant::now();
    assert!(fetched(&server).unwrap() == body);
    assert!(started.elapsed() > SHORT.stall);
    assert_eq!(ranges(&server), [None]);
}

#[test]
fn some_answers_pass_and_some_are_final() {
    let body = body(1000);
    for (first, requests, word) in [
        (Reply::status(404), 1, "no such file"),
        (Reply::status(410), 1, "no such file"),
        (Reply::status(403), 1, "does not give it to us"),
        (Reply::status(418), 1, "status 418"),
        (Reply::status(500), 2, ""),
        (Reply::status(503).with("Retry-After", "0"), 2, ""),
        (Reply::status(429), 2, ""),
    ] {
        let served = body.clone();
        let server = BoxServer::start(move |n, request| match n {
            0 => first.clone(),
            _ => Reply::file(&served, request),
        });
        let result = fetched(&server);
        assert_eq!(server.requests().len(), requests);
        match result {
            Ok(found) => assert!(word.is_empty() && found == body),
            Err(error) => {
                assert_eq!(error.kind(), Kind::Download);
                assert!(!word.is_empty() && error.message().contains(word), "{error}");
            }
        }
    }
}

#[test]
fn it_is_given_up_in_the_end() {
    let server = BoxServer::start(|_, _| Reply::status(500));
    let error = fetched(&server).unwrap_err();
    assert!(error.message().ends_with("status 500"), "{error}");
    assert_eq!(server.requests().len(), SHORT.tries as usize);

    let server = BoxServer::start(|_, request| Reply::file(&body(300_000), request).cut(0));
    let error = fetched(&server).unwrap_err();
    assert!(error.message().contains("broke off"), "{error}");
    assert_eq!(server.requests().len(), SHORT.tries as usize);

    let gone = BoxServer::of(Vec::new());
    let url = gone.url("/a.box");
    drop(gone);
    let error = Place::new().fetch(&url, &Expected::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Download);
    assert!(!error.hints().is_empty());
}

#[test]
fn what_has_come_waits_for_the_next_command() {
    let body = body(500_000);
    let served = body.clone();
    let broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_broken = std::sync::Arc::clone(&broken);
    let server =
        BoxServer::start(move |n, request| match (is_broken.load(std::sync::atomic::Ordering::SeqCst), n) {
            (true, 0) => Reply::file(&served, request).cut(350_000),
            (true, _) => Reply::status(500),
            (false, _) => Reply::file(&served, request),
        });
    let place = Place::new();
    let url = server.url("/a.box");
    let error = place.fetch(&url, &Expected::default()).unwrap_err();
    assert!(error.details()[0].starts_with("341.8 KiB of it are here"), "{error:?}");
    assert!(error.hints()[0].contains("goes on where"), "{error:?}");
    broken.store(false, std::sync::atomic::Ordering::SeqCst);
    assert!(place.fetch(&url, &Expected::default()).unwrap() == body);
    assert_eq!(ranges(&server).last(), Some(&Some(350_000)));
    assert!(place.phases().contains(&Phase::Checking), "what is there is measured again");
}

#[test]
fn a_server_that_knows_no_ranges_begins_anew() {
    let body = body(300_000);
    let served = body.clone();
    let server = BoxServer::start(move |n, _| {
        let reply = Reply::whole(&served).with("ETag", "\"same\"");
        if n < 2 { reply.cut(200_000) } else { reply }
    });
    assert!(fetched(&server).unwrap() == body);
    assert_eq!(ranges(&server), [None, Some(200_000), Some(200_000)]);
    // One that always breaks off at the same place is given up at some time.
    let served = body.clone();
    let server = BoxServer::start(move |_, _| Reply::whole(&served).with("ETag", "\"same\"").cut(200_000));
    assert_eq!(fetched(&server).unwrap_err().kind(), Kind::Download);
    assert!(server.requests().len() < 20);
}

#[test]
fn without_a_way_to_tell_the_file_only_a_sum_lets_it_go_on() {
    let body = body(300_000);
    let serve = |body: Vec<u8>| {
        BoxServer::start(move |n, request| {
            let reply = Reply::file(&body, request).without("ETag");
            if n == 0 { reply.cut(200_000) } else { reply }
        })
    };
    let server = serve(body.clone());
    assert!(fetched(&server).unwrap() == body);
    assert_eq!(ranges(&server), [None, None]);
    let server = serve(body.clone());
    let expected = Expected::sha256(&digest::of_bytes(&body));
    assert!(Place::new().fetch(&server.url("/a.box"), &expected).unwrap() == body);
    assert_eq!(ranges(&server), [None, Some(200_000)]);
}

#[test]
fn a_file_that_changes_meanwhile_is_fetched_whole() {
    let (old, new) = (body(300_000), vec![9; 310_000]);
    for honest in [true, false] {
        let (first, second) = (old.clone(), new.clone());
        let server = BoxServer::start(move |n, request| match n {
            0 => Reply::file(&first, request).cut(200_000),
            _ if honest => Reply::file(&second, request),
            // It knows nothing of If-Range, and sends the rest of the new file.
            _ => match request.range() {
                Some(_) => {
                    let mut plain = request.clone();
                    plain.headers.retain(|(name, _)| name != "if-range");
                    Reply::file(&second, &plain)
                }
                None => Reply::file(&second, request),
            },
        });
        assert!(fetched(&server).unwrap() == new, "honest: {honest}");
    }
    // It changes at every request, and never comes to its end.
    let server = BoxServer::start(|n, request| {
        Reply::tagged(&body(300_000 + n), &format!("\"{n}\""), request).cut(200_000 + n)
    });
    let error = fetched(&server).unwrap_err();
    assert_eq!(error.kind(), Kind::Download);
    assert!(server.requests().len() < 20);
}

#[test]
fn pieces_of_two_files_are_found_out_by_their_sum() {
    let (old, new) = (body(300_000), vec![9; 300_000]);
    let (first, second) = (old, new.clone());
    // The same size, no entity tag: nothing but the sum tells.
    let server = BoxServer::start(move |n, request| match n {
        0 => Reply::file(&first, request).without("ETag").cut(200_000),
        _ => Reply::file(&second, request).without("ETag"),
    });
    let expected = Expected::sha256(&digest::of_bytes(&new));
    assert!(Place::new().fetch(&server.url("/a.box"), &expected).unwrap() == new);
    assert_eq!(ranges(&server), [None, Some(200_000), None]);
}

#[test]
fn a_416_begins_anew_unless_all_is_there() {
    let body = body(300_000);
    let served = body.clone();
    let server = BoxServer::start(move |n, request| match n {
        0 => Reply::file(&served, request).cut(200_000),
        1 => Reply::status(416),
        _ => Reply::file(&served, request),
    });
    assert!(fetched(&server).unwrap() == body);
    assert_eq!(ranges(&server), [None, Some(200_000), None]);
    // Killed after the last byte had come, from a server that tells no size.
    let served = body.clone();
    let server = BoxServer::start(move |n, request| match n {
        0 => Reply::file(&served, request).without("Content-Length").stall(300_000),
        _ => Reply::file(&served, request),
    });
    assert!(fetched(&server).unwrap() == body);
    assert_eq!(ranges(&server), [None, Some(300_000)]);
}

#[test]
fn a_wrong_length_is_found_out() {
    let body = body(1000);
    // It promises more than it has, every time.
    let served = body.clone();
    let server = BoxServer::start(move |_, _| Reply::whole(&served).with("Content-Length", "2000"));
    assert_eq!(fetched(&server).unwrap_err().kind(), Kind::Download);
    // It promises less: what it says is all that is read, and the sum tells.
    let served = body.clone();
    let server = BoxServer::start(move |_, _| Reply::whole(&served).with("Content-Length", "500"));
    let expected = Expected::sha256(&digest::of_bytes(&body));
    let error = Place::new().fetch(&server.url("/a.box"), &expected).unwrap_err();
    assert_eq!(error.kind(), Kind::BoxChecksum);
    // Another size than the one that is known is not even begun.
    let expected = Expected { size: Some(1001), sums: Vec::new() };
    let error = Place::new().fetch(&BoxServer::of(body).url("/a.box"), &expected).unwrap_err();
    assert!(error.message().contains("1000") && error.message().contains("1001"), "{error}");
}

#[test]
fn a_wrong_sum_is_an_error_with_both_and_nothing_is_kept() {
    let body = body(1000);
    let place = Place::new();
    let wrong = "1".repeat(64);
    let error =
        place.fetch(&BoxServer::of(body.clone()).url("/a.box"), &Expected::sha256(&wrong)).unwrap_err();
    assert_eq!(error.kind(), Kind::BoxChecksum);
    let said = error.details().join("\n");
    assert!(said.contains(&wrong) && said.contains(&digest::of_bytes(&body)), "{said}");
    assert!(!place.partial().exists());
}

#[test]
fn an_endless_body_ends_where_the_file_should() {
    let server = BoxServer::start(|_, _| Reply::endless());
    let expected = Expected { size: Some(1 << 20), sums: Vec::new() };
    let error = Place::new().fetch(&server.url("/a.box"), &expected).unwrap_err();
    assert!(error.message().contains("more comes than"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_size_for_which_there_is_no_room_is_noticed_before_the_first_byte() {
    let huge = (60u64 << 30).to_string();
    let server = BoxServer::start(move |_, _| Reply::whole(&[1; 100]).with("Content-Length", &huge));
    let place = Place::new();
    let error = place.fetch(&server.url("/a.box"), &Expected::default()).unwrap_err();
    if disk_space::free(place.dir.path()).is_some_and(|free| free < 120 << 30) {
        assert_eq!(error.kind(), Kind::DiskFull);
        assert!(error.message().contains("120.0 GiB"), "{error}");
        assert!(error.message().contains("are free"), "{error}");
        assert!(!place.partial().exists());
    }
    let server = BoxServer::start(|_, _| Reply::whole(&[1; 9]).with("Content-Length", "99999999999999"));
    assert!(fetched(&server).unwrap_err().message().contains("larger than 64.0 GiB"));
}

#[test]
fn redirects_are_followed_with_the_range_and_loops_are_refused() {
    let body = body(300_000);
    let served = body.clone();
    let server = BoxServer::start(move |n, request| match request.path.as_str() {
        "/a.box" => Reply::redirect("/mirror/b.box?key=1"),
        "/mirror/b.box?key=1" if n < 2 => Reply::file(&served, request).cut(200_000),
        "/mirror/b.box?key=1" => Reply::file(&served, request),
        _ => Reply::redirect(&request.path),
    });
    assert!(fetched(&server).unwrap() == body);
    assert_eq!(ranges(&server), [None, None, Some(200_000), Some(200_000)]);
    let error = Place::new().fetch(&server.url("/loop"), &Expected::default()).unwrap_err();
    assert!(error.message().contains("again and again"), "{error}");
    assert!(server.requests().len() < 20);
}

#[test]
fn what_is_no_http_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            use std::io::Write;
            let _ = (&connection).write_all(b"SSH-2.0-OpenSSH_5.3p1\r\n");
        }
    });
    let error = Place::new().fetch(&format!("http://{address}/x"), &Expected::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Download);
}

#[test]
fn a_download_is_stopped_at_once_while_the_network_stalls() {
    let server = BoxServer::start(|_, request| Reply::file(&body(300_000), request).stall(200_000));
    let place = Place::new();
    let (url, cancel) = (server.url("/a.box"), place.cancel.clone());
    let patience = Patience { stall: Duration::from_secs(60), ..SHORT };
    let mut progress = |at: Progress| {
        if at.done == 200_000 {
            cancel.cancel();
        }
    };
    let task = &mut Task { cancel: &place.cancel, progress: &mut progress };
    let wish = Wish { url: &url.into(), expected: &Expected::default(), dir: &place.partial() };
    let started = Instant::now();
    let error = fetch(wish, patience, task).unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(std::fs::metadata(place.partial().join("data")).unwrap().len(), 200_000, "it is kept");
}

#[test]
fn a_text_is_fetched_and_what_is_none_is_told_apart() {
    let server = BoxServer::start(|n, request| match request.path.as_str() {
        "/meta" if n == 0 => Reply::status(503),
        "/meta" => Reply::json("{}"),
        "/box" => Reply::whole(&[0x1f, 0x8b]),
        "/big" => Reply::endless().with("Content-Type", "application/json"),
        _ => Reply::status(404),
    });
    let get = |path: &str| {
        let task = &mut Task { cancel: &Cancel::new(), progress: &mut |_| {} };
        text(&server.url(path).into(), true, SHORT, task)
    };
    assert_eq!(get("/meta").unwrap(), Text::Found("{}".into()));
    assert_eq!(get("/box").unwrap(), Text::Other);
    assert_eq!(get("/none").unwrap(), Text::Missing);
    assert!(get("/big").unwrap_err().message().contains("larger than"));
}
