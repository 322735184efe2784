//! A machine that somebody else has open.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::signal;
use crate::installation::VirtualBox;
use crate::{hastily, up_hastily};

/// A VBoxManage that has a machine locked, and stands still.
struct Holder(Child);

impl Holder {
    fn of(virtualbox: &VirtualBox, uuid: &str) -> Self {
        let until = Instant::now() + Duration::from_secs(120);
        while Instant::now() < until {
            // One call that has so much to do that it can be met half-way.
            let much = ["--description", "held"].repeat(3000);
            let args = [&["modifyvm", uuid], much.as_slice()].concat();
            let mut command = virtualbox.command(&args);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            while child.try_wait().unwrap().is_none() {
                signal(child.id(), Signal::STOP);
                if is_locked(virtualbox, uuid) {
                    return Holder(child);
                }
                signal(child.id(), Signal::CONT);
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        panic!("{uuid} could not be held");
    }

    fn let_go(&mut self) {
        signal(self.0.id(), Signal::CONT);
        self.0.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.let_go();
        }
    }
}

fn is_locked(virtualbox: &VirtualBox, uuid: &str) -> bool {
    let output = virtualbox.command(&["modifyvm", uuid, "--memory", "128"]).output().unwrap();
    String::from_utf8_lossy(&output.stderr).contains("locked")
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn a_machine_that_another_program_has_open_is_waited_for() {
    hastily(|virtualbox, lab| {
        up_hastily(lab);
        let uuid = virtualbox.find("solo");
        virtualbox.power_off(&uuid);

        let mut holder = Holder::of(virtualbox, &uuid);
        // It is seen as it is, and neither started nor removed; both say why, and what to do.
        assert_eq!(lab.status("solo")["state"], "off");
        for command in [&["up"][..], &["destroy", "--yes"]] {
            let run = lab.lab(command);
            assert_ne!(run.code, 0, "{command:?}\n{}", run.stderr);
            let run = run.says(&["solo", "another program has the machine open", "run the command again"]);
            assert!(run.took < Duration::from_secs(60), "{command:?} took {:?}", run.took);
        }
        assert_eq!(virtualbox.find("solo"), uuid);

        // One that is let go in time is started.
        let up = lab.start_piped(&["up"]);
        std::thread::sleep(Duration::from_secs(3));
        holder.let_go();
        let up = lab.finish(up).exits(7);
        assert_eq!(lab.status("solo")["state"], "running", "{}", up.stderr);
    });
}
