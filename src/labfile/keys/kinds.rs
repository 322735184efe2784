//! Every key that a Labfile knows, once: the decoder, the JSON Schema and the reference read this table.

/// What a key's value is.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// One line of text.
    Text,
    /// A lab's or machine's name: a host name label.
    Name,
    /// The path of a file or folder of the host, from the Labfile's folder.
    Path,
    /// An absolute path in the guest.
    GuestPath,
    /// Text of several lines.
    Script,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A whole number from … to ….
    Integer(i64, i64),
    /// `true` or `false`.
    Flag,
    /// An amount of memory: text with a unit, or a number of MiB.
    Memory,
    /// A duration: text with units, or a number of seconds.
    Duration,
    /// An IPv4 network, `192.168.56.0/24`.
    Network,
    /// An IPv4 address.
    Address,
    /// What a box's version must be, as Vagrant writes it: `~> 2.2`.
    Version,
    /// A list of names of machines.
    Names,
    /// A list of texts.
    Texts,
    /// A list of lists of texts.
    Commands,
    /// A table of environment variables.
    Env,
    /// A list of tables of one kind; where there is a short form, a text stands for the whole table.
    List(&'static Section, Option<Short>),
    /// A section.
    Section(&'static Section),
    /// A section that holds sections with names of their own.
    Named(&'static Section),
}

/// The text that may stand for a table in a list.
#[derive(Debug, Clone, Copy)]
pub struct Short {
    /// What it is.
    pub doc: &'static str,
    /// What it must look like: a regular expression of the kind JSON Schema knows.
    pub pattern: &'static str,
}

/// One key: what it is for, what it takes.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it takes.
    pub takes: Type,
    /// What it does: one or two sentences.
    pub doc: &'static str,
    /// What holds where it is not given, in words or as it would be written; empty for a key that must be given.
    pub default: &'static str,
    /// A value, as it would be written.
    pub example: &'static str,
    /// What else people write for it: Vagrant's words, other tools'.
    pub words: &'static [&'static str],
}

/// The keys that may stand together.
#[derive(Debug)]
pub struct Section {
    /// How its header is written: `[lab]`, `[machine.NAME]`; or what its table is, `a forward`.
    pub title: &'static str,
    /// A word for it in the schema.
    pub id: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys, in the order of the reference.
    pub keys: &'static [Key],
}

impl Section {
    /// The key that is written `name`.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Every section, in the order of the reference.
    pub const ALL: &'static [&'static Section] = &[
        &ROOT,
        &LAB,
        &NETWORK,
        &MACHINE,
        &FORWARD,
        &PROVISION,
        &COPY,
        &QEMU,
        &VIRTUALBOX,
        &super::keys_check::CHECK,
    ];
}

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
            takes: Type::Named(&super::keys_check::CHECK),
            doc: "What `lab check` looks at: a section each, `[check.NAME]`.",
            default: "nothing",
            example: "[check.web-answers]",
            words: &["checks", "test", "tests", "exercise", "exercises", "task", "tasks"],
        },
    ],
};

const BOX: Key = Key {
    name: "box",
    takes: Type::Text,
    doc: "The box a machine is made from: a catalogue name, the name of an added box, a path, or a URL.",
    default: "",
    example: "\"demo\"",
    words: &["image", "base", "template", "os"],
};

const BOX_VERSION: Key = Key {
    name: "box_version",
    takes: Type::Version,
    doc: "Which versions of the box will do, for a box of the registry or the catalogue: \"2.2.3\", \"~> 2.2\", \">= 1.0, < 3\".",
    default: "the newest at first use, then what Labfile.lock says",
    example: "\"~> 2.2\"",
    words: &["version", "box_check_update"],
};

const MEMORY: Key = Key {
    name: "memory",
    takes: Type::Memory,
    doc: "Memory: \"256 MiB\", \"1 GiB\", or a number of MiB. From 32 MiB to 1 TiB.",
    default: "what the box says",
    example: "\"256 MiB\"",
    words: &["ram", "mem"],
};

const CPUS: Key = Key {
    name: "cpus",
    takes: Type::Integer(1, 64),
    doc: "The number of virtual processors.",
    default: "what the box says",
    example: "2",
    words: &["cores", "vcpus", "processors", "smp"],
};

