use std::fs::File;
use std::path::PathBuf;

use std::time::Duration;

use super::*;
use crate::boxes::BoxImage;
use crate::boxes::archive::tests::{gzip, tar};
use crate::boxes::box_server::{BoxServer, Reply};
use crate::boxes::checksum::Expected;
use crate::boxes::disk::tests::{DESCRIPTOR, qcow2, vmdk};
use crate::boxes::download::tests::SHORT;
use crate::boxes::ovf::tests::SATA;
use crate::boxes::progress::{Phase, Task};
use crate::boxes::source::Source;
use crate::boxes::{Progress, manifest::Format};
use crate::cancel::Cancel;
use crate::digest;
use crate::error::{Kind, Result};

/// A home with a store, and a folder beside it with a box in it.
pub(in crate::boxes) struct Fixture {
    _dir: tempfile::TempDir,
    home: PathBuf,
    pub(in crate::boxes) lab: PathBuf,
    pub(in crate::boxes) store: Store,
}

/// A genuine small box; `text` makes it one of its own.
pub(super) fn a_box(text: &str) -> Vec<u8> {
    gzip(&tar(&[
        ("./metadata.json", br#"{"provider":"virtualbox"}"#),
        ("./box.ovf", SATA.as_bytes()),
        ("./box-disk001.vmdk", &vmdk(DESCRIPTOR)),
        ("./info.json", text.as_bytes()),
    ]))
}

impl Fixture {
    pub(in crate::boxes) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let real = std::fs::canonicalize(dir.path()).unwrap();
        let (home, lab) = (real.join("home"), real.join("lab"));
        std::fs::create_dir(&lab).unwrap();
        std::fs::write(lab.join("a.box"), a_box("a")).unwrap();
        // Nobody listens at this port.
        let registry = "http://127.0.0.1:9".into();
        let store = Store { patience: SHORT, registry, ..Store::open(&home).unwrap() };
        Fixture { _dir: dir, home, lab, store }
    }

    /// Resolves, and tells what was done for it.
    fn resolve(&self, reference: &str) -> Result<(BoxImage, Vec<Phase>)> {
        let mut phases = Vec::new();
        let mut progress = |at: Progress| {
            if phases.last() != Some(&at.phase) {
                phases.push(at.phase);
            }
        };
        let task = &mut Task { cancel: &Cancel::new(), progress: &mut progress };
        let image = self.store.resolve(&Wanted::new(reference, &self.lab), task)?.image;
        Ok((image, phases))
    }

    pub(in crate::boxes) fn add(&self, add: &Add<'_>) -> Result<BoxImage> {
        self.store.add(add, &mut Task { cancel: &Cancel::new(), progress: &mut |_| {} })
    }

    pub(super) fn file(&self, name: &str) -> Source {
        Source::File(self.lab.join(name))
    }

    /// That the store holds `boxes` boxes and nothing unfinished.
    pub(super) fn assert_tidy(&self, boxes: usize) {
        let root = self.home.join("boxes");
        let names = std::fs::read_dir(&root).into_iter().flatten();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !digest::is_digest(name));
        names.sort();
        let known = ["index.json", "locks", "partial", "store.lock", "tmp"];
        assert!(names.iter().all(|name| known.contains(&name.as_str())), "{names:?}");
        let unfinished = std::fs::read_dir(root.join("tmp")).into_iter().flatten().count();
        assert_eq!(unfinished, 0);
        let partial = std::fs::read_dir(root.join("partial")).into_iter().flatten().count();
        assert_eq!(partial, 0);
        assert_eq!(self.store.list().unwrap().len(), boxes);
    }
}

#[test]
fn a_path_is_added_at_first_and_then_only_looked_up() {
    let fixture = Fixture::new();
    assert_eq!(fixture.store.find("a.box", &fixture.lab).unwrap(), None);
    assert!(!fixture.home.exists(), "looking touches nothing");
    let (image, phases) = fixture.resolve("a.box").unwrap();
    assert_eq!(phases, [Phase::Unpacking]);
    assert_eq!(image.name, "a");
    assert_eq!(image.digest, digest::of_bytes(&a_box("a")));
    assert_eq!((image.disk_format.as_str(), image.hardware.memory_mib), ("vmdk", 384));
    assert_eq!(std::fs::read(&image.disk).unwrap(), vmdk(DESCRIPTOR));
    assert_eq!(image.disk.parent(), Some(image.dir.as_path()));
    assert_eq!(image.login, crate::boxes::Login { user: "vagrant".into(), key: None, seeded: false });

    for reference in ["./a.box", "../lab/a.box", fixture.lab.join("a.box").to_str().unwrap()] {
        let (again, phases) = fixture.resolve(reference).unwrap();
        assert_eq!((&again, phases), (&image, vec![]), "{reference}");
    }
    fixture.assert_tidy(1);
    let entry = fixture.store.list().unwrap().remove(0);
    let manifest = entry.manifest.unwrap();
    assert_eq!((manifest.format, manifest.version, entry.names.len()), (Format::Virtualbox, 1, 0));
}

