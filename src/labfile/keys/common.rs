//! Keys that stand in several sections.

use crate::section::{Key, Short, Type};

pub(super) const BOX: Key = Key {
    name: "box",
    takes: Type::Text,
    doc: "The box a machine is made from: a catalogue name, the name of an added box, a path, or a URL.",
    default: "",
    example: "\"demo\"",
    words: &["image", "base", "template", "os"],
};

pub(super) const BOX_VERSION: Key = Key {
    name: "box_version",
    takes: Type::Version,
    doc: "Which versions of the box will do, for a box of the registry or the catalogue: \"2.2.3\", \"~> 2.2\", \">= 1.0, < 3\".",
    default: "the newest at first use, then what Labfile.lock says",
    example: "\"~> 2.2\"",
    words: &["version", "box_check_update"],
};

pub(super) const MEMORY: Key = Key {
    name: "memory",
    takes: Type::Memory,
    doc: "Memory: \"256 MiB\", \"1 GiB\", or a number of MiB. From 32 MiB to 1 TiB.",
    default: "what the box says",
    example: "\"256 MiB\"",
    words: &["ram", "mem"],
};

pub(super) const CPUS: Key = Key {
    name: "cpus",
    takes: Type::Integer(1, 64),
    doc: "The number of virtual processors.",
    default: "what the box says",
    example: "2",
    words: &["cores", "vcpus", "processors", "smp"],
};

pub(super) const BOOT_TIMEOUT: Key = Key {
    name: "boot_timeout",
    takes: Type::Duration,
    doc: "How long it may take from the start to an answer on ssh.",
    default: "\"5 min\"",
    example: "\"5 min\"",
    words: &["timeout", "start_timeout"],
};

pub(super) const HALT_TIMEOUT: Key = Key {
    name: "halt_timeout",
    takes: Type::Duration,
    doc: "How long a graceful shutdown may take before the power is cut.",
    default: "\"30 s\"",
    example: "\"30 s\"",
    words: &["graceful_halt_timeout", "shutdown_timeout", "stop_timeout"],
};

pub(super) const PROVISION_WORDS: &[&str] = &["shell", "provisioner", "run", "scripts"];
pub(super) const COPY_WORDS: &[&str] = &["folders", "files", "sync", "upload"];
pub(super) const SCRIPT_SHORT: Short =
    Short { doc: "The path of a script, from the Labfile's folder.", pattern: "^[^~]" };

/// Of a provisioner and of a check.
pub(super) const AS: Key = Key {
    name: "as",
    takes: Type::Choice(&["root", "user"]),
    doc: "Who runs it: root, or the user that `lab ssh` logs in as.",
    default: "\"root\"",
    example: "\"user\"",
    words: &["privileged", "user", "become", "sudo"],
};
