//! Which ranges of addresses a host-only network may have on this computer.

use std::net::Ipv4Addr;

use super::version::Version;
use crate::error::{Error, Kind, Result};
use crate::provider::PrivateNetwork;

/// Which ranges VirtualBox allows, where a computer's owner has said so.
/// The manual of VirtualBox 7, "Host-Only Networking", has its form and what holds without it.
pub(crate) const ALLOWED: &str = "/etc/vbox/networks.conf";
/// What holds without that file.
const ALLOWED_BY_DEFAULT: &str = "* 192.168.56.0/21";
/// Routes wider than this are "everything else" (a default route, a VPN's halves of the world), and give way.
const WIDEST_ROUTE: u8 = 8;

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    /// Its first address.
    pub(crate) address: Ipv4Addr,
    /// The length of its prefix in bits.
    pub(crate) prefix: u8,
}

impl Range {
    pub(super) fn of(network: &PrivateNetwork) -> Self {
        Range { address: network.address, prefix: network.prefix }
    }

    /// The range that an address with its netmask lies in.
    pub(super) fn around(address: Ipv4Addr, netmask: Ipv4Addr) -> Self {
        let prefix = u8::try_from(netmask.to_bits().leading_ones()).unwrap_or(32);
        Range { address: Ipv4Addr::from_bits(address.to_bits() & netmask.to_bits()), prefix }
    }

    fn mask(prefix: u8) -> u32 {
        u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(prefix))).unwrap_or(0)
    }

    /// Whether they have an address in common.
    pub(super) fn overlaps(self, other: Range) -> bool {
        let mask = Self::mask(self.prefix.min(other.prefix));
        self.address.to_bits() & mask == other.address.to_bits() & mask
    }

    /// Whether all of `other` lies in it.
    fn holds(self, other: Range) -> bool {
        self.prefix <= other.prefix && self.overlaps(other)
    }

    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        Some(Range {
            address: address.parse().ok()?,
            prefix: prefix.parse().ok().filter(|prefix| *prefix <= 32)?,
        })
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A route of this computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// The network card that it leads to.
    pub(crate) device: String,
    /// Where it leads.
    pub(crate) range: Range,
}

/// Refuses a range that VirtualBox would not allow, or that leads elsewhere already. `own` is the lab's adapter.
///
/// # Errors
/// [`Kind::WrongState`], with the line to add or to change.
pub(super) fn check(range: Range, version: Version, own: Option<&str>) -> Result<()> {
    if cfg!(unix) && version.is_at_least(6, 1, 28) {
        let rules = std::fs::read_to_string(ALLOWED).ok();
        if !allows(rules.as_deref(), range) {
            return Err(forbidden(rules.as_deref(), range));
        }
    }
    match routes().into_iter().find(|route| clashes(route, range, own)) {
        Some(route) => Err(taken(range, route.range, &format!("leads to the network card {}", route.device))),
        None => Ok(()),
    }
}

/// The error for a range that something else of this computer has.
pub(super) fn taken(range: Range, theirs: Range, how: &str) -> Error {
    Error::new(Kind::WrongState, format!("the private network {range} is in use on this computer"))
        .detail(format!("{theirs} {how}"))
        .hint(
            "give the lab another range in the Labfile, for example: [network] private = \"192.168.60.0/24\"",
        )
        .hint(
            "or leave this computer out of the network: [network] kind = \"internal\" (forwards still work)",
        )
}

fn forbidden(rules: Option<&str>, range: Range) -> Error {
    Error::new(
        Kind::WrongState,
        format!("VirtualBox does not allow the private network {range} on this computer"),
    )
    .detail(match rules {
        Some(_) => format!("{ALLOWED} does not name it"),
        None => format!("{ALLOWED} is not there, so only 192.168.56.0/21 is allowed"),
    })
    .hint(to_allow(rules, range))
    .hint("or take a range within 192.168.56.0/21, or leave this computer out: [network] kind = \"internal\"")
}

/// What has to be written for `range` to be allowed. A new file ends what holds without one, for other labs too: it has to say that as well.
pub(crate) fn to_allow(rules: Option<&str>, range: Range) -> String {
    match rules {
        Some(_) => format!("add this line to {ALLOWED}: * {range}"),
        None => format!("write this line into the new file {ALLOWED}: {ALLOWED_BY_DEFAULT} {range}"),
    }
}

