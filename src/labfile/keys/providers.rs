//! The keys that only one provider reads.

use super::kinds::{Key, Section, Type};

/// `[machine.NAME.qemu]`.
pub static QEMU: Section = Section {
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

/// `[machine.NAME.virtualbox]`.
pub static VIRTUALBOX: Section = Section {
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
