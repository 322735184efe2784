//! What is the user's stays the user's: every way in which VBoxManage deletes more than it was asked to.

use std::path::Path;
use std::time::Duration;

use crate::common::wait_for;
use crate::installation::VirtualBox;
use crate::{HASTY, destroy, remove_box, up_hastily};

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
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
#[ignore = "drives the real VirtualBox: run by scripts/test"]
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

    // One made where VirtualBox's window puts it: in the machine's own folder. A snapshot makes a difference to each, where
    // the latest changes are. And one that was detached and is not in VirtualBox's list any more.
    let home = Path::new(&virtualbox.info(&uuid, "CfgFile")).parent().unwrap().to_owned();
    let medium = |name: &str| {
        let path = home.join(name);
        virtualbox.manage(&["createmedium", "disk", "--filename", path.to_str().unwrap(), "--size", "1"]);
        path
    };
    virtualbox.attach(&uuid, 2, &medium("own.vdi"), false);
    virtualbox.manage(&["snapshot", &uuid, "take", "users"]);
    let detached = medium("detached.vmdk");
    virtualbox.manage(&["closemedium", "disk", detached.to_str().unwrap()]);

    let destroyed = lab.lab(&["destroy", "--yes"]).ok();
    let kept = lab.dir().join("kept-disks/solo");
    let destroyed =
        destroyed.says(&["disks in its folder that lab did not make are now in", kept.to_str().unwrap()]);
    assert!(!lab.dir().join(".lab").exists(), "{}", destroyed.stderr);
    let names: Vec<String> = crate::common::tree(&kept)
        .iter()
        .filter(|path| path.is_file())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(names.len(), 5, "own, detached, and a difference to each of three: {names:?}");
    assert!(
        ["own.vdi", "detached.vmdk"].iter().all(|name| names.iter().any(|there| there == name)),
        "{names:?}"
    );
    let open = |path: &Path| virtualbox.try_to_manage(&["showmediuminfo", "disk", path.to_str().unwrap()]);
    // Each difference has its parent: VirtualBox opens it when it knows that one, which it does until its server
    // has been idle for some seconds and ends.
    let open_with_parents = |path: &Path| {
        for disk in [&disk, &other, &kept.join("own.vdi")] {
            open(disk).unwrap();
        }
        open(path).inspect_err(|error| eprintln!("{}: {error}", path.display())).ok()
    };
    for name in names.iter().filter(|name| name.starts_with('{')) {
        let info = wait_for(name, Duration::from_secs(60), || open_with_parents(&kept.join(name)));
        assert!(info.contains("differencing"), "{name}: {info}");
        virtualbox.manage(&["closemedium", "disk", kept.join(name).to_str().unwrap()]);
    }
    for disk in [&disk, &other, &kept.join("own.vdi"), &kept.join("detached.vmdk")] {
        assert!(disk.exists(), "{} is gone", disk.display());
        virtualbox.manage(&["showmediuminfo", "disk", disk.to_str().unwrap()]);
        virtualbox.manage(&["closemedium", "disk", disk.to_str().unwrap(), "--delete"]);
    }
    remove_box(&lab);
    assert_eq!(virtualbox.inventory(), before);
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
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
