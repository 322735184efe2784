//! The keys of the tables in a machine's lists: forwards, provisioners, copies.

use super::common::AS;
use crate::section::{Key, Section, Type};

/// A table in `forward`.
pub static FORWARD: Section = Section {
    title: "a forward",
    id: "forward",
    doc: "A TCP port of this computer (on 127.0.0.1) that leads to a port of the machine.",
    keys: &[
        Key {
            name: "host",
            takes: Type::Integer(1, 65535),
            doc: "The port on this computer.",
            default: "",
            example: "8080",
            words: &["from", "host_port"],
        },
        Key {
            name: "guest",
            takes: Type::Integer(1, 65535),
            doc: "The port in the machine.",
            default: "",
            example: "80",
            words: &["to", "guest_port"],
        },
        Key {
            name: "auto",
            takes: Type::Flag,
            doc: "Take another free port where this one is in use.",
            default: "false",
            example: "true",
            words: &["auto_correct", "autocorrect"],
        },
    ],
};

/// A table in `provision`.
pub static PROVISION: Section = Section {
    title: "a provisioner",
    id: "provisioner",
    doc: "A shell script that is run in the machine. Either `script` or `inline` must be given.",
    keys: &[
        Key {
            name: "script",
            takes: Type::Path,
            doc: "The path of the script, from the Labfile's folder.",
            default: "",
            example: "\"provision/web.sh\"",
            words: &["path", "file", "shell"],
        },
        Key {
            name: "inline",
            takes: Type::Script,
            doc: "The text of the script.",
            default: "",
            example: "\"apt-get install -y nginx\"",
            words: &["command", "cmd", "text"],
        },
        Key {
            name: "args",
            takes: Type::Texts,
            doc: "Its arguments.",
            default: "[]",
            example: "[\"--workers\", \"2\"]",
            words: &["arguments", "argv"],
        },
        Key {
            name: "env",
            takes: Type::Env,
            doc: "Environment variables for it.",
            default: "{}",
            example: "{ ROLE = \"web\" }",
            words: &["environment", "vars", "variables"],
        },
        AS,
        Key {
            name: "run",
            takes: Type::Choice(&["once", "always"]),
            doc: "When it is run: until it has once succeeded, or on every start of the machine.",
            default: "\"once\"",
            example: "\"always\"",
            words: &["when"],
        },
        Key {
            name: "timeout",
            takes: Type::Duration,
            doc: "How long it may run.",
            default: "no limit",
            example: "\"10 min\"",
            words: &["limit"],
        },
        Key {
            name: "name",
            takes: Type::Text,
            doc: "What it is called in messages.",
            default: "the script's path",
            example: "\"web server\"",
            words: &["title", "label"],
        },
    ],
};

/// A table in `copy`.
pub static COPY: Section = Section {
    title: "a copy",
    id: "copy",
    doc: "A file or folder of this computer that is copied into the machine, as root.",
    keys: &[
        Key {
            name: "from",
            takes: Type::Path,
            doc: "The file or folder on this computer, from the Labfile's folder.",
            default: "",
            example: "\"site\"",
            words: &["source", "src", "host"],
        },
        Key {
            name: "to",
            takes: Type::GuestPath,
            doc: "Where it goes in the machine: an absolute path. What a folder holds is merged into it.",
            default: "",
            example: "\"/srv/site\"",
            words: &["destination", "dest", "target", "guest"],
        },
    ],
};