#[test]
fn a_known_file_is_not_read_again_until_its_stamp_changes() {
    let fixture = Fixture::new();
    let path = fixture.lab.join("a.box");
    let (first, _) = fixture.resolve("a.box").unwrap();
    // Other bytes of the same length, at the same time: whoever read them would see.
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    std::io::Write::write_all(&mut &file, &vec![0; a_box("a").len()]).unwrap();
    file.set_modified(modified).unwrap();
    assert_eq!(fixture.resolve("a.box").unwrap(), (first.clone(), vec![]));
    // Another time: it is read, and is no box.
    file.set_modified(modified + Duration::from_nanos(1_000_000)).unwrap();
    assert_eq!(fixture.store.find("a.box", &fixture.lab).unwrap(), None);
    assert_eq!(fixture.resolve("a.box").unwrap_err().kind(), Kind::BadBox);
    // The old bytes at another time: hashed, known, not unpacked.
    std::fs::write(&path, a_box("a")).unwrap();
    assert_eq!(fixture.resolve("a.box").unwrap(), (first.clone(), vec![Phase::Checking]));
    // Another box in its place.
    std::fs::write(&path, a_box("other")).unwrap();
    let (second, _) = fixture.resolve("a.box").unwrap();
    assert_ne!(second.digest, first.digest);
    fixture.assert_tidy(2);
    // A stick that was pulled out.
    std::fs::remove_file(&path).unwrap();
    assert_eq!(fixture.resolve("a.box").unwrap(), (second, vec![]));
}

#[test]
fn names_lead_to_boxes() {
    let fixture = Fixture::new();
    let image = fixture.add(&Add::new(fixture.file("a.box")).named("mine/a")).unwrap();
    assert_eq!(image.name, "mine/a");
    assert_eq!(fixture.resolve("mine/a").unwrap(), (image.clone(), vec![]));
    std::fs::write(fixture.lab.join("b.box"), a_box("b")).unwrap();
    let other = Add::new(fixture.file("b.box")).named("mine/a");
    assert_eq!(fixture.add(&other).unwrap_err().kind(), Kind::Usage);
    assert_eq!(fixture.resolve("mine/a").unwrap().0.digest, image.digest);
    fixture.add(&Add { replace: true, ..other }).unwrap();
    assert_ne!(fixture.resolve("mine/a").unwrap().0.digest, image.digest);
    assert_eq!(fixture.add(&Add::new(fixture.file("a.box")).named("x.box")).unwrap_err().kind(), Kind::Usage);
    fixture.assert_tidy(2);
}

#[test]
fn what_is_not_there_is_said_with_a_way_out() {
    let fixture = Fixture::new();
    fixture.add(&Add::new(fixture.file("a.box")).named("lucid")).unwrap();
    for (reference, word) in [
        ("lucit", "did you mean lucid?"),
        ("gone.box", "Labfile's folder"),
        ("demo", "scripts/demo"),
        ("nothing-like-it", "lab box list"),
    ] {
        let error = fixture.resolve(reference).unwrap_err();
        assert_eq!(error.kind(), Kind::BoxNotFound, "{reference}");
        assert!(error.hints().join("\n").contains(word), "{reference}: {error:?}");
    }
    assert_eq!(fixture.resolve("./").unwrap_err().kind(), Kind::BadBox);
}

