//! What a killed `lab`, or VirtualBox itself, has left: found and finished by the next `up` or `destroy`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::common::{signal, tree, wait_for};
use crate::installation::VirtualBox;
use crate::{HASTY, destroy, hastily, remove_box, up_hastily};

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn files_in_the_way_are_no_obstacle() {
    let virtualbox = VirtualBox::new();
    let before = virtualbox.inventory();
    let lab = virtualbox.lab(HASTY);
    // Where VirtualBox keeps the base. In a `.lab` that lab did not make, no command begins.
    up_hastily(&lab);
    let mut settings: Vec<PathBuf> =
        virtualbox.machines().iter().map(|(_, uuid)| virtualbox.info(uuid, "CfgFile").into()).collect();
    settings.retain(|file| !file.starts_with(lab.dir()));
    assert_eq!(settings.len(), 1, "{settings:?}");
    destroy(&lab);
    remove_box(&lab);

    for content in [None, Some(""), Some("<VirtualBox")] {
        for file in &settings {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            if let Some(content) = content {
                std::fs::write(file, content).unwrap();
            }
        }
        eprintln!("in the way: {content:?} in {settings:?}");
        lab.lab(&["box", "add", "demo", crate::common::demo_box().to_str().unwrap()]).ok();
        up_hastily(&lab);
        destroy(&lab);
        remove_box(&lab);
        assert_eq!(virtualbox.inventory(), before);
    }
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn a_half_imported_base_is_imported_again() {
    hastily(|_, lab| {
        let bases = lab.home().join("bases/virtualbox");
        for _ in 0..3 {
            let mut up = lab.start(&["up"]);
            let disk = |path: &Path| {
                let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
                matches!(kind, "vmdk" | "vdi") && path.metadata().is_ok_and(|data| data.len() > 0)
            };
            wait_for("the import", Duration::from_secs(60), || {
                tree(&bases).iter().any(|path| disk(path)).then_some(())
            });
            signal(up.id(), Signal::KILL);
            up.wait().unwrap();
        }
        up_hastily(lab);
    });
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn a_machine_that_the_state_does_not_know_is_found() {
    hastily(|virtualbox, lab| {
        up_hastily(lab);
        virtualbox.power_off(&virtualbox.find("solo"));
        std::fs::remove_file(lab.dir().join(".lab/state.json")).unwrap();
        up_hastily(lab);
    });
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn a_machine_that_the_user_removed_by_hand_is_made_again() {
    hastily(|virtualbox, lab| {
        // With its files, and without.
        for delete in [&["--delete"][..], &[]] {
            up_hastily(lab);
            let uuid = virtualbox.find("solo");
            virtualbox.power_off(&uuid);
            virtualbox.manage(&[&["unregistervm", uuid.as_str()], delete].concat());
            assert_eq!(lab.status("solo")["state"], "absent", "{delete:?}");
            up_hastily(lab);
        }
    });
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn a_machine_whose_process_was_killed_is_off() {
    hastily(|virtualbox, lab| {
        up_hastily(lab);
        let uuid = virtualbox.find("solo");
        let found = std::process::Command::new("pgrep")
            .args(["-f", &format!("VBoxHeadless.*{uuid}")])
            .output()
            .unwrap();
        let pid: u32 = String::from_utf8_lossy(&found.stdout).trim().parse().unwrap();
        signal(pid, Signal::KILL);
        wait_for("the status to say so", Duration::from_secs(30), || {
            (lab.status("solo")["state"] == "off").then_some(())
        });
        up_hastily(lab);
    });
}
