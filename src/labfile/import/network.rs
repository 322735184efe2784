//! `config.vm.network` and `config.vm.forward_port`.

use std::net::Ipv4Addr;

use lib_ruby_parser::Node;

use super::eval::Eval;
use super::model::{Address, At};
use super::value::{Scope, Value};
use crate::labfile::model::Forward;

impl Eval<'_> {
    /// `network :private_network, ip: "…"`, and version 1's `network :hostonly, "…"` and `network "…"`.
    pub(super) fn network(&mut self, node: &Node, scope: Scope, arguments: &[Value]) {
        let (line, source) = (self.line(node), self.source(node));
        if let Some(why) = arguments.iter().find_map(Value::why_unknown) {
            return self.note(line, format!("`{source}`: {why}"));
        }
        let kind = arguments.first().and_then(Value::word).unwrap_or_default();
        let options = arguments.last().filter(|last| matches!(last, Value::Map(_)));
        let option = |name: &str| options.and_then(|options| options.get(name)).cloned();
        match kind {
            "forwarded_port" => self.forward(node, scope, option("guest"), option("host"), options),
            "private_network" | "hostonly" => {
                let written =
                    option("ip").or_else(|| arguments.get(1).filter(|v| v.word().is_some()).cloned());
                self.address(node, scope, written, options);
            }
            "public_network" | "bridged" => {
                self.note(
                    line,
                    format!("`{source}`: labs have no bridged network; `forward` lets this computer in"),
                );
            }
            // `network "33.33.33.10"` of version 0.
            address if address.parse::<Ipv4Addr>().is_ok() => {
                self.address(node, scope, arguments.first().cloned(), options);
            }
            _ => self.note(line, format!("`{source}`: this kind of network is not known")),
        }
    }

    fn address(&mut self, node: &Node, scope: Scope, written: Option<Value>, options: Option<&Value>) {
        let (line, source) = (self.line(node), self.source(node));
        let written = match written {
            Some(Value::Unknown(why)) => return self.note(line, format!("`{source}`: {why}")),
            Some(Value::Nil) | None => None,
            Some(value) => Some(value.to_text().unwrap_or_default()),
        };
        let option = |name: &str| options.and_then(|options| options.get(name));
        for (name, why) in [
            ("virtualbox__intnet", "there is one private network, which all machines of a lab share"),
            ("auto_config", "lab always sets the address"),
            ("mac", "lab gives every machine its MAC address"),
        ] {
            if let Some(value) = option(name)
                && !(name == "auto_config" && value.truth() == Some(true))
            {
                self.note(line, format!("`{name}`: {why}"));
            }
        }
        let dynamic = || matches!(option("type").and_then(Value::word), Some("dhcp"));
        let Some(written) = written.filter(|address| address != "dhcp") else {
            if !dynamic() && option("type").is_none() && options.is_some() {
                self.note(line, format!("`{source}`: no address is given; lab picks one"));
            }
            return self.settings(scope).addresses.push(At { value: None, line });
        };
        let (written, length) = match written.split_once('/') {
            Some((address, length)) => (address.to_owned(), length.parse().ok()),
            None => (written, None),
        };
        let Ok(ip) = written.parse() else {
            return self.note(line, format!("`{source}`: {written} is not an IPv4 address"));
        };
        let mask = option("netmask").and_then(Value::to_text);
        let prefix = length.or_else(|| mask.as_deref().and_then(mask_length));
        self.settings(scope).addresses.push(At { value: Some(Address { ip, prefix }), line });
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
        let (line, source) = (self.line(node), self.source(node));
        let port = |value: Option<&Value>| {
            value
                .and_then(Value::number)
                .and_then(|number| u16::try_from(number).ok())
                .filter(|port| *port > 0)
        };
        let why = [&guest, &host].into_iter().flatten().find_map(Value::why_unknown).map(str::to_owned);
        let (Some(guest), Some(host)) = (port(guest.as_ref()), port(host.as_ref())) else {
            let why = why.unwrap_or_else(|| "it names no two ports".to_owned());
            return self.note(line, format!("`{source}`: {why}"));
        };
        let option = |name: &str| options.and_then(|options| options.get(name));
        let flag = |name: &str| option(name).and_then(Value::truth).unwrap_or(false);
        if matches!(option("protocol").and_then(Value::word), Some("udp")) {
            return self.note(line, format!("`{source}`: only TCP ports can be forwarded"));
        }
        if flag("disabled") {
            return;
        }
        if guest == 22 || option("id").and_then(Value::word) == Some("ssh") {
            return self.note(
                line,
                format!(
                    "`{source}`: lab gives every machine's ssh a port of its own, which `lab port` shows"
                ),
            );
        }
        let address = option("host_ip").and_then(Value::word).unwrap_or("127.0.0.1");
        if !matches!(address, "127.0.0.1" | "localhost") {
            let address = address.to_owned();
            self.note(
                line,
                format!("port {host} listens on 127.0.0.1, and not on {address}: only this computer gets in"),
            );
        }
        let auto = flag("auto_correct") || flag("auto");
        let forwards = &mut self.settings(scope).forwards;
        // The later one of two counts, as in Vagrant.
        forwards.retain(|known| known.value.host != host);
        forwards.push(At { value: Forward { host, guest, auto }, line });
    }
}

/// 255.255.255.0 as 24.
fn mask_length(mask: &str) -> Option<u8> {
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
