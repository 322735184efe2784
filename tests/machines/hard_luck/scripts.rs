//! Provisioners that go wrong, in one machine after the other: a boot is the dear part.

use std::time::Duration;

use crate::chapters;
use crate::common::TestLab;
use crate::common::chapters::go_through;

/// Writes the scripts and a Labfile that runs `scripts` in that order.
fn provisioners(lab: &TestLab, more: &str, scripts: &[&str]) {
    let list: Vec<String> = scripts.iter().map(|script| script.to_string()).collect();
    let text = format!("lab.box = 'demo'\n[machine.solo]\n{more}\nprovision = [{}]\n", list.join(", "));
    lab.write("lab/Labfile", &text);
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn scripts_that_fail_hang_flood_and_more() {
    let lab = TestLab::with_demo_box("");
    lab.write("lab/good.sh", "echo good >>/tmp/good\n");
    go_through(
        &lab,
        chapters![
            a_script_that_fails_is_run_again_alone,
            a_script_that_hangs_is_stopped,
            standard_input_is_empty_and_line_ends_are_explained,
            a_script_that_is_killed,
            a_script_that_floods,
            a_script_that_fills_the_disk,
            a_script_that_restarts_the_machine,
        ],
    );
    let run_dir = lab.run_dir();
    lab.lab(&["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
}

/// Exit status 3; what succeeded is not run again, what failed is.
fn a_script_that_fails_is_run_again_alone(lab: &TestLab) {
    lab.write("lab/bad.sh", "echo before\nfalse || nosuchcommand\nexit 3\n");
    provisioners(lab, "", &["'good.sh'", "'bad.sh'"]);
    for _ in 0..2 {
        lab.lab(&["up"]).exits(8).says(&[
            "error: solo: provisioner bad.sh failed with exit status 3",
            "line 2: false || nosuchcommand",
            "nosuchcommand",
            "lab logs solo --provision",
        ]);
    }
    let status = lab.status("solo");
    assert_eq!((&status["state"], &status["ready"]), (&"running".into(), &false.into()));
    assert!(status["failure"].as_str().unwrap().contains("bad.sh failed with exit status 3"), "{status}");
    assert_eq!(lab.ssh("solo", "cat /tmp/good"), "good");
    let log = lab.lab(&["logs", "solo", "--provision"]).ok().stdout;
    assert_eq!(log.matches("before").count(), 2, "{log}");
    lab.write("lab/bad.sh", "echo mended\n");
    lab.lab(&["up"]).ok();
    assert_eq!(lab.ssh("solo", "cat /tmp/good"), "good");
}

/// After its time, with all that it started.
fn a_script_that_hangs_is_stopped(lab: &TestLab) {
    lab.write("lab/hang.sh", "echo waiting\nsleep 1000 &\nsleep 1001\n");
    provisioners(lab, "", &["'good.sh'", "{ script = 'hang.sh', timeout = '3 s' }"]);
    let run =
        lab.lab(&["up"]).exits(8).says(&["provisioner hang.sh did not end within 3 s", "waiting", "hint:"]);
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
    no_sleepers(lab);
}

/// Windows' line ends.
fn standard_input_is_empty_and_line_ends_are_explained(lab: &TestLab) {
    lab.write("lab/reads.sh", "read line && exit 9; cat; echo read all\n");
    provisioners(lab, "", &["'reads.sh'"]);
    lab.lab(&["up"]).ok().says(&["read all"]);
    lab.write("lab/crlf.sh", "#!/bin/sh\r\necho one\r\ncd /tmp\r\n");
    provisioners(lab, "", &["'crlf.sh'"]);
    lab.lab(&["up"]).exits(8).says(&["crlf.sh", "Windows line ends"]);
}

fn a_script_that_is_killed(lab: &TestLab) {
    lab.write("lab/killed.sh", "echo about to\nkill -9 $$\n");
    provisioners(lab, "", &["'killed.sh'"]);
    lab.lab(&["up"]).exits(8).says(&["killed.sh failed with exit status 137", "about to", "memory"]);
}

/// Many lines, one line without an end, bytes that are no text, a hostile terminal.
fn a_script_that_floods(lab: &TestLab) {
    let flood = r#"
i=0; while [ $i -lt 2000 ]; do echo "$i 12345678901234567890123456789012345678901234567890"; i=$((i+1)); done
yes 'a long line, again and again, until nobody listens any more' | head -n 100000
head -c 300000 /dev/zero | tr '\0' x
head -c 100000 /dev/urandom
printf '\033[2J\033]0;title\007\033[31mred\n'
echo the end
exit 4
"#;
    lab.write("lab/flood.sh", flood);
    provisioners(lab, "", &["'flood.sh'"]);
    let run = lab.lab(&["up"]).exits(8).says(&["flood.sh failed with exit status 4", "the end"]);
    assert!(!run.stderr.contains('\u{1b}'), "an escape got through");
    let log = std::fs::metadata(lab.dir().join(".lab/machines/solo/provision.log")).unwrap().len();
    assert!(log > 6_000_000, "{log}");
}

/// Its own words are shown, and it can be mended.
fn a_script_that_fills_the_disk(lab: &TestLab) {
    // Nearly all of it goes at once; only the rest is written, which is slow in a guest.
    let fill = "[ -e /most ] || fallocate -l $(($(df -k / | awk 'NR == 2 { print $4 }') - 20000))k /most || exit 1\n\
                dd if=/dev/zero of=/big bs=1M\n";
    lab.write("lab/fill.sh", fill);
    provisioners(lab, "", &["'fill.sh'"]);
    lab.lab(&["up"]).exits(8).says(&["fill.sh failed", "writing '/big': No space left on device"]);
    assert_eq!(lab.status("solo")["ready"], false, "a failed script leaves no ready machine");
    lab.lab(&["provision"]).exits(8).says(&["fill.sh failed", "writing '/big': No space left on device"]);
    lab.lab(&["exec", "solo", "--", "sudo rm -f /big /most"]).ok();
}

fn a_script_that_restarts_the_machine(lab: &TestLab) {
    lab.write(
        "lab/reboot.sh",
        "[ -e /var/tmp/rebooted ] && exit\ntouch /var/tmp/rebooted\nsync\nreboot -f\nsleep 60\n",
    );
    provisioners(lab, "", &["'reboot.sh'"]);
    let run = lab.lab(&["up"]);
    assert!(run.code == 7 || run.code == 8, "{} {}", run.code, run.stderr);
    let run = run.says(&["reboot.sh", "hint:"]);
    assert!(run.took < Duration::from_secs(60), "{:?}", run.took);
    lab.lab(&["up"]).ok();
    assert_eq!(lab.status("solo")["ready"], true);
}

/// Nothing that a stopped script started runs on in the guest.
#[track_caller]
pub(crate) fn no_sleepers(lab: &TestLab) {
    let left = lab.ssh("solo", "sleep 2.5; ps ax | grep '[s]leep 100' || true");
    assert_eq!(left, "", "still running in the guest");
}
