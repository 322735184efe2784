//! Snapshots and reset, with real machines.

use std::time::{Duration, Instant};

use crate::common::moments::{Moments, kill_after};
use crate::common::{TestLab, wait_for};
use serde_json::{Value, json};

const TWO: &str = r#"[lab]
box = "demo"
memory = "128 MiB"
# A kernel makes the id of its boot when somebody asks for it.
provision = [{ name = "mark", inline = "echo provisioned >>/root/mark; cat /proc/sys/kernel/random/boot_id" }]
[machine.one]
[machine.two]
"#;

/// How often each command is killed.
const KILLS: usize = 6;

/// The snapshots of a machine, `+` behind those with RAM.
#[track_caller]
fn snapshots(lab: &TestLab, machine: &str) -> Vec<String> {
    let listing = lab.lab(&["snapshot", "list", machine, "--json"]).ok().json();
    assert_eq!(listing["version"], 1);
    let one = |found: &Value| {
        assert!(found["taken"].as_u64().is_some(), "{found}");
        let plus = if found["with_ram"] == true { "+" } else { "" };
        format!("{}{plus}", found["name"].as_str().unwrap())
    };
    listing["machines"][0]["snapshots"].as_array().unwrap().iter().map(one).collect()
}

/// What tells one boot of a guest from another, and how long it has been up.
fn boot(lab: &TestLab, machine: &str) -> (String, f64) {
    let words = lab.ssh(machine, "cat /proc/sys/kernel/random/boot_id /proc/uptime");
    let (id, uptime) = words.split_once('\n').unwrap();
    (id.to_owned(), uptime.split(' ').next().unwrap().parse().unwrap())
}

