//! Boxes that are none.

use std::io::Write;

use super::fake;
use crate::common::TestLab;

fn lab_of(image: &str) -> TestLab {
    TestLab::bare(&format!("lab.box = '{image}'\n[machine.a]\n"))
}

#[test]
fn a_box_that_does_not_exist() {
    let lab = lab_of("nosuchbox");
    lab.lab(&["up"]).exits(6).says(&[
        "there is no box called nosuchbox",
        "lab box list",
        "lab box add nosuchbox",
    ]);
    assert!(!lab.dir().join(".lab").exists());
    let lab = lab_of("./nosuch.box");
    lab.lab(&["up"]).exits(6).says(&["there is no box at", "nosuch.box", "hint:"]);
}

#[test]
fn files_that_are_no_boxes() {
    let lab = lab_of("./the.box");
    let path = lab.dir().join("the.box");
    let refused = |why: &str, hint: &str| {
        lab.lab(&["up"]).exits(6).says(&["not a box", why, "the.box", "hint:", hint]);
        lab.lab(&["box", "add", "mine", path.to_str().unwrap()]).exits(6).says(&[why]);
        assert!(!lab.dir().join(".lab").exists(), "a lab was begun");
    };
    std::fs::write(&path, "This is no box.\n").unwrap();
    refused("it is a text", "ends in .box");
    std::fs::write(&path, "").unwrap();
    refused("", "");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&[0x41; 100_000]).unwrap();
    let whole = gzip.finish().unwrap();
    std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    refused("", "");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    refused("is a folder", "a box is one file");
    let left: Vec<_> = std::fs::read_dir(lab.home().join("boxes/tmp")).into_iter().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(lab.lab(&["box", "list", "--json"]).ok().stdout, "");
}

#[test]
fn a_disk_that_qemu_img_cannot_read() {
    let lab = fake::lab("exit 1", "");
    fake::program(&lab.root().join("qemu"), "qemu-img", "echo 'qemu-img: Image is corrupt' >&2; exit 1");
    lab.lab(&["up"]).exits(6).says(&["could not be read", "Image is corrupt", "hint:"]);
    assert!(!lab.dir().join(".lab").exists());
}
