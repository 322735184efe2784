//! The guide's first lab, typed as it is written.

use crate::common::{TestLab, commands};

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn the_first_lab_works_as_written() {
    let lab = TestLab::with_demo_box("");
    std::fs::remove_file(lab.dir().join("Labfile")).unwrap();
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guide.md")).unwrap();
    let first = guide.split("\n## ").nth(1).unwrap();
    assert!(first.starts_with("A first lab"));
    let commands = commands(first);
    assert!(commands.len() > 8);
    for words in commands {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        lab.lab(&words).ok();
    }
    assert!(!lab.dir().join(".lab").exists());
}
