//! The private network, and who has which address on it.

use std::collections::{BTreeMap, HashSet};
use std::net::Ipv4Addr;

use crate::labfile::lines::Span;
use crate::labfile::model::Network;
use crate::labfile::names::shown;
use crate::labfile::problem::Problem;
use crate::labfile::raw::{At, Cx, Raw, RawMachine};

/// `[network] private` where it is not given: VirtualBox allows it on every host without further settings.
const DEFAULT_NETWORK: Network = Network { address: Ipv4Addr::new(192, 168, 56, 0), prefix: 24 };

/// The network of NIC 1, on QEMU and VirtualBox alike: the guest's way out and lab's ssh.
const OUTER: Network = Network { address: Ipv4Addr::new(10, 0, 2, 0), prefix: 24 };

/// Ranges that machines cannot be in, and why.
const REFUSED: &[(Network, &str)] = &[
    (net(0, 0, 8), "0.0.0.0/8 means \"this network\""),
    (net(127, 0, 8), "it is every machine's own loopback"),
    (net(169, 254, 16), "it is for addresses that machines give themselves"),
    (net(224, 0, 8), "it is for multicast"),
    (net(240, 0, 8), "it is reserved"),
];

/// Ranges that no host on the internet has (RFC 1918, 6598, 2544, 5737).
const PRIVATE: &[Network] = &[
    net(10, 0, 8),
    Network { address: Ipv4Addr::new(172, 16, 0, 0), prefix: 12 },
    net(192, 168, 16),
    Network { address: Ipv4Addr::new(100, 64, 0, 0), prefix: 10 },
    Network { address: Ipv4Addr::new(198, 18, 0, 0), prefix: 15 },
    Network { address: Ipv4Addr::new(192, 0, 2, 0), prefix: 24 },
    Network { address: Ipv4Addr::new(198, 51, 100, 0), prefix: 24 },
    Network { address: Ipv4Addr::new(203, 0, 113, 0), prefix: 24 },
];

const fn net(a: u8, b: u8, prefix: u8) -> Network {
    Network { address: Ipv4Addr::new(a, b, 0, 0), prefix }
}

/// Checks the network and the machines' addresses, and gives the network.
pub(super) fn check(cx: &mut Cx<'_>, raw: &Raw) -> Network {
    let network = match &raw.network {
        Some(at) if range(cx, at) => at.value,
        // The range cannot be used, so no address can be checked against it.
        Some(_) => return duplicates(cx, &raw.machines),
        None if raw.names_a_network => return duplicates(cx, &raw.machines),
        None => DEFAULT_NETWORK,
    };
    for machine in &raw.machines {
        if let Some(ip) = &machine.ip {
            address(cx, ip, network, raw.network.as_ref().map(|at| &at.span));
        }
    }
    duplicates(cx, &raw.machines);
    room(cx, &raw.machines, network);
    network
}

/// Whether machines can live in the range.
fn range(cx: &mut Cx<'_>, at: &At<Network>) -> bool {
    const OTHER: &str = "for example: private = \"192.168.56.0/24\"";
    let network = at.value;
    let written = format!("{}/{}", network.address, network.prefix);
    let first = network.address.octets()[0];
    let refused = match first {
        224..=239 => REFUSED.iter().find(|(range, _)| range.address.octets()[0] == 224),
        240.. => REFUSED.iter().find(|(range, _)| range.address.octets()[0] == 240),
        _ => REFUSED.iter().find(|(range, _)| range.overlaps(&network)),
    };
    if let Some((_, why)) = refused {
        let message = format!("{written} cannot be a private network: {why}");
        cx.push(Problem::error("bad-network", at.span.clone(), message).hint(OTHER));
        return false;
    }
    if OUTER.overlaps(&network) {
        let message = format!("{written} overlaps 10.0.2.0/24, by which every machine reaches the internet");
        cx.push(
            Problem::error("bad-network", at.span.clone(), message)
                .hint("take another range, for example: private = \"10.11.12.0/24\""),
        );
        return false;
    }
    if !PRIVATE.iter().any(|range| range.contains(network.address) && range.prefix <= network.prefix) {
        let message =
            format!("{written} is a public range: its real hosts cannot be reached while the lab runs");
        cx.push(
            Problem::warning("public-network", at.span.clone(), message)
                .hint("take a private one, for example: private = \"192.168.56.0/24\""),
        );
    }
    true
}

