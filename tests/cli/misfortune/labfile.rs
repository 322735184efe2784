//! Labfiles that lie.

use super::fake;
use crate::common::TestLab;
use crate::common::transcript::Transcript;

#[test]
fn no_labfile_at_all() {
    let mut seen = Transcript::default();
    let lab = TestLab::bare("");
    std::fs::remove_file(lab.dir().join("Labfile")).unwrap();
    for verb in ["up", "status", "validate", "destroy", "halt", "logs"] {
        seen.lab(&lab, &[verb]).exits(3);
    }
    assert!(!lab.dir().join(".lab").exists());
    insta::assert_snapshot!(seen.text());
}

#[test]
fn a_broken_labfile_is_refused_before_anything_is_touched() {
    let mut seen = Transcript::default();
    let lab = TestLab::bare("lab.box = 'demo'\n[machine.a]\nmemry = '1 GiB'\n");
    seen.lab(&lab, &["up"]).exits(3);
    seen.lab(&lab, &["status"]).exits(3);
    assert!(!lab.dir().join(".lab").exists());
    insta::assert_snapshot!(seen.text());
}

#[test]
fn a_labfile_that_broke_later_stops_nobody_from_cleaning_up() {
    let mut seen = Transcript::default();
    let lab = fake::lab_that_is_off();
    let run_dir = lab.run_dir();
    lab.write("lab/Labfile", "lab.box = 'demo'\n[machine.a\n");
    seen.lab(&lab, &["up"]).exits(3);
    seen.lab(&lab, &["reload"]).exits(3);
    seen.lab(&lab, &["status"]).ok();
    seen.lab(&lab, &["ssh", "solo"]).exits(7);
    seen.lab(&lab, &["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
    insta::assert_snapshot!(seen.text());
}

#[test]
fn a_labfile_that_went_away_later_stops_nobody_from_cleaning_up() {
    let mut seen = Transcript::default();
    let lab = fake::lab_that_is_off();
    let run_dir = lab.run_dir();
    std::fs::remove_file(lab.dir().join("Labfile")).unwrap();
    seen.lab(&lab, &["status"]).ok();
    seen.lab(&lab, &["up"]).exits(3);
    seen.lab(&lab, &["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
    insta::assert_snapshot!(seen.text());
}

#[test]
fn a_script_deleted_between_validate_and_up() {
    let mut seen = Transcript::default();
    let lab = fake::lab("exit 1", "provision = ['web.sh']");
    lab.write("lab/web.sh", "true\n");
    seen.lab(&lab, &["validate"]).ok();
    std::fs::remove_file(lab.dir().join("web.sh")).unwrap();
    seen.lab(&lab, &["up"]).exits(3);
    assert!(!lab.dir().join(".lab").exists());
    insta::assert_snapshot!(seen.text());
}

#[test]
fn a_machine_that_does_not_exist_or_is_named_twice() {
    let mut seen = Transcript::default();
    let lab = fake::lab("exit 1", "");
    seen.lab(&lab, &["up", "sool"]).exits(2);
    assert!(!lab.dir().join(".lab").exists());
    let status = lab.lab(&["status", "solo", "solo", "--json"]).ok().json();
    assert_eq!(status["machines"].as_array().unwrap().len(), 1);
    insta::assert_snapshot!(seen.text());
}
