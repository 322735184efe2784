//! Names, versions and pins, against a registry on this computer.

use std::path::Path;

use super::tests::{Fixture, a_box};
use super::{Add, Resolved, Wanted};
use crate::boxes::box_server::{BoxServer, Reply, tag};
use crate::boxes::pins::Pin;
use crate::boxes::versions::Constraint;
use crate::boxes::{Progress, Task};
use crate::cancel::Cancel;
use crate::digest;
use crate::error::{Kind, Result};

/// A registry with one box, `bento/x`, in versions whose bytes are the version's name.
struct Registry {
    server: BoxServer,
}

impl Registry {
    /// `sum` makes the checksum that the registry tells of a version.
    fn new(versions: &'static [&'static str], sum: fn(&str) -> String) -> Self {
        let server = BoxServer::start(move |_, request| match request.path.as_str() {
            "/bento/x" => {
                let release = |version: &&str| {
                    format!(
                        r#"{{"version":"{version}","status":"active","providers":[{{"name":"virtualbox",
                        "url":"/files/{version}.box","checksum_type":"sha256","checksum":"{}"}}]}}"#,
                        sum(version)
                    )
                };
                let releases: Vec<_> = versions.iter().map(release).collect();
                Reply::json(&format!(r#"{{"name":"bento/x","versions":[{}]}}"#, releases.join(",")))
            }
            path => match path.strip_prefix("/files/").and_then(|file| file.strip_suffix(".box")) {
                Some(version) => Reply::file(&a_box(version), request),
                None => Reply::status(404),
            },
        });
        Registry { server }
    }

    fn honest(versions: &'static [&'static str]) -> Self {
        Registry::new(versions, |version| digest::of_bytes(&a_box(version)))
    }

    /// A fixture whose registry this is.
    fn fixture(&self) -> Fixture {
        let mut fixture = Fixture::new();
        fixture.store.registry = self.server.url("").into();
        fixture
    }

    fn downloads(&self) -> usize {
        self.server.requests().iter().filter(|request| request.path.starts_with("/files/")).count()
    }
}

fn resolve(fixture: &Fixture, wanted: &Wanted<'_>) -> Result<Resolved> {
    let progress = &mut |_: Progress| {};
    fixture.store.resolve(wanted, &mut Task { cancel: &Cancel::new(), progress })
}

fn of(version: &str) -> String {
    digest::of_bytes(&a_box(version))
}

#[test]
fn a_box_of_the_registry_is_had_in_the_version_that_is_wanted() {
    let registry = Registry::honest(&["1.9.0", "1.10.0", "2.0.0"]);
    let fixture = registry.fixture();
    let any = Wanted::new("bento/x", &fixture.lab);
    let newest = resolve(&fixture, &any).unwrap();
    assert_eq!(newest.image.digest, of("2.0.0"));
    assert_eq!(newest.pin.version.as_deref(), Some("2.0.0"));
    assert_eq!(newest.pin.source, registry.server.url("/files/2.0.0.box"));
    assert_eq!(newest.pin.size, a_box("2.0.0").len() as u64);
    let older: Constraint = "~> 1.9".parse().unwrap();
    let wanted = Wanted { version: Some(&older), ..any };
    let found = resolve(&fixture, &wanted).unwrap();
    assert_eq!((found.image.digest, found.pin.wanted.as_deref()), (of("1.10.0"), Some("~> 1.9")));
    // What is here and fits needs no network.
    let asked = registry.server.requests().len();
    resolve(&fixture, &wanted).unwrap();
    assert_eq!(registry.server.requests().len(), asked);
    let none: Constraint = "> 3".parse().unwrap();
    let error = resolve(&fixture, &Wanted { version: Some(&none), ..any }).unwrap_err();
    assert_eq!(error.kind(), Kind::BoxNotFound);
    assert!(error.details()[0].contains("2.0.0, 1.10.0, 1.9.0"), "{error:?}");
    let error = resolve(&fixture, &Wanted::new("bento/none", &fixture.lab)).unwrap_err();
    assert_eq!(error.kind(), Kind::BoxNotFound);
    assert!(error.hints()[0].contains("lab box add bento/none FILE"), "{error:?}");
    fixture.assert_tidy(2);
}

