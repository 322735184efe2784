//! `docs/json.md` says all that the program writes with `--json`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// What stands in backticks in the document.
fn documented() -> BTreeSet<String> {
    let text = read("docs/json.md");
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The words behind `before` in a source text, up to the next quote.
fn words_after(text: &str, before: &str) -> BTreeSet<String> {
    text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// The variants of an enum as serde writes them in snake case.
fn variants(text: &str, name: &str) -> BTreeSet<String> {
    let body = text.split_once(&format!("pub enum {name} {{")).unwrap().1.split_once("\n}").unwrap().0;
    let lines = body.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let snake = |line: &str| {
        line.trim_end_matches(',').chars().fold(String::new(), |mut word, c| {
            if c.is_ascii_uppercase() && !word.is_empty() {
                word.push('_');
            }
            word.push(c.to_ascii_lowercase());
            word
        })
    };
    lines.filter(|line| !line.is_empty()).map(snake).collect()
}

#[track_caller]
fn all_documented(words: &BTreeSet<String>, least: usize) {
    assert!(words.len() >= least, "the search found only {words:?}");
    let missing: Vec<_> = words.difference(&documented()).cloned().collect();
    assert!(missing.is_empty(), "docs/json.md does not have {missing:?}");
}

#[test]
fn every_event() {
    let mut events = words_after(&read("src/ui/json.rs"), "\"event\": \"");
    for folder in ["src/cli", "src/cli/box"] {
        let files = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        for file in files.filter(|path| path.is_file()) {
            events.extend(words_after(&read(file), "\"event\": \""));
        }
    }
    all_documented(&events, 11);
    let fields = words_after(&read("src/ui/json.rs").replace("json!({", ", "), ", \"");
    all_documented(&fields, 10);
}

#[test]
fn every_phase_outcome_and_state() {
    let events = read("src/lab/tell/event.rs");
    all_documented(&variants(&events, "Phase"), 9);
    all_documented(&variants(&events, "Outcome"), 6);
    all_documented(&variants(&read("src/provider/mod.rs"), "PowerState"), 6);
}

#[test]
fn every_field_of_the_status() {
    use labfile::lab::tell::status::{MachineStatus, Status};
    let machine = MachineStatus {
        name: "web1".to_owned(),
        state: labfile::provider::PowerState::Running,
        ready: true,
        ready_for: Some(1),
        uptime: Some(9),
        memory_used_mib: Some(97),
        ip: Some(std::net::Ipv4Addr::LOCALHOST),
        ssh: Some("127.0.0.1:2200".parse().unwrap()),
        forwards: vec![labfile::lab::tell::status::Forward {
            host: 8080,
            guest: 80,
            address: [127, 0, 0, 1].into(),
        }],
        image: Some("demo".to_owned()),
        memory_mib: Some(256),
        changed: Vec::new(),
        failure: None,
    };
    let status = Status { version: 1, lab: "x".to_owned(), provider: None, machines: vec![machine] };
    let status = serde_json::to_value(status).unwrap();
    let machine = &status["machines"][0];
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect();
    all_documented(&keys(&status), 4);
    all_documented(&keys(machine), 13);
    all_documented(&keys(&machine["forwards"][0]), 2);
    assert_eq!(machine["ssh"], "127.0.0.1:2200");
}
