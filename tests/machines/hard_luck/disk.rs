//! No space left on this computer's disk. A small tmpfs plays the disk, which only root can mount:
//! for others these tests fail and say so, rather than passing without having looked.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::{TestLab, demo_box};

/// A tmpfs of `mib` MiB at `path`, for as long as the value lives.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(path: &'a Path, mib: u32) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let size = format!("size={mib}m,mode=0755");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "lab-test"]).arg(path).status();
        assert!(mount.unwrap().success(), "mounting a tmpfs needs root: run the tests as root");
        Small(path)
    }

    fn resize(&self, mib: u32) {
        let size = format!("remount,size={mib}m");
        assert!(Command::new("mount").args(["-o", &size]).arg(self.0).status().unwrap().success());
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn no_space_for_boxes() {
    let lab = TestLab::bare("lab.box = 'demo'\n[machine.solo]\n");
    let home = lab.home().to_owned();
    let small = Small::mount(&home, 60);
    let image = demo_box();
    let image = image.to_str().unwrap();
    lab.lab(&["box", "add", "demo", image]).exits(5).says(&["space", "hint:"]);
    assert_eq!(lab.lab(&["box", "list", "--json"]).ok().stdout, "");
    let left: Vec<_> = std::fs::read_dir(home.join("boxes/tmp")).into_iter().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    // Room for the box and not for its base.
    small.resize(300);
    lab.lab(&["box", "add", "demo", image]).ok();
    lab.lab(&["up"]).exits(5).says(&[
        "not enough space for the base image of demo",
        "MiB are free",
        "LAB_HOME",
    ]);
    lab.nothing_left(None);
}

#[test]
#[ignore = "mounts a small disk, as root: run by scripts/test"]
fn a_disk_that_fills_up_while_a_box_is_unpacked() {
    use std::io::Write;
    let lab = TestLab::bare("");
    let home = lab.home().to_owned();
    let small = Small::mount(&home, 100);
    // How much comes out of a compressed image is not known before.
    let mut image = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut boot = [0x41; 512];
    boot[510..].copy_from_slice(&[0x55, 0xaa]);
    (0..400_000).for_each(|_| image.write_all(&boot).unwrap());
    std::fs::write(lab.root().join("big.img.gz"), image.finish().unwrap()).unwrap();
    lab.lab(&["box", "add", "big", "../big.img.gz"]).exits(5).says(&["the disk is full", "free some space"]);
    let left: Vec<_> = std::fs::read_dir(home.join("boxes/tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(lab.lab(&["box", "list", "--json"]).ok().stdout, "");
    small.resize(400);
    lab.lab(&["box", "add", "big", "../big.img.gz"]).ok();
    lab.lab(&["box", "verify"]).ok();
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn a_disk_that_fills_up_under_a_machine() {
    let text = "lab.box = 'demo'\n[machine.solo]\nprovision = [{ inline = 'dd if=/dev/urandom of=/var/big bs=64k count=1600; sync; rm /var/big', name = 'big' }]\n";
    let lab = TestLab::with_demo_box(text);
    let dir = lab.dir().join(".lab");
    let small = Small::mount(&dir, 40);
    let run = lab.lab(&["up"]).exits(5).says(&[
        "solo: stopped, since its disk could not be written",
        "free some space",
        "lab up",
    ]);
    assert!(run.took < Duration::from_secs(120), "{:?}", run.took);
    let status = lab.status("solo");
    assert_eq!((&status["state"], &status["ready"]), (&"paused".into(), &false.into()));
    assert!(status["failure"].as_str().unwrap().contains("disk could not be written"), "{status}");
    lab.lab(&["ssh", "solo"]).exits(5).says(&["disk could not be written"]);
    // Nothing is gained by trying again; and all is well once there is room.
    lab.lab(&["up"]).exits(5).says(&["solo: "]);
    small.resize(400);
    lab.lab(&["up"]).ok();
    assert_eq!(lab.status("solo")["ready"], true);
    let run_dir = lab.run_dir();
    lab.lab(&["destroy", "--yes"]).ok();
    drop(small);
    std::fs::remove_dir(&dir).unwrap();
    lab.nothing_left(run_dir.as_deref());
}