/// Whether `rules`, the text of [`ALLOWED`], allow `range`: a line has a star and then ranges.
pub(crate) fn allows(rules: Option<&str>, range: Range) -> bool {
    let rules = rules.unwrap_or(ALLOWED_BY_DEFAULT).lines();
    rules
        .filter_map(|line| line.trim().strip_prefix('*'))
        .flat_map(str::split_whitespace)
        .filter_map(Range::parse)
        .any(|allowed| allowed.holds(range))
}

/// Whether `route` leads elsewhere with a part of `range`. `own` is the lab's adapter.
pub(crate) fn clashes(route: &Route, range: Range, own: Option<&str>) -> bool {
    Some(route.device.as_str()) != own && route.range.prefix >= WIDEST_ROUTE && route.range.overlaps(range)
}

/// This computer's routes, as far as they are known.
#[cfg(target_os = "linux")]
fn routes() -> Vec<Route> {
    routes_in(&std::fs::read_to_string("/proc/net/route").unwrap_or_default())
}

/// Not looked for here; VirtualBox itself refuses what it cannot have.
#[cfg(not(target_os = "linux"))]
fn routes() -> Vec<Route> {
    Vec::new()
}

/// Reads `/proc/net/route`: a device, a destination, …, a mask in the eighth column; numbers are hexadecimal in
/// the computer's own order of bytes.
pub(crate) fn routes_in(text: &str) -> Vec<Route> {
    let number =
        |text: &str| u32::from_str_radix(text, 16).ok().map(|bits| Ipv4Addr::from(bits.to_ne_bytes()));
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let range = Range::around(number(columns.get(1)?)?, number(columns.get(7)?)?);
            Some(Route { device: (*columns.first()?).to_owned(), range })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        Range::parse(text).unwrap()
    }

    #[test]
    fn ranges_are_allowed_as_the_manual_has_it() {
        assert!(allows(None, range("192.168.56.0/24")));
        assert!(allows(None, range("192.168.63.0/24")));
        assert!(!allows(None, range("192.168.64.0/24")));
        assert!(!allows(None, range("10.0.0.0/24")));
        // The manual's own example.
        let rules = "# a comment\n* 10.0.0.0/8 192.168.0.0/16\n* 2001::/64\n";
        assert!(allows(Some(rules), range("10.3.0.0/16")));
        assert!(!allows(Some(rules), range("172.16.0.0/24")));
        assert!(!allows(Some("# nothing\n"), range("192.168.56.0/24")));
        assert!(allows(Some("* 0.0.0.0/0 ::/0"), range("172.16.0.0/24")));
    }

    #[test]
    fn routes_that_lead_elsewhere_are_found() {
        let routes = routes_in(
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
             eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
             vboxnet0\t0038A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
        );
        if cfg!(target_endian = "big") {
            return;
        }
        assert_eq!(routes[1], Route { device: "vboxnet0".to_owned(), range: range("192.168.56.0/24") });
        let clash = |text: &str, own| routes.iter().any(|route| clashes(route, range(text), own));
        assert!(clash("192.168.56.0/25", None));
        assert!(clash("192.168.0.0/16", None));
        assert!(!clash("192.168.56.0/24", Some("vboxnet0")));
        assert!(!clash("192.168.57.0/24", None));
    }

    #[test]
    fn a_range_is_found_from_an_address() {
        let found = Range::around(Ipv4Addr::new(10, 1, 2, 3), Ipv4Addr::new(255, 255, 254, 0));
        assert_eq!(found.to_string(), "10.1.2.0/23");
    }

    #[test]
    fn a_refusal_names_the_line() {
        let range = range("10.0.0.0/24");
        for (rules, line) in [
            (Some("* 192.168.0.0/16\n"), "* 10.0.0.0/24"),
            // What was allowed stays so.
            (None, "* 192.168.56.0/21 10.0.0.0/24"),
        ] {
            let error = forbidden(rules, range);
            assert!(error.hints()[0].ends_with(&format!("/etc/vbox/networks.conf: {line}")), "{error:?}");
            assert!(allows(Some(line), range));
        }
    }
}
