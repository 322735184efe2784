//! Verbs asked for what cannot be; what is read by programs; readers that go away.

use std::io::Write;
use std::process::{Command, Stdio};

use super::fake;
use crate::common::TestLab;
use crate::common::transcript::Transcript;

#[test]
fn machines_that_are_off_or_absent() {
    let mut seen = Transcript::default();
    let lab = fake::lab_that_is_off();
    seen.lab(&lab, &["ssh", "solo"]).exits(7);
    seen.lab(&lab, &["ssh"]).exits(7);
    seen.lab(&lab, &["exec", "solo", "--", "true"]).exits(7);
    seen.lab(&lab, &["exec", "--all", "--", "true"]).exits(7);
    seen.lab(&lab, &["cp", "disk.img", "solo:"]).exits(7);
    seen.lab(&lab, &["provision"]).exits(7);
    seen.lab(&lab, &["halt"]).ok();
    seen.lab(&lab, &["suspend"]).ok();
    seen.lab(&lab, &["resume"]).ok();
    for args in [
        &["ssh", "slo"][..],
        &["exec", "slo", "--", "true"],
        &["cp", "a", "slo:"],
        &["halt", "slo"],
        &["logs", "slo"],
        &["port", "slo"],
        &["destroy", "slo"],
    ] {
        seen.lab(&lab, args).exits(2);
    }
    seen.lab(&lab, &["cp", "a", "b"]).exits(2);
    seen.lab(&lab, &["cp", "solo:a", "solo:b"]).exits(2);
    seen.lab(&lab, &["provision", "--only", "nothing"]).exits(2);
    insta::assert_snapshot!(seen.text());
}

#[test]
fn labs_that_have_not_been_made() {
    let mut seen = Transcript::default();
    let lab = TestLab::bare("lab.box = 'demo'\n[machine.web1]\n[machine.web2]\n");
    for args in [
        &["ssh", "web1"][..],
        &["halt"],
        &["suspend"],
        &["resume"],
        &["reload"],
        &["logs"],
        &["port"],
        &["ssh-config"],
        &["provision"],
        &["exec", "--all", "--", "true"],
        &["cp", "Labfile", "web1:"],
    ] {
        seen.lab(&lab, args).exits(7);
    }
    seen.lab(&lab, &["destroy"]).ok();
    assert!(!lab.dir().join(".lab").exists());
    seen.lab(&lab, &["status", "web3"]).exits(2);
    insta::assert_snapshot!(seen.text());
}

#[test]
fn destroying_needs_a_yes() {
    let lab = fake::lab_that_is_off();
    lab.lab(&["destroy"]).exits(2).says(&["nobody is there to give it", "hint: add --yes"]);
    let run = lab.lab(&["destroy", "--json"]).exits(2);
    assert_eq!(run.json()["error"]["code"], "not-confirmed");
    assert!(lab.state().is_some());
    let answer = |answer: &str| on_a_terminal(&lab, "destroy", answer);
    let (code, screen) = answer("n\n");
    assert!(
        code == 2 && screen.contains("Destroy solo") && screen.contains("nothing was done"),
        "{code} {screen}"
    );
    assert_eq!(answer("\n").0, 2);
    assert!(lab.state().is_some());
    let (code, screen) = answer("y\n");
    assert!(code == 0 && lab.state().is_none(), "{code} {screen}");
}

