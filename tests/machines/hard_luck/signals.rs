//! Ctrl-C and its kin: once, twice, while a machine boots, while a script runs.

use std::time::Duration;

use rustix::process::Signal;

use super::scripts::no_sleepers;
use super::start_until;
use crate::common::TestLab;

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn signals_stop_an_up_and_the_next_one_goes_on() {
    let text = "lab.box = 'demo'\n[machine.solo]\nprovision = [{ inline = 'echo first >>/tmp/first' }, { inline = 'echo here; sleep 1000' }]\n";
    let lab = TestLab::with_demo_box(text);
    let up = start_until(&lab, &["up"], "booting");
    std::thread::sleep(Duration::from_millis(500));
    up.signal(Signal::INT);
    let run = up.finish().exits(130).says(&["stopping", "hint:", "lab destroy"]);
    assert!(run.took < Duration::from_secs(15), "{:?}", run.took);
    assert_eq!(lab.status("solo")["state"], "running");
    assert!(lab.status("solo")["failure"].is_null());

    for (number, kind) in [Signal::INT, Signal::TERM, Signal::HUP].into_iter().enumerate() {
        let up = start_until(&lab, &["up"], "| here");
        up.signal(kind);
        let run = up.finish().exits(130);
        assert!(run.took < Duration::from_secs(15), "{:?}", run.took);
        assert_eq!(lab.status("solo")["state"], "running");
        if number == 0 {
            no_sleepers(&lab);
        }
    }

    // Twice: at once, and still nothing runs on in the guest.
    let up = start_until(&lab, &["up"], "| here");
    up.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(5));
    up.signal(Signal::INT);
    let run = up.finish().exits(130);
    assert!(run.took < Duration::from_secs(15), "{:?}", run.took);
    no_sleepers(&lab);

    // SIGKILL: the guest notices that its life line is gone.
    let up = start_until(&lab, &["up"], "| here");
    up.signal(Signal::KILL);
    up.finish();
    no_sleepers(&lab);

    // A reader that goes away does not end it badly: the machine becomes what it becomes.
    lab.write("lab/Labfile", &text.replace("echo here; sleep 1000", "true"));
    let program = lab.command(&[]).get_program().to_str().unwrap().to_owned();
    let mut sh = std::process::Command::new("sh");
    sh.args(["-c", &format!("'{program}' up 2>&1 | head -n 1")]).current_dir(lab.dir());
    for (name, value) in lab.command(&[]).get_envs() {
        match value {
            Some(value) => sh.env(name, value),
            None => sh.env_remove(name),
        };
    }
    sh.output().unwrap();
    assert_eq!(lab.status("solo")["ready"], true);
    assert_eq!(lab.ssh("solo", "cat /tmp/first"), "first");
}
