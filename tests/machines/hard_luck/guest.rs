//! Guests that say nothing, or do not let us in.

use std::time::Duration;

use crate::common::TestLab;

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn a_disk_that_boots_nothing() {
    let lab = TestLab::bare("lab.box = 'disk.img'\n[machine.solo]\nboot_timeout = '5 s'\n");
    let mut disk = vec![0; 1 << 20];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    std::fs::write(lab.dir().join("disk.img"), disk).unwrap();
    let run = lab.lab(&["up"]).exits(7).says(&[
        "error: solo: no answer on ssh at 127.0.0.1:",
        "within 5 s",
        "its console said nothing",
        "lab logs solo",
        "boot_timeout",
    ]);
    assert_eq!(run.stderr.matches("boot_timeout").count(), 1, "{}", run.stderr);
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
    let status = lab.status("solo");
    assert_eq!((&status["state"], &status["ready"]), (&"running".into(), &false.into()));
    lab.lab(&["ssh", "solo"]).exits(7).says(&["has not been set up yet", "lab up solo"]);
    let run_dir = lab.run_dir();
    lab.lab(&["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn a_guest_that_lost_our_key_or_has_another_one() {
    let lab = TestLab::with_demo_box("lab.box = 'demo'\n[machine.solo]\n");
    lab.lab(&["up"]).ok();
    lab.ssh("solo", "mv .ssh/authorized_keys .ssh/kept; sync");
    lab.lab(&["provision"]).exits(7).says(&["solo does not let vagrant in with the lab's key"]);
    lab.lab(&["halt"]).ok();
    let run = lab.lab(&["up"]).exits(7).says(&[
        "error: solo does not let vagrant in with the lab's key",
        "Permission denied",
        "lab destroy solo",
    ]);
    assert!(run.took < Duration::from_secs(40), "{:?}", run.took);
    assert!(!run.stderr.contains("boot_timeout") && !run.stderr.contains("console"), "{}", run.stderr);
    lab.lab(&["ssh", "solo", "-c", "true"]).exits(255).says(&["Permission denied"]);

    // Another host key than the one that was learnt. The one in the file is the lab's own public key:
    // a good key of the same type.
    let known = lab.dir().join(".lab/machines/solo/known_hosts");
    let own = std::fs::read_to_string(lab.dir().join(".lab/id_rsa.pub")).unwrap();
    let words: Vec<&str> = own.split_whitespace().collect();
    std::fs::write(&known, format!("solo {} {}\n", words[0], words[1])).unwrap();
    let run = lab.lab(&["up"]).exits(7).says(&[
        "error: solo has another host key than the one learnt on its first boot",
        "lab destroy solo",
        "ssh-keygen -R solo",
    ]);
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
    let run_dir = lab.run_dir();
    lab.lab(&["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
}
