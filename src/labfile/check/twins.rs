//! Machines whose names mean the same.

use std::collections::{HashMap, HashSet};

use crate::labfile::names::shown;
use crate::labfile::problem::Problem;
use crate::labfile::raw::{At, Cx, RawMachine};

/// Reports names that differ in case only: host names do not.
pub(super) fn check(cx: &mut Cx<'_>, machines: &[RawMachine]) {
    let mut seen: HashMap<String, &At<String>> = HashMap::new();
    let mut twins = HashSet::new();
    let mut problems = Vec::new();
    for machine in machines {
        let name = &machine.name;
        if let Some(first) = seen.get(&name.value.to_lowercase()) {
            let message = format!("`{}` and `{}` are one host name", shown(&first.value), shown(&name.value));
            twins.insert(name.span.start);
            problems.push(
                Problem::error("bad-name", name.span.clone(), message)
                    .also(first.span.clone(), "the other one")
                    .hint("case makes no difference in host names: give one of them another name"),
            );
        } else {
            seen.insert(name.value.to_lowercase(), name);
        }
    }
    // That one of them is in upper case has been said, with a hint that does not hold.
    cx.retract(|problem| problem.code == "bad-name" && twins.contains(&problem.span.start));
    problems.into_iter().for_each(|problem| cx.push(problem));
}
