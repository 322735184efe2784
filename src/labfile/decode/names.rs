//! Names of labs and machines.

use std::collections::HashMap;
use std::path::Path;

use crate::labfile::decode::{At, Cx, RawMachine};
use crate::labfile::problem::Problem;

/// The longest label that DNS and /etc/hostname take.
const LONGEST: usize = 63;

/// Names that every guest has for itself, or that its resolver treats in a way of its own.
const TAKEN: &[&str] = &["localhost", "ip6-localhost", "ip6-loopback", "broadcasthost"];

/// Checks `[machine.NAME]`'s NAME.
pub(in crate::labfile) fn machine(cx: &mut Cx<'_>, name: &At<String>) {
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
pub(in crate::labfile) fn check(cx: &mut Cx<'_>, name: &At<String>) {
    let well = fault(&name.value).is_none_or(|_| name.value.bytes().all(|b| b.is_ascii_digit()));
    if well && !name.value.is_empty() {
        return;
    }
    let message = format!("`{}` cannot be a check's name: it takes a-z, 0-9 and `-`", shown(&name.value));
    let meant = corrected(&name.value, "check").unwrap_or_else(|| "web-answers".to_owned());
    cx.push(Problem::error("bad-name", name.span.clone(), message).hint(format!("write [check.{meant}]")));
}

/// Checks `[lab] name`.
pub(in crate::labfile) fn lab(cx: &mut Cx<'_>, name: &At<String>) -> bool {
    let Some(why) = fault(&name.value).filter(|_| !name.value.bytes().all(|b| b.is_ascii_digit())) else {
        return true;
    };
    let message = format!("`{}` cannot be a lab's name: {why}", shown(&name.value));
    let meant = corrected(&name.value, "lab").unwrap_or_else(|| "my-lab".to_owned());
    cx.push(Problem::error("bad-name", name.span.clone(), message).hint(format!("write name = \"{meant}\"")));
    false
}

/// Reports names that differ in case only: host names do not.
pub(super) fn machines(cx: &mut Cx<'_>, machines: &[RawMachine]) {
    let mut seen: HashMap<String, &At<String>> = HashMap::new();
    for machine in machines {
        let name = &machine.name;
        if let Some(first) = seen.get(&name.value.to_lowercase()) {
            let message = format!("`{}` and `{}` are one host name", first.value, name.value);
            // That it is in upper case has been said, with a hint that does not hold.
            cx.problems.retain(|problem| problem.code != "bad-name" || problem.span != name.span);
            cx.push(
                Problem::error("bad-name", name.span.clone(), message)
                    .also(first.span.clone(), "the other one")
                    .hint("case makes no difference in host names: give one of them another name"),
            );
        } else {
            seen.insert(name.value.to_lowercase(), name);
        }
    }
}

/// What keeps `name` from being a host name label (RFC 952 and 1123, lower case).
fn fault(name: &str) -> Option<&'static str> {
    let rules: &[(bool, &str)] = &[
        (name.is_empty(), "it is empty"),
        (name.contains('.'), "it has a dot"),
        (name.contains('_'), "host names have no `_`"),
        (name.contains(char::is_whitespace), "it has a blank"),
        (!name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "only a-z, 0-9 and `-` are allowed"),
        (name.bytes().any(|b| b.is_ascii_uppercase()), "it must be in lower case"),
        (name.starts_with('-'), "it begins with `-`"),
        (name.ends_with('-'), "it ends with `-`"),
        (name.len() > LONGEST, "it is longer than 63 characters"),
        (name.bytes().all(|b| b.is_ascii_digit()), "a name of digits alone is taken for an address"),
    ];
    rules.iter().find(|(broken, _)| *broken).map(|(_, why)| *why)
}

/// The name that is nearest to `name` and allowed.
pub(in crate::labfile) fn corrected(name: &str, prefix: &str) -> Option<String> {
    let mut meant = String::new();
    for c in name.to_lowercase().chars() {
        match c {
            'ä' => meant.push_str("ae"),
            'ö' => meant.push_str("oe"),
            'ü' => meant.push_str("ue"),
            'ß' => meant.push_str("ss"),
            'à' | 'á' | 'â' | 'ã' | 'å' => meant.push('a'),
            'è' | 'é' | 'ê' | 'ë' => meant.push('e'),
            'ç' => meant.push('c'),
            'ñ' => meant.push('n'),
            c if c.is_ascii_alphanumeric() => meant.push(c),
            _ if meant.ends_with('-') => {}
            _ => meant.push('-'),
        }
    }
    let meant: String = meant.trim_matches('-').chars().take(LONGEST).collect();
    let meant = meant.trim_end_matches('-');
    match meant {
        "" => None,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => Some(format!("{prefix}{digits}")),
        meant => Some(meant.to_owned()),
    }
}

/// A long name, cut for a message.
fn shown(name: &str) -> String {
    match name.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}

/// The lab's name where none is given: the folder's, made into an allowed one.
pub(in crate::labfile) fn from_folder(dir: &Path) -> String {
    let folder = dir.file_name().unwrap_or_default().to_string_lossy();
    corrected(&folder, "lab").unwrap_or_else(|| "lab".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrected_names_have_no_fault() {
        for name in ["Web_1", "-a-", "über.lab", "web 1", &"x-".repeat(80), "1", "a--b", "São Paulo"] {
            let meant = corrected(name, "m").unwrap();
            assert_eq!(fault(&meant), None, "{name} → {meant}");
        }
        assert_eq!(corrected("Web_1", "m").unwrap(), "web-1");
        assert_eq!(corrected("___", "m"), None);
    }

    #[test]
    fn a_folder_gives_a_name() {
        assert_eq!(from_folder(Path::new("/home/me/Deploy Workshop (2)")), "deploy-workshop-2");
        assert_eq!(from_folder(Path::new("/")), "lab");
        assert_eq!(from_folder(Path::new("/2011")), "lab2011");
    }
}