fn address(cx: &mut Cx<'_>, ip: &At<Ipv4Addr>, network: Network, named_at: Option<&Span>) {
    let (address, prefix) = (network.address, network.prefix);
    if !network.contains(ip.value) {
        let host_part =
            Ipv4Addr::from_bits(address.to_bits() | (ip.value.to_bits() & !network.netmask().to_bits()));
        let inside = if usable(host_part, network) { host_part } else { nth(network, 10) };
        let around = Ipv4Addr::from_bits(ip.value.to_bits() & 0xffff_ff00);
        let message = format!("{} is outside the private network {address}/{prefix}", ip.value);
        let mut problem = Problem::error("outside-network", ip.span.clone(), message);
        problem = match named_at {
            Some(span) => problem.also(span.clone(), "the network"),
            None => problem.label("the network is the default, since none is named"),
        };
        let change = match named_at {
            Some(_) => format!("private = \"{around}/24\" under [network]"),
            None => format!("a section [network] with private = \"{around}/24\""),
        };
        cx.push(problem.hint(format!("write ip = \"{inside}\", or {change}")).of_absence());
        return;
    }
    let why = match ip.value {
        ip if ip == address => "is the network's own address",
        ip if ip == network.broadcast() => "is the network's broadcast address",
        ip if ip == nth(network, 1) => "is kept for this computer",
        _ => return,
    };
    let message = format!("{} {why}; no machine can have it", ip.value);
    let hint = format!("for example: ip = \"{}\"", nth(network, 10));
    cx.push(Problem::error("taken-address", ip.span.clone(), message).hint(hint));
}

/// Whether a machine may have `ip`.
fn usable(ip: Ipv4Addr, network: Network) -> bool {
    network.contains(ip) && ip != network.address && ip != network.broadcast() && ip != nth(network, 1)
}

/// The address number `n` of the network, or number 2 where it has not so many.
fn nth(network: Network, n: u32) -> Ipv4Addr {
    let last = network.broadcast().to_bits();
    let wanted = network.address.to_bits().saturating_add(n);
    Ipv4Addr::from_bits(if wanted < last { wanted } else { network.address.to_bits().saturating_add(2) })
}

/// Reports addresses that are given twice. Returns the default network, in place of one that cannot be used.
fn duplicates(cx: &mut Cx<'_>, machines: &[RawMachine]) -> Network {
    let mut first: BTreeMap<Ipv4Addr, (&str, &Span)> = BTreeMap::new();
    for machine in machines {
        let Some(ip) = &machine.ip else { continue };
        let name = &machine.name.value;
        if let Some((owner, span)) = first.get(&ip.value) {
            let (name, owner) = (shown(name), shown(owner));
            let message = format!("{name} has the address of {owner}, {}", ip.value);
            cx.push(
                Problem::error("taken-address", ip.span.clone(), message)
                    .also((*span).clone(), format!("{owner} has it"))
                    .hint("give it another one, or leave `ip` out: then a free one is taken"),
            );
        } else {
            first.insert(ip.value, (name, &ip.span));
        }
    }
    DEFAULT_NETWORK
}

fn room(cx: &mut Cx<'_>, machines: &[RawMachine], network: Network) {
    let room = (1_u64 << (32 - u32::from(network.prefix))) - 3;
    let excess = usize::try_from(room).ok().and_then(|room| machines.get(room));
    if let Some(machine) = excess {
        let message = format!(
            "{} machines do not fit into {}/{}, which has room for {room}",
            machines.len(),
            network.address,
            network.prefix
        );
        cx.push(
            Problem::error("network-full", machine.name.span.clone(), message)
                .label("the first one without an address")
                .hint("give [network] private a shorter prefix, for example /24"),
        );
    }
}

/// The machines' addresses, in their order: the given ones, else the lowest free ones from .10 on, and below .10 once
/// those are used up.
pub(super) fn addresses(machines: &[RawMachine], network: Network) -> Vec<Ipv4Addr> {
    let given: HashSet<_> =
        machines.iter().filter_map(|machine| machine.ip.as_ref()).map(|ip| ip.value).collect();
    let (start, end) = (network.address.to_bits(), network.broadcast().to_bits());
    let mut free = (start.saturating_add(10)..end)
        .chain(start.saturating_add(2)..start.saturating_add(10).min(end))
        .map(Ipv4Addr::from_bits)
        .filter(|address| !given.contains(address));
    let mut free = || free.next().unwrap_or(network.address);
    machines.iter().map(|machine| machine.ip.as_ref().map_or_else(&mut free, |ip| ip.value)).collect()
}