/// Runs `lab VERB` on a terminal on which `typed` is typed; its exit code, and what was shown.
fn on_a_terminal(lab: &TestLab, verb: &str, typed: &str) -> (i32, String) {
    let program = lab.command(&[]).get_program().to_str().unwrap().to_owned();
    let mut script = Command::new("script");
    script.args(["-qec", &format!("'{program}' {verb}"), "/dev/null"]).current_dir(lab.dir());
    for (name, value) in lab.command(&[]).get_envs() {
        if let Some(value) = value {
            script.env(name, value);
        }
    }
    let mut child =
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut keys = child.stdin.take().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(400));
    keys.write_all(typed.as_bytes()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(400));
    drop(keys);
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn json_stays_json_when_things_go_wrong() {
    let lab = fake::lab_that_is_off();
    lab.write("lab/.lab/machines/solo/console.log", "one\r\n\u{1b}[2Jlogin: ");
    for args in [&["status"][..], &["port"], &["logs"], &["validate"], &["box", "list"], &["ssh-config"]] {
        let run = lab.lab(&[args, &["--json"]].concat()).ok();
        assert!(!run.json_lines().is_empty() || args == ["box", "list"], "{args:?}");
        assert_eq!(run.stderr, "", "{args:?}");
    }
    let failures: &[(&[&str], &str, i64)] = &[
        (&["up"], "start-failed", 7),
        (&["reload"], "start-failed", 7),
        (&["up", "nosuch"], "unknown-machine", 2),
        (&["exec", "solo", "--", "true"], "wrong-state", 7),
        (&["provision"], "wrong-state", 7),
        (&["ssh", "solo"], "wrong-state", 7),
        (&["cp", "a", "b"], "usage", 2),
        (&["box", "show", "nosuch"], "box-not-found", 6),
        (&["box", "add", "x", "/dev/null"], "bad-box", 6),
        (&["box", "remove", "nosuch"], "box-not-found", 6),
        (&["init"], "file-exists", 2),
    ];
    for (args, code, exit) in failures {
        let run = lab.lab(&[&["--json"][..], args].concat()).exits(*exit as i32);
        let last = run.json_lines().pop().unwrap_or_else(|| panic!("{args:?} printed nothing"));
        assert_eq!(last["event"], "error", "{args:?}: {last}");
        assert_eq!(
            (&last["error"]["code"], &last["error"]["exit"]),
            (&(*code).into(), &(*exit).into()),
            "{args:?}"
        );
        assert_eq!(run.stderr, "", "{args:?}");
    }
    lab.write("lab/Labfile", "[machine.x]\nnosuch = 1\n");
    let lines = lab.lab(&["validate", "--json"]).exits(3).json_lines();
    assert_eq!(lines[0]["valid"], false);
    assert!(lines[0]["problems"].is_array() || lines[0]["problems"].is_object(), "{}", lines[0]);
}

#[test]
fn quiet_says_errors_alone_and_colour_can_be_had_and_forbidden() {
    let lab = fake::lab("echo 'something new'; exit 1", "");
    let run = lab.lab(&["up", "-q"]).exits(7).says(&["something new", "hint:", "qemu.log"]);
    assert!(!run.stderr.contains("starting") && !run.stderr.contains("MACHINE"), "{}", run.stderr);
    assert!(!lab.lab(&["up"]).stderr.contains('\u{1b}'));
    assert!(lab.lab(&["up", "--color", "always"]).stderr.contains("\u{1b}["));
    assert!(lab.lab(&["status", "--color", "always"]).stdout.contains("\u{1b}["));
    assert!(!lab.lab(&["status"]).stdout.contains('\u{1b}'));
    assert_eq!(lab.lab(&["halt", "-q"]).ok().stderr, "");
}

#[test]
fn readers_that_go_away_are_no_misfortune() {
    let lab = fake::lab_that_is_off();
    for args in [
        &["status"][..],
        &["--help"],
        &["schema"],
        &["logs"],
        &["port"],
        &["completions", "bash"],
        &["status", "--json"],
        &["up"],
        &["up", "--json"],
        &["nosuch"],
        &["destroy"],
    ] {
        for stream in ["stdout", "stderr", "both"] {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let mut command = lab.command(args);
            let closed = || Stdio::from(writer.try_clone().unwrap());
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            if stream != "stderr" {
                command.stdout(closed());
            }
            if stream != "stdout" {
                command.stderr(closed());
            }
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                output.status.code().is_some_and(|code| code < 70),
                "{args:?} {stream}: {:?} {said}",
                output.status
            );
            assert!(!said.contains("panic") && !said.contains("internal error"), "{args:?} {stream}: {said}");
        }
    }
}
