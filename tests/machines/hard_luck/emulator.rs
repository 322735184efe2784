//! Emulators that are killed, stopped, given nonsense, or cut off from us.

use std::time::Duration;

use rustix::process::Signal;

use super::{emulator, start_until};
use crate::chapters;
use crate::common::chapters::go_through;
use crate::common::{TestLab, signal};

const SOLO: &str = "lab.box = 'demo'\n[machine.solo]\n";

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn nonsense_for_qemu() {
    for (settings, words) in [
        ("args = ['-nosuchoption']", "nosuchoption"),
        ("cpu = 'z80'", "z80"),
        ("machine = 'toaster'", "unsupported machine type"),
    ] {
        let lab = TestLab::with_demo_box(&format!("lab.box = 'demo'\n[machine.solo.qemu]\n{settings}\n"));
        let run = lab.lab(&["up", "--yes"]).exits(7).says(&[
            "error: solo: ",
            words,
            "hint:",
            "[machine.solo.qemu]",
        ]);
        assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
        let run_dir = lab.run_dir();
        lab.lab(&["destroy", "--yes"]).ok();
        lab.nothing_left(run_dir.as_deref());
    }
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn an_emulator_that_is_killed_stopped_or_out_of_reach() {
    let lab = TestLab::with_demo_box(SOLO);
    go_through(
        &lab,
        chapters![
            killed_while_its_boot_is_waited_for,
            killed_while_a_script_runs,
            slow_to_answer,
            stopped,
            suspended_machines_say_so,
            without_its_sockets,
        ],
    );
}

fn killed_while_its_boot_is_waited_for(lab: &TestLab) {
    let up = start_until(lab, &["up"], "booting");
    signal(emulator(lab, "solo"), Signal::KILL);
    let run = up.finish().exits(7).says(&["error: solo: its QEMU has ended", "lab up"]);
    assert!(run.took < Duration::from_secs(15), "{:?}", run.took);
    assert_eq!(lab.status("solo")["state"], "off");
}

fn killed_while_a_script_runs(lab: &TestLab) {
    let text = "lab.box = 'demo'\n[machine.solo]\nprovision = [{ inline = 'echo here; sleep 1000' }]\n";
    lab.labfile(text);
    let up = start_until(lab, &["up"], "| here");
    signal(emulator(lab, "solo"), Signal::KILL);
    let run = up.finish().exits(7).says(&["error: solo: its QEMU has ended"]);
    assert!(run.took < Duration::from_secs(15), "{:?}", run.took);
    lab.labfile(SOLO);
    lab.lab(&["up"]).ok();
}

/// As one that saves its RAM for a `lab` that was killed: that is waited for.
fn slow_to_answer(lab: &TestLab) {
    lab.lab(&["up"]).ok();
    lab.ssh("solo", "echo kept >/tmp/kept");
    signal(emulator(lab, "solo"), Signal::STOP);
    let up = lab.start_piped(&["up"]);
    std::thread::sleep(Duration::from_secs(2));
    signal(emulator(lab, "solo"), Signal::CONT);
    lab.finish(up).ok().says_not(&["starting it afresh"]);
    assert_eq!(lab.ssh("solo", "cat /tmp/kept"), "kept");
}

/// It is there, and says nothing.
fn stopped(lab: &TestLab) {
    lab.lab(&["up"]).ok();
    signal(emulator(lab, "solo"), Signal::STOP);
    let run = lab.lab(&["status"]).ok();
    assert!(run.took < Duration::from_secs(15), "{:?}", run.took);
    assert!(run.stdout.contains("does not answer"), "{}", run.stdout);
    lab.lab(&["ssh", "solo"]).exits(7).says(&["solo does not answer", "lab up solo"]);
    lab.lab(&["up"]).ok().says(&["does not answer; starting it afresh"]);
    assert_eq!(lab.ssh("solo", "hostname"), "solo");
    signal(emulator(lab, "solo"), Signal::STOP);
    let run = lab.lab(&["halt", "--force"]).ok();
    assert!(run.took < Duration::from_secs(15), "{:?}", run.took);
}

fn suspended_machines_say_so(lab: &TestLab) {
    lab.lab(&["up"]).ok();
    lab.lab(&["suspend"]).ok();
    lab.lab(&["ssh", "solo"]).exits(7).says(&["solo is suspended", "lab resume solo"]);
    lab.lab(&["provision"]).exits(7).says(&["solo is suspended"]);
    lab.lab(&["halt"]).ok().says(&["suspended"]);
    lab.lab(&["up"]).ok();
}

fn without_its_sockets(lab: &TestLab) {
    lab.lab(&["up"]).ok();
    let run_dir = lab.run_dir().unwrap();
    // One that has just been started is not taken for one that has lost its sockets.
    std::thread::sleep(Duration::from_secs(4));
    std::fs::remove_dir_all(&run_dir).unwrap();
    assert_eq!(lab.status("solo")["state"], "cut_off");
    assert_eq!(lab.ssh("solo", "hostname"), "solo");
    lab.lab(&["suspend"]).exits(7).says(&["control sockets are gone", "lab halt solo"]);
    lab.lab(&["halt"]).ok();
    assert_eq!(lab.status("solo")["state"], "off");
    lab.lab(&["up"]).ok();
    let run_dir = lab.run_dir().unwrap();
    std::fs::remove_dir_all(&run_dir).unwrap();
    let pid = emulator(lab, "solo");
    let run = lab.lab(&["destroy", "--yes"]).ok();
    assert!(run.took < Duration::from_secs(15), "{:?}", run.took);
    assert!(!std::path::Path::new(&format!("/proc/{pid}/exe")).exists(), "it runs on");
    lab.nothing_left(Some(&run_dir));
}
