//! The Labfile, and which provider would run it.

use super::{Check, Lab, Said, Subject};
use crate::error::Kind;

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
    pub(super) name: Option<&'static str>,
    pub(super) check: Check,
}

/// Decides as `lab up` does, from what the providers have said already; a lab that exists
/// stays with its own.
pub(super) fn provider(subject: &Subject<'_>, virtualbox: &Said, qemu: &Said) -> Chosen {
    const NAME: &str = "provider";
    let known: [(&'static str, &Said); 2] = [("virtualbox", virtualbox), ("qemu", qemu)];
    let made = subject.lab.state().map(|state| state.provider.clone());
    let asked = made
        .or_else(|| subject.provider.clone())
        .or_else(|| subject.lab.labfile().and_then(|labfile| labfile.provider.clone()))
        .filter(|asked| asked != "auto");
    let Some(asked) = asked else {
        let sound = known.into_iter().find(|(_, said)| said.as_ref().is_ok_and(|said| said.doubt.is_none()));
        return match sound {
            Some((name, _)) => Chosen {
                name: Some(name),
                check: Check::pass(NAME, name, "`lab up` takes the first of virtualbox and qemu that works"),
            },
            None => Chosen {
                name: None,
                check: Check::failure(
                    NAME,
                    "neither virtualbox nor qemu works here",
                    "no machine can be started",
                )
                .todo("mend one of them: the lines above say how"),
            },
        };
    };
    let check = match known.into_iter().find(|(name, _)| *name == asked) {
        None => Check::failure(NAME, format!("there is no provider {asked}"), "no machine can be started")
            .todo("take virtualbox, qemu or auto"),
        Some((name, Err(_))) => {
            let what = format!("{name} is asked for, and does not work here");
            let check = Check::failure(NAME, what, "no machine can be started");
            return Chosen {
                name: Some(name),
                check: check.todo("mend it, as its line says; or let lab choose: auto"),
            };
        }
        Some((name, Ok(said))) => {
            let check = match &said.doubt {
                None => Check::pass(NAME, format!("{name}, as asked for"), "it works here"),
                Some(doubt) => {
                    Check::failure(NAME, format!("{name} is asked for; {doubt}"), "machines will not start")
                        .todo("mend it, as its line says; or let lab choose: auto")
                }
            };
            return Chosen { name: Some(name), check };
        }
    };
    Chosen { name: None, check }
}
