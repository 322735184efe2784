//! Amounts as people write them: memory, durations, networks.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::model::Network;
use crate::nearest::nearest;

/// Why an amount is not understood, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misread {
    pub(super) message: String,
    pub(super) hint: String,
}

impl Misread {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Misread { message: message.into(), hint: hint.into() }
    }
}

/// The least memory that anything boots in, in MiB.
pub(super) const MEMORY_MIN: u32 = 32;
/// More than any computer in a class has, in MiB (1 TiB).
pub(super) const MEMORY_MAX: u32 = 1024 * 1024;

/// The unit, the number of MiB in it.
const MEMORY_UNITS: &[(&str, u64)] = &[("MiB", 1), ("GiB", 1024)];

/// Reads `256 MiB` or `1.5 GiB` as MiB.
pub(super) fn memory(text: &str) -> Result<u64, Misread> {
    const EXAMPLE: &str = "for example \"256 MiB\" or \"1 GiB\"";
    let (number, unit) = split_unit(text);
    let Some((whole, thousandths)) = decimal(number) else {
        return Err(Misread::new(format!("`{text}` is not an amount of memory"), EXAMPLE));
    };
    let Some((_, factor)) = MEMORY_UNITS.iter().find(|(name, _)| *name == unit) else {
        let message = match unit {
            "" => "the amount has no unit".to_owned(),
            _ => format!("`{unit}` is not a unit of memory"),
        };
        // MB and GB are 1000-based, and no machine has 512 MB of them; everyone who writes so means the other kind.
        let meant = match unit.to_ascii_lowercase().as_str() {
            "g" | "gb" | "gib" => "GiB",
            "t" | "tb" | "tib" => return Err(Misread::new(message, "the most is \"1024 GiB\"")),
            _ => "MiB",
        };
        return Err(Misread::new(message, format!("write \"{number} {meant}\"")));
    };
    let milli = whole
        .checked_mul(1000)
        .and_then(|milli| milli.checked_add(thousandths))
        .and_then(|milli| milli.checked_mul(*factor))
        .unwrap_or(u64::MAX);
    Ok(milli / 1000)
}

/// The names of a unit of time, its seconds. The first name is the one that is shown.
const TIME_UNITS: &[(&[&str], u64)] = &[
    (&["s", "sec", "seconds", "second"], 1),
    (&["min", "minutes", "minute"], 60),
    (&["h", "hours", "hour"], 3600),
];

/// The longest time limit that is taken.
pub(super) const DURATION_MAX: Duration = Duration::from_secs(24 * 3600);

/// Reads `30 s`, `5 min` or `1 h 30 min`.
pub(super) fn duration(text: &str) -> Result<Duration, Misread> {
    const EXAMPLE: &str = "for example \"30 s\", \"5 min\" or \"1 h 30 min\"";
    let mut seconds = 0_u64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(Misread::new("the duration is empty", EXAMPLE));
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let Ok(number) = number.parse::<u64>() else {
            return Err(Misread::new(format!("`{text}` is not a duration"), EXAMPLE));
        };
        let Some((_, factor)) = TIME_UNITS.iter().find(|(names, _)| names.contains(&unit)) else {
            let message = match unit {
                "" => "the duration has no unit".to_owned(),
                _ => format!("`{unit}` is not a unit of time"),
            };
            let names = TIME_UNITS.iter().flat_map(|(names, _)| names.iter().copied());
            let meant = match unit {
                "" | "S" => "s",
                "m" | "M" => "min",
                _ => nearest(&unit.to_lowercase(), names).unwrap_or("s"),
            };
            return Err(Misread::new(message, format!("write \"{number} {meant}\"")));
        };
        seconds = seconds.saturating_add(number.saturating_mul(*factor));
        rest = after.trim_start();
    }
    Ok(Duration::from_secs(seconds))
}