#[test]
fn without_a_network_the_way_out_is_said() {
    let fixture = Fixture::new();
    let error = resolve(&fixture, &Wanted::new("bento/x", &fixture.lab)).unwrap_err();
    assert_eq!(error.kind(), Kind::Download);
    assert!(error.hints().iter().any(|hint| hint.contains("lab box add bento/x FILE")), "{error:?}");
}

#[test]
fn the_registrys_sum_is_held_to_and_nothing_is_unpacked() {
    let registry = Registry::new(&["1.0.0"], |_| "1".repeat(64));
    let fixture = registry.fixture();
    let error = resolve(&fixture, &Wanted::new("bento/x", &fixture.lab)).unwrap_err();
    assert_eq!(error.kind(), Kind::BoxChecksum);
    let said = error.details().join("\n");
    assert!(said.contains(&"1".repeat(64)) && said.contains(&of("1.0.0")), "{said}");
    fixture.assert_tidy(0);
}

#[test]
fn a_pin_is_held_to_until_it_is_moved() {
    let registry = Registry::honest(&["1.0.0", "2.0.0"]);
    let fixture = registry.fixture();
    let old: Constraint = "1.0.0".parse().unwrap();
    let any = Wanted::new("bento/x", &fixture.lab);
    let first = resolve(&fixture, &Wanted { version: Some(&old), ..any }).unwrap().pin;
    let pin = Pin { wanted: None, ..first };
    let held = Wanted { pin: Some(&pin), ..any };
    // Another student, without the box: the pinned one is fetched, though there is a newer one.
    let other = registry.fixture();
    let held_there = Wanted { base_dir: &other.lab, ..held };
    assert_eq!(resolve(&other, &held_there).unwrap().image.digest, of("1.0.0"));
    assert_eq!(
        resolve(&other, &Wanted { pin: None, fresh: true, ..held_there }).unwrap().image.digest,
        of("2.0.0")
    );
    // The name leads to the newer one now, and the pin still to its own.
    assert_eq!(resolve(&other, &held_there).unwrap().image.digest, of("1.0.0"));
    assert_eq!(registry.downloads(), 3);
    other.assert_tidy(2);
}

#[test]
fn a_pinned_box_whose_address_has_changed_is_found_where_it_is_published() {
    let registry = Registry::honest(&["1.0.0", "2.0.0"]);
    let fixture = registry.fixture();
    let pin = Pin {
        name: "bento/x".to_owned(),
        wanted: None,
        version: Some("1.0.0".to_owned()),
        source: "http://127.0.0.1:9/old.box".to_owned(),
        size: a_box("1.0.0").len() as u64,
        sha256: of("1.0.0"),
    };
    let wanted = Wanted { pin: Some(&pin), ..Wanted::new("bento/x", &fixture.lab) };
    assert_eq!(resolve(&fixture, &wanted).unwrap().image.digest, of("1.0.0"));
    // What is published under that version today is another box: it is not even downloaded.
    let (fixture, pin) = (registry.fixture(), Pin { sha256: of("other"), ..pin });
    let wanted = Wanted { pin: Some(&pin), ..Wanted::new("bento/x", &fixture.lab) };
    let downloads = registry.downloads();
    assert_eq!(resolve(&fixture, &wanted).unwrap_err().kind(), Kind::Download);
    assert_eq!(registry.downloads(), downloads);
    // A stick with a document and its box, on a computer that has never seen them.
    let fixture = Fixture::new();
    let document = r#"{"versions":[{"version":"3","providers":[{"name":"virtualbox","url":"a.box"}]}]}"#;
    std::fs::write(fixture.lab.join("ours.json"), document).unwrap();
    let pin = Pin {
        name: "ours.json".to_owned(),
        version: Some("3".to_owned()),
        source: "file:a.box".to_owned(),
        size: a_box("a").len() as u64,
        sha256: of("a"),
        ..pin
    };
    let wanted = Wanted { pin: Some(&pin), ..Wanted::new("ours.json", &fixture.lab) };
    assert_eq!(resolve(&fixture, &wanted).unwrap().image.digest, of("a"));
}

