//! Keys of other tools (Vagrant, Docker Compose, Multipass, Lima, cloud-init) for which a Labfile has no key of its own, or
//! one that means something else: what to write here instead.
//!
//! A mere other word for the same thing stands at its key (`Key::words`), not here.

use crate::section::Section;

/// What people write elsewhere.
struct Elsewhere {
    /// The sections that it is written in, by their ids.
    sections: &'static [&'static str],
    /// The keys, in lower case and with `_` for `-`.
    names: &'static [&'static str],
    /// What to write here.
    hint: &'static str,
}

const MACHINES: &[&str] = &["lab", "machine"];

#[rustfmt::skip]
const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere { sections: MACHINES, names: &["disk", "disks", "disk_size", "disk_gb", "size", "storage", "root_disk", "rootfs"],
        hint: "a machine's disk is as large as that of its box, and grows on this computer only as it is filled: for more room, name a box with a larger disk" },
    Elsewhere { sections: MACHINES, names: &["synced_folder", "synced_folders", "shared_folder", "shared_folders", "share", "shares", "shared", "volume", "volumes", "mount", "mounts", "bind"],
        hint: "folders are copied in, not shared: copy = [{ from = \"site\", to = \"/srv/site\" }]; after a change, `lab provision` or `lab cp` copies again" },
    Elsewhere { sections: MACHINES, names: &["networks", "network", "private_networks", "links"],
        hint: "all machines of a Labfile are on one private network: its addresses stand under [network], a machine's own one is ip = \"192.168.56.10\"" },
    Elsewhere { sections: MACHINES, names: &["public_network", "bridge", "bridged", "network_mode"],
        hint: "machines are not on the network of the room; forward = [{ host = 8080, guest = 80 }] lets this computer in" },
    Elsewhere { sections: MACHINES, names: &["netmask", "gateway", "dns", "nameserver", "nameservers", "dhcp", "dhcp4"],
        hint: "lab sets up the machine's network itself: ip = \"192.168.56.10\" is enough, and may be left out" },
    Elsewhere { sections: MACHINES, names: &["mac", "mac_address", "nic", "nics", "interfaces"],
        hint: "lab gives each machine its cards and their MAC addresses: take it out" },
    Elsewhere { sections: MACHINES, names: &["command", "entrypoint", "exec"],
        hint: "a machine runs what its system starts; a command of yours is provision = [{ inline = \"systemctl start nginx\", run = \"always\" }]" },
    Elsewhere { sections: MACHINES, names: &["environment", "env", "env_file", "vars", "variables"],
        hint: "variables are given to a provisioner: provision = [{ script = \"provision/web.sh\", env = { ROLE = \"web\" } }]" },
    Elsewhere { sections: MACHINES, names: &["user", "username", "users", "ssh_user", "login", "password"],
        hint: "the box says which user `lab ssh` logs in as; who runs a script is provision = [{ script = \"provision/web.sh\", as = \"user\" }]" },
    Elsewhere { sections: MACHINES, names: &["ssh", "ssh_key", "ssh_keys", "ssh_port", "key", "private_key", "private_key_path", "insert_key", "forward_agent", "ssh_authorized_keys"],
        hint: "lab makes a key and finds the ssh port itself: take it out; `lab ssh-config` prints both for other programs" },
    Elsewhere { sections: MACHINES, names: &["group", "groups", "role", "roles", "tag", "tags", "label", "labels"],
        hint: "a Labfile has no groups: commands take several names (lab halt web1 web2), and in the output of `lab inventory` groups can be added" },
    Elsewhere { sections: MACHINES, names: &["playbook", "ansible", "puppet", "chef", "salt"],
        hint: "run it from this computer with `lab inventory`, or in the machine by a script: provision = [\"provision/web.sh\"]" },
    Elsewhere { sections: MACHINES, names: &["cloud_init", "user_data", "packages", "runcmd", "bootcmd", "write_files", "build", "dockerfile"],
        hint: "write it as a script: provision = [{ inline = \"apt-get install -y nginx\" }]; files come in by `copy`" },
    Elsewhere { sections: MACHINES, names: &["trigger", "triggers", "post_up_message", "on_boot"],
        hint: "what is to run on every start is provision = [{ inline = \"uptime\", run = \"always\" }]" },
    Elsewhere { sections: MACHINES, names: &["restart", "autostart", "auto_start", "primary"],
        hint: "`lab up` starts all machines and `lab up NAME` one of them: take it out" },
    Elsewhere { sections: MACHINES, names: &["count", "replicas", "scale", "instances"],
        hint: "every machine has a section of its own: [machine.web1], [machine.web2]" },
    Elsewhere { sections: MACHINES, names: &["linked_clone", "headless", "arch", "architecture", "platform", "firmware", "bios", "boot", "os_type"],
        hint: "the box and lab decide that: take it out" },
    Elsewhere { sections: MACHINES, names: &["timezone", "locale", "keyboard"],
        hint: "a script sets it: provision = [{ inline = \"timedatectl set-timezone Europe/Vienna\" }]" },
    Elsewhere { sections: MACHINES, names: &["accelerator", "accel", "kvm", "nested", "nested_virtualization"],
        hint: "lab takes the quickest way that this computer has, and `lab doctor` says which: take it out" },
    Elsewhere { sections: &["forward"], names: &["host_ip", "address", "bind", "listen", "interface", "ip", "guest_ip"],
        hint: "take it out: forwards listen on 127.0.0.1 of this computer only, so that nobody else in the room gets into the machine" },
    Elsewhere { sections: &["forward"], names: &["protocol", "proto", "udp", "tcp"],
        hint: "take it out: forwards are for TCP only; UDP reaches a machine from the other machines of the lab, by its private address" },
    Elsewhere { sections: &["forward"], names: &["id", "name", "description", "mode", "published"],
        hint: "take it out: a forward is its two ports, { host = 8080, guest = 80 }" },
    Elsewhere { sections: &["copy"], names: &["owner", "group", "mode", "permissions", "mount_options", "chown"],
        hint: "what is copied belongs to root; a script after it changes that: provision = [{ inline = \"chown -R www-data /srv/site\" }]" },
    Elsewhere { sections: &["copy"], names: &["type", "disabled", "create", "read_only", "readonly", "exclude", "automount"],
        hint: "take it out: a folder is copied with all that it holds, once, before the scripts run" },
    Elsewhere { sections: &["provisioner"], names: &["type", "keep_color", "reset", "reboot", "binary", "upload_path", "sensitive"],
        hint: "take it out: every provisioner is a shell script" },
    Elsewhere { sections: &["network"], names: &["gateway", "dns", "dhcp", "driver", "netmask", "bridge", "name"],
        hint: "take it out: lab sets up the private network itself; private = \"192.168.56.0/24\" names its addresses" },
    Elsewhere { sections: &["labfile"], names: &["version", "api_version", "apiversion"],
        hint: "take it out: a Labfile has no version" },
    Elsewhere { sections: &["labfile"], names: &["services", "service", "containers", "instances", "boxes", "domains"],
        hint: "a machine is a section of its own: [machine.web1]" },
    Elsewhere { sections: &["labfile"], names: &["networks"],
        hint: "there is one private network: [network]" },
    Elsewhere { sections: &["labfile"], names: &["volumes", "synced_folders", "mounts"],
        hint: "folders are copied in, not shared: copy = [{ from = \"site\", to = \"/srv/site\" }] in a machine or under [lab]" },
];