#[test]
fn the_sum_is_held_to() {
    let fixture = Fixture::new();
    let wrong = "0".repeat(64);
    let error = fixture
        .add(&Add { expected: Expected::sha256(&wrong), ..Add::new(fixture.file("a.box")) })
        .unwrap_err();
    assert_eq!(error.kind(), Kind::BoxChecksum);
    let said = error.details().join("\n");
    assert!(said.contains(&wrong) && said.contains(&digest::of_bytes(&a_box("a"))), "{said}");
    fixture.assert_tidy(0);
    let right = digest::of_bytes(&a_box("a"));
    fixture.add(&Add { expected: Expected::sha256(&right), ..Add::new(fixture.file("a.box")) }).unwrap();
    // A known one is held to it too.
    assert!(
        fixture.add(&Add { expected: Expected::sha256(&wrong), ..Add::new(fixture.file("a.box")) }).is_err()
    );
}

#[test]
fn an_address_is_downloaded_once() {
    let fixture = Fixture::new();
    let body = a_box("net");
    let server = BoxServer::of(body.clone());
    let url = server.url("/a.box");
    let (image, phases) = fixture.resolve(&url).unwrap();
    assert_eq!((image.digest.clone(), image.name.as_str()), (digest::of_bytes(&body), "a"));
    assert_eq!(phases, [Phase::Unprotected, Phase::Downloading, Phase::Unpacking]);
    assert_eq!(fixture.resolve(&url).unwrap(), (image, vec![]));
    assert_eq!(server.requests().len(), 1);
    fixture.assert_tidy(1);
    let wrong = "0".repeat(64);
    let add = Add {
        expected: Expected::sha256(&wrong),
        ..Add::new(Source::Url(BoxServer::of(a_box("other")).url("/a.box").into()))
    };
    let error = fixture.add(&add).unwrap_err();
    assert_eq!(error.kind(), Kind::Download, "its server is gone: {error}");
    let server = BoxServer::of(a_box("other"));
    let add = Add { source: Source::Url(server.url("/a.box").into()), ..add };
    assert_eq!(fixture.add(&add).unwrap_err().kind(), Kind::BoxChecksum);
    fixture.assert_tidy(1);
}

#[test]
fn what_came_of_a_download_waits_for_the_next_add() {
    let fixture = Fixture::new();
    let body = a_box(&"net ".repeat(1000));
    let half = body.len() / 2;
    let whole = body.clone();
    let broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_broken = std::sync::Arc::clone(&broken);
    let server =
        BoxServer::start(move |_, request| match is_broken.load(std::sync::atomic::Ordering::SeqCst) {
            true if request.range().is_some() => Reply::status(404),
            true => Reply::file(&whole, request).cut(half),
            false => Reply::file(&whole, request),
        });
    let url = server.url("/a.box");
    let error = fixture.resolve(&url).unwrap_err();
    assert_eq!(error.kind(), Kind::Download);
    assert_eq!(fixture.store.list().unwrap().len(), 0);
    broken.store(false, std::sync::atomic::Ordering::SeqCst);
    let (image, _) = fixture.resolve(&url).unwrap();
    assert_eq!(image.digest, digest::of_bytes(&body));
    assert_eq!(server.requests().last().unwrap().range(), Some(half as u64));
    fixture.assert_tidy(1);
}

#[test]
fn what_is_no_box_is_not_kept() {
    let fixture = Fixture::new();
    let server = BoxServer::of(b"<html>Please log in to this network</html>".to_vec());
    assert_eq!(fixture.resolve(&server.url("/a.box")).unwrap_err().kind(), Kind::BadBox);
    fixture.assert_tidy(0);
}

#[test]
fn a_box_cut_anywhere_leaves_nothing() {
    let fixture = Fixture::new();
    let whole = a_box("a");
    for length in (0..whole.len()).step_by(100) {
        std::fs::write(fixture.lab.join("cut.box"), &whole[..length]).unwrap();
        assert_eq!(fixture.resolve("cut.box").unwrap_err().kind(), Kind::BadBox, "cut at {length}");
        fixture.assert_tidy(0);
    }
}

#[test]
fn a_hostile_box_leaves_nothing() {
    let fixture = Fixture::new();
    let mut backed = qcow2();
    backed[15] = 1;
    let metadata: &[u8] = br#"{"provider":"libvirt"}"#;
    std::fs::write(fixture.lab.join("h.box"), tar(&[("metadata.json", metadata), ("box.img", &backed)]))
        .unwrap();
    let error = fixture.add(&Add::new(fixture.file("h.box")).named("h")).unwrap_err();
    assert_eq!(error.kind(), Kind::HostileBox);
    fixture.assert_tidy(0);
    assert_eq!(fixture.resolve("h").unwrap_err().kind(), Kind::BoxNotFound);
}

