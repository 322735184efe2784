//! `lab` killed at random moments.
//!
//! The moments come from a seed that a failing test shows; `LAB_TEST_SEED` repeats it.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::moments::{Moments, kill_after};
use crate::common::{TestLab, tree};
use crate::installation::VirtualBox;
use crate::{destroy, remove_box, up_hastily};

/// How often a lab is brought up from nothing,
const SERIES: u32 = 3;
/// and how often `up` is killed meanwhile.
const KILLS: u32 = 10;

const TWO: &str = "[lab]\nbox = \"demo\"\nmemory = \"128 MiB\"\nboot_timeout = \"15 min\"\n\
                   provision = [{ name = \"count\", inline = \"echo done >>/root/done\" }]\n\
                   [network]\nprivate = \"192.168.56.0/24\"\n[machine.one]\n[machine.two]\n";

/// How long `up` takes until all machines are started: what follows is waiting for them.
fn until_started(lab: &TestLab) -> Duration {
    let mut up = lab.start(&["up"]);
    let started = Instant::now();
    let console = |name: &str| {
        let files = tree(&lab.dir().join(".lab/machines").join(name));
        files.iter().any(|file| file.file_name().is_some_and(|name| name == "console.log"))
    };
    while !(console("one") && console("two")) {
        assert!(
            started.elapsed() < Duration::from_secs(120) && up.try_wait().unwrap().is_none(),
            "it does not start"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    crate::common::signal(up.id(), Signal::KILL);
    up.wait().unwrap();
    started.elapsed()
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn up_can_be_killed_at_any_moment() {
    let moments = Moments::new();
    let virtualbox = VirtualBox::new();
    let before = virtualbox.inventory();
    let lab = virtualbox.lab(TWO);
    let starting = until_started(&lab);
    lab.lab(&["destroy", "--yes"]).ok();
    eprintln!("from nothing to running takes {starting:?}");
    for series in 0..SERIES {
        eprintln!("series {series}");
        if series == 0 {
            // This one makes the base anew, too.
            remove_box(&lab);
            lab.lab(&["box", "add", "demo", crate::common::demo_box().to_str().unwrap()]).ok();
        }
        // The last one is waited for, and killed while its machines boot and are set up, too.
        let last = series == SERIES - 1;
        let mut killed = 0;
        for kill in 0..KILLS {
            // Most in the time in which VirtualBox is told things.
            let whole = if last && kill >= KILLS - 2 { Duration::from_secs(40) } else { starting };
            killed += u32::from(kill_after(&lab, &["up"], whole.mul_f64(moments.fraction())));
            // Each goes on where the one before was killed: half-way, most of it is made anew.
            if kill == KILLS / 2 {
                kill_after(&lab, &["destroy", "--yes"], Duration::from_secs(3).mul_f64(moments.fraction()));
            }
        }
        assert!(killed >= KILLS - 2, "only {killed} of {KILLS} were killed before they had ended");
        if last {
            lab.lab(&["up"]).ok();
            for machine in ["one", "two"] {
                assert_eq!(lab.status(machine)["ready"], true);
                assert_eq!(lab.ssh(machine, "sudo cat /root/done"), "done", "{machine}");
            }
        } else {
            lab.labfile(&TWO.replace("15 min", "1s"));
            up_hastily(&lab);
            lab.labfile(TWO);
        }
        destroy(&lab);
        assert_eq!(virtualbox.inventory().adapters, before.adapters);
    }
    remove_box(&lab);
    assert_eq!(virtualbox.inventory(), before);
}