impl Section {
    /// What to write here instead of a key that other tools have.
    pub fn elsewhere(&self, name: &str) -> Option<&'static str> {
        let name = name.to_ascii_lowercase().replace('-', "_");
        let is_meant =
            |entry: &&Elsewhere| entry.sections.contains(&self.id) && entry.names.contains(&name.as_str());
        ELSEWHERE.iter().find(is_meant).map(|entry| entry.hint)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::labfile::keys::SECTIONS;

    #[test]
    fn the_table_is_sound() {
        let mut seen = HashSet::new();
        for entry in ELSEWHERE {
            for id in entry.sections {
                let section = SECTIONS.iter().find(|section| section.id == *id).unwrap();
                for name in entry.names {
                    assert!(section.key(name).is_none(), "{name} is a key of {id} by now: take it out here");
                    assert!(seen.insert((id, name)), "{name} of {id} is there twice");
                    assert_eq!(*name, name.to_lowercase().replace('-', "_"));
                }
            }
            assert!(!entry.hint.ends_with('.') && entry.hint.len() < 250, "{}", entry.hint);
        }
    }

    #[test]
    fn its_examples_are_labfiles() {
        for entry in ELSEWHERE {
            for (at, key) in ["copy = [", "provision = [", "forward = ["]
                .iter()
                .filter_map(|key| Some((entry.hint.find(key)?, key)))
            {
                let end = at + entry.hint[at..].find(']').unwrap() + 1;
                let text = &entry.hint[at..end];
                assert!(toml::from_str::<toml::Table>(text).is_ok(), "{key}: {text}");
            }
        }
    }
}
