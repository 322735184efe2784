//! `[check.NAME]`: the machines that checks are about.

use std::collections::HashSet;

use crate::labfile::model::Check;
use crate::labfile::names::shown;
use crate::labfile::problem::Problem;
use crate::labfile::raw::{Cx, Raw, RawCheck};
use crate::nearest::nearest;

/// A misspelt name is compared with so many machines at most.
const COMPARED: usize = 200;

/// The checks, each with its machine. Reports those that name none, or one that is not there.
pub(super) fn check(cx: &mut Cx<'_>, raw: &Raw) -> Vec<Check> {
    let known: HashSet<&str> = raw.machines.iter().map(|machine| machine.name.value.as_str()).collect();
    raw.checks.iter().filter_map(|check| one(cx, raw, &known, check)).collect()
}

fn one(cx: &mut Cx<'_>, raw: &Raw, known: &HashSet<&str>, check: &RawCheck) -> Option<Check> {
    let mut names = raw.machines.iter().map(|machine| machine.name.value.as_str());
    let name = shown(&check.name.value);
    let machine = match &check.machine {
        Some(at) if known.contains(at.value.as_str()) => at.value.clone(),
        Some(at) => {
            let problem = Problem::error(
                "unknown-machine",
                at.span.clone(),
                format!("there is no machine `{}`", at.value),
            )
            .of_absence();
            let names = || raw.machines.iter().map(|machine| machine.name.value.as_str());
            let is_patient = cx.is_patient();
            cx.push(match nearest(&at.value, names().take(COMPARED).filter(|_| is_patient)) {
                Some(meant) => problem.hint(format!("did you mean \"{meant}\"?")),
                None => problem.hint(format!(
                    "there are: {}",
                    names().take(12).map(shown).collect::<Vec<_>>().join(", ")
                )),
            });
            return None;
        }
        None => match (names.next(), names.next()) {
            (Some(only), None) => only.to_owned(),
            // That there are no machines has been said.
            (None, _) => return None,
            (Some(first), _) => {
                let message = format!("[check.{name}] does not say in which machine it is run");
                cx.push(
                    Problem::error("missing-key", check.name.span.clone(), message)
                        .hint(format!("for example: machine = \"{}\"", shown(first))),
                );
                return None;
            }
        },
    };
    Some(Check { machine, ..check.rest.clone() })
}
