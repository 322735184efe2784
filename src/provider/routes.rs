//! Ranges of addresses, and where this computer's routes lead.

use std::net::Ipv4Addr;

use super::PrivateNetwork;

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
    pub(crate) fn of(network: &PrivateNetwork) -> Self {
        Range { address: network.address, prefix: network.prefix }
    }

    /// The range that an address with its netmask lies in.
    pub(crate) fn around(address: Ipv4Addr, netmask: Ipv4Addr) -> Self {
        let prefix = u8::try_from(netmask.to_bits().leading_ones()).unwrap_or(32);
        Range { address: Ipv4Addr::from_bits(address.to_bits() & netmask.to_bits()), prefix }
    }

    fn mask(prefix: u8) -> u32 {
        u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(prefix))).unwrap_or(0)
    }

    /// Whether they have an address in common.
    pub(crate) fn overlaps(self, other: Range) -> bool {
        let mask = Self::mask(self.prefix.min(other.prefix));
        self.address.to_bits() & mask == other.address.to_bits() & mask
    }

    /// Whether all of `other` lies in it.
    pub(crate) fn holds(self, other: Range) -> bool {
        self.prefix <= other.prefix && self.overlaps(other)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
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

/// Whether `route` leads elsewhere with a part of `range`. `own` is the lab's adapter.
pub(crate) fn clashes(route: &Route, range: Range, own: Option<&str>) -> bool {
    Some(route.device.as_str()) != own && route.range.prefix >= WIDEST_ROUTE && route.range.overlaps(range)
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
}
