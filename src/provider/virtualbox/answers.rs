//! VBoxManage's answers, read by key: never by position, since warnings may come before and texts of users in between.
//!
//! What the keys are: the manual of VirtualBox 7.2, and the answers in `samples/`.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use crate::provider::PowerState;

/// A machine, as `list --long vms` and `showvminfo --machinereadable` tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) id: String,
    /// Its settings file.
    pub(super) config: PathBuf,
    pub(super) state: PowerState,
    /// The names of its NAT forwards; only `showvminfo` is read for them.
    pub(super) forwards: Vec<String>,
}

/// Reads `list --long vms`. Machines whose settings cannot be read are not in it.
pub(super) fn machines(said: &str) -> Vec<Machine> {
    let mut machines: Vec<Machine> = Vec::new();
    let mut id = None;
    // The state of the machine that is being read, until it has been seen: a description comes after it.
    let mut wants_state = false;
    for line in said.lines() {
        let (key, value) = line.split_once(':').map_or((line, ""), |(key, value)| (key, value.trim()));
        match key {
            "UUID" => {
                id = Some(value.to_owned());
                continue;
            }
            "Config file" => {
                if let Some(id) = id.take() {
                    let config = PathBuf::from(value);
                    machines.push(Machine { id, config, state: PowerState::Unclear, forwards: Vec::new() });
                    wants_state = true;
                }
            }
            "State" if wants_state => {
                if let Some(machine) = machines.last_mut() {
                    machine.state = state(value.split(" (").next().unwrap_or(value));
                    wants_state = false;
                }
            }
            _ => {}
        }
        // A settings file is named right after its machine's id.
        id = None;
    }
    machines
}

/// Reads `showvminfo --machinereadable`; `None` where it lacks what a machine has.
pub(super) fn machine(said: &str) -> Option<Machine> {
    let (mut id, mut config, mut now) = (None, None, None);
    let mut forwards = Vec::new();
    for line in said.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        match key {
            "UUID" => id = id.or_else(|| Some(unquote(value))),
            "CfgFile" => config = config.or_else(|| Some(PathBuf::from(unquote(value)))),
            "VMState" => now = now.or_else(|| Some(state(&unquote(value)))),
            // The user's own text, of several lines, that may look like anything.
            "description" => break,
            _ if key.starts_with("Forwarding(") => {
                forwards.extend(unquote(value).split(',').next().map(str::to_owned));
            }
            _ => {}
        }
    }
    Some(Machine { id: id?, config: config?, state: now?, forwards })
}

/// The id of the medium in the place `key` (`disk-ImageUUID-0-0`), in what `showvminfo --machinereadable` says.
pub(super) fn medium_in(said: &str, key: &str) -> Option<String> {
    let mut pairs = said.lines().filter_map(|line| line.split_once('='));
    pairs.find(|(known, _)| unquote(known) == key).map(|(_, value)| unquote(value))
}

/// `"a \"b\""` without its quotes.
fn unquote(value: &str) -> String {
    let value = value.trim();
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(characters.next().unwrap_or('\\')),
            _ => text.push(character),
        }
    }
    text
}

/// What VirtualBox's words for a machine's state mean: `powered off` for people, `poweroff` for machines.
fn state(word: &str) -> PowerState {
    let word: String =
        word.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    match word.as_str() {
        "poweredoff" | "poweroff" | "aborted" | "teleported" => PowerState::Off,
        "saved" | "abortedsaved" => PowerState::Suspended,
        "running" => PowerState::Running,
        "paused" => PowerState::Paused,
        // A "guru meditation": VirtualBox itself has lost the machine.
        "gurumeditation" | "stuck" => PowerState::Unclear,
        // Starting, stopping, saving, restoring, setting up, taking or deleting a snapshot.
        _ => PowerState::Busy,
    }
}

/// A medium that VirtualBox knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Medium {
    pub(super) id: String,
    /// The medium that it is a difference to.
    pub(super) parent: Option<String>,
    pub(super) location: PathBuf,
}

