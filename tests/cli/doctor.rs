//! `lab doctor`: the real program against computers that lack something.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use crate::common::{Run, TestLab, fake};
use serde_json::Value;

const ONE: &str = "[lab]\nname = \"class\"\nbox = \"demo\"\nmemory = \"64 MiB\"\n[machine.one]\n";

/// A lab whose `PATH` has nothing but these programs, each a shell script.
fn with_programs(text: &str, programs: &[(&str, &str)]) -> TestLab {
    let lab = TestLab::bare(text);
    let bin = lab.root().join("only");
    std::fs::create_dir_all(&bin).unwrap();
    for (name, script) in programs {
        fake::program(&bin, name, script);
    }
    let path = bin.to_str().unwrap().to_owned();
    lab.env("PATH", &path)
}

const SSH: (&str, &str) = (
    "ssh",
    "[ \"$1\" = -V ] && echo 'OpenSSH_9.2p1, OpenSSL 3' >&2\n\
     [ \"$1\" = -Q ] && echo 'ssh-rsa\ndiffie-hellman-group14-sha1\naes128-ctr\nhmac-sha1'\nexit 0",
);
const QEMU: (&str, &str) = ("qemu-system-x86_64", "echo 'QEMU emulator version 7.2.22 (Debian)'");
const IMG: (&str, &str) = ("qemu-img", "exit 0");

fn of<'a>(report: &'a Value, name: &str) -> Vec<&'a Value> {
    report["checks"].as_array().unwrap().iter().filter(|check| check["name"] == name).collect()
}

/// The examination, without the error that may follow it.
fn report(run: &Run) -> Value {
    run.json_lines().remove(0)
}

fn outcome(lab: &TestLab, name: &str) -> String {
    let report = report(&lab.lab(&["doctor", "--json"]));
    of(&report, name).first().map_or("none", |check| check["outcome"].as_str().unwrap()).to_owned()
}

#[test]
fn a_computer_without_programs_is_unfit_and_one_with_them_is_not() {
    let bare = with_programs(ONE, &[]);
    let run = bare.lab(&["doctor", "--json"]).exits(4);
    let found = report(&run);
    assert_eq!(found["ok"], false);
    assert_eq!(run.json_lines()[1]["error"]["code"], "host-unfit");
    for name in ["ssh", "provider"] {
        assert_eq!(of(&found, name)[0]["outcome"], "failure", "{name}");
        assert!(of(&found, name)[0]["todo"].is_string(), "{name}");
    }
    let whole = with_programs(ONE, &[SSH, QEMU, IMG]);
    let run = whole.lab(&["doctor", "--json"]).ok();
    let found = report(&run);
    assert_eq!((&found["ok"], &found["lab"]), (&true.into(), &"class".into()));
    assert_eq!(of(&found, "ssh")[0]["outcome"], "pass");
    assert!(of(&found, "provider")[0]["what"].as_str().unwrap().contains("qemu"), "{found}");
    // Nothing was made: no LAB_HOME, nothing beside the Labfile.
    assert!(!whole.home().exists());
    assert_eq!(std::fs::read_dir(whole.dir()).unwrap().count(), 1);
}

#[test]
fn versions_are_held_to_what_lab_needs() {
    let old = ("qemu-system-x86_64", "echo 'QEMU emulator version 2.5.0'");
    assert_eq!(outcome(&with_programs(ONE, &[SSH, old, IMG]), "provider"), "failure");
    let vbox = |version: &str| {
        let script = format!("echo {version}");
        let lab = with_programs(ONE, &[SSH, QEMU, IMG, ("VBoxManage", script.as_str())]);
        outcome(&lab, "virtualbox")
    };
    assert_eq!(vbox("7.0.20r163906"), "pass");
    assert_eq!(vbox("5.2.42r137960"), "warning");
    assert_eq!(vbox("9.0.0r1"), "warning");
    let old = ("ssh", "echo 'OpenSSH_6.6p1, OpenSSL 1' >&2");
    assert_eq!(outcome(&with_programs(ONE, &[old, QEMU, IMG]), "ssh"), "failure");
}