#[test]
fn a_box_cannot_bring_our_manifest() {
    let fixture = Fixture::new();
    let bytes = tar(&[
        ("box.ovf", SATA.as_bytes()),
        ("box-disk001.vmdk", &vmdk(DESCRIPTOR)),
        ("manifest.json", br#"{"version":1,"disk":"/etc/shadow"}"#),
    ]);
    std::fs::write(fixture.lab.join("m.ova"), bytes).unwrap();
    let (image, _) = fixture.resolve("m.ova").unwrap();
    assert!(image.disk.ends_with("files/box-disk001.vmdk"));
}

#[test]
fn two_at_once_unpack_once() {
    let fixture = Fixture::new();
    let (unpacked, waited) = (std::sync::atomic::AtomicUsize::new(0), std::sync::atomic::AtomicUsize::new(0));
    let both = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                both.wait();
                let mut started = false;
                let mut progress = |at: Progress| match at.phase {
                    Phase::Unpacking if !started => {
                        started = true;
                        unpacked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        // Long enough for the other to find the lock taken.
                        while waited.load(std::sync::atomic::Ordering::SeqCst) == 0 {
                            std::thread::yield_now();
                        }
                    }
                    Phase::Waiting => {
                        waited.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    }
                    _ => {}
                };
                let task = &mut Task { cancel: &Cancel::new(), progress: &mut progress };
                fixture.store.resolve(&Wanted::new("a.box", &fixture.lab), task).unwrap();
            });
        }
    });
    assert_eq!(unpacked.into_inner(), 1);
    fixture.assert_tidy(1);
}

#[test]
fn one_box_from_two_files_is_kept_once() {
    let fixture = Fixture::new();
    std::fs::copy(fixture.lab.join("a.box"), fixture.lab.join("b.box")).unwrap();
    let digests = std::thread::scope(|scope| {
        let adders = ["a.box", "b.box"].map(|name| scope.spawn(|| fixture.resolve(name).unwrap().0.digest));
        adders.map(|adder| adder.join().unwrap())
    });
    assert_eq!(digests[0], digests[1]);
    fixture.assert_tidy(1);
}

#[test]
fn what_a_killed_add_left_is_removed_by_the_next() {
    let fixture = Fixture::new();
    let left = fixture.home.join("boxes/tmp/0123");
    std::fs::create_dir_all(left.join("box/files")).unwrap();
    std::fs::write(left.join("lock"), "").unwrap();
    std::fs::write(left.join("box/files/disk.img"), vec![1; 1000]).unwrap();
    std::fs::write(fixture.home.join("boxes/.new-abc"), "{").unwrap();
    fixture.resolve("a.box").unwrap();
    fixture.assert_tidy(1);
}

#[test]
fn a_damaged_box_is_said_and_mended_by_an_add() {
    let fixture = Fixture::new();
    let (image, _) = fixture.resolve("a.box").unwrap();
    let manifest = image.dir.parent().unwrap().join("manifest.json");
    let damages: [&dyn Fn(); 3] = [
        &|| std::fs::remove_file(&image.disk).unwrap(),
        &|| std::fs::remove_file(&manifest).unwrap(),
        &|| std::fs::write(&manifest, "{\"version\":1}").unwrap(),
    ];
    for damage in damages {
        damage();
        assert_eq!(fixture.resolve("a.box").unwrap_err().kind(), Kind::StateDamaged);
        assert!(fixture.store.list().unwrap()[0].manifest.is_err());
        assert_eq!(fixture.add(&Add::new(fixture.file("a.box"))).unwrap(), image);
        fixture.resolve("a.box").unwrap();
    }
    std::fs::write(&manifest, "{\"version\":2}").unwrap();
    assert_eq!(fixture.resolve("a.box").unwrap_err().kind(), Kind::StateTooNew);
}

#[test]
fn a_box_goes_with_its_last_name() {
    let fixture = Fixture::new();
    let image = fixture.add(&Add::new(fixture.file("a.box")).named("one")).unwrap();
    fixture.add(&Add::new(fixture.file("a.box")).named("two")).unwrap();
    let remove = |name: &str| fixture.store.remove(name, |_| Ok(()));
    assert_eq!(remove("one").unwrap().left, ["two"]);
    assert!(image.disk.exists());
    assert_eq!(remove("one").unwrap_err().kind(), Kind::BoxNotFound);
    let removed = remove("two").unwrap();
    assert_eq!((&removed.digest, removed.left.len(), removed.claim.is_some()), (&image.digest, 0, true));
    drop(removed);
    assert!(!image.dir.exists());
    fixture.assert_tidy(0);
    assert_eq!(fixture.store.find("a.box", &fixture.lab).unwrap(), None);
    fixture.resolve("a.box").unwrap();
    remove(&image.digest).unwrap();
    fixture.assert_tidy(0);
}

