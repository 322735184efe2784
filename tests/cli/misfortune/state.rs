//! State that is damaged, newer, or in somebody else's hands.

use std::fs::File;
use std::time::Duration;

use super::fake;
use crate::common::transcript::Transcript;

#[test]
fn damaged_and_newer_states_are_refused_and_kept() {
    let mut seen = Transcript::default();
    let lab = fake::lab_that_is_off();
    let path = lab.dir().join(".lab/state.json");
    let good = std::fs::read(&path).unwrap();
    let newer = br#"{"version": 99, "machines": []}"#.as_slice();
    for bytes in [&b"{\"version\": 1, \"lab_"[..], b"", b"\xff\xfe", br#"{"version": 1}"#, newer] {
        seen.heading(&bytes.escape_ascii().to_string());
        std::fs::write(&path, bytes).unwrap();
        for args in [&["up"][..], &["status"], &["destroy", "--yes", "solo"], &["ssh", "solo"], &["halt"]] {
            seen.lab(&lab, args).exits(4);
        }
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    std::fs::write(&path, good).unwrap();
    seen.lab(&lab, &["destroy", "--yes"]).ok();
    insta::assert_snapshot!(seen.text());
}

#[test]
fn a_lab_with_a_damaged_state_can_be_destroyed() {
    // A QEMU that runs and never says a word, as one would whose `lab` was killed meanwhile.
    let lab = fake::lab("echo $$ >qemu.pid; exec sleep 600", "forward = [{ host = 18347, guest = 80 }]");
    let up = lab.start_piped(&["up"]);
    let machine = lab.dir().join(".lab/machines/solo");
    let begun = std::time::Instant::now();
    while !machine.join("qemu.pid").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    crate::common::signal(up.0.id(), rustix::process::Signal::KILL);
    lab.finish(up);
    let pid: i32 = std::fs::read_to_string(machine.join("qemu.pid")).unwrap().trim().parse().unwrap();
    // One that has ended and that nobody has taken note of yet has no files.
    let runs = || std::fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|files| files.count() > 0);
    assert!(runs());
    let ports = || std::fs::read_to_string(lab.home().join("ports.json")).unwrap();
    assert!(ports().contains("18347"));

    std::fs::write(lab.dir().join(".lab/state.json"), "{\"version\": 1, \"lab_").unwrap();
    lab.lab(&["destroy"]).exits(2).says(&["state.json is damaged", "add --yes"]);
    lab.lab(&["logs", "--lab"]).ok();
    lab.lab(&["destroy", "--yes"]).ok().says(&["state.json is damaged", "solo: destroyed"]);
    assert!(!lab.dir().join(".lab").exists());
    assert!(!runs());
    assert!(!ports().contains("18347"));
    lab.lab(&["destroy", "--yes"]).ok();
}

#[test]
fn what_was_done_stands_in_the_log_whole_and_without_secrets() {
    let lab = fake::lab(
        "echo 'something new' >&2; exit 1",
        "qemu.args = ['-fw_cfg', 'name=opt/x,string=password=geheim']",
    );
    lab.lab(&["up", "--yes"]).exits(7);
    let log = lab.lab(&["logs", "--lab"]).ok().stdout;
    for words in [
        "=== lab up --yes (lab ",
        "qemu-img create",
        ": exit status 0 after",
        "solo: creating: done in",
        "qemu-system-x86_64",
        "solo: starting: failed",
        "    |   something new",
        "=== ended with start-failed (exit code 7): error: 1 of 1 machines failed: solo",
    ] {
        assert!(log.contains(words), "no {words:?} in\n{log}");
    }
    assert!(!log.contains("geheim"), "{log}");
    // What only looks leaves no trace.
    lab.lab(&["status"]).ok();
    lab.lab(&["status", "-v"]).ok();
    assert_eq!(lab.lab(&["logs", "--lab"]).ok().stdout, log);
    // Live, and quiet.
    lab.lab(&["up", "--verbose"]).exits(7).says(&[
        "program 1: ",
        "qemu-system-x86_64",
        "exit status 0 after",
    ]);
    let quiet = lab.lab(&["up", "--quiet"]).exits(7);
    assert_eq!(quiet.stderr.matches("something new").count(), 1, "{}", quiet.stderr);
    assert!(quiet.stderr.starts_with("error: solo: "), "{}", quiet.stderr);
    assert_eq!(lab.lab(&["logs", "--lab", "-n", "1"]).ok().stdout.lines().count(), 1);
    assert_eq!(lab.lab(&["logs", "--lab", "--json"]).ok().json_lines()[0]["log"], "lab");
    // A log that leads elsewhere is not written; one that cannot be written stops nobody.
    let path = lab.dir().join(".lab/lab.log");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("../precious", &path).unwrap();
    lab.lab(&["up"]).exits(4).says(&["lab.log is a link", "rm '"]);
    assert!(!lab.dir().join("precious").exists());
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    lab.lab(&["up"]).exits(7).says(&["something new"]);
    lab.lab(&["destroy", "--yes"]).ok();
    assert!(!lab.dir().join(".lab").exists());
}

