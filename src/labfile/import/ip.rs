//! `IPAddr`, for IPv4.

use std::net::Ipv4Addr;

use super::value::Value;

/// `IPAddr.new("192.168.56.0/24")`: the network's first address, as Ruby has it.
pub(super) fn new(written: &str) -> Option<Value> {
    let (address, length) = written.split_once('/').unwrap_or((written, "32"));
    let address: Ipv4Addr = address.parse().ok()?;
    let length: u8 = length.parse().ok().or_else(|| super::network::mask_length(length))?;
    (length <= 32).then(|| Value::Ip(masked(address, length), length))
}

fn masked(address: Ipv4Addr, length: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(address.to_bits() & mask(length))
}

fn mask(length: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0)
}

pub(super) fn method(address: Ipv4Addr, length: u8, method: &str, arguments: &[Value]) -> Option<Value> {
    let moved = |by: i64| {
        let bits = i64::from(address.to_bits()).checked_add(by)?;
        Some(Value::Ip(Ipv4Addr::from_bits(u32::try_from(bits).ok()?), length))
    };
    let ends = || {
        let last = address.to_bits() | !mask(length);
        (address, Ipv4Addr::from_bits(last))
    };
    match (method, arguments) {
        ("to_s" | "to_string", []) => Some(Value::text(address.to_string())),
        ("to_i", []) => Some(Value::Int(i64::from(address.to_bits()))),
        ("succ" | "next", []) => moved(1),
        ("+", [Value::Int(by)]) => moved(*by),
        ("-", [Value::Int(by)]) => moved(by.checked_neg()?),
        ("|", [Value::Int(bits)]) => {
            Some(Value::Ip(Ipv4Addr::from_bits(address.to_bits() | u32::try_from(*bits).ok()?), length))
        }
        ("mask", [Value::Int(length)]) => {
            let length = u8::try_from(*length).ok().filter(|length| *length <= 32)?;
            Some(Value::Ip(masked(address, length), length))
        }
        ("prefix", []) => Some(Value::Int(i64::from(length))),
        ("netmask", []) => Some(Value::text(Ipv4Addr::from_bits(mask(length)).to_string())),
        ("ipv4?", []) => Some(Value::Bool(true)),
        ("ipv6?", []) => Some(Value::Bool(false)),
        ("include?", [Value::Ip(other, _)]) => Some(Value::Bool(masked(*other, length) == address)),
        ("include?", [other]) => Some(Value::Bool(masked(other.word()?.parse().ok()?, length) == address)),
        ("to_range" | "each", []) if length >= 20 => {
            let (first, last) = ends();
            let all = (first.to_bits()..=last.to_bits()).map(|bits| Value::Ip(Ipv4Addr::from_bits(bits), 32));
            Some(Value::list(all.collect()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted() {
        let Some(Value::Ip(address, length)) = new("192.168.56.77/24") else { panic!() };
        assert_eq!((address.to_string().as_str(), length), ("192.168.56.0", 24));
        let next = method(address, length, "+", &[Value::Int(300)]).unwrap();
        assert_eq!(next.to_text().as_deref(), Some("192.168.57.44"));
    }
}