#[test]
fn an_address_that_brings_another_box_than_the_pinned_one_is_refused() {
    let fixture = Fixture::new();
    let server = BoxServer::of(a_box("new"));
    let url = server.url("/x.box");
    let pin = Pin {
        name: url.clone(),
        wanted: None,
        version: None,
        source: url.clone(),
        size: a_box("old").len() as u64,
        sha256: of("old"),
    };
    let wanted = Wanted { pin: Some(&pin), ..Wanted::new(&url, &fixture.lab) };
    let error = resolve(&fixture, &wanted).unwrap_err();
    assert_eq!(error.kind(), Kind::BoxChecksum);
    let said = error.details().join("\n");
    assert!(said.contains(&of("old")) && said.contains(&of("new")), "{said}");
    assert!(
        said.contains("Labfile.lock") && error.hints().join("\n").contains("lab box update"),
        "{error:?}"
    );
    fixture.assert_tidy(0);
}

#[test]
fn a_file_that_was_replaced_is_not_used_in_silence() {
    let fixture = Fixture::new();
    let wanted = Wanted::new("a.box", &fixture.lab);
    let pin = resolve(&fixture, &wanted).unwrap().pin;
    assert_eq!((pin.source.as_str(), pin.sha256.as_str()), ("file:a.box", of("a").as_str()));
    let held = Wanted { pin: Some(&pin), ..wanted };
    assert_eq!(resolve(&fixture, &held).unwrap().image.digest, of("a"));
    std::fs::write(fixture.lab.join("a.box"), a_box("b")).unwrap();
    for _ in 0..2 {
        let error = resolve(&fixture, &held).unwrap_err();
        assert_eq!(error.kind(), Kind::BoxChecksum);
        let said = error.details().join("\n");
        assert!(said.contains(&of("a")) && said.contains(&of("b")), "{said}");
        fixture.assert_tidy(1);
    }
    let moved = resolve(&fixture, &Wanted { fresh: true, ..wanted }).unwrap().pin;
    assert_eq!(moved.sha256, of("b"));
    // A stick that was pulled out: the box that is held to is here.
    std::fs::remove_file(fixture.lab.join("a.box")).unwrap();
    assert_eq!(resolve(&fixture, &held).unwrap().image.digest, of("a"));
}

#[test]
fn a_name_that_leads_elsewhere_than_the_pin_is_said_with_both_sums() {
    let fixture = Fixture::new();
    fixture.add(&Add::new(fixture.file("a.box")).named("mine")).unwrap();
    let pin =
        Pin { sha256: of("other"), ..resolve(&fixture, &Wanted::new("mine", &fixture.lab)).unwrap().pin };
    assert_eq!(pin.source, "file:a.box", "no folder of this computer");
    let error =
        resolve(&fixture, &Wanted { pin: Some(&pin), ..Wanted::new("mine", &fixture.lab) }).unwrap_err();
    assert_eq!(error.kind(), Kind::BoxChecksum);
    let said = error.details().join("\n");
    assert!(said.contains(&of("other")) && said.contains(&of("a")), "{said}");
    let none = Wanted { pin: Some(&pin), ..Wanted::new("none", &fixture.lab) };
    assert_eq!(resolve(&fixture, &none).unwrap_err().kind(), Kind::BoxNotFound);
}

#[test]
fn a_document_that_describes_a_box_leads_to_it() {
    let document = r#"{"name":"ours","versions":[{"version":"3","providers":
        [{"name":"virtualbox","url":"a.box"}]}]}"#;
    // In a folder, such as a stick's.
    let fixture = Fixture::new();
    std::fs::write(fixture.lab.join("ours.json"), document).unwrap();
    let found = resolve(&fixture, &Wanted::new("ours.json", &fixture.lab)).unwrap();
    assert_eq!((found.image.digest, found.image.name.as_str()), (of("a"), "ours"));
    assert_eq!(found.pin.version.as_deref(), Some("3"));
    // At an address: known by its type, or by its name.
    let server = BoxServer::start(|_, request| match request.path.as_str() {
        "/boxes/ours" => {
            Reply::json(r#"{"versions":[{"version":"3","providers":[{"name":"virtualbox","url":"a.box"}]}]}"#)
        }
        "/boxes/ours.json" => Reply::whole(
            br#"{"versions":[{"version":"3","providers":[{"name":"virtualbox","url":"/boxes/a.box"}]}]}"#,
        ),
        "/boxes/a.box" | "/boxes/a" => Reply::file(&a_box("net"), request),
        _ => Reply::status(404),
    });
    for path in ["/boxes/ours", "/boxes/ours.json", "/boxes/a"] {
        let found = resolve(&fixture, &Wanted::new(&server.url(path), &fixture.lab)).unwrap();
        assert_eq!(found.image.digest, of("net"), "{path}");
    }
    let error = resolve(&fixture, &Wanted::new(&server.url("/none"), &fixture.lab)).unwrap_err();
    assert_eq!(error.kind(), Kind::Download);
    fixture.assert_tidy(2);
}

