//! `[machine.NAME]` and its providers' sections.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::de::DeValue;

use super::reader::Reader;
use super::slot::{Slot, wrong_type};
use super::{lab, lists, names, values};
use crate::labfile::beyond::Beyond;
use crate::labfile::keys;
use crate::labfile::lines::Span;
use crate::labfile::names::shown;
use crate::labfile::problem::Problem;
use crate::labfile::raw::{At, Cx, RawMachine};
use crate::provider::table::TABLE;
use crate::provider::{Block, Entry};
use crate::section::{About, Type};

/// The most machines that a Labfile can have: more than any class needs, and few enough to compare each with all others.
const MACHINES_MAX: usize = 1000;

/// Every `[machine.NAME]`, and whether there are too many of them, which has been reported.
pub(super) fn machines(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> (Vec<RawMachine>, bool) {
    let table = match slot.value.get_ref() {
        DeValue::Table(table) => table,
        DeValue::Array(items) => {
            let named = items.iter().find_map(|item| item.get_ref().get("name")?.get_ref().as_str());
            let hint =
                format!("each machine has a section of its own: [machine.{}]", named.unwrap_or("web1"));
            let message = "machines are written [machine.NAME], not [[machine]]";
            cx.push(Problem::error("wrong-type", slot.key_span.clone(), message).hint(hint));
            return (Vec::new(), false);
        }
        _ => {
            wrong_type(cx, slot);
            return (Vec::new(), false);
        }
    };
    if let Some((name, _)) = table.iter().nth(MACHINES_MAX) {
        let message = format!("there are {} machines, and the most is {MACHINES_MAX}", table.len());
        cx.push(
            Problem::error("too-many", name.span(), message).hint("make several labs of it, a folder each"),
        );
        return (Vec::new(), true);
    }
    let mut machines = Vec::with_capacity(table.len());
    let mut strays = Vec::new();
    for (name, value) in table {
        let name = At { value: name.get_ref().clone().into_owned(), span: name.span() };
        match value.get_ref() {
            DeValue::Table(_) => machines.push(machine(cx, name, value)),
            _ => strays.push(name),
        }
    }
    stray(&strays).into_iter().for_each(|problem| cx.push(problem));
    (machines, false)
}

/// `ip = …` under `[machine]`: the machine's name was forgotten, once for all the keys.
fn stray(names: &[At<String>]) -> Vec<Problem> {
    let is_key = |name: &&At<String>| keys::MACHINE.key(&name.value).is_some();
    let mut keys = names.iter().filter(is_key);
    let forgotten = keys.next().map(|first| {
        let message = format!("`{}` stands under [machine], which names no machine", first.value);
        let problem = Problem::error("wrong-type", first.span.clone(), message)
            .hint("write the machine's name too, for example: [machine.web1]");
        keys.fold(problem, |problem, other| problem.also(other.span.clone(), ""))
    });
    let others = names.iter().filter(|name| !is_key(name)).map(|name| {
        let message = format!("the machine `{}` must be a section", name.value);
        Problem::error("wrong-type", name.span.clone(), message)
            .hint(format!("write [machine.{}], and its keys below it", name.value))
    });
    others.chain(forgotten).collect()
}

fn machine(cx: &mut Cx<'_>, name: At<String>, value: &toml::Spanned<DeValue<'_>>) -> RawMachine {
    names::machine(cx, &name);
    let empty = toml::de::DeTable::new();
    let table = value.get_ref().as_table().unwrap_or(&empty);
    let title = format!("[machine.{}]", shown(&name.value));
    let reader = Reader::new(cx, &keys::MACHINE, &title, table);
    RawMachine {
        common: lab::common(cx, &reader),
        ip: reader.get("ip").and_then(|slot| values::address(cx, &slot)),
        forwards: reader.get("forward").map(|slot| lists::forwards(cx, &slot)).unwrap_or_default(),
        after: reader.get("after").map(|slot| values::texts(cx, &slot, values::text)).unwrap_or_default(),
        settings: TABLE
            .entries()
            .filter_map(|entry| {
                let slot = reader.get(entry.section.name)?;
                Some((entry.name, settings(cx, &slot, entry, &shown(&name.value))))
            })
            .collect(),
        name,
    }
}

/// A provider's section: what stands there. The provider says what it thinks of it.
fn settings(cx: &mut Cx<'_>, slot: &Slot<'_, '_>, entry: &Entry, machine: &str) -> Block {
    let (Type::Section(section), Some(table)) = (slot.key.takes, slot.table(cx)) else {
        return Block::default();
    };
    let title = section.title.replace("NAME", machine);
    let reader = Reader::new(cx, section, &title, table);
    let (mut values, mut spans) = (serde_json::Map::new(), BTreeMap::new());
    for key in section.keys {
        let Some((value, places)) = reader.get(key.name).and_then(|slot| value(cx, &slot)) else { continue };
        values.insert(key.name.to_owned(), value);
        spans.insert(key.name, places);
    }
    let values = values.into();
    for remark in (entry.look)(&values) {
        let Some(span) = spans.get(remark.key).and_then(|places| places.get(remark.item)).cloned() else {
            continue;
        };
        match remark.what {
            About::Mistake { code, message, hint } => {
                cx.push(Problem::error(code, span, message).hint(hint));
            }
            About::Reaching(what) => cx.reaches.push((span, Beyond::Provider { what, catalogue: None })),
        }
    }
    Block::of(&values).unwrap_or_default()
}

/// A value of one of the kinds that stand in providers' sections, and where each item of it stands.
fn value(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Option<(Value, Vec<Span>)> {
    fn items<T: Into<Value>>(items: Vec<At<T>>) -> (Value, Vec<Span>) {
        let (values, spans): (Vec<_>, _) = items.into_iter().map(|at| (at.value, at.span)).unzip();
        (values.into(), spans)
    }
    Some(match slot.key.takes {
        Type::Texts => items(values::texts(cx, slot, values::any_text)),
        Type::Commands => items(lists::commands(cx, slot)),
        Type::Flag => (values::flag(cx, slot)?.into(), vec![slot.span()]),
        _ => {
            let text = values::text(cx, slot)?;
            (text.value.into(), vec![text.span])
        }
    })
}
