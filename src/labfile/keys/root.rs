//! The whole file, and the list of all sections.

use super::check::CHECK;
use super::lab::{LAB, NETWORK};
use super::lists::{COPY, FORWARD, PROVISION};
use super::machine::MACHINE;
use crate::provider::table::TABLE;
use crate::section::{Key, Section, Type};

/// Every section, in the order of the reference.
pub static SECTIONS: &[&Section] = &{
    const BEFORE: [&Section; 7] = [&ROOT, &LAB, &NETWORK, &MACHINE, &FORWARD, &PROVISION, &COPY];
    const PROVIDERS: usize = TABLE.0.len();
    let mut sections: [&Section; BEFORE.len() + PROVIDERS + 1] = [&CHECK; BEFORE.len() + PROVIDERS + 1];
    let mut at = 0;
    while at < BEFORE.len() + PROVIDERS {
        if at < BEFORE.len() {
            sections[at] = BEFORE[at];
        } else if let Type::Section(section) = TABLE.0[BEFORE.len() + PROVIDERS - 1 - at].section.takes {
            sections[at] = section;
        }
        at += 1;
    }
    sections
};

/// The whole file.
pub static ROOT: Section = Section {
    title: "the Labfile",
    id: "labfile",
    doc: "A lab: its machines, their private network, what is run on them.",
    keys: &[
        Key {
            name: "lab",
            takes: Type::Section(&LAB),
            doc: "What holds for the whole lab, and for every machine that does not say otherwise.",
            default: "nothing",
            example: "[lab]",
            words: &["config", "defaults", "global", "labfile"],
        },
        Key {
            name: "network",
            takes: Type::Section(&NETWORK),
            doc: "The private network between the machines.",
            default: "192.168.56.0/24",
            example: "[network]",
            words: &["net", "private_network"],
        },
        Key {
            name: "machine",
            takes: Type::Named(&MACHINE),
            doc: "The machines: a section each, `[machine.NAME]`.",
            default: "",
            example: "[machine.web1]",
            words: &["vm", "vms", "node", "nodes", "host", "hosts", "guest", "server"],
        },
        Key {
            name: "check",
            takes: Type::Named(&CHECK),
            doc: "What `lab check` looks at: a section each, `[check.NAME]`.",
            default: "nothing",
            example: "[check.web-answers]",
            words: &["checks", "test", "tests", "exercise", "exercises", "task", "tasks"],
        },
    ],
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_is_sound() {
        for section in SECTIONS {
            let names: HashSet<_> = section.keys.iter().map(|key| key.name).collect();
            assert_eq!(names.len(), section.keys.len(), "a key twice in {}", section.title);
            for key in section.keys {
                assert!(key.doc.ends_with('.'), "{}.{}", section.id, key.name);
                let other: Vec<_> = key.words.iter().filter(|word| names.contains(*word)).collect();
                assert!(other.is_empty(), "{other:?} of {}.{} are keys themselves", section.id, key.name);
            }
        }
    }

    #[test]
    fn examples_are_toml() {
        for key in SECTIONS.iter().flat_map(|section| section.keys) {
            let text = match key.takes {
                Type::Section(_) | Type::Named(_) => key.example.to_owned(),
                _ => format!("{} = {}", key.name, key.example),
            };
            assert!(toml::from_str::<toml::Table>(&text).is_ok(), "{text}");
        }
    }
}