/// Writes a catalogue with one box, `ours`; returns its file.
fn catalogue(fixture: &Fixture, sources: &str) -> std::path::PathBuf {
    let path = fixture.lab.join("catalogue.json");
    let text = format!(
        r#"{{"name":"ours","description":"ours","arch":"x86_64","hints":["ask the teacher"],
        "guest":{{"family":"debian"}},
        "versions":[{{"sources":[{sources}]}}]}}"#
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn resolve_ours(fixture: &Fixture, catalogue: &Path) -> Result<Resolved> {
    let wanted = Wanted { catalogue: Some(catalogue), ..Wanted::new("ours", &fixture.lab) };
    resolve(fixture, &wanted)
}

#[test]
fn the_next_source_is_tried_where_one_fails() {
    let registry = Registry::honest(&["1.0.0"]);
    let fixture = registry.fixture();
    let server = BoxServer::start(|_, request| match request.path.as_str() {
        "/wrong.box" => Reply::file(&a_box("wrong"), request),
        "/login.box" => Reply::whole(b"<html>Please log in to this network</html>"),
        "/good.box" => Reply::file(&a_box("good"), request),
        _ => Reply::status(404),
    });
    let source = |url: &str, more: &str| format!(r#"{{"url":"{url}","format":"vagrant-box"{more}}}"#);
    let sum = |text: &str| format!(r#","sha256":"{}""#, of(text));
    let sources = [
        source("http://127.0.0.1:9/gone.box", r#","gone":true"#),
        source("missing.box", ""),
        source(&server.url("/missing.box"), ""),
        source(&server.url("/login.box"), ""),
        source(&server.url("/wrong.box"), &sum("good")),
        source(&server.url("/good.box"), &sum("good")),
    ];
    let path = catalogue(&fixture, &sources.join(","));
    let found = resolve_ours(&fixture, &path).unwrap();
    assert_eq!((found.image.digest, found.image.name.as_str()), (of("good"), "ours"));
    fixture.assert_tidy(1);

    let fixture = registry.fixture();
    let path = catalogue(&fixture, &sources[..5].join(","));
    let error = resolve_ours(&fixture, &path).unwrap_err();
    assert_eq!((error.kind(), error.hints()), (Kind::Download, &["ask the teacher".to_owned()][..]));
    assert_eq!(error.details().len(), 4, "each source says why: {error:?}");
    fixture.assert_tidy(0);

    let path = catalogue(&fixture, r#"{"registry":"bento/x","format":"vagrant-box"}"#);
    assert_eq!(resolve_ours(&fixture, &path).unwrap().image.digest, of("1.0.0"));
}

#[test]
fn the_list_of_sums_beside_a_source_is_held_to() {
    let server = BoxServer::start(|_, request| match request.path.as_str() {
        "/good.box" => Reply::file(&a_box("good"), request),
        "/SUMS" => Reply::whole(format!("{}  good.box\n", of("good")).as_bytes()),
        "/WRONG" => Reply::whole(format!("{} *good.box\n", of("bad")).as_bytes()),
        "/OTHER" => Reply::whole(format!("{}  other.box\n", of("good")).as_bytes()),
        _ => Reply::status(404),
    });
    for (list, good) in [("/WRONG", false), ("/OTHER", false), ("/NONE", false), ("/SUMS", true)] {
        let fixture = Fixture::new();
        let (url, sums) = (server.url("/good.box"), server.url(list));
        let path =
            catalogue(&fixture, &format!(r#"{{"url":"{url}","format":"vagrant-box","sums":"{sums}"}}"#));
        assert_eq!(resolve_ours(&fixture, &path).is_ok(), good, "{list}");
        fixture.assert_tidy(usize::from(good));
    }
}

#[test]
fn a_file_beside_a_catalogue_is_as_good_as_an_address() {
    let fixture = Fixture::new();
    let path = catalogue(&fixture, r#"{"url":"a.box","format":"vagrant-box"}"#);
    let found = resolve_ours(&fixture, &path).unwrap();
    assert_eq!((found.image.digest, found.pin.source.as_str()), (of("a"), "file:a.box"));
}

#[test]
fn an_update_asks_again_and_downloads_only_what_changed() {
    let fixture = Fixture::new();
    // The first and the second answer are of one box, the third (asked for by its state) and those after it
    // of another. Only the second request is answered as a server does that knows conditions.
    let server = BoxServer::start(|n, request| {
        let body = a_box(if n < 3 { "one" } else { "two" });
        match n {
            1 if request.header("if-none-match") == Some(&tag(&body)) => Reply::status(304),
            _ => Reply::tagged(&body, &tag(&body), request),
        }
    });
    let url = server.url("/x.box");
    let wanted = Wanted::new(&url, &fixture.lab);
    assert_eq!(resolve(&fixture, &wanted).unwrap().image.digest, of("one"));
    assert_eq!(resolve(&fixture, &wanted).unwrap().image.digest, of("one"));
    assert_eq!(server.requests().len(), 1);
    let fresh = Wanted { fresh: true, ..wanted };
    for requests in [2, 3] {
        assert_eq!(resolve(&fixture, &fresh).unwrap().image.digest, of("one"));
        assert_eq!(server.requests().len(), requests, "one that asks, none that downloads");
    }
    assert_eq!(resolve(&fixture, &fresh).unwrap().image.digest, of("two"));
    assert_eq!(server.requests().len(), 5);
    assert_eq!(resolve(&fixture, &wanted).unwrap().image.digest, of("two"));
    fixture.assert_tidy(2);
}

#[test]
fn a_registry_that_is_gone_says_what_to_do_and_the_distributions_image_is_had_without_it() {
    for status in [404, 410] {
        let registry = BoxServer::start(move |_, _| Reply::status(status));
        let mut fixture = Fixture::new();
        fixture.store.registry = registry.url("").into();
        let error = resolve(&fixture, &Wanted::new("bento/x", &fixture.lab)).unwrap_err();
        assert_eq!(error.kind(), Kind::BoxNotFound);
        let hints = error.hints().join("\n");
        assert!(
            hints.contains("lab box add bento/x FILE") && hints.contains("debian-12"),
            "{status} {error:?}"
        );
        if status == 410 {
            assert!(error.details().join("\n").contains("31 December 2026"), "{error:?}");
        }
        // The catalogue's own entries, with nobody at the addresses of their images but a bad gateway.
        let images = BoxServer::start(|_, request| match request.path.as_str() {
            "/image.qcow2" => Reply::file(&crate::boxes::disk::tests::qcow2(), request),
            _ => Reply::status(404),
        });
        let entry = |url: &str| {
            catalogue(
                &fixture,
                &format!(
                    r#"{{"url":"{url}","format":"cloud-image","sha256":"{}"}},
                       {{"registry":"bento/x","format":"vagrant-box"}}"#,
                    digest::of_bytes(&crate::boxes::disk::tests::qcow2())
                ),
            )
        };
        let error = resolve_ours(&fixture, &entry(&images.url("/gone.qcow2"))).unwrap_err();
        assert_eq!((error.kind(), error.details().len()), (Kind::Download, 2), "{error:?}");
        assert_eq!(error.hints(), ["ask the teacher"]);
        let found = resolve_ours(&fixture, &entry(&images.url("/image.qcow2"))).unwrap();
        let hardware = crate::boxes::Hardware::of_cloud_image(crate::boxes::Arch::X86_64);
        assert_eq!((found.image.hardware, found.image.login.seeded), (hardware, true));
    }
}
