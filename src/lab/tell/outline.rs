//! What of a lab's files a bug report may tell: their outline. A value is taken when it is known to be harmless: by the
//! key of the Labfile that it stands under, or by its form. All others are counted, and left out.

use std::sync::LazyLock;

use regex_lite::Regex;
use toml::{Table, Value};

use crate::labfile::keys::{ROOT, Section, Type};

/// What stands for a value that is not taken.
pub const LEFT_OUT: &str = "(left out)";
/// Longest text that is taken for a name, a path or an address, in characters.
const LONGEST: usize = 200;

/// An outline, and how much is missing in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The text.
    pub text: String,
    /// How many values or lines were left out.
    pub left_out: usize,
}

/// The outline of a Labfile: its keys; and its values, but for scripts, arguments, environments and what else is a
/// person's own text. Comments are no part of it. `None` where it is no TOML.
pub fn labfile(text: &str) -> Option<Outline> {
    let mut table: Table = toml::from_str(text).ok()?;
    let mut left_out = 0;
    section(&mut table, &ROOT, &mut left_out);
    Some(Outline { text: toml::to_string(&table).ok()?, left_out })
}

fn section(table: &mut Table, known: &Section, left_out: &mut usize) {
    for (name, value) in table.iter_mut() {
        match known.key(name).map(|key| (key.name, key.takes)) {
            Some((_, Type::Section(inner))) => inside(value, inner, left_out),
            Some((_, Type::Named(inner))) => match value {
                Value::Table(named) => named.iter_mut().for_each(|(_, value)| inside(value, inner, left_out)),
                value => omit(value, left_out),
            },
            Some((_, Type::List(inner, short))) => match value {
                Value::Array(list) => {
                    for value in list {
                        if !(short.is_some() && is_short_text(value)) {
                            inside(value, inner, left_out);
                        }
                    }
                }
                value => omit(value, left_out),
            },
            Some((name, takes)) if is_told(name, takes) => told(value, left_out),
            _ => omit(value, left_out),
        }
    }
}

fn inside(value: &mut Value, known: &Section, left_out: &mut usize) {
    match value {
        Value::Table(table) => section(table, known, left_out),
        value => omit(value, left_out),
    }
}

/// Whether what stands under a key is no text of a person's own.
fn is_told(name: &str, takes: Type) -> bool {
    match takes {
        Type::Name
        | Type::Path
        | Type::GuestPath
        | Type::Choice(_)
        | Type::Integer(..)
        | Type::Flag
        | Type::Memory
        | Type::Duration
        | Type::Network
        | Type::Address
        | Type::Version
        | Type::Names => true,
        Type::Text => matches!(name, "box" | "name" | "cpu" | "machine"),
        _ => false,
    }
}

fn told(value: &mut Value, left_out: &mut usize) {
    match value {
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
        Value::Array(list) => list.iter_mut().for_each(|value| told(value, left_out)),
        value if is_short_text(value) => {}
        value => omit(value, left_out),
    }
}

fn is_short_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.chars().count() <= LONGEST && !text.contains('\n'))
}

fn omit(value: &mut Value, left_out: &mut usize) {
    *left_out += 1;
    *value = Value::String(LEFT_OUT.to_owned());
}

/// The outline of a file that lab itself has written, as JSON: numbers, and texts whose form says that they are no
/// person's (ids, digests, addresses, single words), or that stand under one of `keys`.
///
/// # Errors
/// What is wrong with the JSON, and where; it quotes nothing.
pub fn json(text: &str, keys: &[&str]) -> Result<Outline, serde_json::Error> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    let mut left_out = 0;
    let value = told_json(value, false, keys, &mut left_out);
    Ok(Outline { text: format!("{value:#}\n"), left_out })
}

fn told_json(
    value: serde_json::Value,
    named: bool,
    keys: &[&str],
    left_out: &mut usize,
) -> serde_json::Value {
    use serde_json::Value as V;
    match value {
        V::Object(object) => {
            let told = object.into_iter().map(|(name, value)| {
                let named = keys.contains(&name.as_str());
                let name = if is_harmless(&name) { name } else { LEFT_OUT.to_owned() };
                (name, told_json(value, named, keys, left_out))
            });
            V::Object(told.collect())
        }
        V::Array(list) => {
            V::Array(list.into_iter().map(|value| told_json(value, named, keys, left_out)).collect())
        }
        V::String(text) if !named && !is_harmless(&text) => {
            *left_out += 1;
            V::String(LEFT_OUT.to_owned())
        }
        value => value,
    }
}

/// A number, an id, a digest, an address, a name: one short word without a sign of a password's.
fn is_harmless(word: &str) -> bool {
    static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^([A-Za-z][a-z0-9_-]{0,31}|[0-9a-f-]{8,128}|[0-9a-f:]{2,39}|[0-9][0-9.:/+~-]{0,47})$")
            .ok()
    });
    FORM.as_ref().is_some_and(|form| form.is_match(word))
}