#[test]
fn a_bug_report_has_what_tells_and_nothing_else() {
    let lab = fake::lab(
        "echo 'something new'; exit 1",
        "provision = [{ name = 'p', inline = 'true', env = { DB_PASSWORD = 'geheim' } }]",
    );
    let lab = lab.env("USER", "adalovelace").env("LAB_NOTE", "adalovelace was here");
    lab.lab(&["up"]).exits(7);
    std::fs::write(lab.dir().join(".lab/state.json"), "{\"lab_id").unwrap();
    std::fs::write(lab.dir().join(".lab/id_rsa"), "-----BEGIN RSA PRIVATE KEY-----").unwrap();
    let run = lab.lab(&["bugreport", "--out", "report.txt"]).ok();
    let parts = ["this computer", "Labfile", ".lab/lab.log", ".lab/machines/solo/qemu.log"];
    let left_out = [".lab/state.json: it is no JSON (8 bytes): EOF while parsing", ".lab/id_rsa"];
    let run = run.says(&parts).says(&left_out).says(&["report.txt", "look through it"]);
    assert_eq!(run.stdout, "");
    let text = std::fs::read_to_string(lab.dir().join("report.txt")).unwrap();
    for part in parts {
        assert!(text.contains(&format!("===== {part} =====")), "no {part} in\n{text}");
    }
    for words in ["lab 0.", "qemu: 7.2.22", "ssh: ", "LAB_NOTE=USER was here", left_out[0], "something new"] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    for secret in ["geheim", "PRIVATE KEY", "adalovelace"] {
        assert!(!text.contains(secret), "{secret} in\n{text}");
    }
    // Nothing is written over.
    lab.lab(&["bugreport", "--out", "report.txt"]).exits(2).says(&["report.txt is there already", "hint:"]);
    assert_eq!(std::fs::read_to_string(lab.dir().join("report.txt")).unwrap(), text);
    // Without a lab, and by its own name.
    let bare = fake::lab("exit 1", "");
    std::fs::remove_file(bare.dir().join("Labfile")).unwrap();
    let report = bare.lab(&["bugreport", "--json"]).ok().json();
    assert_eq!(report["parts"].as_array().unwrap().len(), 1);
    assert!(std::path::Path::new(report["path"].as_str().unwrap()).is_file());
    lab.lab(&["destroy", "--yes"]).ok();
}

#[test]
fn a_damaged_register_of_ports_says_what_to_do() {
    let mut seen = Transcript::default();
    let lab = fake::lab_that_is_off();
    let ports = lab.home().join("ports.json");
    std::fs::write(&ports, "{").unwrap();
    seen.lab(&lab, &["up"]).exits(4);
    std::fs::remove_file(&ports).unwrap();
    seen.lab(&lab, &["up"]).exits(7);
    seen.lab(&lab, &["destroy", "--yes"]).ok();
    insta::assert_snapshot!(seen.text());
}

#[test]
fn a_lab_in_which_another_command_works() {
    let mut seen = Transcript::default();
    let lab = fake::lab_that_is_off();
    let path = lab.dir().join(".lab/lock");
    let lock = File::options().read(true).write(true).open(&path).unwrap();
    lock.lock().unwrap();
    std::fs::write(&path, r#"{"pid": 4711, "command": "lab up web1", "since": 0}"#).unwrap();
    let lab = lab.env("LAB_LOCK_TIMEOUT", "0");
    for args in [&["up"][..], &["halt"], &["destroy", "--yes"], &["suspend"]] {
        let run = seen.lab(&lab, args).exits(5);
        assert!(run.took < Duration::from_secs(15), "{:?}", run.took);
    }
    seen.lab(&lab, &["status"]).ok();
    let lab = lab.env("LAB_LOCK_TIMEOUT", "soon");
    seen.lab(&lab, &["up"]).exits(2);
    // One that waits says so, and can be stopped.
    let lab = lab.env("LAB_LOCK_TIMEOUT", "60");
    let run = lab.start_piped(&["halt"]);
    std::thread::sleep(Duration::from_millis(500));
    crate::common::signal(run.0.id(), rustix::process::Signal::INT);
    lab.finish(run).exits(130).says(&["waiting for it to end"]);
    drop(lock);
    insta::assert_snapshot!(seen.text());
}
