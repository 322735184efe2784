//! Programs that are missing, too old, or fail; ports that are taken.

use std::net::TcpListener;
use std::time::Duration;

use super::fake;
use crate::common::TestLab;
use crate::common::transcript::Transcript;

/// Nothing has been made, and no port is claimed.
#[track_caller]
fn untouched(lab: &TestLab) {
    lab.nothing_left(None);
}

#[test]
fn programs_that_are_missing() {
    let mut seen = Transcript::default();
    let cases: [&[&str]; 4] =
        [&["ssh"], &["ssh", "qemu-system-x86_64"], &["ssh", "qemu-img"], &["qemu-system-x86_64", "qemu-img"]];
    for there in cases {
        seen.heading(&format!("only {}", there.join(" and ")));
        let lab = fake::lab("exit 1", "");
        let path =
            fake::path_with(&lab, &there.iter().copied().filter(|name| *name == "ssh").collect::<Vec<_>>());
        for name in there.iter().filter(|name| name.starts_with("qemu")) {
            fake::program(&path, name, &fake::system("exit 1"));
        }
        let lab = lab.env("LAB_QEMU", "").env("PATH", path.to_str().unwrap());
        seen.lab(&lab, &["up"]).exits(4);
        untouched(&lab);
    }
    insta::assert_snapshot!(seen.text());
}

#[test]
fn a_qemu_that_is_too_old() {
    let mut seen = Transcript::default();
    let lab = fake::lab("", "");
    let qemu = lab.root().join("qemu");
    fake::program(
        &qemu,
        "qemu-system-x86_64",
        "echo 'QEMU emulator version 4.2.1 (Debian 1:4.2-3ubuntu6.30)'",
    );
    seen.lab(&lab, &["up"]).exits(4);
    untouched(&lab);
    fake::program(&qemu, "qemu-system-x86_64", "echo 'hello'");
    seen.lab(&lab, &["up"]).exits(4);
    untouched(&lab);
    let lab = lab.env("LAB_QEMU_ACCEL", "kwm");
    seen.lab(&lab, &["up"]).exits(2);
    untouched(&lab);
    insta::assert_snapshot!(seen.text());
}

#[test]
fn providers_that_there_are_not() {
    let mut seen = Transcript::default();
    let lab = fake::lab("", "");
    let path = fake::path_with(&lab, &["ssh"]);
    let lab = lab.env("PATH", path.to_str().unwrap());
    seen.lab(&lab, &["up", "--provider", "virtualbox"]).exits(4);
    seen.lab(&lab, &["up", "--provider", "kvm"]).exits(4);
    untouched(&lab);
    insta::assert_snapshot!(seen.text());
}

#[test]
fn a_qemu_that_dies_at_its_start() {
    let mut seen = Transcript::default();
    for start in [
        "echo 'qemu-system-x86_64: something new' >&2; exit 1",
        "echo 'qemu-system-x86_64: -foo: invalid option' >&2; exit 1",
        "echo 'qemu-system-x86_64: unable to find CPU model \"z80\"' >&2; exit 1",
        "echo 'cannot set up guest memory: Cannot allocate memory' >&2; exit 1",
        "kill -9 $$",
    ] {
        seen.heading(start);
        let lab = fake::lab(start, "");
        seen.lab(&lab, &["up"]).exits(7);
        let status = lab.status("solo");
        assert_eq!((&status["state"], &status["ready"]), (&"off".into(), &false.into()));
        let failure = status["failure"].as_str().unwrap();
        assert!(!failure.starts_with("solo"), "{failure}");
        let run_dir = lab.run_dir();
        seen.lab(&lab, &["destroy", "--yes"]).ok();
        lab.nothing_left(run_dir.as_deref());
    }
    insta::assert_snapshot!(seen.text());
}

#[test]
fn a_forward_that_another_program_has() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let lab = fake::lab("exit 1", &format!("forward = [{{ host = {port}, guest = 80 }}]\n[machine.other]"));
    let words = format!("solo: port {port} of this computer is taken by another program");
    lab.lab(&["up"]).exits(5).says(&[&words, "auto = true"]);
    untouched(&lab);
    drop(listener);
    lab.lab(&["up"]).exits(7); // as far as the fake goes
}

#[test]
fn a_port_that_is_taken_between_the_check_and_the_start() {
    let mut seen = Transcript::default();
    let forward = "echo \"Could not set up host forwarding rule 'tcp:127.0.0.1:8765-:80'\" >&2; exit 1";
    let lab = fake::lab(forward, "forward = [{ host = 8765, guest = 80 }]");
    seen.lab(&lab, &["up"]).exits(5);
    // Our ssh port is a matter of ours: another one is taken.
    let ssh = r#"
echo "$@" | grep -o 'hostfwd=tcp:127.0.0.1:[0-9]*-:22' >>tried
echo "Could not set up host forwarding rule 'tcp:127.0.0.1:2200-:22'" >&2
exit 1"#;
    let lab = fake::lab(ssh, "");
    seen.lab(&lab, &["up"]).exits(5);
    let tried = std::fs::read_to_string(lab.dir().join(".lab/machines/solo/tried")).unwrap();
    assert_eq!(tried.lines().count(), 5, "{tried}");
    insta::assert_snapshot!(seen.text());
}

#[test]
fn a_qemu_that_never_answers_can_be_interrupted() {
    let lab = fake::lab("exec sleep 600", "");
    let run = lab.start_piped(&["up"]);
    crate::common::wait_for("the start", Duration::from_secs(20), || {
        lab.processes()
            .iter()
            .any(|(_, words)| words.starts_with("sleep"))
            .then_some(())
            .or_else(|| lab.dir().join(".lab/machines/solo/qemu.log").exists().then_some(()))
    });
    std::thread::sleep(Duration::from_millis(300));
    crate::common::signal(run.0.id(), rustix::process::Signal::INT);
    let run = lab.finish(run).exits(130).says(&["stopping", "stopped", "hint:"]);
    assert!(run.took < Duration::from_secs(25), "{:?}", run.took);
    assert_eq!(lab.status("solo")["state"], "off");
}