/// Reads `list hdds`.
pub(super) fn media(said: &str) -> Vec<Medium> {
    blocks(said, "UUID")
        .into_iter()
        .filter_map(|block| {
            let parent = get(&block, "Parent UUID").filter(|parent| *parent != "base");
            Some(Medium {
                id: get(&block, "UUID")?.to_owned(),
                parent: parent.map(str::to_owned),
                location: PathBuf::from(get(&block, "Location")?),
            })
        })
        .collect()
}

/// The media that hang on one of `folder` and do not lie in it themselves: somebody else's machines need them.
pub(super) fn media_of_others<'a>(media: &'a [Medium], folder: &Path) -> Vec<&'a Medium> {
    let lies_in = |medium: &Medium| medium.location.starts_with(folder);
    let parent = |medium: &Medium| media.iter().find(|other| Some(&other.id) == medium.parent.as_ref());
    media.iter().filter(|medium| !lies_in(medium) && parent(medium).is_some_and(lies_in)).collect()
}

/// A host-only adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Adapter {
    pub(super) name: String,
    /// This computer's address on it.
    pub(super) address: Option<Ipv4Addr>,
    pub(super) netmask: Option<Ipv4Addr>,
}

/// Reads `list hostonlyifs`.
pub(super) fn adapters(said: &str) -> Vec<Adapter> {
    let address = |text: Option<&str>| {
        text.and_then(|text| text.parse().ok()).filter(|address: &Ipv4Addr| !address.is_unspecified())
    };
    blocks(said, "Name")
        .into_iter()
        .filter_map(|block| {
            Some(Adapter {
                name: get(&block, "Name")?.to_owned(),
                address: address(get(&block, "IPAddress")),
                netmask: address(get(&block, "NetworkMask")),
            })
        })
        .collect()
}

/// The networks of `list dhcpservers` whose server is on.
pub(super) fn dhcp_networks(said: &str) -> Vec<String> {
    blocks(said, "NetworkName")
        .into_iter()
        .filter(|block| get(block, "Enabled") == Some("Yes"))
        .filter_map(|block| get(&block, "NetworkName").map(str::to_owned))
        .collect()
}

/// The name in `Interface 'vboxnet0' was successfully created`.
pub(super) fn created_adapter(said: &str) -> Option<String> {
    let line = said.lines().find(|line| line.contains("was successfully created"))?;
    Some(line.split_once('\'')?.1.rsplit_once('\'')?.0.to_owned())
}

/// The id in `Snapshot taken. UUID: 444e1282-…`.
pub(super) fn taken_snapshot(said: &str) -> Option<String> {
    let line = said.lines().find(|line| line.contains("Snapshot taken"))?;
    Some(line.rsplit_once("UUID:")?.1.trim().to_owned())
}

/// Lines of `Key:   value`, in pieces that begin with `first`.
fn blocks<'a>(said: &'a str, first: &str) -> Vec<Vec<(&'a str, &'a str)>> {
    let mut blocks: Vec<Vec<_>> = Vec::new();
    for line in said.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        if key == first {
            blocks.push(Vec::new());
        }
        if let Some(block) = blocks.last_mut() {
            block.push((key, value.trim()));
        }
    }
    blocks
}

