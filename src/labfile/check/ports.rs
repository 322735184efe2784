//! Ports of this computer.

use std::collections::{BTreeMap, BTreeSet};

use crate::labfile::lines::Span;
use crate::labfile::names::shown;
use crate::labfile::problem::Problem;
use crate::labfile::raw::{Cx, RawMachine};

/// The first port that everyone may listen on.
const FIRST_UNPRIVILEGED: u16 = 1024;

/// Reports ports that are forwarded twice, and those that only root may open.
pub(super) fn check(cx: &mut Cx<'_>, machines: &[RawMachine]) {
    let all =
        || machines.iter().flat_map(|machine| machine.forwards.iter().map(move |forward| (machine, forward)));
    let used: BTreeSet<u16> = all().map(|(_, forward)| forward.value.host).collect();
    let mut proposed = 0_u16;
    let mut first: BTreeMap<u16, (&str, &Span)> = BTreeMap::new();
    for (machine, forward) in all() {
        let port = forward.value.host;
        if let Some((owner, span)) = first.get(&port) {
            // No port is proposed twice, and none is looked for where nobody reads of it.
            let mut hint = "take another port of this computer".to_owned();
            if cx.is_patient() {
                proposed = free_after(port.max(proposed.saturating_add(1)), &used);
                hint.push_str(&format!(", for example {proposed}"));
            }
            let whose = match machine.name.value == *owner {
                true => "the first time".to_owned(),
                false => format!("{} has it", shown(owner)),
            };
            let message = format!("port {port} of this computer is forwarded twice");
            cx.push(
                Problem::error("taken-port", forward.span.clone(), message)
                    .also((*span).clone(), whose)
                    .hint(hint),
            );
            continue;
        }
        first.insert(port, (&machine.name.value, &forward.span));
        if port < FIRST_UNPRIVILEGED {
            let other = port + 8000;
            let other = if cx.is_patient() { free_after(other, &used) } else { other };
            cx.push(
                Problem::warning(
                    "privileged-port",
                    forward.span.clone(),
                    format!("on most computers only root may listen on port {port}, as on all below 1024"),
                )
                .hint(format!("take a higher one, for example {other}")),
            );
        }
    }
}

/// The next port that no machine forwards.
fn free_after(port: u16, used: &BTreeSet<u16>) -> u16 {
    (port..=u16::MAX).chain(FIRST_UNPRIVILEGED..port).find(|port| !used.contains(port)).unwrap_or(port)
}
