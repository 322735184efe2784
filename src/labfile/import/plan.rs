//! What the machines' settings are together: one network for all addresses, a port of this computer for each forward.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;

use super::model::{Address, At, Copy, Found, Place, Provisioner};
use crate::labfile::model::{Forward, Network};

/// Chooses the private network, takes addresses away that do not fit in, and says what to write.
pub(super) fn network(found: &mut Found) -> Option<String> {
    let Found { all, machines, notes, .. } = found;
    // One address cannot be every machine's.
    for at in all.addresses.drain(..) {
        match (&at.value, machines.as_mut_slice()) {
            (Some(_), [(_, only)]) => only.addresses.insert(0, at),
            (Some(address), _) => {
                notes.add(at.place, format!("{} is for every machine, and only one can have it", address.ip));
            }
            (None, _) => {}
        }
    }
    let mut taken = BTreeSet::new();
    for (name, settings) in machines.iter_mut() {
        let kept = settings.addresses.iter().position(|at| at.value.is_some()).unwrap_or(0);
        let addresses = std::mem::take(&mut settings.addresses);
        for (place, at) in addresses.into_iter().enumerate() {
            let why = match &at.value {
                None if place != kept => {
                    let words =
                        "{}: a machine of a lab has one private network, and the address by DHCP is left out";
                    notes.about(at.place, name.as_str(), words);
                    continue;
                }
                None => continue,
                Some(_) if place != kept => "a machine of a lab has one address",
                Some(address) if !is_private(address.ip) => "it is no address for a private network",
                Some(address) if !taken.insert(address.ip) => "another machine has it",
                Some(_) => {
                    settings.addresses.push(at);
                    continue;
                }
            };
            if let Some(address) = &at.value {
                notes.add(at.place, format!("{name}: the address {} is left out: {why}", address.ip));
            }
        }
    }
    let given: Vec<Address> =
        machines.iter().flat_map(|(_, s)| s.addresses.iter().filter_map(|at| at.value.clone())).collect();
    let wanted = given.iter().filter_map(|address| address.prefix).min().unwrap_or(24);
    // The smallest network that has them all; where there is none, that of the first.
    let first = given.first()?.ip;
    let apart = given
        .iter()
        .map(|address| (address.ip.to_bits() ^ first.to_bits()).leading_zeros())
        .min()
        .unwrap_or(32);
    let together = u8::try_from(apart).unwrap_or(24).min(wanted).clamp(8, 29);
    let prefix = if fits(first, together) { together } else { wanted.clamp(24, 29) };
    let network = Network { address: masked(first, prefix), prefix };
    let own = network.address.to_bits() + 1;
    for (name, settings) in machines.iter_mut() {
        settings.addresses.retain(|at| {
            let Some(address) = &at.value else { return false };
            let why = if !network.contains(address.ip) {
                format!(
                    "a lab has one private network ({}/{prefix}), and it is outside of it",
                    network.address
                )
            } else if address.ip.to_bits() == own {
                "it is kept for this computer".to_owned()
            } else if address.ip == network.address || address.ip == network.broadcast() {
                format!("no machine can have it in a /{prefix}")
            } else {
                return true;
            };
            notes.add(at.place, format!("{name}: the address {} is left out: {why}", address.ip));
            false
        });
    }
    Some(format!("{}/{prefix}", network.address))
}

fn masked(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let network = Network { address, prefix };
    Ipv4Addr::from_bits(address.to_bits() & network.netmask().to_bits())
}

/// Whether a network of this size around `address` is one that a Labfile may have.
fn fits(address: Ipv4Addr, prefix: u8) -> bool {
    let network = Network { address: masked(address, prefix), prefix };
    // The ranges of RFC 1918. Outside of them (old Vagrantfiles have 33.33.33.0/24) nothing larger than what is used.
    let own = address.is_private() && network.address.is_private() && network.broadcast().is_private();
    let inside = own && (masked(network.broadcast(), 12) == masked(address, 12) || address.octets()[0] == 10);
    // 10.0.2.0/24 is NIC 1's.
    prefix >= 8
        && (inside || prefix >= 24)
        && !network.contains(Ipv4Addr::new(10, 0, 2, 0))
        && is_private(network.address)
        && is_private(network.broadcast())
}

fn is_private(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let odd = address.is_loopback() || address.is_link_local() || address.is_multicast();
    !odd && first != 0 && first < 224 && [first, second, third] != [10, 0, 2]
}