const BOOT_TIMEOUT: Key = Key {
    name: "boot_timeout",
    takes: Type::Duration,
    doc: "How long it may take from the start to an answer on ssh.",
    default: "\"5 min\"",
    example: "\"5 min\"",
    words: &["timeout", "start_timeout"],
};

const HALT_TIMEOUT: Key = Key {
    name: "halt_timeout",
    takes: Type::Duration,
    doc: "How long a graceful shutdown may take before the power is cut.",
    default: "\"30 s\"",
    example: "\"30 s\"",
    words: &["graceful_halt_timeout", "shutdown_timeout", "stop_timeout"],
};

const PROVISION_WORDS: &[&str] = &["shell", "provisioner", "run", "scripts"];
const COPY_WORDS: &[&str] = &["synced_folder", "folders", "files", "sync", "mount"];
const SCRIPT_SHORT: Short =
    Short { doc: "The path of a script, from the Labfile's folder.", pattern: "^[^~]" };

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
            takes: Type::Choice(&["auto", "qemu", "virtualbox"]),
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

/// `[machine.NAME]`.
pub static MACHINE: Section = Section {
    title: "[machine.NAME]",
    id: "machine",
    doc: "One machine. NAME is its host name: a-z, 0-9 and `-`, at most 63 characters.",
    keys: &[
        Key { default: "the box in [lab]", ..BOX },
        Key { default: "box_version in [lab], where the box is that one", ..BOX_VERSION },
        Key {
            name: "ip",
            takes: Type::Address,
            doc: "Its address on the private network.",
            default: "the lowest free one from .10 on",
            example: "\"192.168.56.10\"",
            words: &["address", "private_network", "ip_address"],
        },
        MEMORY,
        CPUS,
        Key {
            name: "forward",
            takes: Type::List(
                &FORWARD,
                Some(Short {
                    doc: "The port on this computer, a colon, the port in the guest.",
                    pattern: "^[0-9]{1,5}:[0-9]{1,5}$",
                }),
            ),
            doc: "TCP ports of this computer (on 127.0.0.1) that lead to ports of the machine.",
            default: "none but ssh's",
            example: "[{ host = 8080, guest = 80 }]",
            words: &["forwarded_port", "port", "ports", "publish", "forward_port"],
        },
        Key {
            name: "provision",
            takes: Type::List(&PROVISION, Some(SCRIPT_SHORT)),
            doc: "What is run in the machine, in order, after what [lab] names.",
            default: "nothing",
            example: "[\"provision/web.sh\"]",
            words: PROVISION_WORDS,
        },
        Key {
            name: "copy",
            takes: Type::List(&COPY, None),
            doc: "Files and folders that are copied in before the provisioners run.",
            default: "nothing",
            example: "[{ from = \"site\", to = \"/srv/site\" }]",
            words: COPY_WORDS,
        },
        Key {
            name: "after",
            takes: Type::Names,
            doc: "Machines that must be ready before this one is started.",
            default: "[]",
            example: "[\"db1\"]",
            words: &["depends_on", "requires", "needs"],
        },
        BOOT_TIMEOUT,
        HALT_TIMEOUT,
        Key {
            name: "qemu",
            takes: Type::Section(&QEMU),
            doc: "Settings that only QEMU reads.",
            default: "nothing",
            example: "[machine.web1.qemu]",
            words: &["libvirt", "kvm"],
        },
        Key {
            name: "virtualbox",
            takes: Type::Section(&VIRTUALBOX),
            doc: "Settings that only VirtualBox reads.",
            default: "nothing",
            example: "[machine.web1.virtualbox]",
            words: &["vbox", "vb"],
        },
    ],
};

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
        Key {
            name: "as",
            takes: Type::Choice(&["root", "user"]),
            doc: "Who runs it: root, or the user that `lab ssh` logs in as.",
            default: "\"root\"",
            example: "\"user\"",
            words: &["privileged", "user", "become", "sudo"],
        },
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_is_sound() {
        for section in Section::ALL {
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
        for key in Section::ALL.iter().flat_map(|section| section.keys) {
            let text = match key.takes {
                Type::Section(_) | Type::Named(_) => key.example.to_owned(),
                _ => format!("{} = {}", key.name, key.example),
            };
            assert!(toml::from_str::<toml::Table>(&text).is_ok(), "{text}");
        }
    }
}
