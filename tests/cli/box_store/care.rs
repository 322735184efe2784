//! List, show, verify, remove, prune.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::common::box_server::{BoxServer, Reply};
use crate::common::make;
use crate::common::{TestLab, wait_for};

const LIMIT: Duration = Duration::from_secs(60);

/// A lab whose home has the box `one`.
fn with_one() -> TestLab {
    let lab = TestLab::bare("");
    make::write(&lab.root().join("one.box"), 1);
    lab.lab(&["box", "add", "one", "../one.box"]).ok();
    lab
}

/// A file of the box `name` in the store.
fn stored(lab: &TestLab, name: &str, file: &str) -> PathBuf {
    let shown = lab.lab(&["box", "show", name, "--json"]).ok().json();
    lab.home().join("boxes").join(shown["manifest"]["sha256"].as_str().unwrap()).join("files").join(file)
}

#[test]
fn a_box_is_listed_and_shown() {
    let lab = with_one();
    let listed = lab.lab(&["box", "list"]).ok().stdout;
    let digest: String = stored(&lab, "one", "").iter().rev().nth(1).unwrap().to_str().unwrap().into();
    assert!(listed.contains("one") && listed.contains(&digest[..12]) && listed.contains("KiB"), "{listed}");
    let shown = lab.lab(&["box", "show", "one"]).ok().stdout;
    for word in [
        "Vagrant box (libvirt)",
        "one.box",
        "box.img (raw)",
        "pupil with Vagrant's insecure key",
        "virtio-blk",
    ] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    // But for the seconds since it came.
    let lasting = |shown: &str| {
        shown.lines().filter(|line| !line.starts_with("added")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lasting(&lab.lab(&["box", "show", &digest[..12]]).ok().stdout), lasting(&shown));
    let line = &lab.lab(&["box", "list", "--json"]).ok().json_lines()[0];
    assert_eq!(line["used_by"], serde_json::json!([]));
    assert!(line["on_disk"].as_u64().unwrap() >= 100_000, "{line}");
    lab.lab(&["box", "show", "two"]).exits(6).says(&["there is no box two here", "lab box list"]);
}

#[test]
fn damage_is_found_said_and_mended_by_an_add() {
    let lab = with_one();
    let said = lab.lab(&["box", "verify"]).ok().stdout;
    assert!(said.contains("whole") && said.contains("in 3 files"), "{said}");
    let disk = stored(&lab, "one", "box.img");
    let mut bytes = std::fs::read(&disk).unwrap();
    bytes[70_000] ^= 1;
    std::fs::write(&disk, &bytes).unwrap();
    let run =
        lab.lab(&["box", "verify", "one"]).exits(6).says(&["damaged: one", "lab box add one", "one.box"]);
    assert!(run.stdout.contains("box.img has changed"), "{}", run.stdout);
    // From now on it is known.
    assert!(lab.lab(&["box", "list"]).ok().stdout.contains("(damaged)"));
    lab.lab(&["box", "verify"]).exits(6);
    lab.labfile("lab.box = 'one'\n[machine.a]\n");
    lab.lab(&["up"]).exits(4).says(&["is damaged", "lab box add NAME", "one.box"]);
    lab.lab(&["box", "add", "one", "../one.box"]).ok();
    lab.lab(&["box", "verify"]).ok().says_not(&["damaged"]);
    for (damage, word) in [
        (&(|| std::fs::remove_file(&disk).unwrap()) as &dyn Fn(), "lacks its box.img"),
        (&|| std::fs::write(&disk, "short").unwrap(), "5 bytes instead of 100000"),
        (&|| std::fs::write(disk.with_file_name("virus"), "x").unwrap(), "virus does not belong to it"),
    ] {
        damage();
        let run = lab.lab(&["box", "verify"]).exits(6);
        assert!(run.stdout.contains(word), "{}", run.stdout);
        lab.lab(&["box", "add", "one", "../one.box"]).ok();
        lab.lab(&["box", "verify"]).ok();
    }
}

#[test]
fn what_lies_about_in_the_store_is_named() {
    let lab = with_one();
    std::fs::write(lab.home().join("boxes/notes.txt"), "mine").unwrap();
    lab.lab(&["box", "verify"]).ok().says(&["notes.txt in the store of boxes is not lab's"]);
    // What a killed add left is lab's, and goes.
    std::fs::create_dir_all(lab.home().join("boxes/tmp/dead/box/files")).unwrap();
    lab.lab(&["box", "verify"]).ok();
    assert!(!lab.home().join("boxes/tmp/dead").exists());
}

#[test]
fn what_nothing_needs_is_pruned() {
    let lab = with_one();
    make::write(&lab.root().join("two.box"), 2);
    lab.lab(&["box", "add", "two", "../two.box"]).ok();
    // A base image of a box that is gone, and what a killed conversion left.
    let bases = lab.home().join("bases/qemu");
    std::fs::create_dir_all(&bases).unwrap();
    let gone = "f".repeat(64);
    std::fs::write(bases.join(format!("{gone}.qcow2")), [1; 5000]).unwrap();
    std::fs::write(bases.join(format!("{gone}.part-x")), [1; 5000]).unwrap();
    let named = lab.lab(&["box", "prune", "--dry-run"]).ok().says(&["base image", &gone[..12]]);
    named.says_not(&["box one", "box two"]);
    assert!(bases.join(format!("{gone}.qcow2")).exists());
    lab.lab(&["box", "prune"]).exits(2).says(&["add --yes"]);
    lab.lab(&["box", "prune", "--yes"]).ok().says(&["are free again"]);
    assert_eq!(std::fs::read_dir(&bases).unwrap().count(), 0);
    assert_eq!(lab.lab(&["box", "list", "--json"]).json_lines().len(), 2);
    let pruned = lab.lab(&["box", "prune", "--all", "--yes", "--json"]).ok().json();
    assert_eq!(pruned["boxes"].as_array().unwrap().len(), 2);
    assert_eq!(lab.lab(&["box", "list", "--json"]).ok().stdout, "");
    lab.lab(&["box", "prune"]).ok().says(&["nothing to remove"]);
}

#[test]
fn a_box_with_two_names_goes_with_the_second() {
    let lab = with_one();
    lab.lab(&["box", "add", "uno", "../one.box"]).ok();
    lab.lab(&["box", "remove", "one"]).ok().says(&["the box is still uno"]);
    lab.lab(&["box", "remove", "uno"]).ok().says(&["box uno is removed"]);
    lab.lab(&["box", "remove", "uno"]).exits(6);
}

#[test]
fn a_box_that_an_up_is_taking_is_not_removed() {
    let lab = with_one();
    // The second box never comes: `up` has found the first, and no machine stands in its state yet.
    let server = BoxServer::start(|_, _| Reply::whole(&[1; 500_000]).stall(1000));
    lab.labfile(&format!(
        "lab.box = 'one'\n[machine.a]\n[machine.b]\nbox = '{}'\n",
        server.url("/second.box")
    ));
    let mut up = lab.start(&["up"]);
    wait_for("the second box is asked for", LIMIT, || (!server.requests().is_empty()).then_some(()));
    let place = lab.dir().canonicalize().unwrap();
    let said = ["is taking the box", &format!("process {} in {}", up.id(), place.display()), "lab up"];
    lab.lab(&["box", "remove", "one"]).exits(6).says(&said);
    let pruned = lab.lab(&["box", "prune", "--all", "--yes", "--json"]).ok().json();
    assert_eq!((&pruned["boxes"], &pruned["bytes"]), (&serde_json::json!([]), &serde_json::json!(0)));
    assert!(stored(&lab, "one", "box.img").exists());
    // However it ends, it holds nothing any more.
    up.kill().unwrap();
    up.wait().unwrap();
    lab.lab(&["box", "remove", "one"]).ok();
    lab.lab(&["box", "verify"]).ok();
}

#[test]
fn downloads_that_were_given_up_are_pruned() {
    let lab = TestLab::bare("");
    let server = BoxServer::start(|_, request| {
        Reply::file(&vec![7; 3_000_000], request).trickle(50_000, Duration::from_millis(50))
    });
    let url = server.url("/half.box");
    let partials = lab.home().join("boxes/partial");
    let mut add = lab.start(&["box", "add", "half", &url]);
    let data = || Some(std::fs::read_dir(&partials).ok()?.flatten().next()?.path().join("data"));
    let begun = || data().filter(|data| data.metadata().is_ok_and(|data| data.len() > 100_000));
    let data = wait_for("a part of the download", LIMIT, begun);
    // Somebody is working on it.
    lab.lab(&["box", "prune", "--all", "--yes"]).ok().says(&["nothing to remove"]);
    add.kill().unwrap();
    add.wait().unwrap();
    lab.lab(&["box", "prune", "--yes"]).ok().says(&["nothing to remove"]);
    let old = SystemTime::now() - Duration::from_secs(4 * 24 * 60 * 60);
    let folder = data.parent().unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        std::fs::File::open(file.unwrap().path()).unwrap().set_modified(old).unwrap();
    }
    std::fs::File::open(folder).unwrap().set_modified(old).unwrap();
    lab.lab(&["box", "prune", "--dry-run"]).ok().says(&["what was downloaded of http://127.0.0.1", "KiB"]);
    assert!(data.exists());
    let pruned = lab.lab(&["box", "prune", "--yes", "--json"]).ok().json();
    assert!(pruned["bytes"].as_u64().unwrap() >= 100_000, "{pruned}");
    assert_eq!(pruned["downloads"][0]["source"], url.as_str());
    assert_eq!(std::fs::read_dir(&partials).unwrap().count(), 0);
}
