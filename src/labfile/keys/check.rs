//! The keys of `[check.NAME]`.

use super::common::AS;
use crate::section::{Key, Section, Type};

/// `[check.NAME]`.
pub static CHECK: Section = Section {
    title: "[check.NAME]",
    id: "check",
    doc: "Something that a student is to achieve: a command, and what is expected of it.",
    keys: &[
        Key {
            name: "machine",
            takes: Type::Text,
            doc: "The machine it is run in.",
            default: "the only machine",
            example: "\"web1\"",
            words: &["on", "in", "vm", "host", "node"],
        },
        Key {
            name: "run",
            takes: Type::Script,
            doc: "What is run: a line, or several, for the machine's `sh`.",
            default: "",
            example: "\"curl -s http://localhost/\"",
            words: &["command", "cmd", "inline", "script", "exec"],
        },
        Key {
            name: "expect",
            takes: Type::Text,
            doc: "Text that its output must have in it.",
            default: "anything",
            example: "\"hello\"",
            words: &["stdout", "output", "contains", "expected", "expects"],
        },
        Key {
            name: "status",
            takes: Type::Integer(0, 255),
            doc: "The exit status that it must have.",
            default: "0",
            example: "1",
            words: &["exit", "exit_code", "exit_status", "code"],
        },
        AS,
        Key {
            name: "timeout",
            takes: Type::Duration,
            doc: "How long it may run.",
            default: "\"30 s\"",
            example: "\"1 min\"",
            words: &["limit"],
        },
        Key {
            name: "points",
            takes: Type::Integer(1, 1000),
            doc: "What it is worth.",
            default: "1",
            example: "5",
            words: &["score", "weight", "marks", "worth"],
        },
        Key {
            name: "hint",
            takes: Type::Text,
            doc: "What to tell who has not achieved it yet.",
            default: "nothing",
            example: "\"is nginx running?\"",
            words: &["help", "tip", "message"],
        },
    ],
};
