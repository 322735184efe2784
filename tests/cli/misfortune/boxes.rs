//! Boxes that are none.

use std::io::Write;

use super::fake;
use crate::common::TestLab;
use crate::common::transcript::Transcript;

fn lab_of(image: &str) -> TestLab {
    TestLab::bare(&format!("lab.box = '{image}'\n[machine.a]\n"))
}

#[test]
fn a_box_that_does_not_exist() {
    let mut seen = Transcript::default();
    let lab = lab_of("nosuchbox");
    seen.lab(&lab, &["up"]).exits(6);
    assert!(!lab.dir().join(".lab").exists());
    let lab = lab_of("./nosuch.box");
    seen.lab(&lab, &["up"]).exits(6);
    insta::assert_snapshot!(seen.text());
}

#[test]
fn files_that_are_no_boxes() {
    let mut seen = Transcript::default();
    let lab = lab_of("./the.box");
    let path = lab.dir().join("the.box");
    let mut refused = |what: &str| {
        seen.heading(what);
        seen.lab(&lab, &["up"]).exits(6);
        seen.lab(&lab, &["box", "add", "mine", path.to_str().unwrap()]).exits(6);
        assert!(!lab.dir().join(".lab").exists(), "a lab was begun");
    };
    std::fs::write(&path, "This is no box.\n").unwrap();
    refused("a text");
    std::fs::write(&path, "").unwrap();
    refused("an empty file");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&[0x41; 100_000]).unwrap();
    let whole = gzip.finish().unwrap();
    std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    refused("the beginning of an archive");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    refused("a folder");
    let left: Vec<_> = std::fs::read_dir(lab.home().join("boxes/tmp")).into_iter().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(lab.lab(&["box", "list", "--json"]).ok().stdout, "");
    insta::assert_snapshot!(seen.text());
}

#[test]
fn a_disk_that_qemu_img_cannot_read() {
    let mut seen = Transcript::default();
    let lab = fake::lab("exit 1", "");
    fake::program(&lab.root().join("qemu"), "qemu-img", "echo 'qemu-img: Image is corrupt' >&2; exit 1");
    seen.lab(&lab, &["up"]).exits(6);
    assert!(!lab.dir().join(".lab").exists());
    insta::assert_snapshot!(seen.text());
}
