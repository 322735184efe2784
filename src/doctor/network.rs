//! Ports, ranges of addresses, proxies.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use super::{Check, Outcome, Subject};
use crate::cancel::Cancel;
use crate::lab::disk::ports;
use crate::lab::disk::{Register, Wait};
use crate::lab::tell::event::Silent;
use crate::labfile::model::Labfile;
use crate::provider::Entry;
use crate::provider::routes::{self, Range, Route};
use crate::provider::table::TABLE;

/// How the devices of VPNs are called.
const VPN: [&str; 7] = ["tun", "tap", "wg", "ppp", "utun", "tailscale", "zt"];

/// Ports, ranges, proxy.
pub(super) fn checks(subject: &Subject<'_>, provider: Option<&Entry>) -> Vec<Check> {
    let mut checks = match subject.lab.labfile() {
        Some(labfile) => {
            let mut checks = ports_of(subject, labfile);
            checks.push(range(subject, labfile, provider));
            checks
        }
        None => Vec::new(),
    };
    checks.extend(proxy(subject.host));
    checks
}

/// The Labfile's forwards, and ports for the machines' ssh.
fn ports_of(subject: &Subject<'_>, labfile: &Labfile) -> Vec<Check> {
    const NAME: &str = "ports";
    let cancel = Cancel::new();
    let register = Register::of(subject.home, Wait { cancel: &cancel, sink: &Silent });
    let mine = subject.lab.state().map(|state| state.lab_id.as_str());
    let others = ports::of_others(&register, subject.home, mine).unwrap_or_default();
    let own = mine.map_or(Ok(Vec::new()), |lab_id| ports::of_lab(subject.home, lab_id)).unwrap_or_default();
    let mut checks = Vec::new();
    let mut fine = Vec::new();
    for machine in &labfile.machines {
        for forward in &machine.forwards {
            let port = forward.host;
            let theirs = others.iter().find(|(claimed, _)| *claimed == port);
            let taken = if own.contains(&port) {
                None
            } else if let Some((_, dir)) = theirs {
                Some(format!("it belongs to the lab in {}", dir.display()))
            } else {
                TcpListener::bind((Ipv4Addr::LOCALHOST, port)).err().map(|error| match error.kind() {
                    ErrorKind::PermissionDenied => "only root may listen on it".to_owned(),
                    _ => "another program listens on it".to_owned(),
                })
            };
            let Some(why) = taken else {
                fine.push(port.to_string());
                continue;
            };
            let what = format!("port {port} (of {}): {why}", machine.name);
            checks.push(if forward.auto {
                Check::warning(NAME, what, "`lab up` takes another one: `lab port` shows which")
            } else {
                Check::failure(NAME, what, format!("`lab up {}` would stop there", machine.name)).todo(
                    "stop that program, write another `host` port into the Labfile, or add `auto = true`",
                )
            });
        }
    }
    if !fine.is_empty() {
        checks.push(Check::pass(
            NAME,
            format!("free: {}", fine.join(", ")),
            "the Labfile's forwards can be had",
        ));
    }
    if subject.lab.state().is_none() {
        let wanted = labfile.machines.len();
        let free = ports::SSH_RANGE.filter(|port| ports::can_listen(*port)).take(wanted).count();
        if free < wanted {
            let (first, last) = (ports::SSH_RANGE.start().to_owned(), ports::SSH_RANGE.end().to_owned());
            let what =
                format!("{free} of the ports {first} to {last} are free, {wanted} machines need one each");
            checks.push(
                Check::failure(NAME, what, "machines cannot be reached by ssh")
                    .todo("`lab destroy` labs that are not needed any more, or stop what listens there"),
            );
        }
    }
    checks
}

/// Whether this computer reaches something else in the lab's range.
fn range(subject: &Subject<'_>, labfile: &Labfile, provider: Option<&Entry>) -> Check {
    const NAME: &str = "range";
    let network = labfile.private_network();
    let range = Range::of(&network);
    let Some(text) = subject.host.read("/proc/net/route") else {
        return Check::skipped(NAME, "this computer's routes are not looked at on this system");
    };
    let made = subject.lab.state().and_then(|state| TABLE.named(&state.provider).ok()?.host_network);
    let ours =
        |route: &Route| made.is_some_and(|made| route.device.starts_with(made.cards)) && route.range == range;
    let clash = routes::routes_in(&text)
        .into_iter()
        .find(|route| routes::clashes(route, range, None) && !ours(route));
    let Some(route) = clash else {
        return Check::pass(NAME, format!("{range} leads nowhere else"), "the lab's network can have it");
    };
    let device = &route.device;
    let whose = if VPN.iter().any(|vpn| device.starts_with(vpn)) {
        format!("the VPN on {device}")
    } else if let Some(known) =
        TABLE.entries().filter_map(|entry| entry.host_network).find(|known| device.starts_with(known.cards))
    {
        format!("{}'s network {device}, of another lab or made by hand", known.whose)
    } else {
        format!("the network card {device}")
    };
    let joined = provider.and_then(|entry| entry.host_network).filter(|_| !network.internal);
    let (outcome, means) = match joined {
        Some(joined) => (Outcome::Failure, format!("{}'s host-only network cannot have it", joined.whose)),
        // Networks of other providers have nothing of this computer in them.
        None => (Outcome::Warning, "the machines work, and cannot reach what is there".to_owned()),
    };
    Check::new(NAME, outcome, format!("{range}: {} leads to {whose}", route.range), means).todo(
        "disconnect the VPN, or take another range in the Labfile: [network] private = \"192.168.60.0/24\"",
    )
}

