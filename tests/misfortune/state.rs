//! State that is damaged, newer, or in somebody else's hands.

use std::fs::File;
use std::time::Duration;

use crate::fake;

#[test]
fn damaged_and_newer_states_are_refused_and_kept() {
    let lab = fake::lab_that_is_off();
    let path = lab.dir().join(".lab/state.json");
    let good = std::fs::read(&path).unwrap();
    let newer = br#"{"version": 99, "machines": []}"#.as_slice();
    for (bytes, words) in [
        (&b"{\"version\": 1, \"lab_"[..], "is damaged"),
        (b"", "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (br#"{"version": 1}"#, "is damaged"),
        (newer, "written by a newer lab (version 99; this lab reads up to version 1)"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        for args in [&["up"][..], &["status"], &["destroy", "--yes"], &["ssh", "solo"], &["halt"]] {
            lab.lab(args).exits(4).says(&["state.json", words, "hint:"]);
        }
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    std::fs::write(&path, good).unwrap();
    lab.lab(&["destroy", "--yes"]).ok();
}

#[test]
fn a_damaged_register_of_ports_says_what_to_do() {
    let lab = fake::lab_that_is_off();
    let ports = lab.home().join("ports.json");
    std::fs::write(&ports, "{").unwrap();
    lab.lab(&["up"]).exits(4).says(&["ports.json", "is damaged", "remove the file"]);
    std::fs::remove_file(&ports).unwrap();
    lab.lab(&["up"]).exits(7);
    lab.lab(&["destroy", "--yes"]).ok();
}

#[test]
fn a_lab_in_which_another_command_works() {
    let lab = fake::lab_that_is_off();
    let path = lab.dir().join(".lab/lock");
    let lock = File::options().read(true).write(true).open(&path).unwrap();
    lock.lock().unwrap();
    std::fs::write(&path, r#"{"pid": 4711, "command": "lab up web1", "since": 0}"#).unwrap();
    let lab = lab.env("LAB_LOCK_TIMEOUT", "0");
    for args in [&["up"][..], &["halt"], &["destroy", "--yes"], &["suspend"]] {
        let run =
            lab.lab(args).exits(5).says(&["`lab up web1`", "process 4711", "hint:", "LAB_LOCK_TIMEOUT"]);
        assert!(run.took < Duration::from_secs(15), "{:?}", run.took);
    }
    lab.lab(&["status"]).ok();
    let lab = lab.env("LAB_LOCK_TIMEOUT", "soon");
    lab.lab(&["up"]).exits(2).says(&["LAB_LOCK_TIMEOUT", "'soon'"]);
    // One that waits says so, and can be stopped.
    let lab = lab.env("LAB_LOCK_TIMEOUT", "60");
    let run = lab.start_piped(&["halt"]);
    std::thread::sleep(Duration::from_millis(500));
    crate::common::signal(run.0.id(), rustix::process::Signal::INT);
    lab.finish(run).exits(130).says(&["waiting for it to end"]);
    drop(lock);
}