/// Reads `192.168.56.0/24`.
pub(super) fn network(text: &str) -> Result<Network, Misread> {
    const EXAMPLE: &str = "for example \"192.168.56.0/24\"";
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<Ipv4Addr>() else {
        let message = if address.contains(':') {
            format!("`{text}` is an IPv6 network; lab's private networks are IPv4")
        } else {
            format!("`{text}` is not a network")
        };
        return Err(Misread::new(message, EXAMPLE));
    };
    let Some(prefix) = prefix else {
        let hint = format!("write \"{}\"", Network::around(address, 24));
        return Err(Misread::new("the network has no prefix length", hint));
    };
    let prefix = match prefix.parse::<u8>() {
        Ok(prefix @ 8..=29) => prefix,
        Ok(_) => {
            return Err(Misread::new(
                format!("the prefix length /{prefix} is not between /8 and /29"),
                format!("write \"{}\", which has room for 253 machines", Network::around(address, 24)),
            ));
        }
        Err(_) => {
            return Err(Misread::new(
                format!("`/{prefix}` is not a prefix length"),
                format!("write \"{}\"", Network::around(address, 24)),
            ));
        }
    };
    let network = Network::around(address, prefix);
    if network.address != address {
        return Err(Misread::new(
            format!("{address} is an address inside a network, not the network itself"),
            format!("write \"{network}\""),
        ));
    }
    Ok(network)
}

/// `256 MiB` as `256` and `MiB`.
fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}

/// `1.5` as 1 and 500 thousandths. At most three decimals.
fn decimal(text: &str) -> Option<(u64, u64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || fraction.len() > 3 {
        return None;
    }
    let thousandths = format!("{fraction:0<3}").parse().ok()?;
    Some((whole.parse().ok()?, thousandths))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read() {
        assert_eq!(memory("256 MiB"), Ok(256));
        assert_eq!(memory(" 1GiB "), Ok(1024));
        assert_eq!(memory("1.5 GiB"), Ok(1536));
        assert_eq!(memory("99999999999999999999 MiB").map_err(|m| m.hint).unwrap_err(), {
            "for example \"256 MiB\" or \"1 GiB\""
        });
        assert!(memory("18446744073709551615 GiB").unwrap() > u64::from(MEMORY_MAX));
    }

    #[test]
    fn misread_memory_says_what_to_write() {
        let hint = |text: &str| memory(text).unwrap_err().hint;
        assert_eq!(hint("512"), "write \"512 MiB\"");
        assert_eq!(hint("512MB"), "write \"512 MiB\"");
        assert_eq!(hint("2 gib"), "write \"2 GiB\"");
        assert_eq!(hint("lots"), "for example \"256 MiB\" or \"1 GiB\"");
        assert_eq!(hint("1..5 GiB"), "for example \"256 MiB\" or \"1 GiB\"");
    }

    #[test]
    fn durations_are_read() {
        assert_eq!(duration("30 s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("5min"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1 h 30 minutes"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("5 m").unwrap_err().hint, "write \"5 min\"");
        assert_eq!(duration("5 secnds").unwrap_err().hint, "write \"5 seconds\"");
        assert_eq!(duration("300").unwrap_err().message, "the duration has no unit");
        assert!(duration("-5 s").is_err() && duration("").is_err() && duration("5 s,").is_err());
    }

    #[test]
    fn networks_are_read() {
        assert_eq!(network("10.1.0.0/16"), Ok(Network { address: Ipv4Addr::new(10, 1, 0, 0), prefix: 16 }));
        assert_eq!(network("192.168.56.1/24").unwrap_err().hint, "write \"192.168.56.0/24\"");
        assert_eq!(network("192.168.56.7").unwrap_err().hint, "write \"192.168.56.0/24\"");
        assert!(network("192.168.56.0/30").unwrap_err().message.contains("between /8 and /29"));
        assert!(
            network("192.168.56.0/0").is_err() && network("fe80::/64").unwrap_err().message.contains("IPv6")
        );
    }
}
