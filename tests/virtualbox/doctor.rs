//! `lab doctor` on a computer that has VirtualBox.

use std::path::Path;

use serde_json::Value;

use crate::HASTY;
use crate::common::TestLab;
use crate::installation::VirtualBox;

/// What `lab doctor` says of `name`.
#[track_caller]
fn checked(lab: &TestLab, name: &str) -> Value {
    let report = lab.lab(&["doctor", "--json"]).json_lines().remove(0);
    let found = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("nothing of {name}: {report:#}")).clone()
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn what_is_installed_is_looked_at() {
    let virtualbox = VirtualBox::new();
    let lab = virtualbox.lab(HASTY);
    let said = virtualbox.manage(&["--version"]);
    let version = said.lines().last().unwrap().split(['r', '_']).next().unwrap();
    let installed = checked(&lab, "virtualbox");
    assert!(installed["what"].as_str().unwrap().contains(version), "{installed}: {said}");
    let module = checked(&lab, "virtualbox-module");
    let loaded = Path::new("/dev/vboxdrv").exists();
    assert_eq!(module["outcome"], if loaded { "pass" } else { "failure" }, "{module}");

    // Without a line in /etc/vbox/networks.conf, VirtualBox allows 192.168.56.0/21 and nothing else.
    assert_eq!(checked(&lab, "virtualbox-range")["outcome"], "pass");
    lab.labfile(&HASTY.replace("192.168.56.", "10.99.0."));
    let range = checked(&lab, "virtualbox-range");
    assert_ne!(range["outcome"], "pass", "{range}");
    assert!(range["todo"].as_str().unwrap().contains("/etc/vbox/networks.conf"), "{range}");
}
