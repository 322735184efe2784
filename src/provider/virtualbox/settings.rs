//! The Labfile's section `[machine.NAME.virtualbox]`, and what the catalogue says for a box.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::harmless::is_harmless_call;
use crate::error::Result;
use crate::provider::MachineSpec;
use crate::section::{About, Key, Reaching, Remark, Section, Type};

/// What it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    /// VBoxManage calls before the first start; `{id}` stands for the machine.
    #[serde(default)]
    pub(super) customize: Vec<Vec<String>>,
    /// A window is shown.
    #[serde(default)]
    pub(super) gui: bool,
}

/// The settings for the machine's box, and those of the Labfile.
///
/// # Errors
/// Where they are not what this provider reads.
pub(super) fn of(machine: &MachineSpec) -> Result<(Settings, Settings)> {
    Ok((machine.own.for_box.read()?, machine.own.settings.read()?))
}

/// The key of the section.
pub(super) const KEY: Key = Key {
    name: "virtualbox",
    takes: Type::Section(&SECTION),
    doc: SECTION.doc,
    default: "nothing",
    example: "[machine.web1.virtualbox]",
    words: &["vbox", "vb", "oracle"],
};

static SECTION: Section = Section {
    title: "[machine.NAME.virtualbox]",
    id: "virtualbox",
    doc: "Settings that only VirtualBox reads.",
    keys: &[
        Key {
            name: "customize",
            takes: Type::Commands,
            doc: "VBoxManage calls before the first start; `{id}` stands for the machine.",
            default: "[]",
            example: "[[\"modifyvm\", \"{id}\", \"--vram\", \"16\"]]",
            words: &["customise", "customization", "vboxmanage", "modifyvm"],
        },
        Key {
            name: "gui",
            takes: Type::Flag,
            doc: "Show the machine's window.",
            default: "false",
            example: "true",
            words: &["window"],
        },
    ],
};

/// What is to be said of the section's values.
pub(super) fn look(section: &Value) -> Vec<Remark> {
    let calls = Settings::deserialize(section).unwrap_or_default().customize;
    let reaching = calls.into_iter().enumerate().filter(|(_, call)| !is_harmless_call(call));
    let remark = |(item, words): (usize, Vec<String>)| {
        let text = format!("VBoxManage is called: {}", words.join(" "));
        Remark { key: "customize", item, what: About::Reaching(Reaching { kind: "call", words, text }) }
    };
    reaching.map(remark).collect()
}
