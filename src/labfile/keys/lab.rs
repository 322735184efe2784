//! The keys of `[lab]` and `[network]`.

use super::common::{
    BOOT_TIMEOUT, BOX, BOX_VERSION, COPY_WORDS, CPUS, HALT_TIMEOUT, MEMORY, PROVISION_WORDS, SCRIPT_SHORT,
};
use super::lists::{COPY, PROVISION};
use crate::provider::table::TABLE;
use crate::section::{Key, Section, Type};

/// `auto`, and the names of the providers: the last of the table first, as the reference has them.
static PROVIDERS: [&str; TABLE.0.len() + 1] = {
    let mut words = ["auto"; TABLE.0.len() + 1];
    let mut at = 0;
    while at < TABLE.0.len() {
        words[TABLE.0.len() - at] = TABLE.0[at].name;
        at += 1;
    }
    words
};

/// `[lab]`.
pub static LAB: Section = Section {
    title: "[lab]",
    id: "lab",
    doc: "What holds for the whole lab, and for every machine that does not say otherwise.",
    keys: &[
        Key {
            name: "name",
            takes: Type::Name,
            doc: "The lab's name: a-z, 0-9 and `-`.",
            default: "the folder's name",
            example: "\"deploy-workshop\"",
            words: &["title"],
        },
        Key { doc: "The box of every machine that does not name its own.", ..BOX },
        BOX_VERSION,
        Key {
            name: "catalog",
            takes: Type::Path,
            doc: "A file, or a folder of files, with boxes that are known by name: they come before lab's own.",
            default: "lab's own catalogue",
            example: "\"boxes\"",
            words: &["catalogue", "box_url", "box_server_url"],
        },
        Key {
            name: "provider",
            takes: Type::Choice(&PROVIDERS),
            doc: "What runs the machines. `auto`: VirtualBox where it works, else QEMU.",
            default: "\"auto\"",
            example: "\"qemu\"",
            words: &["hypervisor", "engine"],
        },
        MEMORY,
        CPUS,
        Key {
            name: "provision",
            takes: Type::List(&PROVISION, Some(SCRIPT_SHORT)),
            doc: "What is run on every machine, before what the machine itself names.",
            default: "nothing",
            example: "[\"provision/common.sh\"]",
            words: PROVISION_WORDS,
        },
        Key {
            name: "copy",
            takes: Type::List(&COPY, None),
            doc: "Files and folders that are copied into every machine, before its provisioners run.",
            default: "nothing",
            example: "[{ from = \"site\", to = \"/srv/site\" }]",
            words: COPY_WORDS,
        },
        BOOT_TIMEOUT,
        HALT_TIMEOUT,
        Key {
            name: "ready_snapshot",
            takes: Type::Flag,
            doc: "Whether `lab up` takes a snapshot of each machine that becomes ready, for `lab reset`.",
            default: "true",
            example: "false",
            words: &["snapshot", "snapshots", "reset"],
        },
    ],
};

/// `[network]`.
pub static NETWORK: Section = Section {
    title: "[network]",
    id: "network",
    doc: "The private network between the machines.",
    keys: &[
        Key {
            name: "private",
            takes: Type::Network,
            doc: "Its addresses, with a prefix length from /8 to /29. The first one is kept for this computer.",
            default: "\"192.168.56.0/24\"",
            example: "\"192.168.56.0/24\"",
            words: &["cidr", "subnet", "range", "private_network", "address", "ip"],
        },
        Key {
            name: "kind",
            takes: Type::Choice(&["host-only", "internal"]),
            doc: "Who is on it: the machines and this computer (on VirtualBox; QEMU has no place for it), or the machines alone.",
            default: "\"host-only\"",
            example: "\"internal\"",
            words: &["type", "mode", "intnet", "virtualbox__intnet"],
        },
    ],
};
