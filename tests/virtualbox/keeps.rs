//! What is the user's stays the user's: every way in which VBoxManage deletes more than it was asked to.

use std::path::Path;

use crate::installation::VirtualBox;
use crate::{HASTY, destroy, remove_box, up_hastily};

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test-virtualbox"]
fn a_users_machine_of_the_same_name_stays() {
    let virtualbox = VirtualBox::new();
    let lab = virtualbox.lab(HASTY);
    // The names that lab gives: of the machine and of the base.
    up_hastily(&lab);
    let names: Vec<String> = virtualbox.machines().into_iter().map(|(name, _)| name).collect();
    destroy(&lab);
    remove_box(&lab);

    let users: Vec<String> = names.iter().map(|name| virtualbox.create_machine(name)).collect();
    let before = virtualbox.inventory();
    lab.lab(&["box", "add", "demo", crate::common::demo_box().to_str().unwrap()]).ok();
    up_hastily(&lab);
    assert_eq!(virtualbox.inventory().machines.len(), 2 * users.len());
    destroy(&lab);
    remove_box(&lab);
    assert_eq!(virtualbox.inventory(), before);
    for uuid in &users {
        let disk = virtualbox.info(uuid, "users-0-0");
        assert!(Path::new(&disk).exists(), "{disk} is gone");
    }
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test-virtualbox"]
fn a_disk_that_the_user_attached_stays() {
    let virtualbox = VirtualBox::new();
    let before = virtualbox.inventory();
    let lab = virtualbox.lab(HASTY);
    up_hastily(&lab);
    let uuid = virtualbox.find("solo");
    virtualbox.power_off(&uuid);
    let disk = virtualbox.create_disk("users.vdi");
    virtualbox.attach(&uuid, 1, &disk, false);
    // A second one in a controller that lab does not know.
    let other = virtualbox.create_disk("other.vdi");
    virtualbox.attach(&uuid, 0, &other, true);

    destroy(&lab);
    for disk in [&disk, &other] {
        assert!(disk.exists(), "{} is gone", disk.display());
        virtualbox.manage(&["showmediuminfo", "disk", disk.to_str().unwrap()]);
        virtualbox.manage(&["closemedium", "disk", disk.to_str().unwrap(), "--delete"]);
    }
    remove_box(&lab);
    assert_eq!(virtualbox.inventory(), before);
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test-virtualbox"]
fn an_adapter_of_the_users_stays() {
    let virtualbox = VirtualBox::new();
    let text = virtualbox.manage(&["hostonlyif", "create"]);
    let adapter = text.split('\'').nth(1).unwrap().to_owned();
    virtualbox.manage(&[
        "hostonlyif",
        "ipconfig",
        &adapter,
        "--ip",
        "192.168.57.1",
        "--netmask",
        "255.255.255.0",
    ]);
    let before = virtualbox.inventory();

    // Not used by a lab on another network,
    let lab = virtualbox.lab(HASTY);
    let up = up_hastily(&lab);
    let adapters = virtualbox.inventory().adapters;
    assert_eq!(adapters.len(), before.adapters.len() + 1, "{adapters:?}\n{}", up.stderr);
    destroy(&lab);

    // and not taken away by one whose network it has, whether that lab comes up or is refused.
    lab.labfile(&HASTY.replace("192.168.56.", "192.168.57."));
    let up = lab.lab(&["up"]);
    eprintln!("a lab on the user's adapter: exit code {}\n{}", up.code, up.stderr);
    destroy(&lab);
    remove_box(&lab);
    assert_eq!(virtualbox.inventory(), before);
    virtualbox.manage(&["hostonlyif", "remove", &adapter]);
}