/// Ruins a machine as root, and makes sure of it.
fn ruin(lab: &TestLab, machine: &str) {
    let ssh = lab.lab(&["ssh", machine, "-c", "sudo rm -rf /usr /etc /home; echo gone"]);
    assert!(ssh.stdout.contains("gone"), "{ssh:?}");
    assert_ne!(lab.lab(&["ssh", machine, "-c", "sudo ls /root"]).code, 0);
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn a_ruined_machine_comes_back_and_the_others_do_not_notice() {
    let lab = TestLab::with_demo_box(TWO);
    let up = lab.lab(&["up"]).ok().says(&["one: taking a snapshot", "one: ready"]);
    eprintln!("up took {:?}", up.took);
    assert_eq!(snapshots(&lab, "one"), ["ready+"]);
    let known = std::fs::read_to_string(lab.dir().join(".lab/machines/one/known_hosts")).unwrap();
    let (status, one, two) = (lab.status("one"), boot(&lab, "one"), boot(&lab, "two"));
    ruin(&lab, "one");
    // Nobody is there to say yes.
    lab.lab(&["reset", "one"]).exits(2).says(&["add --yes"]);
    let reset =
        lab.lab(&["reset", "one", "--yes"]).ok().says(&["one: going back to a snapshot", "one: ready"]);
    eprintln!("reset took {:?}", reset.took);
    assert!(!reset.stderr.contains("two:"), "{}", reset.stderr);

    // The same boot, earlier, with its key and address; and nothing is run again.
    let again = boot(&lab, "one");
    assert_eq!(again.0, one.0);
    assert_eq!(lab.ssh("one", "sudo cat /root/mark"), "provisioned");
    assert_eq!(std::fs::read_to_string(lab.dir().join(".lab/machines/one/known_hosts")).unwrap(), known);
    for key in ["ip", "ssh", "ready", "memory_mib"] {
        assert_eq!(lab.status("one")[key], status[key], "{key}");
    }
    lab.clock_is_right("one");
    lab.ssh("two", "ping -c 1 -W 5 one");
    // The other one has been up all the time.
    let still = boot(&lab, "two");
    assert!(still.0 == two.0 && still.1 > two.1, "{two:?}, {still:?}");
    lab.lab(&["up"]).ok().says(&["one: already ready", "two: already ready"]);

    // What was done since is gone, again and again; over suspend and halt, too.
    lab.ssh("one", "sudo touch /root/done");
    lab.lab(&["suspend"]).ok();
    assert_eq!(snapshots(&lab, "one"), ["ready+"]);
    lab.lab(&["resume"]).ok();
    assert_eq!(lab.ssh("one", "sudo ls /root/done"), "/root/done");
    lab.lab(&["reset", "one", "--yes"]).ok();
    assert_eq!(lab.ssh("one", "sudo ls /root"), "mark");
    lab.lab(&["halt"]).ok();
    assert_eq!(snapshots(&lab, "one"), ["ready+"]);
    lab.lab(&["up"]).ok().says_not(&["taking a snapshot"]);
    assert_ne!(boot(&lab, "one").0, one.0);
    let started = Instant::now();
    lab.lab(&["reset", "--yes"]).ok().says(&["one: ready", "two: ready"]);
    eprintln!("reset of both took {:?}", started.elapsed());
    assert_eq!((boot(&lab, "one").0, boot(&lab, "two").0), (one.0, two.0));
    // From suspended and from off.
    lab.lab(&["suspend", "one"]).ok();
    lab.lab(&["halt", "two", "--force"]).ok();
    lab.lab(&["reset", "--yes", "--json"]).ok();
    assert_eq!(lab.ssh("one", "hostname") + &lab.ssh("two", "hostname"), "onetwo");

    let run_dir = lab.run_dir();
    lab.lab(&["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn what_has_been_provisioned_goes_back_with_the_snapshot() {
    let bare = "[lab]\nbox = 'demo'\nmemory = '128 MiB'\nready_snapshot = false\n[machine.solo]\n";
    let lab = TestLab::with_demo_box(bare);
    lab.lab(&["snapshot", "list"]).exits(7).says(&["no machines yet"]);
    lab.lab(&["up"]).ok().says_not(&["taking a snapshot"]);
    assert_eq!(snapshots(&lab, "solo"), Vec::<String>::new());
    lab.lab(&["reset", "--yes"]).exits(7).says(&["solo has no snapshot ready", "ready_snapshot = false"]);
    assert_eq!(lab.status("solo")["ready"], true);
    lab.lab(&["snapshot", "save", "a b"]).exits(2).says(&["cannot be called"]);
    lab.lab(&["snapshot", "save", "bare"]).ok().says(&["solo: snapshot taken"]);
    let complete = lab
        .command(&["--", "lab", "snapshot", "restore", "b"])
        .envs([("LAB_COMPLETE", "bash"), ("_CLAP_IFS", "\n"), ("_CLAP_COMPLETE_INDEX", "3")])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(complete.stdout).unwrap().trim_end(), "bare");
    lab.lab(&["snapshot", "save", "bare"]).exits(7).says(&["solo has a snapshot bare already"]);
    lab.lab(&["snapshot", "restore", "bear", "--yes"]).exits(7).says(&["solo has no snapshot bear"]);

    // With a provisioner: `up` runs it, and there is something to reset to.
    let with = |text: &str| {
        let step = format!("provision = [{{ name = 'step', inline = 'echo {text} >>/root/step' }}]\n");
        bare.replace("ready_snapshot = false\n", "") + &step
    };
    lab.labfile(&with("one"));
    lab.lab(&["up"]).ok().says(&["solo: taking a snapshot"]);
    assert_eq!(snapshots(&lab, "solo"), ["bare+", "ready+"]);
    // Back to before it: not provisioned, which the next up is.
    lab.lab(&["snapshot", "restore", "bare", "--yes"]).ok().says(&["solo: back at the snapshot"]);
    assert_eq!(lab.status("solo")["ready"], false);
    lab.lab(&["ssh", "solo", "-c", "sudo cat /root/step"]).exits(1);
    lab.clock_is_right("solo");
    // And forward to after it: nothing is pending.
    lab.lab(&["snapshot", "restore", "ready", "--yes"]).ok().says(&["solo: ready"]);
    assert_eq!(lab.status("solo")["ready"], true);
    assert_eq!(lab.ssh("solo", "sudo cat /root/step"), "one");
    lab.lab(&["snapshot", "restore", "bare", "--yes", "--no-start"]).ok();
    assert_eq!(lab.status("solo")["state"], "suspended");
    lab.lab(&["up"]).ok().says(&["solo: ready"]);
    assert_eq!(lab.ssh("solo", "sudo cat /root/step"), "one");

    // Run again unchanged, `ready` stays what it is; changed, it moves on.
    lab.lab(&["provision"]).ok().says_not(&["taking a snapshot"]);
    lab.labfile(&with("two"));
    lab.lab(&["provision"]).ok().says(&["solo: taking a snapshot"]);
    assert_eq!(lab.status("solo")["ready"], true);
    lab.ssh("solo", "sudo rm /root/step");
    lab.lab(&["reset", "--yes"]).ok();
    assert_eq!(lab.ssh("solo", "sudo cat /root/step"), "one\none\ntwo");
    assert_eq!(lab.status("solo")["changed"], json!([]));

    // A machine that is off has its disk kept, and is off again; a suspended one goes on.
    lab.lab(&["suspend"]).ok();
    lab.lab(&["snapshot", "save", "asleep"]).ok();
    lab.lab(&["up"]).ok();
    lab.lab(&["halt"]).ok();
    lab.lab(&["snapshot", "save", "off"]).ok();
    assert_eq!(snapshots(&lab, "solo"), ["bare+", "ready+", "asleep+", "off"]);
    let table = lab.lab(&["snapshot", "list"]).ok().stdout;
    assert!(table.contains("asleep") && table.contains("disk and RAM"), "{table}");
    lab.lab(&["up"]).ok();
    lab.ssh("solo", "sudo rm /root/step");
    lab.lab(&["snapshot", "restore", "off", "--yes"]).ok();
    assert_eq!(lab.status("solo")["state"], "off");
    lab.lab(&["up"]).ok();
    assert_eq!(lab.ssh("solo", "sudo cat /root/step"), "one\none\ntwo");
    lab.lab(&["snapshot", "restore", "asleep", "--yes"]).ok();
    assert_eq!(lab.status("solo")["ready"], true);
    for name in ["bare", "asleep", "off"] {
        lab.lab(&["snapshot", "delete", name]).ok().says(&["solo: snapshot deleted"]);
    }
    assert_eq!(snapshots(&lab, "solo"), ["ready+"]);
    lab.lab(&["snapshot", "delete", "off"]).exits(7).says(&["solo has no snapshot off"]);
    assert_eq!(lab.status("solo")["ready"], true);
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn save_restore_and_reset_can_be_killed_at_any_moment() {
    let moments = Moments::new();
    let lab = TestLab::with_demo_box("lab.box = 'demo'\n[machine.solo]\nmemory = '128 MiB'\n");
    lab.lab(&["up"]).ok();
    lab.ssh("solo", "echo before >data; sync");
    let save = lab.lab(&["snapshot", "save", "before"]).ok().took;
    let restore = lab.lab(&["snapshot", "restore", "before", "--yes"]).ok().took;
    let reset = lab.lab(&["reset", "--yes"]).ok().took;
    eprintln!("save takes {save:?}, restore {restore:?}, reset {reset:?}");
    lab.lab(&["snapshot", "restore", "before", "--yes"]).ok();
    for round in 0..KILLS {
        let spread = |whole: Duration| whole.mul_f64((round as f64 + moments.fraction()) / KILLS as f64);
        eprintln!("round {round}");
        // A save: the machine goes on; the snapshot is there, and good, or not there.
        lab.ssh("solo", "echo now >data; sync");
        let (id, uptime) = boot(&lab, "solo");
        kill_after(&lab, &["snapshot", "save", "now"], spread(save));
        wait_for("the machine to go on", Duration::from_secs(20), || {
            (lab.status("solo")["state"] == "running").then_some(())
        });
        let after = boot(&lab, "solo");
        assert!(after.0 == id && after.1 > uptime, "{after:?}");
        assert_eq!(lab.status("solo")["ready"], true);
        let listed = snapshots(&lab, "solo");
        match listed.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["ready+", "before+"] => drop(lab.lab(&["snapshot", "save", "now"]).ok()),
            ["ready+", "before+", "now+"] => {}
            other => panic!("{other:?}"),
        }
        // A restore: `up` finds it as before or as after.
        kill_after(&lab, &["snapshot", "restore", "before", "--yes"], spread(restore));
        lab.lab(&["up"]).ok();
        let data = lab.ssh("solo", "cat data");
        assert!(data == "before" || data == "now", "{data}");
        lab.lab(&["snapshot", "restore", "now", "--yes"]).ok();
        assert_eq!(lab.ssh("solo", "cat data"), "now");
        // A reset, and again to its end.
        kill_after(&lab, &["reset", "--yes"], spread(reset));
        lab.lab(&["reset", "--yes"]).ok();
        lab.lab(&["ssh", "solo", "-c", "cat data"]).exits(1);
        // A delete.
        kill_after(&lab, &["snapshot", "delete", "now"], spread(save));
        if snapshots(&lab, "solo").len() == 3 {
            lab.lab(&["snapshot", "delete", "now"]).ok();
        }
        assert_eq!(snapshots(&lab, "solo"), ["ready+", "before+"]);
        lab.lab(&["snapshot", "restore", "before", "--yes"]).ok();
        assert_eq!(lab.ssh("solo", "cat data"), "before");
    }
    kill_after(&lab, &["reset", "--yes"], reset.mul_f64(moments.fraction()));
    let run_dir = lab.run_dir();
    lab.lab(&["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
}
