//! `[check.NAME]`.

use std::time::Duration;

use toml::de::DeValue;

use super::reader::Reader;
use super::slot::{Slot, wrong_type};
use super::{names, values};
use crate::labfile::keys;
use crate::labfile::model::Check;
use crate::labfile::names::shown;
use crate::labfile::problem::Problem;
use crate::labfile::raw::{At, Cx, RawCheck};

/// `timeout` where it is not given.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Every `[check.NAME]`.
pub(super) fn checks(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Vec<RawCheck> {
    let table = match slot.value.get_ref() {
        DeValue::Table(table) => table,
        DeValue::Array(_) => {
            let message = "checks are written [check.NAME], not [[check]]";
            cx.push(
                Problem::error("wrong-type", slot.key_span.clone(), message)
                    .hint("each check has a section of its own: [check.web-answers]"),
            );
            return Vec::new();
        }
        _ => {
            wrong_type(cx, slot);
            return Vec::new();
        }
    };
    let mut checks = Vec::with_capacity(table.len());
    for (name, value) in table {
        let at = At { value: name.get_ref().clone().into_owned(), span: name.span() };
        match value.get_ref().as_table() {
            Some(table) => checks.push(check(cx, at, table)),
            None => {
                let message = format!("the check `{}` must be a section", at.value);
                let hint = match check_section().key(&at.value) {
                    Some(_) => "write the check's name too, for example: [check.web-answers]".to_owned(),
                    None => format!("write [check.{}], and its keys below it", at.value),
                };
                cx.push(Problem::error("wrong-type", at.span, message).hint(hint));
            }
        }
    }
    checks
}

fn check_section() -> &'static keys::Section {
    &keys::CHECK
}

fn check(cx: &mut Cx<'_>, name: At<String>, table: &toml::de::DeTable<'_>) -> RawCheck {
    names::check(cx, &name);
    let title = format!("[check.{}]", shown(&name.value));
    let reader = Reader::new(cx, check_section(), &title, table);
    let text = |cx: &mut Cx<'_>, key: &str| {
        reader.get(key).and_then(|slot| values::any_text(cx, &slot)).map(|at| at.value)
    };
    let machine = reader.get("machine").and_then(|slot| values::text(cx, &slot));
    let run = match reader.get("run") {
        Some(slot) => values::any_text(cx, &slot),
        None => {
            if !reader.means("run") {
                cx.push(
                    Problem::error("missing-key", name.span.clone(), format!("{title} needs `run`"))
                        .hint("for example: run = \"curl -s http://localhost/\""),
                );
            }
            None
        }
    };
    if let Some(run) = run.as_ref().filter(|run| run.value.trim().is_empty()) {
        let problem = Problem::error("empty", run.span.clone(), "`run` is empty");
        cx.push(problem.hint("for example: run = \"curl -s http://localhost/\""));
    }
    let expect = text(cx, "expect");
    let hint = text(cx, "hint");
    let number = |cx: &mut Cx<'_>, key: &str| {
        reader.get(key).and_then(|slot| values::integer(cx, &slot)).map(|at| at.value)
    };
    let status = number(cx, "status").and_then(|status| u8::try_from(status).ok()).unwrap_or(0);
    let points = number(cx, "points").unwrap_or(1);
    let root =
        reader.get("as").and_then(|slot| values::choice(cx, &slot)).is_none_or(|who| who.value == "root");
    let timeout = reader.get("timeout").and_then(|slot| values::duration(cx, &slot)).unwrap_or(TIMEOUT);
    let rest = Check {
        name: name.value.clone(),
        machine: String::new(),
        // That it is missing has been said.
        run: run.map(|run| run.value).unwrap_or_default(),
        expect,
        status,
        root,
        timeout,
        points,
        hint,
    };
    RawCheck { name, machine, rest }
}
