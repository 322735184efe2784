//! A value at its key; and what is said of one that is of another type than its key takes.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::labfile::keys::{Key, Type};
use crate::labfile::lines::Span;
use crate::labfile::problem::Problem;
use crate::labfile::raw::Cx;

/// The longest list that is taken.
const ITEMS_MAX: usize = 10_000;

/// A value, and the key that it is for.
#[derive(Clone)]
pub(super) struct Slot<'t, 'i> {
    pub(super) key: &'static Key,
    /// Where the key itself stands.
    pub(super) key_span: Span,
    pub(super) value: &'t Spanned<DeValue<'i>>,
    /// Whether it is one item of the list that the key takes.
    pub(super) item: bool,
}

impl<'t, 'i> Slot<'t, 'i> {
    pub(super) fn span(&self) -> Span {
        self.value.span()
    }

    /// Its items. Anything but a list is reported, and a list that is too long.
    pub(super) fn items(&self, cx: &mut Cx<'_>) -> Vec<Slot<'t, 'i>> {
        match self.value.get_ref() {
            DeValue::Array(items) if items.len() > ITEMS_MAX => {
                let message =
                    format!("`{}` has {} items, and the most is {ITEMS_MAX}", self.key.name, items.len());
                cx.push(
                    Problem::error("too-many", self.key_span.clone(), message)
                        .hint("let one script do the work of many, and one folder hold many files"),
                );
                Vec::new()
            }
            DeValue::Array(items) => {
                items.iter().map(|value| Slot { value, item: true, ..self.clone() }).collect()
            }
            _ => {
                wrong_type(cx, self);
                Vec::new()
            }
        }
    }

    /// Its table. Anything else is reported.
    pub(super) fn table(&self, cx: &mut Cx<'_>) -> Option<&'t DeTable<'i>> {
        let table = self.value.get_ref().as_table();
        if table.is_none() {
            wrong_type(cx, self);
        }
        table
    }
}

/// Reports that `slot` holds a value of another type than its key takes.
pub(super) fn wrong_type(cx: &mut Cx<'_>, slot: &Slot<'_, '_>) {
    let found = found(slot.value.get_ref());
    let wanted = wanted(slot.key.takes, slot.item);
    let name = slot.key.name;
    let message = if slot.item {
        let item = if matches!(slot.key.takes, Type::Env) { "variable" } else { "item" };
        format!("every {item} of `{name}` must be {wanted}, not {found}")
    } else {
        format!("`{name}` must be {wanted}, not {found}")
    };
    let hint = fix(cx, slot);
    cx.push(Problem::error("wrong-type", slot.span(), message).label(found).hint(hint));
}

/// What to write in place of a value of the wrong type: the same thing in its right form if that can be known, else an
/// example.
fn fix(cx: &Cx<'_>, slot: &Slot<'_, '_>) -> String {
    let (key, value) = (slot.key, slot.value.get_ref());
    let shown = |text: &str| if slot.item { text.to_owned() } else { format!("{} = {text}", key.name) };
    let written = cx.written(&slot.span());
    let short = written.len() <= 60 && !written.contains('\n');
    match (key.takes, value) {
        (Type::Integer(..), DeValue::String(text)) if text.trim().parse::<i64>().is_ok() => {
            format!("write it without quotes: {}", shown(text.trim()))
        }
        (Type::Flag, DeValue::String(text)) if matches!(text.as_ref(), "true" | "false") => {
            format!("write it without quotes: {}", shown(text))
        }
        (_, DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_))
            if short && takes_text(key.takes, slot.item) =>
        {
            format!("write it in quotes: {}", shown(&format!("\"{written}\"")))
        }
        (Type::Texts, DeValue::String(text))
            if short && !slot.item && text.contains(' ') && !text.contains(['"', '\'', '\\']) =>
        {
            let words: Vec<_> = text.split_whitespace().map(|word| format!("\"{word}\"")).collect();
            format!("put each one in quotes: {} = [{}]", key.name, words.join(", "))
        }
        (Type::Names | Type::Texts | Type::List(..), DeValue::String(_) | DeValue::Table(_))
            if short && !slot.item && written.starts_with(['"', '\'', '{']) =>
        {
            format!("put it in brackets: {}", shown(&format!("[{written}]")))
        }
        (Type::Commands, DeValue::String(_)) => {
            format!("each command is a list: {} = {}", key.name, key.example)
        }
        (Type::Section(_), _) => format!("its keys stand under a line of their own: {}", key.example),
        _ => format!("for example: {} = {}", key.name, key.example),
    }
}

fn takes_text(takes: Type, item: bool) -> bool {
    match takes {
        Type::Text | Type::Name | Type::Path | Type::GuestPath | Type::Script | Type::Version => true,
        Type::Choice(_) | Type::Network | Type::Address => false,
        Type::Texts | Type::Env => item,
        _ => false,
    }
}

/// What a key takes, in words.
fn wanted(takes: Type, item: bool) -> &'static str {
    match takes {
        Type::Names | Type::Texts | Type::Env if item => "text in quotes",
        Type::Commands if item => "a list of texts",
        Type::List(_, None) if item => "a table",
        Type::List(_, Some(_)) if item => "text in quotes or a table",
        Type::Text | Type::Name | Type::Path | Type::GuestPath | Type::Script | Type::Version => {
            "text in quotes"
        }
        Type::Choice(_) | Type::Network | Type::Address => "text in quotes",
        Type::Integer(..) => "a whole number",
        Type::Flag => "true or false",
        Type::Memory => "text with a unit, or a number of MiB",
        Type::Duration => "text with a unit, or a number of seconds",
        Type::Names | Type::Texts | Type::List(..) => "a list",
        Type::Commands => "a list of lists of texts",
        Type::Env => "a table",
        Type::Section(_) | Type::Named(_) => "a section",
    }
}

/// What a value is, in words.
fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
