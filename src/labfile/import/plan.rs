//! What the machines' settings are together: one network for all addresses, a port of this computer for each forward.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;

use super::Note;
use super::model::{Address, At, Found};
use crate::labfile::model::{Forward, Network};

/// Chooses the private network, takes addresses away that do not fit in, and says what to write.
pub(super) fn network(found: &mut Found) -> Option<String> {
    let Found { all, machines, notes, .. } = found;
    let mut note = |line: usize, text: String| notes.push(Note { line, text });
    // One address cannot be every machine's.
    for at in all.addresses.drain(..) {
        match (at.value, machines.as_mut_slice()) {
            (Some(address), [(_, only)]) if only.addresses.is_empty() => {
                only.addresses.push(At { value: Some(address), line: at.line });
            }
            (Some(address), _) => {
                note(at.line, format!("{} is for every machine, and only one can have it", address.ip));
            }
            (None, _) => {}
        }
    }
    let mut taken = BTreeSet::new();
    for (name, settings) in machines.iter_mut() {
        let mut first = true;
        settings.addresses.retain(|at| {
            let Some(address) = &at.value else { return false };
            let why = if !std::mem::take(&mut first) {
                "a machine of a lab has one address"
            } else if !is_private(address.ip) {
                "it is no address for a private network"
            } else if !taken.insert(address.ip) {
                "another machine has it"
            } else {
                return true;
            };
            note(at.line, format!("{name}: the address {} is left out: {why}", address.ip));
            false
        });
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
    let prefix = if fits(first, together) { together } else { 24 };
    let network = Network { address: masked(first, prefix), prefix };
    let own = network.address.to_bits() + 1;
    for (name, settings) in machines.iter_mut() {
        settings.addresses.retain(|at| {
            let Some(address) = &at.value else { return false };
            let why = if !network.contains(address.ip) {
                "a lab has one private network, and it is outside of it".to_owned()
            } else if address.ip.to_bits() == own {
                "it is kept for this computer".to_owned()
            } else if address.ip == network.address || address.ip == network.broadcast() {
                format!("no machine can have it in a /{prefix}")
            } else {
                return true;
            };
            note(at.line, format!("{name}: the address {} is left out: {why}", address.ip));
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
    // 10.0.2.0/24 is NIC 1's.
    prefix >= 8
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
        let other = |at: &&At<Forward>| own.iter().all(|own| own.value.host != at.value.host);
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
            let text = format!(
                "{name}: port {wanted} is forwarded to another machine already; this one has {}",
                at.value.host
            );
            notes.push(Note { line: at.line, text });
        }
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
