//! `[check.NAME]`: the machines that checks are about.

use crate::labfile::model::Check;
use crate::labfile::problem::Problem;
use crate::labfile::raw::{Cx, Raw, RawCheck};
use crate::nearest::nearest;

/// A misspelt name is compared with so many machines at most.
const COMPARED: usize = 200;

/// The checks, each with its machine. Reports those that name none, or one that is not there.
pub(super) fn check(cx: &mut Cx<'_>, raw: &Raw) -> Vec<Check> {
    raw.checks.iter().filter_map(|check| one(cx, raw, check)).collect()
}

fn one(cx: &mut Cx<'_>, raw: &Raw, check: &RawCheck) -> Option<Check> {
    let mut names = raw.machines.iter().map(|machine| machine.name.value.as_str());
    let name = &check.name.value;
    let machine = match &check.machine {
        Some(at) if names.any(|known| known == at.value) => at.value.clone(),
        Some(at) => {
            let problem = Problem::error(
                "unknown-machine",
                at.span.clone(),
                format!("there is no machine `{}`", at.value),
            )
            .of_absence();
            let names = || raw.machines.iter().map(|machine| machine.name.value.as_str());
            cx.push(match nearest(&at.value, names().take(COMPARED)) {
                Some(meant) => problem.hint(format!("did you mean \"{meant}\"?")),
                None => {
                    problem.hint(format!("there are: {}", names().take(12).collect::<Vec<_>>().join(", ")))
                }
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
                        .hint(format!("for example: machine = \"{first}\"")),
                );
                return None;
            }
        },
    };
    Some(Check { machine, ..check.rest.clone() })
}
