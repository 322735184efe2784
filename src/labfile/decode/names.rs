//! Names of labs and machines.

use crate::labfile::names::{TAKEN, corrected, fault, shown};
use crate::labfile::problem::Problem;
use crate::labfile::raw::{At, Cx};

/// Checks `[machine.NAME]`'s NAME.
pub(super) fn machine(cx: &mut Cx<'_>, name: &At<String>) {
    if TAKEN.contains(&name.value.to_lowercase().as_str()) {
        let message = format!("no machine can be called `{}`: the name has a meaning of its own", name.value);
        cx.push(Problem::error("bad-name", name.span.clone(), message).hint("for example: [machine.web1]"));
    } else if let Some(why) = fault(&name.value) {
        let message = match name.value.is_empty() {
            true => "a machine has an empty name".to_owned(),
            false => format!("`{}` cannot be a machine's name: {why}", shown(&name.value)),
        };
        let hint = match corrected(&name.value, "m") {
            Some(meant) => format!("write [machine.{meant}]"),
            None => "for example: [machine.web1]".to_owned(),
        };
        cx.push(Problem::error("bad-name", name.span.clone(), message).hint(hint));
    }
}

/// Checks `[check.NAME]`'s NAME, which is typed as an argument.
pub(super) fn check(cx: &mut Cx<'_>, name: &At<String>) {
    let well = fault(&name.value).is_none_or(|_| name.value.bytes().all(|b| b.is_ascii_digit()));
    if well && !name.value.is_empty() {
        return;
    }
    let message = format!("`{}` cannot be a check's name: it takes a-z, 0-9 and `-`", shown(&name.value));
    let meant = corrected(&name.value, "check").unwrap_or_else(|| "web-answers".to_owned());
    cx.push(Problem::error("bad-name", name.span.clone(), message).hint(format!("write [check.{meant}]")));
}

/// Checks `[lab] name`.
pub(super) fn lab(cx: &mut Cx<'_>, name: &At<String>) -> bool {
    let Some(why) = fault(&name.value).filter(|_| !name.value.bytes().all(|b| b.is_ascii_digit())) else {
        return true;
    };
    let message = format!("`{}` cannot be a lab's name: {why}", shown(&name.value));
    let meant = corrected(&name.value, "lab").unwrap_or_else(|| "my-lab".to_owned());
    cx.push(Problem::error("bad-name", name.span.clone(), message).hint(format!("write name = \"{meant}\"")));
    false
}
