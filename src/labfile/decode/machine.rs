//! `[machine.NAME]` and its providers' sections.

use toml::de::DeValue;

use super::reader::Reader;
use super::slot::{Slot, wrong_type};
use super::{lab, lists, names, qemu_args, values};
use crate::labfile::beyond::Beyond;
use crate::labfile::model::{QemuSettings, VirtualBoxSettings};
use crate::labfile::names::shown;
use crate::labfile::problem::Problem;
use crate::labfile::raw::{At, Cx, RawMachine};
use crate::labfile::{harmless, keys};

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
        qemu: reader.get("qemu").map(|slot| qemu(cx, &slot, &shown(&name.value))).unwrap_or_default(),
        virtualbox: reader
            .get("virtualbox")
            .map(|slot| virtualbox(cx, &slot, &shown(&name.value)))
            .unwrap_or_default(),
        name,
    }
}

fn qemu(cx: &mut Cx<'_>, slot: &Slot<'_, '_>, machine: &str) -> QemuSettings {
    let Some(table) = slot.table(cx) else { return QemuSettings::default() };
    let reader = Reader::new(cx, &keys::QEMU, &format!("[machine.{machine}.qemu]"), table);
    let args = reader.get("args").map(|slot| values::texts(cx, &slot, values::any_text)).unwrap_or_default();
    qemu_args::check(cx, &args);
    let cpu = reader.get("cpu").and_then(|slot| values::text(cx, &slot));
    let machine = reader.get("machine").and_then(|slot| values::text(cx, &slot));
    let words: Vec<&str> = args.iter().map(|arg| arg.value.as_str()).collect();
    let asked = harmless::reaching_qemu_args(&words).into_iter().filter_map(|words| args.get(words));
    let asked = asked.map(|args| (args, args.iter().map(|arg| arg.value.clone()).collect()));
    let asked: Vec<_> = asked
        .filter_map(|(args, words)| Some((args.first()?.span.clone(), Beyond::Qemu { words })))
        .collect();
    cx.reaches.extend(asked);
    for (option, setting, is_harmless) in [
        ("-cpu", &cpu, harmless::is_harmless_cpu as fn(&str) -> bool),
        ("-machine", &machine, harmless::is_harmless_machine),
    ] {
        if let Some(At { value, span }) = setting.as_ref().filter(|setting| !is_harmless(&setting.value)) {
            let words = vec![option.to_owned(), value.clone()];
            cx.reaches.push((span.clone(), Beyond::Qemu { words }));
        }
    }
    QemuSettings {
        args: args.into_iter().map(|arg| arg.value).collect(),
        cpu: cpu.map(|cpu| cpu.value),
        machine: machine.map(|machine| machine.value),
    }
}

fn virtualbox(cx: &mut Cx<'_>, slot: &Slot<'_, '_>, machine: &str) -> VirtualBoxSettings {
    let Some(table) = slot.table(cx) else { return VirtualBoxSettings::default() };
    let reader = Reader::new(cx, &keys::VIRTUALBOX, &format!("[machine.{machine}.virtualbox]"), table);
    VirtualBoxSettings {
        customize: reader.get("customize").map(|slot| lists::commands(cx, &slot)).unwrap_or_default(),
        gui: reader.get("gui").and_then(|slot| values::flag(cx, &slot)).unwrap_or(false),
    }
}