#[test]
fn a_program_that_hangs_is_given_up() {
    let lab = with_programs(ONE, &[SSH, QEMU, IMG, ("VBoxManage", "exec /bin/sleep 300")]);
    let run = lab.lab(&["doctor", "--json"]).ok();
    let found = report(&run);
    let line = of(&found, "virtualbox")[0];
    assert_eq!(line["outcome"], "warning");
    assert!(line["what"].as_str().unwrap().contains("did not say what it is"), "{line}");
    assert!(run.took < Duration::from_secs(60), "{:?}", run.took);
    assert_eq!(lab.processes(), []);
}

#[test]
fn what_the_labfile_asks_for_is_held_to_what_there_is() {
    let programs = [SSH, QEMU, IMG];
    let lab = with_programs(ONE, &programs);
    assert_eq!(outcome(&lab, "memory"), "pass");
    // More than any computer has that runs this test.
    let machines: String = (0..8).map(|number| format!("[machine.m{number}]\n")).collect();
    lab.labfile(&format!("[lab]\nbox = \"demo\"\nmemory = \"900 GiB\"\n{machines}"));
    lab.lab(&["doctor"]).exits(4).says(&["not ready for the lab: memory", "hint: "]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    lab.labfile(&format!("{ONE}forward = [{{ host = {port}, guest = 80 }}]\n"));
    let run = lab.lab(&["doctor"]).exits(4).says(&["not ready for the lab: ports"]);
    let line = run.stdout.lines().find(|line| line.starts_with("failure: ports: ")).unwrap();
    assert!(line.contains(&port.to_string()) && line.contains("; to do: "), "{line}");
    drop(listener);
    lab.lab(&["doctor"]).ok().says(&["nothing is in the way"]);
}

#[test]
fn it_works_without_a_labfile_and_with_a_broken_one() {
    let lab = with_programs(ONE, &[SSH, QEMU, IMG]);
    std::fs::remove_file(lab.dir().join("Labfile")).unwrap();
    let run = lab.lab(&["doctor"]).ok();
    assert!(run.stdout.starts_with("left out: labfile: no Labfile here"), "{}", run.stdout);
    assert!(!run.stdout.contains(": ports: "), "{}", run.stdout);
    lab.write("elsewhere/Labfile", ONE);
    let run = lab.lab(&["doctor", "-f", "../elsewhere/Labfile"]).ok();
    assert!(run.stdout.starts_with("pass: labfile: class: 1 machine"), "{}", run.stdout);
    lab.labfile("[lab\n");
    let run = lab.lab(&["doctor"]).exits(4).says(&["not ready for the lab: labfile"]);
    assert!(
        run.stdout.contains("failure: labfile: ") && run.stdout.contains("`lab validate`"),
        "{}",
        run.stdout
    );
    lab.lab(&["doctor", "-f", "nowhere/Labfile"]).exits(4);
}

#[test]
fn a_report_is_one_file_without_names_and_replaces_nothing() {
    let lab = with_programs(ONE, &[SSH]).env("USER", "ada.lovelace");
    let path = lab.root().join("user/deep/labs");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("Labfile"), ONE).unwrap();
    let lab = lab.env("LAB_HOME", lab_home(&path).as_str());
    let args = ["doctor", "-C", path.to_str().unwrap(), "--report", "doctor.txt"];
    lab.lab(&args).exits(4).says(&["wrote "]);
    let text = std::fs::read_to_string(path.join("doctor.txt")).unwrap();
    assert!(text.starts_with("lab doctor, lab ") && text.contains("\nFAILURE   provider: "), "{text}");
    let user = lab.root().join("user");
    for name in [user.to_str().unwrap(), "ada.lovelace"] {
        assert!(!text.contains(name), "{name} in {text}");
    }
    lab.lab(&args).exits(2).says(&["exists already"]);
    assert_eq!(std::fs::read_to_string(path.join("doctor.txt")).unwrap(), text);
    let left = std::fs::read_dir(&path).unwrap().count();
    assert_eq!(left, 2, "only the Labfile and the report");
}

fn lab_home(path: &std::path::Path) -> String {
    path.join("ada.lovelace").display().to_string()
}
