//! `lab` and its machines killed at random moments, with real machines.
//!
//! The moments come from a seed that a failing test shows; `LAB_TEST_SEED` repeats it.

use std::time::Duration;

use crate::common::moments::{Moments, kill_after};
use crate::common::{TestLab, signal, wait_for};
use rustix::process::Signal;

/// How often `up` is killed.
const KILLS_OF_UP: usize = 16;
/// How often each of halt, suspend and resume is killed.
const KILLS_OF_OTHERS: usize = 5;

const LABFILE: &str = r#"[lab]
box = "demo"
memory = "128 MiB"
provision = [
  { name = "slow", inline = "echo begun >>/root/begun; sleep 0.7; echo done >>/root/done" },
  { name = "quick", inline = "echo done >>/root/quick" },
]
[machine.one]
[machine.two]
"#;

/// Fails the test where the files that all labs share have debris beside them.
#[track_caller]
fn home_is_clean(lab: &TestLab) {
    let names: Vec<String> = std::fs::read_dir(lab.home())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| {
            !["boxes", "bases", "labs.json", "ports.json", "ports.lock", "secret", "consents"]
                .contains(&name.as_str())
        })
        .collect();
    assert_eq!(names, Vec::<String>::new(), "in {}", lab.home().display());
}

/// Nothing but the machines' emulators runs, once ssh sessions have noticed that nobody is there.
#[track_caller]
fn only_machines_run(lab: &TestLab, count: usize) {
    wait_for("nothing but the machines to run", Duration::from_secs(60), || {
        let running = lab.processes();
        let machines = running.iter().filter(|(_, words)| words.contains("qemu-system-")).count();
        (machines == count && running.len() == count).then_some(())
    });
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn up_and_destroy_can_be_killed_at_any_moment() {
    let moments = Moments::new();
    let lab = TestLab::with_demo_box(LABFILE);
    let mut up = lab.lab(&["up"]).ok().took;
    let destroy = lab.lab(&["destroy", "--yes"]).ok().took;
    eprintln!("up takes {up:?}, destroy {destroy:?}");
    let mut killed = 0;
    for round in 0..KILLS_OF_UP {
        // Spread over the whole time, at a random place in each part.
        let part = (round as f64 + moments.fraction()) / KILLS_OF_UP as f64;
        eprintln!("round {round}");
        if kill_after(&lab, &["up"], up.mul_f64(part)) {
            killed += 1;
        } else {
            // It is quicker than it was: the first had more company on this computer.
            up = up.mul_f64(part);
        }
        let mut run_dir = lab.run_dir();
        if round % 2 == 0 {
            lab.lab(&["up"]).ok();
            for machine in ["one", "two"] {
                assert_eq!(lab.status(machine)["ready"], true);
                let ran =
                    lab.ssh(machine, "sudo sh -c 'cd /root; cat begun; echo; cat done; echo; cat quick'");
                let ran: Vec<_> = ran.split("\n\n").map(|part| part.lines().count()).collect();
                assert!(ran[0] <= 2 && ran[1..] == [1, 1], "round {round}: begun, done, quick: {ran:?}");
            }
            only_machines_run(&lab, 2);
            lab.lab(&["up"]).ok().says(&["one: already ready", "two: already ready"]);
            run_dir = lab.run_dir();
            kill_after(&lab, &["destroy", "--yes"], destroy.mul_f64(moments.fraction()));
        }
        lab.lab(&["destroy", "--yes"]).ok();
        lab.nothing_left(run_dir.as_deref());
        home_is_clean(&lab);
    }
    assert!(killed > KILLS_OF_UP / 2, "only {killed} of {KILLS_OF_UP} were killed before they had ended");
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn halt_suspend_and_resume_can_be_killed_at_any_moment() {
    let moments = Moments::new();
    let lab = TestLab::with_demo_box("lab.box = 'demo'\n[machine.solo]\nmemory = '128 MiB'\n");
    lab.lab(&["up"]).ok();
    lab.ssh(
        "solo",
        "nohup sleep 9999 >/dev/null 2>&1 </dev/null & echo kept >/tmp/kept; echo data >data; sync",
    );
    let suspend = lab.lab(&["suspend"]).ok().took;
    let resume = lab.lab(&["resume"]).ok().took;
    eprintln!("suspend takes {suspend:?}, resume {resume:?}");
    let awake = |what: &str| {
        assert_eq!(lab.status("solo")["ready"], true);
        assert_eq!(
            lab.ssh("solo", "cat data /tmp/kept; pgrep -c -x -f 'sleep 9999'"),
            "data\nkept\n1",
            "{what}"
        );
        only_machines_run(&lab, 1);
    };
    for round in 0..KILLS_OF_OTHERS {
        eprintln!("round {round}");
        let spread =
            |whole: Duration| whole.mul_f64((round as f64 + moments.fraction()) / KILLS_OF_OTHERS as f64);
        // Whatever came of it, up makes it ready again, with its memory.
        kill_after(&lab, &["suspend"], spread(suspend));
        lab.lab(&["up"]).ok();
        awake("after a killed suspend");
        // And so does resume.
        kill_after(&lab, &["suspend"], spread(suspend));
        lab.lab(&["suspend"]).ok();
        assert_eq!(lab.status("solo")["state"], "suspended");
        kill_after(&lab, &["resume"], spread(resume));
        let woken = lab.lab(&["resume"]).ok();
        if woken.stderr.contains("no machine is suspended") {
            lab.lab(&["up"]).ok();
        }
        awake("after a killed resume");
    }

    // A qemu that dies: the status says so at once, up boots the machine again.
    let (pid, _) = lab.processes().into_iter().next().unwrap();
    signal(pid as u32, Signal::KILL);
    wait_for("the status to say so", Duration::from_secs(20), || {
        (lab.status("solo")["state"] == "off").then_some(())
    });
    assert_eq!(lab.status("solo")["ready"], false);
    lab.lab(&["ssh", "solo"]).exits(7).says(&["solo is off", "`lab up solo`"]);
    lab.lab(&["up"]).ok();
    assert_eq!(lab.ssh("solo", "cat data"), "data");

    let halt = lab.lab(&["halt"]).ok().took;
    lab.lab(&["up"]).ok();
    eprintln!("halt takes {halt:?}");
    for round in 0..KILLS_OF_OTHERS {
        eprintln!("halt, round {round}");
        kill_after(
            &lab,
            &["halt"],
            halt.mul_f64((round as f64 + moments.fraction()) / KILLS_OF_OTHERS as f64),
        );
        // The power button has been pressed or not: up comes while the guest may be going down.
        match round % 2 {
            0 => lab.lab(&["halt"]).ok(),
            _ => lab.lab(&["up"]).ok(),
        };
        lab.lab(&["up"]).ok();
        assert_eq!(lab.status("solo")["ready"], true);
        assert_eq!(lab.ssh("solo", "cat data"), "data");
    }
    kill_after(&lab, &["suspend"], suspend.mul_f64(moments.fraction()));
    let run_dir = lab.run_dir();
    lab.lab(&["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
}
