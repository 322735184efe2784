//! Labfiles that lie.

use super::fake;
use crate::common::TestLab;

#[test]
fn no_labfile_at_all() {
    let lab = TestLab::bare("");
    std::fs::remove_file(lab.dir().join("Labfile")).unwrap();
    for verb in ["up", "status", "validate", "destroy", "halt", "logs"] {
        lab.lab(&[verb]).exits(3).says(&["there is no Labfile in", "hint:", "lab init"]);
    }
    assert!(!lab.dir().join(".lab").exists());
}

#[test]
fn a_broken_labfile_is_refused_before_anything_is_touched() {
    let lab = TestLab::bare("lab.box = 'demo'\n[machine.a]\nmemry = '1 GiB'\n");
    let words = ["Labfile has 1 mistake", "Labfile:3:1", "did you mean `memory`?", "lab validate"];
    lab.lab(&["up"]).exits(3).says(&words);
    lab.lab(&["status"]).exits(3).says(&words);
    assert!(!lab.dir().join(".lab").exists());
}

#[test]
fn a_labfile_that_broke_later_stops_nobody_from_cleaning_up() {
    let lab = fake::lab_that_is_off();
    let run_dir = lab.run_dir();
    lab.write("lab/Labfile", "lab.box = 'demo'\n[machine.a\n");
    lab.lab(&["up"]).exits(3).says(&["Labfile:2:"]);
    lab.lab(&["reload"]).exits(3);
    assert!(lab.lab(&["status"]).ok().says(&["warning", "lab validate"]).stdout.contains("solo"));
    lab.lab(&["ssh", "solo"]).exits(7).says(&["solo is off"]);
    lab.lab(&["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
}

#[test]
fn a_labfile_that_went_away_later_stops_nobody_from_cleaning_up() {
    let lab = fake::lab_that_is_off();
    let run_dir = lab.run_dir();
    std::fs::remove_file(lab.dir().join("Labfile")).unwrap();
    assert!(lab.lab(&["status"]).ok().stdout.contains("solo"));
    lab.lab(&["up"]).exits(3);
    lab.lab(&["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
}

#[test]
fn a_script_deleted_between_validate_and_up() {
    let lab = fake::lab("exit 1", "provision = ['web.sh']");
    lab.write("lab/web.sh", "true\n");
    lab.lab(&["validate"]).ok();
    std::fs::remove_file(lab.dir().join("web.sh")).unwrap();
    lab.lab(&["up"]).exits(3).says(&["Labfile:3:", "web.sh"]);
    assert!(!lab.dir().join(".lab").exists());
}

#[test]
fn a_machine_that_does_not_exist_or_is_named_twice() {
    let lab = fake::lab("exit 1", "");
    lab.lab(&["up", "sool"]).exits(2).says(&["there is no machine sool", "did you mean solo?"]);
    assert!(!lab.dir().join(".lab").exists());
    let status = lab.lab(&["status", "solo", "solo", "--json"]).ok().json();
    assert_eq!(status["machines"].as_array().unwrap().len(), 1);
}
