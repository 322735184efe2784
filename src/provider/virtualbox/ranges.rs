//! Which ranges of addresses a host-only network may have on this computer.

use super::version::Version;
use crate::error::{Error, Kind, Result};
use crate::provider::routes::{Range, Route, clashes, routes_in};

/// Which ranges VirtualBox allows, where a computer's owner has said so.
/// The manual of VirtualBox 7, "Host-Only Networking", has its form and what holds without it.
pub(super) const ALLOWED: &str = "/etc/vbox/networks.conf";
/// What holds without that file.
const ALLOWED_BY_DEFAULT: &str = "* 192.168.56.0/21";
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
pub(super) fn to_allow(rules: Option<&str>, range: Range) -> String {
    match rules {
        Some(_) => format!("add this line to {ALLOWED}: * {range}"),
        None => format!("write this line into the new file {ALLOWED}: {ALLOWED_BY_DEFAULT} {range}"),
    }
}

/// Whether `rules`, the text of [`ALLOWED`], allow `range`: a line has a star and then ranges.
pub(super) fn allows(rules: Option<&str>, range: Range) -> bool {
    let rules = rules.unwrap_or(ALLOWED_BY_DEFAULT).lines();
    rules
        .filter_map(|line| line.trim().strip_prefix('*'))
        .flat_map(str::split_whitespace)
        .filter_map(Range::parse)
        .any(|allowed| allowed.holds(range))
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