/// Gives every forward a port of this computer of its own.
pub(super) fn forwards(found: &mut Found) {
    let Found { all, machines, notes, .. } = found;
    let shared = std::mem::take(&mut all.forwards);
    for (_, settings) in machines.iter_mut() {
        let own = std::mem::take(&mut settings.forwards);
        let other = |at: &&At<Forward>| {
            own.iter().all(|own| own.value.host != at.value.host)
                && !settings.no_forwards.contains(&at.value.host)
        };
        settings.forwards = shared.iter().filter(other).cloned().collect();
        settings.forwards.extend(own);
    }
    let used: BTreeSet<u16> =
        machines.iter().flat_map(|(_, s)| s.forwards.iter().map(|at| at.value.host)).collect();
    let mut taken = BTreeSet::new();
    for (name, settings) in machines.iter_mut() {
        for at in &mut settings.forwards {
            let wanted = at.value.host;
            if taken.insert(wanted) {
                continue;
            }
            let free = (wanted..=u16::MAX)
                .chain(1024..wanted)
                .find(|port| !used.contains(port) && !taken.contains(port));
            at.value.host = free.unwrap_or(wanted);
            taken.insert(at.value.host);
            let subject = format!("{name} has {}", at.value.host);
            notes.about(
                at.place,
                subject,
                format!("port {wanted} is forwarded to another machine already: {{}}"),
            );
        }
    }
}

/// Gives each machine what is meant for all, where a machine of its own has something else in its place: a provisioner
/// of the same name, another folder, or none.
pub(super) fn spread(found: &mut Found) {
    let Found { all, machines, .. } = found;
    let named = |list: &[Provisioner], one: &Provisioner| {
        one.name.is_some() && list.iter().any(|known| known.name == one.name && known.kind == one.kind)
    };
    let apart = machines.iter().any(|(_, own)| {
        own.provisioners.iter().any(|one| named(&all.provisioners, one))
            || all.copies.iter().any(|of_all| {
                own.no_copies.contains(&of_all.value.to)
                    || own.copies.iter().any(|copy| copy.value.to == of_all.value.to)
            })
    });
    if !apart {
        return;
    }
    let (provisioners, copies) = (std::mem::take(&mut all.provisioners), std::mem::take(&mut all.copies));
    for (_, own) in machines.iter_mut() {
        let mut both = provisioners.clone();
        for one in own.provisioners.drain(..) {
            match both.iter().position(|known| one.name.is_some() && known.name == one.name) {
                Some(at) if one.keeps_order => both[at].take_over(one),
                Some(at) => {
                    let mut known = both.remove(at);
                    known.take_over(one);
                    both.push(known);
                }
                None => both.push(one),
            }
        }
        own.provisioners = both;
        let kept = |at: &&At<Copy>| {
            !own.no_copies.contains(&at.value.to)
                && own.copies.iter().all(|copy| copy.value.to != at.value.to)
        };
        let mut both: Vec<At<Copy>> = copies.iter().filter(kept).cloned().collect();
        both.append(&mut own.copies);
        own.copies = both;
    }
}

/// Leaves out what a Windows guest would be asked to do: lab speaks to a POSIX shell.
pub(super) fn windows(found: &mut Found) {
    let Found { all, machines, notes, .. } = found;
    let common = all.windows.first().copied();
    let mut lists = vec![(common, &mut *all)];
    lists.extend(machines.iter_mut().map(|(_, own)| (common.or(own.windows.first().copied()), own)));
    let mut left_out: BTreeMap<Place, BTreeSet<u32>> = BTreeMap::new();
    for (place, settings) in lists {
        let Some(place) = place else { continue };
        let lines = left_out.entry(place).or_default();
        lines.extend(settings.provisioners.drain(..).map(|provisioner| provisioner.place.line));
        lines.extend(settings.copies.drain(..).map(|copy| copy.place.line));
    }
    for (place, lines) in left_out {
        let lines: Vec<String> = lines.iter().map(u32::to_string).collect();
        notes.add(
            place,
            match lines.as_slice() {
                [] => "the guest is Windows, and lab sets guests up with a POSIX shell, which Windows has not".to_owned(),
                [line] => format!("the guest is Windows and its script is PowerShell, which lab cannot run: line {line} is left out"),
                lines => format!(
                    "the guest is Windows and its scripts are PowerShell, which lab cannot run: lines {} are left out",
                    lines.join(", ")
                ),
            },
        );
    }
}

/// The text of a script; `None` for what is no small text file.
pub(super) fn small_file(path: &Path) -> Option<String> {
    let about = std::fs::metadata(path).ok()?;
    (about.is_file() && about.len() <= 1 << 20).then(|| std::fs::read_to_string(path).ok()).flatten()
}

/// Whether a script may need bash: it has what a POSIX shell does not, or more lines than can be sure of.
pub(super) fn needs_bash(script: &str) -> bool {
    const BASH: &[&str] = &[
        "[[",
        "source ",
        "echo -e",
        "function ",
        "pipefail",
        "<(",
        "<<<",
        "&>",
        "$'",
        "=~",
        "pushd",
        "popd",
        "((",
        "==",
        "BASH",
        "declare",
        "shopt",
        "mapfile",
        "read -",
        "{1..",
        "{0..",
        "=(",
        ",}",
        "RANDOM",
        "trap ",
        "local ",
        "UID",
    ];
    BASH.iter().any(|word| script.contains(word))
}
