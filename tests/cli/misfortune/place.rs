//! Folders that are not there, not ours, or not writable.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::fake::{self, unprivileged};
use crate::common::TestLab;

/// Runs it; its exit code and standard error.
fn run(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[track_caller]
fn fails(command: &mut Command, code: i32, words: &[&str]) {
    let (ended, said) = run(command);
    assert_eq!(ended, code, "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in\n{said}");
    }
    assert!(!said.contains("panicked") && !said.contains("internal error"), "{said}");
}

#[test]
fn a_home_for_boxes_that_cannot_be_one() {
    let lab = fake::lab("exit 1", "");
    lab.write("file", "");
    let file = lab.root().join("file");
    for args in [&["up"][..], &["box", "list"], &["box", "add", "x", "disk.img"]] {
        fails(lab.command(args).env("LAB_HOME", &file), 4, &["file"]);
    }
    assert!(!lab.dir().join(".lab").exists());
    fails(lab.command(&["status"]).env("LAB_HOME", &file), 0, &[]);
    let closed = lab.root().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o555)).unwrap();
    let mut add = unprivileged(&lab, &["box", "add", "x", "disk.img"]);
    fails(add.env("LAB_HOME", &closed), 4, &["no permission to", "closed", "hint:"]);
    // Somebody may have no home folder at all, as a service has none.
    let (code, said) = run(lab
        .command(&["box", "list"])
        .env_remove("LAB_HOME")
        .env_remove("HOME")
        .env("XDG_DATA_HOME", lab.root().join("data")));
    assert!(code == 0 || (code == 4 && said.contains("LAB_HOME")), "{code} {said}");
}

#[test]
fn a_current_folder_that_is_gone() {
    let lab = TestLab::bare("");
    let dir = lab.root().join("gone");
    std::fs::create_dir(&dir).unwrap();
    let program = lab.command(&[]).get_program().to_owned();
    let mut sh = Command::new("sh");
    sh.args(["-c", "rmdir \"$PWD\" && exec \"$0\" status"]).arg(program).current_dir(&dir);
    fails(&mut sh, 4, &["the current folder cannot be used", "hint:"]);
    lab.lab(&["status", "-C", "/no/such/folder"]).exits(4).says(&["/no/such/folder"]);
}

#[test]
fn a_lab_folder_that_we_may_not_write() {
    let lab = fake::lab("exit 1", "");
    std::fs::set_permissions(lab.dir(), PermissionsExt::from_mode(0o555)).unwrap();
    std::fs::create_dir(lab.home()).unwrap();
    std::fs::set_permissions(lab.home(), PermissionsExt::from_mode(0o777)).unwrap();
    fails(&mut unprivileged(&lab, &["up"]), 4, &["no permission to create the folder", ".lab", "hint:"]);
    fails(&mut unprivileged(&lab, &["status"]), 0, &[]);
    fails(&mut unprivileged(&lab, &["init", "-C", ".."]), 4, &["no permission", "hint:"]);
    std::fs::set_permissions(lab.dir(), PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_lab_that_belongs_to_somebody_else() {
    if !rustix::process::getuid().is_root() {
        return a_lab_folder_that_we_may_not_write(); // nobody else is to be had
    }
    let lab = fake::lab_that_is_off();
    let other = |args: &[&str], code, words: &[&str]| fails(&mut unprivileged(&lab, args), code, words);
    for verb in [&["up"][..], &["destroy", "--yes"], &["status"]] {
        other(verb, 4, &["/.lab belongs to root", "sudo chown -R \"$USER\""]);
    }
    assert!(lab.state().is_some());
}

#[test]
fn something_else_stands_where_the_lab_folder_goes() {
    let lab = fake::lab("exit 1", "");
    lab.write("lab/.lab", "");
    lab.lab(&["up"]).exits(4).says(&[".lab", "hint:"]);
    assert!(lab.dir().join(".lab").is_file());
    std::fs::remove_file(lab.dir().join(".lab")).unwrap();
}

#[test]
fn a_long_and_odd_path() {
    let lab = fake::lab("echo 'something new'; exit 1", "");
    let deep =
        lab.root().join("it's \"deep\", \u{fc}ml\u{e4}ut = 100%").join("x".repeat(120)).join("y".repeat(120));
    std::fs::create_dir_all(&deep).unwrap();
    for name in ["Labfile", "disk.img"] {
        std::fs::copy(lab.dir().join(name), deep.join(name)).unwrap();
    }
    let at = |args: &[&str]| {
        let mut command = lab.command(args);
        command.current_dir(&deep);
        command
    };
    fails(&mut at(&["up"]), 7, &["something new"]);
    fails(&mut at(&["destroy", "--yes"]), 0, &[]);
    assert!(!deep.join(".lab").exists());
}
