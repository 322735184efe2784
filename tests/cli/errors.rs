//! `docs/errors.md`: every kind of error, and the messages that the source has for it.
//!
//! `LAB_UPDATE_DOCS=1 cargo test --test cli errors` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use labfile::error::Kind;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const HEAD: &str = "# Errors

What `lab` may end with: for each kind its word in `--json` (`code`), its exit code, what it means, and the messages as they stand in the
source, with what to do. `{…}` stands for a name, a path or a number. Mistakes in a Labfile are shown with their place, and each has a
hint of its own; `lab validate` shows them all. Messages that are put together from parts are not all listed here.

This page is made from the source by `LAB_UPDATE_DOCS=1 cargo test --test cli errors`.
";

#[test]
fn the_page_is_complete() {
    let page = Path::new(ROOT).join("docs/errors.md");
    let text = written();
    if std::env::var_os("LAB_UPDATE_DOCS").is_some() {
        std::fs::write(&page, &text).unwrap();
    }
    let there = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        there == text,
        "docs/errors.md is not what the source says: LAB_UPDATE_DOCS=1 cargo test --test cli errors"
    );
    for kind in Kind::ALL {
        assert!(there.contains(&format!("`{}`", kind.code())), "{kind:?}");
    }
    assert!(there.matches("\n- ").count() > 100, "the source is not read as it should be");
}

fn written() -> String {
    let mut found: BTreeMap<String, Vec<(String, Vec<String>)>> = BTreeMap::new();
    for path in sources(&Path::new(ROOT).join("src")) {
        let text = std::fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        for (kind, message, hints) in messages(code) {
            let list = found.entry(kind).or_default();
            if !list.iter().any(|(known, _)| *known == message) {
                list.push((message, hints));
            }
        }
    }
    let mut page = format!("{HEAD}\n| code | exit | meaning |\n|---|---|---|\n");
    for kind in Kind::ALL {
        writeln!(page, "| [`{0}`](#{0}) | {1} | {2} |", kind.code(), kind.exit() as u8, kind.meaning())
            .unwrap();
    }
    for kind in Kind::ALL {
        write!(page, "\n## {}\n\n{} Exit code {}.\n", kind.code(), kind.meaning(), kind.exit() as u8)
            .unwrap();
        let list = found.get(&format!("{kind:?}")).map(Vec::as_slice).unwrap_or_default();
        if !list.is_empty() {
            page.push('\n');
        }
        for (message, hints) in list {
            writeln!(page, "- {}", shown(message)).unwrap();
            for hint in hints {
                writeln!(page, "  - {}", shown(hint)).unwrap();
            }
        }
    }
    page
}

/// Placeholders without what formats them, and nothing that Markdown would take for its own.
fn shown(text: &str) -> String {
    text.replace('<', "&lt;").replace('*', "\\*").replace("{{", "{").replace("}}", "}").replace("{}", "{…}")
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if ["lab/trial", "provider/fake", "provider/far"].iter().any(|room| path.ends_with(room)) {
            // No user meets these: they are there for tests.
        } else if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs")
            && !path.to_string_lossy().ends_with("tests.rs")
        {
            all.push(path);
        }
    }
    all
}

/// Every `Error::new(Kind::X, "…")` with the `.hint("…")`s of its statement, and calls of helpers that make one.
fn messages(code: &str) -> Vec<(String, String, Vec<String>)> {
    let mut all = Vec::new();
    // `fn bad(message: String) -> Error { Error::new(Kind::BadLabfile, message) }`
    let mut starts = vec![("Error::new(".to_owned(), None)];
    for part in code.split("\nfn ").skip(1) {
        let body = part.split("\n}").next().unwrap_or_default();
        if body.contains("-> Error {")
            && body.contains(", message)")
            && let Some((_, kind)) = body.split_once("Error::new(Kind::")
        {
            let name = part.split('(').next().unwrap_or_default();
            starts.push((format!("{name}("), kind.split(',').next().map(str::to_owned)));
        }
    }
    for (start, fixed) in starts {
        for (at, _) in code.match_indices(&start) {
            let inside = &code[at + start.len()..];
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') || code[..at].ends_with("fn ") {
                continue;
            }
            let call = &inside[..end_of(inside)];
            let kind = match (&fixed, call.trim_start().strip_prefix("Kind::")) {
                (Some(kind), _) => kind.clone(),
                (None, Some(rest)) => rest.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned(),
                _ => continue,
            };
            let Some(message) = literals(call).into_iter().next() else { continue };
            // The statement goes on with what is called on the error.
            let rest = &inside[call.len()..];
            let end =
                rest.find(';').unwrap_or(rest.len()).min(rest.find("Error::new(").unwrap_or(rest.len()));
            let statement = &rest[..end];
            let hints = statement
                .split(".hint(")
                .skip(1)
                .filter_map(|part| literals(&part[..end_of(part)]).into_iter().next())
                .collect();
            all.push((kind, message, hints));
        }
    }
    all
}

/// Where the bracket that was opened before `text` is closed.
fn end_of(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The texts in quotes, with their escapes undone.
fn literals(code: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '"' {
            continue;
        }
        let mut text = String::new();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => match chars.next() {
                    Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                    Some('n') => text.push(' '),
                    Some(c) => text.push(c),
                    None => {}
                },
                c => text.push(c),
            }
        }
        all.push(text);
    }
    all
}
