//! Single values: their type, their form, their range.

use std::net::Ipv4Addr;
use std::time::Duration;

use toml::de::DeValue;

use super::slot::{Slot, wrong_type};
use crate::boxes::versions::Constraint;
use crate::labfile::keys::Type;
use crate::labfile::model::Network;
use crate::labfile::problem::Problem;
use crate::labfile::raw::{At, Cx};
use crate::labfile::units::{self, Misread};
use crate::nearest::nearest;
use crate::provider::table::TABLE;

/// Text. It may hold anything but NUL: no argument, variable or path can have that in it.
pub(super) fn any_text(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Option<At<String>> {
    let DeValue::String(text) = slot.value.get_ref() else {
        wrong_type(cx, slot);
        return None;
    };
    if text.contains('\0') {
        let message = format!("`{}` holds a NUL character", slot.key.name);
        cx.push(Problem::error("bad-text", slot.span(), message).hint("take `\\u0000` out"));
        return None;
    }
    Some(At { value: text.clone().into_owned(), span: slot.span() })
}

/// One line of text, not empty.
pub(super) fn text(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Option<At<String>> {
    let text = any_text(cx, slot)?;
    let name = slot.key.name;
    if text.value.trim().is_empty() {
        let hint = match slot.item {
            true => "write something between the quotes, or take it out".to_owned(),
            false => format!("for example: {name} = {}", slot.key.example),
        };
        cx.push(Problem::error("empty", text.span, format!("`{name}` is empty")).hint(hint));
        return None;
    }
    if text.value.contains(char::is_control) {
        let message = format!("`{name}` holds a line end or another control character");
        cx.push(Problem::error("bad-text", text.span, message).hint("write it on one line, without escapes"));
        return None;
    }
    Some(text)
}

/// Every item of a list as text; `one` reads an item.
pub(super) fn texts(
    cx: &mut Cx<'_>,
    slot: &Slot<'_, '_>,
    one: fn(&mut Cx<'_>, &Slot<'_, '_>) -> Option<At<String>>,
) -> Vec<At<String>> {
    let items = slot.items(cx);
    items.iter().filter_map(|item| one(cx, item)).collect()
}

/// `true` or `false`.
pub(super) fn flag(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Option<bool> {
    let flag = slot.value.get_ref().as_bool();
    if flag.is_none() {
        wrong_type(cx, slot);
    }
    flag
}

/// A whole number in the range that the key's table entry gives.
pub(super) fn integer(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Option<At<u32>> {
    let DeValue::Integer(number) = slot.value.get_ref() else {
        wrong_type(cx, slot);
        return None;
    };
    let (least, most) = match slot.key.takes {
        Type::Integer(least, most) => (least, most),
        _ => (0, i64::from(u32::MAX)),
    };
    let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
    match number
        .filter(|number| (least..=most).contains(number))
        .and_then(|number| u32::try_from(number).ok())
    {
        Some(value) => Some(At { value, span: slot.span() }),
        None => {
            let name = slot.key.name;
            let message = format!("`{name}` must be from {least} to {most}");
            let hint = format!("for example: {name} = {}", slot.key.example);
            cx.push(Problem::error("out-of-range", slot.span(), message).hint(hint));
            None
        }
    }
}

/// One of a few words.
pub(super) fn choice(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Option<At<String>> {
    let Type::Choice(words) = slot.key.takes else { return None };
    if !slot.value.get_ref().is_str() {
        wrong_type(cx, slot);
        return None;
    }
    let text = text(cx, slot)?;
    if words.contains(&text.value.as_str()) {
        return Some(text);
    }
    let name = slot.key.name;
    let meant = nearest(&text.value, words.iter().copied()).or_else(|| other_word(&text.value));
    let hint = match meant.filter(|meant| words.contains(meant)) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => format!(
            "write {}",
            words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ")
        ),
    };
    cx.push(
        Problem::error("unknown-word", text.span, format!("`{name}` cannot be \"{}\"", text.value))
            .hint(hint),
    );
    None
}

/// What other tools call it.
fn other_word(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    if let Some(entry) = TABLE.entries().find(|entry| entry.section.words.contains(&word.as_str())) {
        return Some(entry.name);
    }
    Some(match word.as_str() {
        "sudo" | "admin" | "privileged" => "root",
        "vagrant" | "unprivileged" => "user",
        "boot" | "every" => "always",
        "never" | "first" => "once",
        _ => return None,
    })
}

fn misread(cx: &mut Cx<'_>, slot: &Slot<'_, '_>, misread: Misread) {
    cx.push(Problem::error("bad-value", slot.span(), misread.message).hint(misread.hint));
}

/// An amount of memory in MiB.
pub(super) fn memory(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Option<u32> {
    let mib = match slot.value.get_ref() {
        DeValue::String(_) => match units::memory(&text(cx, slot)?.value) {
            Ok(mib) => mib,
            Err(why) => {
                misread(cx, slot, why);
                return None;
            }
        },
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if number < 0 => 0,
            Ok(number) => u64::try_from(number).unwrap_or(u64::MAX),
            Err(_) => u64::MAX,
        },
        _ => {
            wrong_type(cx, slot);
            return None;
        }
    };
    match u32::try_from(mib) {
        Ok(mib @ units::MEMORY_MIN..=units::MEMORY_MAX) => Some(mib),
        _ => {
            let message = match mib < u64::from(units::MEMORY_MIN) {
                true => format!("{mib} MiB is too little memory: the least is {} MiB", units::MEMORY_MIN),
                false => "that is too much memory: the most is 1024 GiB".to_owned(),
            };
            let hint = format!("for example: {} = {}", slot.key.name, slot.key.example);
            cx.push(Problem::error("out-of-range", slot.span(), message).hint(hint));
            None
        }
    }
}

/// A duration of at least a second and at most a day.
pub(super) fn duration(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Option<Duration> {
    let duration = match slot.value.get_ref() {
        DeValue::String(_) => match units::duration(&text(cx, slot)?.value) {
            Ok(duration) => duration,
            Err(why) => {
                misread(cx, slot, why);
                return None;
            }
        },
        DeValue::Integer(number) => {
            let seconds = i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(i64::MAX);
            Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
        }
        _ => {
            wrong_type(cx, slot);
            return None;
        }
    };
    if (Duration::from_secs(1)..=units::DURATION_MAX).contains(&duration) {
        return Some(duration);
    }
    let message = format!("`{}` must be from 1 second to 24 hours", slot.key.name);
    let hint = format!("for example: {} = {}", slot.key.name, slot.key.example);
    cx.push(Problem::error("out-of-range", slot.span(), message).hint(hint));
    None
}

/// An IPv4 network.
pub(super) fn network(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Option<At<Network>> {
    let text = text(cx, slot)?;
    match units::network(&text.value) {
        Ok(value) => Some(At { value, span: text.span }),
        Err(why) => {
            misread(cx, slot, why);
            None
        }
    }
}

/// An IPv4 address.
pub(super) fn address(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Option<At<Ipv4Addr>> {
    let text = text(cx, slot)?;
    if let Ok(value) = text.value.parse() {
        return Some(At { value, span: text.span });
    }
    let without_prefix = text.value.split_once('/').map(|(address, _)| address);
    let (message, hint) = match without_prefix.filter(|address| address.parse::<Ipv4Addr>().is_ok()) {
        Some(address) => (
            "an address is written without a prefix length".to_owned(),
            format!("write ip = \"{address}\"; the length belongs to [network] private"),
        ),
        None if text.value.parse::<std::net::Ipv6Addr>().is_ok() => (
            format!("{} is an IPv6 address; lab's private networks are IPv4", text.value),
            format!("for example: ip = {}", slot.key.example),
        ),
        None => (
            format!("`{}` is not an IPv4 address", text.value),
            format!("four numbers from 0 to 255, for example: ip = {}", slot.key.example),
        ),
    };
    cx.push(Problem::error("bad-value", text.span, message).hint(hint));
    None
}

/// What a box's version must be.
pub(super) fn version(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) -> Option<Constraint> {
    let text = text(cx, slot)?;
    match text.value.parse() {
        Ok(constraint) => Some(constraint),
        Err(why) => {
            let message = format!("`{}` is no version, or condition on one", text.value);
            let hint =
                format!("for example: {0} = {1}, or {0} = \">= 1.0, < 3\"", slot.key.name, slot.key.example);
            cx.push(Problem::error("bad-version", text.span, message).label(why).hint(hint));
            None
        }
    }
}
