//! Labfile.lock, from the first use to an update.

use super::{a_box, sha256, strays};
use crate::common::TestLab;
use crate::common::box_server::{BoxServer, Reply};
use crate::common::fake;

/// A lab whose machine is made from a box of a registry, whose newest version is the number of boxes that
/// `now` tells.
fn registry(now: std::sync::Arc<std::sync::atomic::AtomicU64>) -> BoxServer {
    BoxServer::start(move |_, request| {
        let newest = now.load(std::sync::atomic::Ordering::SeqCst);
        match request.path.as_str() {
            "/bento/x" => {
                let release = |n: u64| {
                    format!(
                        r#"{{"version":"1.{n}.0","providers":[{{"name":"libvirt","url":"/{n}.box",
                        "checksum_type":"sha256","checksum":"{}"}}]}}"#,
                        sha256(&a_box(n, 5_000))
                    )
                };
                let releases: Vec<_> = (1..=newest).map(release).collect();
                Reply::json(&format!(r#"{{"versions":[{}]}}"#, releases.join(",")))
            }
            path => match path.trim_start_matches('/').trim_end_matches(".box").parse() {
                Ok(n) => Reply::file(&a_box(n, 5_000), request),
                Err(_) => Reply::status(404),
            },
        }
    })
}

#[test]
fn a_lab_is_held_to_its_boxes_until_they_are_updated() {
    let newest = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(1));
    let server = registry(std::sync::Arc::clone(&newest));
    let lab = TestLab::bare("[lab]\nbox = 'bento/x'\nbox_version = '~> 1.0'\n[machine.a]\n[machine.b]\n")
        .env("LAB_REGISTRY", &server.url(""))
        // No QEMU: the boxes are seen to first.
        .env("PATH", "/nowhere");
    let path = lab.dir().join("Labfile.lock");
    let pins = || std::fs::read_to_string(&path).unwrap();
    lab.lab(&["box", "update"]).ok().says(&["box bento/x: 1.1.0, sha256"]);
    let first = pins();
    assert!(first.contains("version = \"1.1.0\"") && first.contains("wanted = \"~> 1.0\""), "{first}");
    assert!(first.contains(&sha256(&a_box(1, 5_000))), "{first}");
    assert!(!lab.dir().join(".lab").exists(), "no lab was begun");

    newest.store(2, std::sync::atomic::Ordering::SeqCst);
    let run = lab.lab(&["box", "update", "bento/x"]).ok();
    assert!(
        run.stderr.contains("bento/x: 1.1.0, sha256") && run.stderr.contains("→ 1.2.0, sha256"),
        "{}",
        run.stderr
    );
    assert!(pins().contains("version = \"1.2.0\""));
    let run = lab.lab(&["--json", "box", "update"]).ok();
    let last = run.json_lines().pop().unwrap();
    assert_eq!((last["changed"].as_bool(), last["now"]["version"].as_str()), (Some(false), Some("1.2.0")));
    lab.lab(&["box", "update", "bento/y"]).exits(6).says(&["asks for no box called bento/y", "bento/x"]);

    // What the Labfile asks for no more is forgotten.
    lab.labfile("lab.box = 'bento/x'\n[machine.a]\n");
    lab.lab(&["box", "update"]).ok().says(&["no longer in the Labfile"]);
    assert!(!pins().contains("wanted"), "{}", pins());
    assert_eq!(strays(lab.home()), [""; 0]);
}

#[test]
fn the_first_up_writes_the_lock_and_the_next_one_asks_nobody() {
    let newest = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(1));
    let server = registry(std::sync::Arc::clone(&newest));
    // A QEMU that is there, and makes no base image: the boxes are fetched before that.
    let with_qemu = |lab: TestLab| {
        let folder = lab.root().join("qemu");
        fake::program(&folder, "qemu-system-x86_64", &fake::system("exit 1"));
        fake::program(&folder, "qemu-img", "exit 1");
        lab.env("LAB_QEMU", folder.to_str().unwrap()).env("LAB_PROVIDER", "qemu")
    };
    let lab = with_qemu(TestLab::bare("lab.box = 'bento/x'\n[machine.a]\n"));
    let lab = lab.env("LAB_REGISTRY", &server.url(""));
    lab.lab(&["up"]).exits(6);
    let pins = std::fs::read_to_string(lab.dir().join("Labfile.lock")).unwrap();
    assert!(pins.contains("version = \"1.1.0\"") && pins.contains(&sha256(&a_box(1, 5_000))), "{pins}");
    assert!(!lab.dir().join(".lab").exists());
    newest.store(2, std::sync::atomic::Ordering::SeqCst);
    let asked = server.requests().len();
    lab.lab(&["up"]).exits(6);
    assert_eq!(server.requests().len(), asked);
    // Somebody else's computer, with the Labfile and its lock: the same bytes, not the newest.
    let other = with_qemu(TestLab::bare("lab.box = 'bento/x'\n[machine.a]\n"));
    std::fs::write(other.dir().join("Labfile.lock"), &pins).unwrap();
    other.lab(&["up"]).exits(6);
    assert!(other.lab(&["box", "list", "--json"]).ok().stdout.contains(&sha256(&a_box(1, 5_000))));
    assert_eq!(std::fs::read_to_string(other.dir().join("Labfile.lock")).unwrap(), pins);
}

#[test]
fn another_box_than_the_one_in_the_lock_is_refused_before_anything_is_made() {
    let lab = TestLab::bare("lab.box = './the.box'\n[machine.a]\n");
    let path = lab.dir().join("the.box");
    std::fs::write(&path, a_box(1, 5_000)).unwrap();
    lab.lab(&["box", "update"]).ok();
    let pins = lab.dir().join("Labfile.lock");
    let text = std::fs::read_to_string(&pins).unwrap();
    assert!(text.contains("source = \"file:./the.box\""), "{text}");
    std::fs::write(&path, a_box(2, 5_000)).unwrap();
    let (old, new) = (sha256(&a_box(1, 5_000)), sha256(&a_box(2, 5_000)));
    lab.lab(&["up"]).exits(6).says(&[&old, &new, "Labfile.lock", "lab box update ./the.box"]);
    assert!(!lab.dir().join(".lab").exists());
    assert!(!lab.lab(&["box", "list", "--json"]).ok().stdout.contains(&new), "it was never unpacked");
    lab.lab(&["box", "update", "./the.box"]).ok().says(&["→"]);
    assert!(std::fs::read_to_string(&pins).unwrap().contains(&new));
    // A merge that was not finished.
    std::fs::write(&pins, format!("<<<<<<< HEAD\n{text}")).unwrap();
    lab.lab(&["up"]).exits(4).says(&["Labfile.lock is damaged", "git restore"]);
    std::fs::write(&pins, "version = 9\n").unwrap();
    lab.lab(&["up"]).exits(4).says(&["newer lab", "version 9"]);
}
