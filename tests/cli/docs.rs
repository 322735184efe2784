//! What the documentation says to type works.

use std::path::Path;

use crate::common::{TestLab, commands};
use labfile::labfile::parse;

fn pages() -> Vec<(&'static str, String)> {
    let page =
        |name| (name, std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap());
    ["docs/guide.md", "docs/from-vagrant.md", "README.md"].map(page).to_vec()
}

#[test]
fn every_command_is_one_that_lab_understands() {
    for (name, text) in pages() {
        let commands = commands(&text);
        assert!(!commands.is_empty(), "{name}");
        for words in commands {
            // Without a Labfile none of them gets as far as doing anything.
            let lab = TestLab::bare("");
            std::fs::remove_file(lab.dir().join("Labfile")).unwrap();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let run = lab.lab(&words);
            assert!(run.code != 2 && run.code != 70, "{name}: lab {words:?}: {}", run.stderr);
        }
    }
}

#[test]
fn every_labfile_is_one() {
    let text = pages().remove(0).1;
    let blocks: Vec<&str> =
        text.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let report = parse(block, Path::new("/nowhere/Labfile"));
        assert!(report.is_ok(), "{}", report.unwrap_err().render(false));
    }
}

#[test]
fn messages_in_the_guide_are_those_of_the_source() {
    let errors = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md")).unwrap();
    let guide = pages().remove(0).1;
    let table = guide.split("| what is seen |").nth(1).unwrap();
    let messages: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(messages.len() >= 3);
    for message in messages {
        assert!(errors.contains(&message.replace("8080", "{port}")), "{message}");
    }
}

#[test]
fn every_page_that_is_named_is_there() {
    for (name, text) in pages() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        for link in text.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap()) {
            if !link.is_empty() && !link.contains("://") {
                assert!(folder.parent().unwrap().join(link).exists(), "{name}: {link}");
            }
        }
    }
}