/// The outline of `Labfile.lock`, whose every key is lab's own. `None` where it is no TOML.
pub fn pins(text: &str) -> Option<Outline> {
    const KEYS: &[&str] = &["version", "box", "name", "wanted", "source", "size", "sha256"];
    let mut table: Table = toml::from_str(text).ok()?;
    let mut left_out = 0;
    let mut keep = |table: &mut Table| {
        for (name, value) in table.iter_mut() {
            if KEYS.contains(&name.as_str()) {
                told(value, &mut left_out);
            } else {
                omit(value, &mut left_out);
            }
        }
    };
    if let Some(Value::Array(boxes)) = table.get_mut("box") {
        boxes.iter_mut().filter_map(Value::as_table_mut).for_each(&mut keep);
    }
    let boxes = table.remove("box");
    keep(&mut table);
    if let Some(Value::Array(boxes)) = boxes {
        let tables = boxes.into_iter().filter(Value::is_table).collect();
        table.insert("box".to_owned(), Value::Array(tables));
    }
    Some(Outline { text: toml::to_string(&table).ok()?, left_out })
}

/// The outline of lab's log: the lines that have a log's form. Of an ssh that was started, the arguments are left out:
/// what a guest is to run is among them.
pub fn log(text: &str) -> Outline {
    static LINE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.:+Z-]* \[\d+\] |    \| )").ok());
    static SSH: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(\] program \d+: (?:\S*/)?ssh) .*").ok());
    let mut outline = Outline::default();
    for line in text.lines() {
        if !LINE.as_ref().is_some_and(|form| form.is_match(line)) {
            outline.left_out += 1;
            continue;
        }
        match &*SSH {
            Some(ssh) => outline.text.push_str(&ssh.replace(line, format!("$1 {LEFT_OUT}"))),
            None => outline.text.push_str(line),
        }
        outline.text.push('\n');
    }
    outline
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_labfile_is_told_without_what_people_wrote_into_it() {
        let text = r#"
            # S3CRET in a comment
            S3CRET-KEY = "S3CRET"
            [lab]
            name = "class"
            box = "demo"
            memory = "32 MiB"
            passwort = "S3CRET"
            [machine.web1]
            ip = "192.168.56.10"
            after = ["db1"]
            forward = ["8080:80", { host = 8081, guest = 81 }]
            provision = ["a.sh", { name = "b", inline = "S3CRET", args = ["S3CRET"], env = { name = "S3CRET" } }, 7]
            copy = [{ from = "site", to = "/srv" }]
            [machine.web1.qemu]
            args = ["-S3CRET"]
            [check.x]
            machine = "web1"
            run = "S3CRET"
            expect = "S3CRET"
            hint = "S3CRET"
        "#;
        let Outline { text, left_out } = labfile(text).unwrap();
        assert!(
            !text.contains("\"S3CRET") && !text.contains("-S3CRET\"") && !text.contains("comment"),
            "{text}"
        );
        for kept in
            ["32 MiB", "192.168.56.10", "8080:80", "8081", "a.sh", "/srv", "[\"db1\"]", "class", "passwort"]
        {
            assert!(text.contains(kept), "no {kept} in {text}");
        }
        assert_eq!(left_out, 10, "{text}");
        assert_eq!(labfile("no toml"), None);
    }

    #[test]
    fn a_state_is_told_by_its_forms() {
        let text = r#"{"version": 1, "lab_id": "0b5e1b8a-1f1c-4a59-9c7e-0d9f6f1f2a3b", "machines": {"web1": {
            "ip": "192.168.56.10", "mac": "52:54:00:12:34:56", "image": "/home/x/S3CRET", "boot": null,
            "failure": "web1: no ssh", "steps": {"My S3CRET": {"digest": "5b1a9bb1c0de"}}}}}"#;
        let Outline { text, left_out } = json(text, &["failure"]).unwrap();
        assert!(!text.contains("S3CRET"), "{text}");
        for kept in ["web1", "0b5e1b8a", "192.168.56.10", "52:54", "no ssh", "5b1a9bb1c0de"] {
            assert!(text.contains(kept), "no {kept} in {text}");
        }
        assert_eq!(left_out, 1, "{text}");
        assert!(json("x", &[]).is_err());
    }

    #[test]
    fn pins_are_told_as_lab_wrote_them() {
        let text = "version = 1\nx = \"S3CRET\"\n[[box]]\nname = \"demo\"\nsource = \"file:demo.box\"\nsize = 1\nnote = \"S3CRET\"\n";
        let Outline { text, left_out } = pins(text).unwrap();
        assert!(text.contains("file:demo.box") && !text.contains("S3CRET"), "{text}");
        assert_eq!(left_out, 2);
        assert_eq!(pins("machine x login y password S3CRET"), None);
    }

    #[test]
    fn a_log_is_told_by_the_form_of_its_lines() {
        let text = "2026-01-01T10:00:00.123+01:00 [7] program 1: /usr/bin/ssh -F none web1 -- S3CRET\n    | words\nS3CRET=1\n";
        let Outline { text, left_out } = log(text);
        assert_eq!(
            text,
            "2026-01-01T10:00:00.123+01:00 [7] program 1: /usr/bin/ssh (left out)\n    | words\n"
        );
        assert_eq!(left_out, 1);
    }
}