fn get<'a>(block: &[(&str, &'a str)], key: &str) -> Option<&'a str> {
    block.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB1: &str = "22222222-2222-4222-8222-222222222222";

    #[test]
    fn machines_are_found_among_others_and_their_descriptions() {
        let machines = machines(include_str!("samples/7.2.22-list-long-vms.txt"));
        let ids: Vec<_> = machines.iter().map(|machine| machine.id.as_str()).collect();
        assert_eq!(ids, ["11111111-1111-4111-8111-111111111111", WEB1]);
        assert_eq!(machines[1].state, PowerState::Off);
        assert!(machines[1].config.ends_with("lab/lab-web1/lab-web1.vbox"));
    }

    #[test]
    fn machines_of_an_older_version_are_read_too() {
        let machines = machines(include_str!("samples/6.1-list-long-vms.txt"));
        let states: Vec<_> = machines.iter().map(|machine| machine.state).collect();
        assert_eq!(states, [PowerState::Running, PowerState::Suspended]);
        assert_eq!(machines[0].id, WEB1);
    }

    #[test]
    fn one_machine_is_read_with_its_forwards() {
        let machine = machine(include_str!("samples/7.2.22-showvminfo.txt")).unwrap();
        assert_eq!((machine.id.as_str(), machine.state), (WEB1, PowerState::Off));
        assert_eq!(machine.forwards, ["lab-8080", "lab-ssh"]);
        let said = include_str!("samples/7.2.22-showvminfo.txt");
        let disk = medium_in(said, "disk-ImageUUID-0-0");
        assert_eq!(disk.as_deref(), Some("d3eba26c-16a7-443a-8930-8b57095750c5"));
        assert_eq!(medium_in(said, "disk-ImageUUID-7-0"), None);
        assert!(super::machine("WARNING: no such\n").is_none());
    }

    #[test]
    fn states_have_two_spellings() {
        for (words, expected) in [
            (["powered off", "poweroff"], PowerState::Off),
            (["aborted-saved", "aborted-saved"], PowerState::Suspended),
            (["guru meditation", "gurumeditation"], PowerState::Unclear),
            (["live snapshotting", "livesnapshotting"], PowerState::Busy),
            (["saving", "restoring"], PowerState::Busy),
        ] {
            assert_eq!(words.map(state), [expected; 2], "{words:?}");
        }
    }

    #[test]
    fn media_that_hang_on_a_machine_from_outside_are_found() {
        let media = media(include_str!("samples/7.2.22-list-long-hdds.txt"));
        assert_eq!(media.len(), 3, "{media:?}");
        let others = |folder: &str| {
            let found = media_of_others(&media, Path::new(folder));
            found.iter().map(|medium| medium.location.display().to_string()).collect::<Vec<_>>()
        };
        let base = "/home/anna/.local/share/lab/bases/virtualbox";
        let [clone] = others(base).try_into().unwrap();
        assert!(clone.starts_with("/home/anna/class/.lab/machines/web1/"), "{clone}");
        assert_eq!(others("/home/anna/class/.lab/machines/web1"), [""; 0]);
        assert_eq!(others("/home/anna"), [""; 0]);
    }

    #[test]
    fn adapters_and_their_dhcp_servers_are_read() {
        let [adapter] = adapters(include_str!("samples/7.2.22-list-hostonlyifs.txt")).try_into().unwrap();
        assert_eq!(adapter.name, "vboxnet0");
        assert_eq!(adapter.address, Some(Ipv4Addr::new(192, 168, 56, 1)));
        assert_eq!(adapter.netmask, Some(Ipv4Addr::new(255, 255, 255, 0)));
        let on = "WARNING: x\nNetworkName:    HostInterfaceNetworking-vboxnet0\nDhcpd IP:       192.168.56.100\nEnabled:        Yes\n";
        assert_eq!(dhcp_networks(on), ["HostInterfaceNetworking-vboxnet0"]);
        assert_eq!(dhcp_networks(&on.replace("Yes", "No")), [""; 0]);
        assert_eq!(dhcp_networks(include_str!("samples/7.2.22-list-dhcpservers.txt")), [""; 0]);
    }

    #[test]
    fn names_of_what_was_made_are_read() {
        let adapter = created_adapter(
            "Interface 'VirtualBox Host-Only Ethernet Adapter #2' was successfully created\n",
        );
        assert_eq!(adapter.as_deref(), Some("VirtualBox Host-Only Ethernet Adapter #2"));
        let snapshot = taken_snapshot("Snapshot taken. UUID: 444e1282-f3f8-4187-a018-d53dbeebe14a\n");
        assert_eq!(snapshot.as_deref(), Some("444e1282-f3f8-4187-a018-d53dbeebe14a"));
    }

    #[test]
    fn quotes_are_taken_off() {
        assert_eq!(unquote(r#""a \"b\"""#), r#"a "b""#);
        assert_eq!(unquote(r#""C:\\Users\\anna""#), r"C:\Users\anna");
        assert_eq!(unquote("256"), "256");
    }
}
