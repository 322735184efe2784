//! An IPv4 network: an address and the length of its prefix. The one place that knows what a netmask is.

use std::fmt;
use std::net::Ipv4Addr;

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    /// Its first address, for example 192.168.56.0.
    pub address: Ipv4Addr,
    /// The length of its prefix in bits, 0 to 32.
    pub prefix: u8,
}

impl Subnet {
    /// The network with a prefix of this length that `address` lies in.
    pub fn around(address: Ipv4Addr, prefix: u8) -> Self {
        let mask = Subnet { address, prefix }.netmask();
        Subnet { address: address & mask, prefix }
    }

    /// The netmask, for example 255.255.255.0.
    pub fn netmask(&self) -> Ipv4Addr {
        let zeros = 32_u32.saturating_sub(u32::from(self.prefix));
        Ipv4Addr::from_bits(u32::MAX.checked_shl(zeros).unwrap_or(0))
    }

    /// The broadcast address: the last one.
    pub fn broadcast(&self) -> Ipv4Addr {
        self.address | !self.netmask()
    }

    /// Whether `address` lies inside.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address & self.netmask() == self.address
    }

    /// Whether the two have an address in common.
    pub fn overlaps(&self, other: &Subnet) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Subnet {
        Subnet::around(Ipv4Addr::new(a, b, c, d), prefix)
    }

    #[test]
    fn any_prefix_has_a_netmask() {
        for (prefix, mask) in
            [(0, "0.0.0.0"), (8, "255.0.0.0"), (29, "255.255.255.248"), (32, "255.255.255.255")]
        {
            assert_eq!(subnet(10, 1, 2, 3, prefix).netmask().to_string(), mask);
        }
        assert_eq!(subnet(10, 1, 2, 3, 255).netmask(), Ipv4Addr::BROADCAST, "no prefix, and no panic");
    }

    #[test]
    fn a_network_knows_its_ends() {
        let network = subnet(192, 168, 56, 7, 24);
        assert_eq!(network.to_string(), "192.168.56.0/24");
        assert_eq!(network.broadcast(), Ipv4Addr::new(192, 168, 56, 255));
        assert!(network.contains(Ipv4Addr::new(192, 168, 56, 255)));
        assert!(!network.contains(Ipv4Addr::new(192, 168, 57, 0)));
        assert!(network.overlaps(&subnet(192, 168, 0, 0, 16)) && subnet(0, 0, 0, 0, 0).overlaps(&network));
        assert!(!network.overlaps(&subnet(192, 168, 57, 0, 24)));
    }
}
