//! The keys of `[machine.NAME]`.

use super::common::{
    BOOT_TIMEOUT, BOX, BOX_VERSION, COPY_WORDS, CPUS, HALT_TIMEOUT, MEMORY, PROVISION_WORDS, SCRIPT_SHORT,
};
use super::kinds::{Key, Section, Short, Type};
use super::lists::{COPY, FORWARD, PROVISION};
use super::providers::{QEMU, VIRTUALBOX};

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
            doc: "Machines that must be ready before anything is run in this one. All boot side by side.",
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
