//! The lists of a machine: forwards, provisioners, copies, customisation commands.

use toml::de::DeValue;

use super::reader::Reader;
use super::slot::{Slot, wrong_type};
use super::{files, values};
use crate::labfile::keys::{self, Key};
use crate::labfile::lines::Span;
use crate::labfile::model::{Copy, Forward, Provisioner, Script};
use crate::labfile::problem::Problem;
use crate::labfile::raw::{At, Cx};

/// The text of a key that must be there.
fn required(
    cx: &mut Cx<'_>,
    reader: &Reader<'_, '_>,
    item: &Slot<'_, '_>,
    name: &str,
    example: &str,
) -> Option<At<String>> {
    let slot = present(cx, reader, item, name, example)?;
    values::text(cx, &slot)
}

/// The slot of a key that must be there. One that is there under a wrong name has been reported already.
fn present<'t, 'i>(
    cx: &mut Cx<'_>,
    reader: &Reader<'t, 'i>,
    item: &Slot<'_, '_>,
    name: &str,
    example: &str,
) -> Option<Slot<'t, 'i>> {
    let slot = reader.get(name);
    if slot.is_none() && !reader.means(name) {
        let message = format!("{} needs `{name}`", reader.section().title);
        cx.push(Problem::error("missing-key", item.span(), message).hint(format!("for example: {example}")));
    }
    slot
}

