//! `config.vm.network` and `config.vm.forward_port`.

use std::net::Ipv4Addr;

use lib_ruby_parser::Node;

use super::eval::Eval;
use super::model::{Address, At};
use super::value::{Scope, Value};
use crate::labfile::model::Forward;

/// The options of `private_network` that are understood, or mean nothing here.
const OF_ADDRESS: &[&str] =
    &["ip", "type", "netmask", "id", "hostname", "auto_config", "mac", "virtualbox__intnet"];
/// The same of `forwarded_port`.
const OF_FORWARD: &[&str] =
    &["guest", "host", "protocol", "auto_correct", "auto", "host_ip", "id", "disabled"];

impl Eval<'_> {
    /// `network :private_network, ip: "…"`, and version 1's `network :hostonly, "…"` and `network "…"`.
    pub(super) fn network(&mut self, node: &Node, scope: Scope, arguments: &[Value]) {
        for value in arguments {
            if let Value::Unknown(reason) = value {
                return self.note_reason(node, reason);
            }
        }
        let kind = arguments.first().and_then(Value::word).unwrap_or_default();
        let options = arguments.last().filter(|last| matches!(last, Value::Map(_)));
        let option = |name: &str| options.and_then(|options| options.get(name));
        match kind {
            "forwarded_port" => self.forward(node, scope, option("guest"), option("host"), options),
            "private_network" | "hostonly" => {
                let written =
                    option("ip").or_else(|| arguments.get(1).filter(|value| value.word().is_some()).cloned());
                self.address(node, scope, written, options);
            }
            "public_network" | "bridged" => {
                self.note(node, "labs have no bridged network; `forward` lets this computer in");
            }
            // `network "33.33.33.10"` of version 0.
            address if address.parse::<Ipv4Addr>().is_ok() => {
                self.address(node, scope, arguments.first().cloned(), options);
            }
            _ => self.note(node, "this kind of network is not known"),
        }
    }

    /// Notes the options that have no counterpart, and those that are not known.
    fn other_options(&mut self, node: &Node, options: Option<&Value>, understood: &[&str]) {
        let mut others = Vec::new();
        for (key, value) in options.map(Value::pairs).unwrap_or_default() {
            let key = key.to_text().unwrap_or_default();
            match &value {
                Value::Unknown(reason) => {
                    // Of what must be known its own place says so.
                    if !matches!(key.as_str(), "ip" | "guest" | "host") {
                        let why = self.reason(self.place(node), reason);
                        self.note(node, format!("`{key}` is not known, and left out: {why}"));
                    }
                }
                value if understood.contains(&key.as_str()) || value.truth() != Some(true) => {}
                _ => others.push(format!("`{key}`")),
            }
        }
        if !others.is_empty() {
            self.note(node, format!("{}: lab has no such option of a network", others.join(", ")));
        }
    }

    fn address(&mut self, node: &Node, scope: Scope, written: Option<Value>, options: Option<&Value>) {
        let place = self.place(node);
        self.other_options(node, options, OF_ADDRESS);
        let written = match written {
            Some(Value::Unknown(reason)) => return self.note_reason(node, &reason),
            Some(Value::Nil) | None => None,
            Some(value) => Some(value.to_text().unwrap_or_default()),
        };
        let option = |name: &str| options.and_then(|options| options.get(name));
        let is = |name: &str| option(name).and_then(|value| value.truth());
        if is("virtualbox__intnet") == Some(true) {
            self.note(
                node,
                "`virtualbox__intnet`: there is one private network, which all machines of a lab share",
            );
        }
        if is("auto_config") == Some(false) {
            self.note(node, "`auto_config`: lab always sets the address");
        }
        if is("mac") == Some(true) {
            self.note(node, "`mac`: lab gives every machine its MAC address");
        }
        let kind = option("type");
        let dynamic = kind.as_ref().and_then(Value::word) == Some("dhcp");
        let Some(written) = written.filter(|address| address != "dhcp") else {
            if !dynamic && kind.is_none() && options.is_some() {
                self.note(node, "no address is given; lab picks one");
            }
            return self.settings(scope).addresses.push(At { value: None, place });
        };
        let (written, length) = match written.split_once('/') {
            Some((address, length)) => (address.to_owned(), length.parse().ok()),
            None => (written, None),
        };
        let Ok(ip) = written.trim().parse() else {
            return self.note(node, format!("{written} is not an IPv4 address"));
        };
        let mask = option("netmask").and_then(|mask| mask.to_text());
        let prefix = length.or_else(|| mask.as_deref().and_then(mask_length));
        self.settings(scope).addresses.push(At { value: Some(Address { ip, prefix }), place });
    }

    /// `forward_port 80, 8080` and `forward_port "web", 80, 8080` of version 1: the guest's port comes first.
    pub(super) fn forward_port(&mut self, node: &Node, scope: Scope, arguments: &[Value]) {
        let options = arguments.last().filter(|last| matches!(last, Value::Map(_)));
        let ports = match arguments.first() {
            Some(Value::Text(name)) if name.parse::<u16>().is_err() => arguments.get(1..).unwrap_or_default(),
            _ => arguments,
        };
        self.forward(node, scope, ports.first().cloned(), ports.get(1).cloned(), options);
    }

    fn forward(
        &mut self,
        node: &Node,
        scope: Scope,
        guest: Option<Value>,
        host: Option<Value>,
        options: Option<&Value>,
    ) {
        let place = self.place(node);
        let port = |value: Option<&Value>| {
            value
                .and_then(Value::number)
                .and_then(|number| u16::try_from(number).ok())
                .filter(|port| *port > 0)
        };
        let option = |name: &str| options.and_then(|options| options.get(name));
        let is = |name: &str| option(name).and_then(|value| value.truth()).unwrap_or(false);
        if is("disabled") {
            if let Some(host) = port(host.as_ref()) {
                let settings = self.settings(scope);
                settings.forwards.retain(|known| known.value.host != host);
                settings.no_forwards.push(host);
            }
            return;
        }
        self.other_options(node, options, OF_FORWARD);
        let (Some(guest), Some(host)) = (port(guest.as_ref()), port(host.as_ref())) else {
            return match [guest, host].into_iter().flatten().find_map(|port| port.first_unknown()) {
                Some(Value::Unknown(reason)) => self.note_reason(node, &reason),
                _ => self.note(node, "it names no two ports"),
            };
        };
        if option("protocol").as_ref().and_then(Value::word).is_some_and(|protocol| protocol != "tcp") {
            return self.note(node, "only TCP ports can be forwarded");
        }
        if guest == 22 || option("id").as_ref().and_then(Value::word) == Some("ssh") {
            return self
                .note(node, "lab gives every machine's ssh a port of its own, which `lab port` shows");
        }
        let address = option("host_ip").and_then(|address| address.to_text()).unwrap_or_default();
        if !matches!(address.as_str(), "" | "127.0.0.1" | "localhost") {
            let words =
                format!("port {{}} listens on 127.0.0.1, and not on {address}: only this computer gets in");
            self.found.notes.about(place, host.to_string(), words);
        }
        let auto = is("auto_correct") || is("auto");
        let forwards = &mut self.settings(scope).forwards;
        // The later one of two counts, as in Vagrant.
        forwards.retain(|known| known.value.host != host);
        forwards.push(At { value: Forward { host, guest, auto }, place });
    }
}

/// 255.255.255.0 as 24.
pub(super) fn mask_length(mask: &str) -> Option<u8> {
    let bits = mask.parse::<Ipv4Addr>().ok()?.to_bits();
    let ones = bits.leading_ones();
    (ones == bits.count_ones()).then_some(u8::try_from(ones).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_lengths() {
        assert_eq!(mask_length("255.255.0.0"), Some(16));
        assert_eq!(mask_length("255.0.255.0"), None);
    }
}