/// What the environment says of proxies, read as downloads do.
fn proxy(host: &super::Host) -> Vec<Check> {
    const NAME: &str = "proxy";
    let var = |name: &str| host.var(&name.to_ascii_lowercase()).or_else(|| host.var(name));
    let set =
        ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"].into_iter().filter_map(|name| Some((name, var(name)?)));
    let set: Vec<(&str, String)> = set.collect();
    if set.is_empty() {
        return vec![Check::pass(NAME, "none is set", "boxes are downloaded directly")];
    }
    let mut checks = Vec::new();
    for (name, value) in &set {
        match ureq::Proxy::new(value) {
            Ok(proxy) => checks.push(
                // Without the password that may stand in it.
                Check::warning(
                    NAME,
                    format!("{name} is {}:{}", proxy.host(), proxy.port()),
                    "lab downloads boxes through it; the machines do not know of it",
                )
                .todo("give it to scripts that fetch from the internet: env = { http_proxy = \"http://…\" }"),
            ),
            Err(_) => checks.push(
                Check::failure(
                    NAME,
                    format!("{name} is no address of a proxy"),
                    "it is left out: boxes may not be downloaded",
                )
                .todo(format!("write it like {name}=http://proxy.example:3128")),
            ),
        }
    }
    let list = var("NO_PROXY").unwrap_or_default();
    let local = |entry: &str| matches!(entry, "*" | "localhost" | "127.0.0.1" | "127.0.0.0/8");
    if !list.split([',', ' ']).any(local) {
        checks.push(
            Check::warning(
                NAME,
                "NO_PROXY does not name 127.0.0.1",
                "curl and browsers look for forwarded ports at the proxy",
            )
            .todo("export NO_PROXY=localhost,127.0.0.1"),
        );
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::super::{Host, Lab};
    use super::*;
    use crate::host::Fake;
    use crate::lab::disk::files::Home;

    fn subject<'a>(host: &'a Host, home: &'a Home, text: &str) -> Subject<'a> {
        let path = host.root.join("Labfile");
        let labfile = crate::labfile::parse(text, &path).unwrap().labfile;
        let dir = host.root.clone();
        Subject { host, dir, home, lab: Lab::Read(Box::new(labfile), None), provider: None }
    }

    fn outcomes(fake: &Fake, text: &str, provider: Option<&str>, name: &str) -> Vec<Outcome> {
        let home = Home::at(fake.root().join("home"));
        let provider = provider.map(|name| TABLE.named(name).unwrap());
        let checks = checks(&subject(&fake.host, &home, text), provider);
        checks.into_iter().filter(|check| check.name == name).map(|check| check.outcome).collect()
    }

    #[test]
    fn a_port_that_is_really_taken_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let lab = |auto: &str| {
            format!("[lab]\nbox = \"demo\"\n[machine.a]\nforward = [{{ host = {port}, guest = 80{auto} }}]\n")
        };
        let fake = Fake::new(&[]);
        assert_eq!(outcomes(&fake, &lab(""), None, "ports"), [Outcome::Failure]);
        assert_eq!(outcomes(&fake, &lab(", auto = true"), None, "ports"), [Outcome::Warning]);
        drop(listener);
        assert_eq!(outcomes(&fake, &lab(""), None, "ports"), [Outcome::Pass]);
    }

    #[test]
    fn a_range_that_a_vpn_has_is_named() {
        let lab = "[lab]\nbox = \"demo\"\n[network]\nprivate = \"192.168.56.0/24\"\n[machine.a]\n";
        let head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
        let hex = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
        let line = |device: &str, to, mask| {
            format!("{head}{device}\t{}\t00000000\t1\t0\t0\t0\t{}\t0\t0\t0\n", hex(to), hex(mask))
        };
        let of = |text: &str, provider| {
            outcomes(&Fake::new(&[("/proc/net/route", text)]), lab, Some(provider), "range")
        };
        let vpn = line("tun0", [192, 168, 0, 0], [255, 255, 0, 0]);
        assert_eq!(of(&vpn, "virtualbox"), [Outcome::Failure]);
        assert_eq!(of(&vpn, "qemu"), [Outcome::Warning]);
        assert_eq!(of(&line("eth0", [10, 0, 0, 0], [255, 0, 0, 0]), "virtualbox"), [Outcome::Pass]);
        assert_eq!(of(&line("eth0", [0; 4], [0; 4]), "virtualbox"), [Outcome::Pass]);
        assert_eq!(outcomes(&Fake::new(&[]), lab, None, "range"), [Outcome::Skipped]);
    }

    #[test]
    fn proxies_are_told_without_their_passwords() {
        let of = |fake: Fake| proxy(&fake.host);
        assert_eq!(of(Fake::new(&[]))[0].outcome, Outcome::Pass);
        let set = of(Fake::new(&[]).var("https_proxy", "http://me:secret@proxy.example:3128"));
        assert_eq!(set.iter().map(|check| check.outcome).collect::<Vec<_>>(), [Outcome::Warning; 2]);
        assert!(
            set[0].what.ends_with("proxy.example:3128") && !format!("{set:?}").contains("secret"),
            "{set:?}"
        );
        let good = of(Fake::new(&[]).var("HTTP_PROXY", "p:1").var("no_proxy", "localhost, 127.0.0.1"));
        assert_eq!(good.len(), 1);
        assert_eq!(of(Fake::new(&[]).var("HTTP_PROXY", "http://"))[0].outcome, Outcome::Failure);
    }
}