/// `forward = [{ host = 8080, guest = 80 }, "8443:443"]`
pub(super) fn forwards(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Vec<At<Forward>> {
    let items = slot.items(cx);
    items.iter().filter_map(|item| forward(cx, item)).collect()
}

fn forward(cx: &mut Cx<'_>, item: &Slot<'_, '_>) -> Option<At<Forward>> {
    const EXAMPLE: &str = "{ host = 8080, guest = 80 }";
    let table = match item.value.get_ref() {
        DeValue::Table(table) => table,
        DeValue::String(text) => return short_forward(cx, text, item.span()),
        _ => {
            wrong_type(cx, item);
            return None;
        }
    };
    let reader = Reader::new(cx, &keys::FORWARD, keys::FORWARD.title, table);
    let auto = reader.get("auto").and_then(|slot| values::flag(cx, &slot)).unwrap_or(false);
    let host = present(cx, &reader, item, "host", EXAMPLE).and_then(|slot| values::integer(cx, &slot));
    let guest = present(cx, &reader, item, "guest", EXAMPLE).and_then(|slot| values::integer(cx, &slot));
    let (host, guest) = (host?, guest?);
    let value = Forward { host: port_number(host.value)?, guest: port_number(guest.value)?, auto };
    Some(At { value, span: host.span })
}

fn short_forward(cx: &mut Cx<'_>, text: &str, span: Span) -> Option<At<Forward>> {
    let ports = text.split_once(':').and_then(|(host, guest)| {
        let port = |text: &str| text.trim().parse().ok().and_then(port_number);
        Some(Forward { host: port(host)?, guest: port(guest)?, auto: false })
    });
    if ports.is_none() {
        let message = format!("`{text}` is not a pair of ports from 1 to 65535");
        cx.push(
            Problem::error("bad-value", span.clone(), message)
                .hint("write the port on this computer, a colon, the port in the machine: \"8080:80\""),
        );
    }
    ports.map(|value| At { value, span })
}

fn port_number(number: u32) -> Option<u16> {
    u16::try_from(number).ok().filter(|port| *port > 0)
}

/// `provision = ["provision/common.sh", { script = "provision/web.sh" }, { inline = "true" }]`
pub(super) fn provisioners(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Vec<Provisioner> {
    let items = slot.items(cx);
    items.iter().filter_map(|item| provisioner(cx, item)).collect()
}

/// One provisioner. An inline script without a name gets one later, when it is known how many go before it.
fn provisioner(cx: &mut Cx<'_>, item: &Slot<'_, '_>) -> Option<Provisioner> {
    let plain = |name: String, script: Script| Provisioner {
        name,
        script,
        args: Vec::new(),
        env: Vec::new(),
        root: true,
        always: false,
        timeout: None,
    };
    let table = match item.value.get_ref() {
        DeValue::Table(table) => table,
        DeValue::String(_) => {
            let text = values::text(cx, item)?;
            let script = Script::File(files::script(cx, &text)?);
            return Some(plain(text.value, script));
        }
        _ => {
            wrong_type(cx, item);
            return None;
        }
    };
    let reader = Reader::new(cx, &keys::PROVISION, keys::PROVISION.title, table);
    let script = provisioner_script(cx, &reader, item.span());
    let mut provisioner = plain(String::new(), Script::Inline(String::new()));
    provisioner.args = match reader.get("args") {
        Some(slot) => values::texts(cx, &slot, values::any_text).into_iter().map(|arg| arg.value).collect(),
        None => Vec::new(),
    };
    provisioner.env = reader.get("env").map(|slot| env(cx, &slot)).unwrap_or_default();
    provisioner.root =
        reader.get("as").and_then(|slot| values::choice(cx, &slot)).is_none_or(|who| who.value == "root");
    provisioner.always = reader
        .get("run")
        .and_then(|slot| values::choice(cx, &slot))
        .is_some_and(|when| when.value == "always");
    provisioner.timeout = reader.get("timeout").and_then(|slot| values::duration(cx, &slot));
    let name = reader.get("name").and_then(|slot| values::text(cx, &slot)).map(|name| name.value);
    let (script, path) = script?;
    provisioner.script = script;
    provisioner.name = name.or(path).unwrap_or_default();
    Some(provisioner)
}

/// What is run: `script` or `inline`, and the path as it is written.
fn provisioner_script(
    cx: &mut Cx<'_>,
    reader: &Reader<'_, '_>,
    item: Span,
) -> Option<(Script, Option<String>)> {
    match (reader.get("script"), reader.get("inline")) {
        (Some(script), None) => {
            let text = values::text(cx, &script)?;
            let path = files::script(cx, &text)?;
            Some((Script::File(path), Some(text.value)))
        }
        (None, Some(inline)) => {
            let text = values::any_text(cx, &inline)?;
            if text.value.trim().is_empty() {
                let problem = Problem::error("empty", text.span, "`inline` is empty");
                cx.push(problem.hint("for example: inline = \"echo hello\""));
                return None;
            }
            Some((Script::Inline(text.value), None))
        }
        (Some(script), Some(inline)) => {
            let problem = Problem::error(
                "conflict",
                inline.key_span,
                "a provisioner has a `script` or an `inline`, not both",
            )
            .also(script.key_span, "the other one")
            .hint("write two provisioners, or take one of them out");
            cx.push(problem);
            None
        }
        (None, None) => {
            if reader.means("script") || reader.means("inline") {
                return None;
            }
            cx.push(
                Problem::error("missing-key", item, "a provisioner needs a `script` or an `inline`")
                    .hint("for example: { script = \"provision/web.sh\" } or { inline = \"echo hello\" }"),
            );
            None
        }
    }
}

/// The most variables that a script can be given.
const VARIABLES_MAX: usize = 1000;

/// `env = { ROLE = "web" }`
fn env(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Vec<(String, String)> {
    let Some(table) = slot.table(cx) else { return Vec::new() };
    if table.len() > VARIABLES_MAX {
        let message = format!("`env` has {} variables, and the most is {VARIABLES_MAX}", table.len());
        cx.push(
            Problem::error("too-many", slot.key_span.clone(), message)
                .hint("write them into a file, copy that in, and let the script read it"),
        );
        return Vec::new();
    }
    let mut variables = Vec::with_capacity(table.len());
    for (name, value) in table {
        let text = name.get_ref().as_ref();
        let valid = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !valid {
            let meant: String =
                text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            let meant =
                if meant.starts_with(|c: char| c.is_ascii_digit()) { format!("_{meant}") } else { meant };
            let hint = match meant.chars().all(|c| c == '_') {
                true => "letters, digits and `_`, for example: ROLE".to_owned(),
                false => format!("letters, digits and `_`, for example: {meant}"),
            };
            let message = match text.is_empty() {
                true => "an environment variable has an empty name".to_owned(),
                false => format!("`{text}` cannot be the name of an environment variable"),
            };
            cx.push(Problem::error("bad-name", name.span(), message).hint(hint));
        }
        let slot = Slot { value, item: true, ..slot.clone() };
        if let Some(value) = values::any_text(cx, &slot) {
            variables.push((text.to_owned(), value.value));
        }
    }
    variables
}

/// `copy = [{ from = "site", to = "/srv/site" }]`
pub(super) fn copies(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Vec<Copy> {
    let items = slot.items(cx);
    items.iter().filter_map(|item| copy(cx, item)).collect()
}

fn copy(cx: &mut Cx<'_>, item: &Slot<'_, '_>) -> Option<Copy> {
    const EXAMPLE: &str = "{ from = \"site\", to = \"/srv/site\" }";
    let Some(table) = item.value.get_ref().as_table() else {
        wrong_type(cx, item);
        return None;
    };
    let reader = Reader::new(cx, &keys::COPY, keys::COPY.title, table);
    let from = required(cx, &reader, item, "from", EXAMPLE).and_then(|text| files::copied(cx, &text));
    let to = required(cx, &reader, item, "to", EXAMPLE).and_then(|text| files::in_guest(cx, text));
    Some(Copy { from: from?, to: to? })
}

/// `customize = [["modifyvm", "{id}", "--vram", "16"]]`
pub(super) fn commands(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Vec<At<Vec<String>>> {
    let key: &'static Key = slot.key;
    // One command without its second pair of brackets would be reported once for each word.
    if let DeValue::Array(items) = slot.value.get_ref()
        && !items.is_empty()
        && items.iter().all(|item| item.get_ref().is_str())
    {
        let written = cx.written(&slot.span());
        let hint = match written.contains('\n') {
            true => format!("for example: {} = {}", key.name, key.example),
            false => format!("put it in brackets once more: {} = [{written}]", key.name),
        };
        let message = format!("`{}` is a list of commands, each a list", key.name);
        cx.push(Problem::error("wrong-type", slot.span(), message).hint(hint));
        return Vec::new();
    }
    let mut commands = Vec::new();
    for item in slot.items(cx) {
        let DeValue::Array(words) = item.value.get_ref() else {
            wrong_type(cx, &item);
            continue;
        };
        if words.is_empty() {
            let message = format!("a command of `{}` is empty", key.name);
            let hint = format!("for example: {} = {}", key.name, key.example);
            cx.push(Problem::error("empty", item.span(), message).hint(hint));
        }
        let mut command = Vec::with_capacity(words.len());
        for value in words.iter() {
            match value.get_ref() {
                DeValue::String(word) if !word.contains('\0') => command.push(word.clone().into_owned()),
                _ => {
                    let written = cx.written(&value.span());
                    let message = "every word of a command must be text in quotes";
                    cx.push(
                        Problem::error("wrong-type", value.span(), message)
                            .hint(format!("write it in quotes: \"{}\"", written.trim_matches(['"', '\'']))),
                    );
                }
            }
        }
        commands.push(At { value: command, span: item.span() });
    }
    commands
}
