//! The Labfile, and which provider would run it.

use super::{Check, Lab, Said, Subject};
use crate::error::Kind;
use crate::provider::Entry;
use crate::provider::table::TABLE;

/// The Labfile itself.
pub(super) fn check(lab: &Lab) -> Check {
    match lab {
        Lab::None => Check::skipped("labfile", "no Labfile here: what one would ask for is left out"),
        Lab::Broken(error) => {
            let todo = match error.kind() {
                Kind::BadLabfile => "`lab validate` shows every mistake".to_owned(),
                _ => error.hints().join("; "),
            };
            Check::failure("labfile", error.message(), "the computer cannot be held to it").todo(todo)
        }
        Lab::Read(labfile, _) => {
            let count = labfile.machines.len();
            let machines = if count == 1 { "1 machine".to_owned() } else { format!("{count} machines") };
            Check::pass("labfile", format!("{}: {machines}", labfile.name), "it can be read")
        }
    }
}

/// The provider that `lab up` would take, and the line that says so.
pub(super) struct Chosen {
    pub(super) entry: Option<&'static Entry>,
    pub(super) check: Check,
}

/// Decides as `lab up` does, from what the providers have said already; a lab that exists
/// stays with its own.
pub(super) fn provider(subject: &Subject<'_>, known: &[(&'static Entry, Said)]) -> Chosen {
    const NAME: &str = "provider";
    let made = subject.lab.state().map(|state| state.provider.clone());
    let asked = made
        .or_else(|| subject.provider.clone())
        .or_else(|| subject.lab.labfile().and_then(|labfile| labfile.provider.clone()))
        .filter(|asked| asked != "auto");
    let Some(asked) = asked else {
        let mut automatic = known.iter().filter(|(entry, _)| entry.automatic);
        let names: Vec<&str> = automatic.clone().map(|(entry, _)| entry.name).collect();
        let sound = automatic.find(|(_, said)| said.as_ref().is_ok_and(|said| said.doubt.is_none()));
        return match sound {
            Some((entry, _)) => Chosen {
                entry: Some(entry),
                check: Check::pass(
                    NAME,
                    entry.name,
                    format!("`lab up` takes the first of {} that works", names.join(" and ")),
                ),
            },
            None => Chosen {
                entry: None,
                check: Check::failure(
                    NAME,
                    format!("neither {} works here", names.join(" nor ")),
                    "no machine can be started",
                )
                .todo("mend one of them: the lines above say how"),
            },
        };
    };
    let check = match known.iter().find(|(entry, _)| entry.name == asked) {
        None => Check::failure(NAME, format!("there is no provider {asked}"), "no machine can be started")
            .todo(format!("take {} or auto", TABLE.names().join(", "))),
        Some((entry, Err(_))) => {
            let what = format!("{} is asked for, and does not work here", entry.name);
            let check = Check::failure(NAME, what, "no machine can be started");
            return Chosen {
                entry: Some(entry),
                check: check.todo("mend it, as its line says; or let lab choose: auto"),
            };
        }
        Some((entry, Ok(said))) => {
            let name = entry.name;
            let check = match &said.doubt {
                None => Check::pass(NAME, format!("{name}, as asked for"), "it works here"),
                Some(doubt) => {
                    Check::failure(NAME, format!("{name} is asked for; {doubt}"), "machines will not start")
                        .todo("mend it, as its line says; or let lab choose: auto")
                }
            };
            return Chosen { entry: Some(entry), check };
        }
    };
    Chosen { entry: None, check }
}
