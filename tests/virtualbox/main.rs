//! `lab` on the real VirtualBox, in the bed that `tests/virtualbox/bed` makes, or on this computer's
//! own where it can start machines.
//!
//! Everything is seen from outside: `lab` is run as a user runs it, and VBoxManage says what there is.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may stop at the first surprise")]

#[path = "../common/mod.rs"]
mod common;
#[macro_use]
#[path = "../contract/suite.rs"]
mod suite;

mod beside;
mod boxes;
mod class;
mod contract;
mod direct;
mod doctor;
mod installation;
mod keeps;
mod kills;
mod leftovers;
mod locked;

use std::time::Duration;

use common::{Run, TestLab};
use installation::VirtualBox;

/// One machine that is given up one second after its start: created, running and not waited for, in
/// a tenth of the time that it takes to become ready.
const HASTY: &str = "[lab]\nbox = \"demo\"\nmemory = \"128 MiB\"\nboot_timeout = \"1s\"\n\
                     [network]\nprivate = \"192.168.56.0/24\"\n[machine.solo]\n";

/// `lab up` of machines that are not waited for.
#[track_caller]
fn up_hastily(lab: &TestLab) -> Run {
    let up = lab.lab(&["up"]);
    assert_eq!(up.code, 7, "\nstdout:\n{}\nstderr:\n{}", up.stdout, up.stderr);
    for machine in lab.lab(&["status", "--json"]).ok().json()["machines"].as_array().unwrap() {
        assert_eq!(machine["state"], "running", "{machine}\n{}", up.stderr);
    }
    up
}

/// A test of one such machine: whatever it does, VirtualBox has in the end what it had before.
#[track_caller]
fn hastily(test: impl FnOnce(&VirtualBox, &TestLab)) {
    let virtualbox = VirtualBox::new();
    let before = virtualbox.inventory();
    let lab = virtualbox.lab(HASTY);
    test(&virtualbox, &lab);
    destroy(&lab);
    remove_box(&lab);
    assert_eq!(virtualbox.inventory(), before);
}

/// Destroys a lab, and fails the test where anything of it is left.
#[track_caller]
fn destroy(lab: &TestLab) {
    let run_dir = lab.run_dir();
    lab.lab(&["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
}

/// Removes the box, with what VirtualBox knows of it. Only registers and locks stay.
#[track_caller]
fn remove_box(lab: &TestLab) {
    lab.lab(&["box", "remove", "demo"]).ok();
    let left = common::tree(&lab.home().join("bases/virtualbox"));
    let stays =
        |path: &std::path::PathBuf| path.extension().is_some_and(|kind| kind == "lock" || kind == "json");
    assert_eq!(
        left.iter().filter(|path| !stays(path)).collect::<Vec<_>>(),
        Vec::<&std::path::PathBuf>::new()
    );
}

/// How long one may wait for a machine to become ready: a busy computer that interprets three of them.
const PATIENCE: Duration = Duration::from_secs(1000);

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn what_virtualbox_has_is_seen() {
    let virtualbox = VirtualBox::new();
    let before = virtualbox.inventory();
    let uuid = virtualbox.create_machine("the \"user's\" ü");
    let disk = virtualbox.create_disk("kept.vdi");
    let adapter = virtualbox.manage(&["hostonlyif", "create"]);
    let there = virtualbox.inventory();
    assert!(there.machines.iter().any(|line| line.contains(&uuid)), "{there:#?}");
    assert!(there.disks.contains(disk.to_str().unwrap()), "{there:#?}");
    assert_eq!(there.adapters.len(), before.adapters.len() + 1, "{there:#?}");
    let adapter = adapter.split('\'').nth(1).unwrap_or_else(|| panic!("{adapter}"));
    virtualbox.manage(&["hostonlyif", "remove", adapter]);
    virtualbox.manage(&["unregistervm", &uuid, "--delete"]);
    virtualbox.manage(&["closemedium", "disk", disk.to_str().unwrap(), "--delete"]);
    assert_eq!(virtualbox.inventory(), before);
}
