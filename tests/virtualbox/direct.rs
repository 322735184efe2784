//! What the provider itself is asked, where no command does: in a process of its own, since VirtualBox's registry comes from the
//! environment.

use std::process::{Command, Stdio};
use std::time::Duration;

use labfile::cancel::Cancel;
use labfile::provider::virtualbox::VirtualBox as VirtualBoxProvider;
use labfile::provider::{DiskForm, Provider, SharedDir, Snapshots};

use crate::common::{TestLab, spec, wait_for};
use crate::installation::VirtualBox;
use crate::{HASTY, destroy, remove_box, up_hastily};

/// `VERB NAME`, `MACHINE'S FOLDER`, `ITS ID`.
const ORDER: [&str; 3] = ["LAB_TEST_ORDER", "LAB_TEST_ORDER_DIR", "LAB_TEST_ORDER_ID"];

/// Has the provider do something with a machine: `"take SNAPSHOT"`, `"export FILE"`. Gives what it says.
#[track_caller]
pub(crate) fn provider_does(virtualbox: &VirtualBox, lab: &TestLab, machine: &str, order: &str) -> String {
    let id = lab.state().unwrap()["machines"][machine]["id"].as_str().unwrap().to_owned();
    let dir = lab.dir().join(".lab/machines").join(machine);
    let values = [order, dir.to_str().unwrap(), &id];
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "direct::done_by_the_provider", "--include-ignored", "--nocapture"]);
    command.envs(virtualbox.environment()).envs(ORDER.into_iter().zip(values)).stdin(Stdio::null());
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{order}: {words}");
    words
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn done_by_the_provider() {
    // Not a test of its own: see `provider_does`.
    let Some(order) = std::env::var_os(ORDER[0]) else { return };
    let order = order.into_string().unwrap();
    let (verb, name) = order.split_once(' ').unwrap_or((&order, ""));
    let provider = VirtualBoxProvider::new(SharedDir("/nonexistent".into()));
    let snapshots: &dyn Snapshots = provider.snapshots().unwrap();
    let (dir, id) = (std::env::var_os(ORDER[1]).unwrap(), std::env::var(ORDER[2]).unwrap());
    let machine = spec::machine(1, id, dir.into(), 1);
    let cancel = Cancel::new();
    match verb {
        "take" => snapshots.take(&machine, name, &cancel).unwrap(),
        "restore" => snapshots.restore(&machine, name, &cancel).unwrap(),
        "export" => {
            let to = std::path::Path::new(name);
            provider.export_disk(&machine, to, DiskForm::Raw, &cancel, &mut |_| {}).unwrap();
        }
        "delete" => snapshots.delete(&machine, name, &cancel).unwrap(),
        "cannot-take" => {
            eprintln!("refused: {}", snapshots.take(&machine, name, &cancel).unwrap_err().message());
        }
        "cannot-restore" => {
            eprintln!("refused: {}", snapshots.restore(&machine, name, &cancel).unwrap_err().message());
        }
        _ => {
            for snapshot in snapshots.list(&machine).unwrap() {
                let age = snapshot.taken.unwrap().elapsed().unwrap().as_secs();
                eprintln!("snapshot: {} with_ram={} recent={}", snapshot.name, snapshot.with_ram, age < 3600);
            }
        }
    }
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn a_snapshot_brings_back_what_ran() {
    let virtualbox = VirtualBox::new();
    let before = virtualbox.inventory();
    let lab = virtualbox.lab(HASTY);
    let console = lab.dir().join(".lab/machines/solo/console.log");
    let console = || std::fs::read_to_string(&console).unwrap_or_default();
    up_hastily(&lab);
    wait_for("the kernel", Duration::from_secs(120), || console().contains("Linux version").then_some(()));

    // While it runs, and it goes on.
    provider_does(&virtualbox, &lab, "solo", "take at work");
    let said = console().len();
    wait_for("it to go on", Duration::from_secs(120), || (console().len() > said).then_some(()));
    assert_eq!(lab.status("solo")["state"], "running");
    let list = provider_does(&virtualbox, &lab, "solo", "list");
    assert!(list.contains("snapshot: at work with_ram=true recent=true"), "{list}");
    let refused = provider_does(&virtualbox, &lab, "solo", "cannot-take at work");
    assert!(refused.contains("refused: web1 has a snapshot at work already"), "{refused}");
    let refused = provider_does(&virtualbox, &lab, "solo", "cannot-restore at home");
    assert!(refused.contains("refused: web1 has no snapshot at home"), "{refused}");

    // From running and from off, it goes on in the kernel that ran then: none begins anew.
    for off in [false, true] {
        if off {
            virtualbox.power_off(&virtualbox.find("solo"));
        }
        provider_does(&virtualbox, &lab, "solo", "restore at work");
        assert_eq!(lab.status("solo")["state"], "suspended");
        std::fs::remove_file(lab.dir().join(".lab/machines/solo/console.log")).unwrap();
        up_hastily(&lab);
        wait_for("it to go on", Duration::from_secs(120), || (!console().is_empty()).then_some(()));
        assert!(!console().contains("Linux version"), "{}", console());
    }

    // Given up while it runs; and one of a machine that is off has no RAM.
    provider_does(&virtualbox, &lab, "solo", "delete at work");
    assert_eq!(lab.status("solo")["state"], "running");
    virtualbox.power_off(&virtualbox.find("solo"));
    provider_does(&virtualbox, &lab, "solo", "take off");
    let list = provider_does(&virtualbox, &lab, "solo", "list");
    assert!(list.contains("snapshot: off with_ram=false") && !list.contains("at work"), "{list}");
    provider_does(&virtualbox, &lab, "solo", "restore off");
    assert_eq!(lab.status("solo")["state"], "off");
    destroy(&lab);
    remove_box(&lab);
    assert_eq!(virtualbox.inventory(), before);
}