#[test]
fn a_lookup_is_quick() {
    let fixture = Fixture::new();
    fixture.resolve("a.box").unwrap();
    let started = std::time::Instant::now();
    for _ in 0..100 {
        fixture.store.find("a.box", &fixture.lab).unwrap();
    }
    // A generous bound: it is some 0.1 ms.
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[test]
fn a_password_in_an_address_is_sent_and_kept_nowhere() {
    let fixture = Fixture::new();
    // The server knows "me:hunter2" in base64, and its token.
    let server = BoxServer::start(|_, request| {
        let knows = request.header("authorization") == Some("Basic bWU6aHVudGVyMg==");
        match request.path.as_str() {
            "/a.box?token=abc" if knows => Reply::file(&a_box("secret"), request),
            _ => Reply::status(401),
        }
    });
    let url = server.url("/a.box?token=abc").replace("://", "://me:hunter2@");
    let task = &mut Task { cancel: &Cancel::new(), progress: &mut |_| {} };
    let found = fixture.store.resolve(&Wanted::new(&url, &fixture.lab), task).unwrap();
    // What was had so is known without the password, too.
    let shown = server.url("/a.box?token=…");
    assert_eq!((found.pin.name.as_str(), found.pin.source.as_str()), (shown.as_str(), shown.as_str()));
    let mut pins = crate::boxes::Pins::default();
    pins.set(found.pin.clone());
    assert_eq!(pins.get(&url, None), Some(&found.pin));
    assert_eq!(server.requests().len(), 1);
    let said = format!("{found:?}");
    let error = fixture.resolve(&server.url("/b.box?token=abc").replace("://", "://me:wrong@")).unwrap_err();
    assert!(error.hints()[0].contains("NAME:PASSWORD@"), "{error:?}");
    let mut all = vec![said, format!("{error:?}")];
    let mut folders = vec![fixture.home.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                all.push(String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned());
            }
        }
    }
    for text in all {
        for secret in ["hunter2", "wrong", "abc", "bWU6"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[test]
fn what_could_be_forged_on_the_way_is_said() {
    let server = BoxServer::of(a_box("net"));
    let phases = |expected: Expected| {
        let (fixture, mut phases) = (Fixture::new(), Vec::new());
        let add = Add { expected, ..Add::new(Source::Url(server.url("/a.box").into())) };
        let mut progress = |at: Progress| phases.push(at.phase);
        let task = &mut Task { cancel: &Cancel::new(), progress: &mut progress };
        let _ = fixture.store.add(&add, task);
        phases.truncate(2);
        phases
    };
    let weak = crate::boxes::Checksum::new("md5", &"0".repeat(32)).unwrap();
    let weak = Expected { size: None, sums: vec![weak] };
    assert_eq!(phases(Expected::default())[0], Phase::Unprotected);
    assert_eq!(phases(weak), [Phase::WeakChecksum, Phase::Unprotected]);
    assert_eq!(phases(Expected::sha256(&digest::of_bytes(&a_box("net"))))[0], Phase::Downloading);
}

#[test]
fn a_password_that_an_earlier_release_wrote_down_is_not_shown_and_goes() {
    let fixture = Fixture::new();
    let server = BoxServer::of(a_box("net"));
    let url = server.url("/a.box");
    let image = fixture.resolve(&url).unwrap().0;
    let (index, manifest) = (
        fixture.home.join("boxes/index.json"),
        image.dir.parent().unwrap().join(crate::boxes::layout::MANIFEST),
    );
    for path in [&index, &manifest] {
        let text = std::fs::read_to_string(path).unwrap().replace("http://", "http://me:hunter2@");
        std::fs::write(path, text).unwrap();
    }
    assert_eq!(fixture.store.list().unwrap()[0].manifest.as_ref().unwrap().source, url);
    assert_eq!(fixture.resolve(&url).unwrap(), (image.clone(), vec![]));
    fixture.store.give_name("net", &image, false).unwrap();
    assert!(!std::fs::read_to_string(&index).unwrap().contains("hunter2"));
}
