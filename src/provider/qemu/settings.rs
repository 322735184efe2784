//! The Labfile's section `[machine.NAME.qemu]`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arguments;
use super::harmless::{is_harmless_cpu, is_harmless_machine, reaching};
use crate::section::{About, Key, Reaching, Remark, Section, Type};

/// What it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    /// Arguments added at the end of QEMU's command line.
    #[serde(default)]
    pub(super) args: Vec<String>,
    /// `-cpu`.
    pub(super) cpu: Option<String>,
    /// `-machine`.
    pub(super) machine: Option<String>,
}

/// The key of the section.
pub(super) const KEY: Key = Key {
    name: "qemu",
    takes: Type::Section(&SECTION),
    doc: SECTION.doc,
    default: "nothing",
    example: "[machine.web1.qemu]",
    words: &["libvirt", "kvm", "tcg", "hvf"],
};

static SECTION: Section = Section {
    title: "[machine.NAME.qemu]",
    id: "qemu",
    doc: "Settings that only QEMU reads.",
    keys: &[
        Key {
            name: "args",
            takes: Type::Texts,
            doc: "Arguments that are added at the end of QEMU's command line, as they are.",
            default: "[]",
            example: "[\"-device\", \"virtio-rng-pci\"]",
            words: &["arguments", "options", "extra"],
        },
        Key {
            name: "cpu",
            takes: Type::Text,
            doc: "The processor model (`-cpu`).",
            default: "what suits the accelerator",
            example: "\"qemu64\"",
            words: &["cpu_model"],
        },
        Key {
            name: "machine",
            takes: Type::Text,
            doc: "The machine type (`-machine`).",
            default: "what suits the box",
            example: "\"q35\"",
            words: &["machine_type"],
        },
    ],
};

/// What is to be said of the section's values.
pub(super) fn look(section: &Value) -> Vec<Remark> {
    let Settings { args, cpu, machine } = Settings::deserialize(section).unwrap_or_default();
    let mut remarks = Vec::new();
    for (item, arg) in args.iter().enumerate() {
        if let Some((code, message, hint)) = arguments::mistake(arg) {
            remarks.push(Remark { key: "args", item, what: About::Mistake { code, message, hint } });
        }
    }
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    for range in reaching(&words) {
        let (item, words) = (range.start, args.get(range).unwrap_or_default());
        remarks.push(Remark { key: "args", item, what: reaching_words(words.to_vec()) });
    }
    for (key, option, value, is_harmless) in [
        ("cpu", "-cpu", cpu, is_harmless_cpu as fn(&str) -> bool),
        ("machine", "-machine", machine, is_harmless_machine),
    ] {
        if let Some(value) = value.filter(|value| !is_harmless(value)) {
            remarks.push(Remark { key, item: 0, what: reaching_words(vec![option.to_owned(), value]) });
        }
    }
    remarks
}

fn reaching_words(words: Vec<String>) -> About {
    let text = format!("QEMU gets {}, by which it may open files or start programs", words.join(" "));
    About::Reaching(Reaching { kind: "arguments", words, text })
}
