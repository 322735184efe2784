//! `lab box add` killed at random moments.
//!
//! The moments come from a seed that a failing test shows; `LAB_TEST_SEED` repeats it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use crate::common::make::{Packing, disk, noise, vagrant_box};
use crate::common::{TestLab, signal};

const KILLS: u64 = 200;

#[test]
fn two_hundred_killed_adds_leave_a_whole_store() {
    let lab = TestLab::bare("");
    let seed = std::env::var("LAB_TEST_SEED").ok().map_or_else(
        || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
        |seed| seed.parse().unwrap(),
    );
    eprintln!("LAB_TEST_SEED={seed}");
    let moments = noise(seed, KILLS as usize);
    // About how long an add takes that nobody kills, now: another program may make this computer slow for a while.
    let mut whole = Duration::from_millis(100);
    let mut killed = 0;
    for round in 0..KILLS {
        let packing = [Packing::Gzip, Packing::Zstd, Packing::Xz, Packing::None][round as usize % 4];
        let name = format!("b{}", round % 10);
        let file = format!("../{name}.box");
        std::fs::write(lab.root().join(format!("{name}.box")), vagrant_box(&disk(round, 700_000), packing))
            .unwrap();
        // The name goes to another box each time; its removal is killed as well, at times.
        if round >= 10 {
            let words: &[&str] = &["box", "remove", &name];
            if round % 3 == 0 {
                let _ = kill_after(&lab, words, whole.mul_f64(f64::from(moments[round as usize]) / 512.0));
            }
            let there = lab.lab(&["box", "list", "--json"]).ok().stdout.contains(&format!("{name:?}"));
            if there {
                lab.lab(words).ok();
            }
        }
        let add: &[&str] = &["box", "add", &name, &file];
        // Up to a bit more than a whole add takes.
        let moment = whole.mul_f64(1.1 * f64::from(moments[round as usize]) / 256.0);
        killed += u32::from(kill_after(&lab, add, moment));
        let started = Instant::now();
        lab.lab(add).ok();
        whole = started.elapsed().max(whole.mul_f64(0.9));
    }
    eprintln!("{killed} of {KILLS} were still running when they were killed");
    assert!(u64::from(killed) > KILLS / 8, "only {killed} adds were killed in time");
    let said = lab.lab(&["box", "verify"]).ok().says_not(&["is not lab's"]);
    assert_eq!(said.stdout.lines().filter(|line| line.contains("whole")).count(), boxes(lab.home()).len());
    assert!(boxes(lab.home()).len() >= 10);
    no_stray_file(lab.home());
    lab.lab(&["box", "prune", "--all", "--yes"]).ok();
    assert_eq!(boxes(lab.home()), BTreeSet::new());
    no_stray_file(lab.home());
}

/// Runs `lab ARGS` and kills it after `moment`. Tells whether it was still running.
fn kill_after(lab: &TestLab, args: &[&str], moment: Duration) -> bool {
    let mut child = lab.start(args);
    std::thread::sleep(moment);
    signal(child.id(), Signal::KILL);
    std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()).is_some()
}

/// The names of the boxes' folders.
fn boxes(home: &Path) -> BTreeSet<String> {
    names(&home.join("boxes")).into_iter().filter(|name| name.len() == 64).collect()
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Fails the test where the store holds anything that is not part of a whole box.
#[track_caller]
fn no_stray_file(home: &Path) {
    let store = home.join("boxes");
    let known = ["index.json", "locks", "store.lock", "tmp"].map(str::to_owned);
    let others: Vec<_> = names(&store).into_iter().filter(|name| name.len() != 64).collect();
    assert_eq!(others, known);
    assert_eq!(names(&store.join("tmp")), BTreeSet::new());
    for digest in boxes(home) {
        let inside = store.join(digest);
        assert_eq!(names(&inside), ["files", "manifest.json"].map(str::to_owned).into());
        let files = ["Vagrantfile", "box.img", "metadata.json"].map(str::to_owned);
        assert_eq!(names(&inside.join("files")), files.into());
    }
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(store.join("index.json")).unwrap()).unwrap();
    for digest in index["names"].as_object().unwrap().values() {
        assert!(boxes(home).contains(digest.as_str().unwrap()), "a name leads to nothing");
    }
}
