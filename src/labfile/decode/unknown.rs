//! Keys that a section does not have: finds the key that was meant, or the section where it belongs.

use toml::Spanned;
use toml::de::{DeString, DeValue};

use crate::labfile::keys::{self, Key, SECTIONS, Section, Type};
use crate::labfile::problem::Problem;
use crate::nearest::nearest;

/// The problem with a key that `section` does not have; `meant` is the one that was probably meant.
pub(super) fn key(
    section: &'static Section,
    title: &str,
    written: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
    meant: Option<&'static Key>,
) -> Problem {
    let name = written.get_ref().as_ref();
    let is_table = value.get_ref().is_table();
    let at_root = std::ptr::eq(section, &raw const keys::ROOT);
    let what = if at_root && is_table { "section" } else { "key" };
    let shown = if at_root && is_table { format!("[{name}]") } else { format!("`{name}`") };
    let problem = Problem::error("unknown-key", written.span(), format!("{title} has no {what} {shown}"));

    if let Some(hint) = section.elsewhere(name) {
        return problem.hint(hint);
    }
    if let Some(key) = meant {
        let example = match key.takes {
            Type::Section(_) | Type::Named(_) => key.example.to_owned(),
            _ => format!("{} = {}", key.name, key.example),
        };
        return problem.hint(match key.words.contains(&name) {
            true => format!("here it is called `{}`, for example: {example}", key.name),
            false => format!("did you mean `{}`?", key.name),
        });
    }
    if section.id == keys::MACHINE.id && matches!(name, "name" | "hostname" | "host_name") {
        return problem.hint(format!("the machine's name is the one in its header, {title}"));
    }
    if at_root && is_table && seems_a_machine(value.get_ref()) {
        return problem.hint(format!("the section of a machine is written [machine.{name}]"));
    }
    let homes: Vec<_> = SECTIONS
        .iter()
        .filter(|other| other.title.starts_with('[') && other.key(name).is_some())
        .map(|other| match title.strip_prefix("[machine.") {
            // Name the machine in whose section it stands.
            Some(rest) => other.title.replace("NAME", rest.split(['.', ']']).next().unwrap_or_default()),
            None => other.title.to_owned(),
        })
        .collect();
    if !homes.is_empty() {
        return problem.hint(format!("`{name}` belongs in {}", homes.join(" or ")));
    }
    if at_root {
        return problem.hint("the sections are: [lab], [network], [machine.NAME], [check.NAME]");
    }
    let known: Vec<_> = section.keys.iter().map(|key| key.name).collect();
    problem.hint(format!("the keys here are: {}", known.join(", ")))
}

/// The key of `section` that an unknown one was probably meant to be: called so elsewhere, or misspelt.
pub(super) fn meant(section: &'static Section, name: &str, value: &DeValue<'_>) -> Option<&'static Key> {
    let at_root = std::ptr::eq(section, &raw const keys::ROOT);
    let candidates = || section.keys.iter().filter(|_| !at_root || value.is_table());
    let other_word = candidates().find(|key| key.words.contains(&name));
    other_word.or_else(|| section.key(nearest(name, candidates().map(|key| key.name))?))
}

/// Whether a table's keys are mostly those of a machine.
fn seems_a_machine(value: &DeValue<'_>) -> bool {
    let Some(table) = value.as_table() else { return false };
    let known = table.keys().filter(|key| keys::MACHINE.key(key.get_ref()).is_some()).count();
    known * 2 >= table.len()
}
