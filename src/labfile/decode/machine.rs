//! `[machine.NAME]` and its providers' sections.

use toml::de::DeValue;

use super::reader::Reader;
use super::slot::{Slot, wrong_type};
use super::{lab, lists, names, qemu_args, values};
use crate::labfile::keys;
use crate::labfile::model::{QemuSettings, VirtualBoxSettings};
use crate::labfile::problem::Problem;
use crate::labfile::raw::{At, Cx, RawMachine};

/// Every `[machine.NAME]`.
pub(super) fn machines(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Vec<RawMachine> {
    let table = match slot.value.get_ref() {
        DeValue::Table(table) => table,
        DeValue::Array(items) => {
            let named = items.iter().find_map(|item| item.get_ref().get("name")?.get_ref().as_str());
            let hint =
                format!("each machine has a section of its own: [machine.{}]", named.unwrap_or("web1"));
            let message = "machines are written [machine.NAME], not [[machine]]";
            cx.push(Problem::error("wrong-type", slot.key_span.clone(), message).hint(hint));
            return Vec::new();
        }
        _ => {
            wrong_type(cx, slot);
            return Vec::new();
        }
    };
    let mut machines = Vec::with_capacity(table.len());
    let mut strays = Vec::new();
    for (name, value) in table {
        let name = At { value: name.get_ref().clone().into_owned(), span: name.span() };
        match value.get_ref() {
            DeValue::Table(_) => machines.push(machine(cx, name, value)),
            _ => strays.push(name),
        }
    }
    cx.problems.extend(stray(&strays));
    machines
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
    let title = format!("[machine.{}]", name.value);
    let reader = Reader::new(cx, &keys::MACHINE, &title, table);
    RawMachine {
        common: lab::common(cx, &reader),
        ip: reader.get("ip").and_then(|slot| values::address(cx, &slot)),
        forwards: reader.get("forward").map(|slot| lists::forwards(cx, &slot)).unwrap_or_default(),
        after: reader.get("after").map(|slot| values::texts(cx, &slot, values::text)).unwrap_or_default(),
        qemu: reader.get("qemu").map(|slot| qemu(cx, &slot, &name.value)).unwrap_or_default(),
        virtualbox: reader
            .get("virtualbox")
            .map(|slot| virtualbox(cx, &slot, &name.value))
            .unwrap_or_default(),
        name,
    }
}

fn qemu(cx: &mut Cx<'_>, slot: &Slot<'_, '_>, machine: &str) -> QemuSettings {
    let Some(table) = slot.table(cx) else { return QemuSettings::default() };
    let reader = Reader::new(cx, &keys::QEMU, &format!("[machine.{machine}.qemu]"), table);
    let args = reader.get("args").map(|slot| values::texts(cx, &slot, values::any_text)).unwrap_or_default();
    qemu_args::check(cx, &args);
    QemuSettings {
        args: args.into_iter().map(|arg| arg.value).collect(),
        cpu: reader.get("cpu").and_then(|slot| values::text(cx, &slot)).map(|cpu| cpu.value),
        machine: reader.get("machine").and_then(|slot| values::text(cx, &slot)).map(|machine| machine.value),
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
