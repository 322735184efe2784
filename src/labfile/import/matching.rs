//! Patterns at work: what is found, and what takes its place.

use std::rc::Rc;

use lib_ruby_parser::{Node, nodes};

use super::eval::{Eval, Walk};
use super::pattern::{Matched, Pattern};
use super::value::Value;

impl Eval<'_> {
    /// `text =~ pattern`, `pattern.match(text)`: what is found, which `$1` reads too.
    pub(super) fn match_text(&mut self, pattern: &Value, text: &Value) -> Walk {
        let Some(word) = text.word() else {
            return Ok(match text {
                Value::Unknown(_) => text.clone(),
                Value::Nil => {
                    self.matched = None;
                    Value::Nil
                }
                _ => Value::unknown("what is searched is no text"),
            });
        };
        self.worked(word.len() / 4)?;
        let found = match pattern {
            Value::Pattern(pattern) => pattern.find(word),
            Value::Text(wanted) => match Pattern::new(wanted, "") {
                Some(pattern) => pattern.find(word),
                None => return Ok(Value::unknown("this pattern is not understood")),
            },
            Value::Unknown(_) => return Ok(pattern.clone()),
            _ => return Ok(Value::unknown("this pattern is not understood")),
        };
        self.matched = found.map(Rc::new);
        Ok(self.matched.clone().map_or(Value::Nil, Value::Matched))
    }

    /// What a program of this computer would print.
    pub(super) fn program(&mut self, node: &Node, parts: &'static [Node]) -> Walk {
        let line = self.interpolated(parts)?;
        let Some(word) = line.word() else { return Ok(line) };
        let printed = super::host::printed(word);
        if printed.unknown_why().is_none() {
            self.decided_here(node);
        }
        Ok(printed)
    }

    /// `$1`
    pub(super) fn group(&self, name: &str) -> Value {
        let place = name.trim_start_matches('$').parse::<usize>().ok();
        place
            .and_then(|place| self.matched.as_ref()?.groups.get(place)?.clone())
            .map_or(Value::Nil, Value::text)
    }

    /// `/(?<name>…)/ =~ text` makes variables of its groups.
    pub(super) fn match_and_assign(&mut self, node: &'static nodes::MatchWithLvasgn) -> Walk {
        let (pattern, text) = (self.value(&node.re)?, self.value(&node.value)?);
        let found = self.match_text(&pattern, &text)?;
        if let Value::Pattern(pattern) = &pattern {
            let names: Vec<String> = pattern.regex.capture_names().flatten().map(str::to_owned).collect();
            for name in names {
                let value = match &found {
                    Value::Matched(found) => found.named(&name).map_or(Value::Nil, Value::text),
                    Value::Unknown(_) => found.clone(),
                    _ => Value::Nil,
                };
                self.frame.set(&name, value);
            }
        }
        Ok(place(found))
    }

    pub(super) fn pattern_method(
        &mut self,
        pattern: &Value,
        method: &str,
        arguments: &[Value],
    ) -> Walk<Option<Value>> {
        Ok(match (method, arguments) {
            ("match", [text]) => Some(self.match_text(pattern, text)?),
            ("match?" | "===", [text]) => Some(is_found(self.match_text(pattern, text)?)),
            ("=~", [text]) => Some(place(self.match_text(pattern, text)?)),
            ("source" | "to_s", []) => match pattern {
                Value::Pattern(pattern) => Some(Value::text(pattern.regex.as_str())),
                _ => None,
            },
            _ => None,
        })
    }
}

/// Where something was found, as `=~` says it.
pub(super) fn place(found: Value) -> Value {
    match found {
        Value::Matched(found) => Value::int(found.at),
        other => other,
    }
}

pub(super) fn is_found(found: Value) -> Value {
    match found {
        Value::Unknown(_) => found,
        found => Value::Bool(!found.is_nil()),
    }
}

pub(super) fn group_text(text: &Option<String>) -> Value {
    text.as_deref().map_or(Value::Nil, Value::text)
}

pub(super) fn matched_method(found: &Matched, method: &str, arguments: &[Value]) -> Option<Value> {
    let text = group_text;
    let captures = || found.groups.iter().skip(1).map(text).collect::<Vec<_>>();
    let names = || found.names.iter().flatten();
    match (method, arguments) {
        ("[]", [Value::Int(group)]) => Some(
            usize::try_from(*group).ok().and_then(|group| found.groups.get(group)).map_or(Value::Nil, text),
        ),
        ("[]", [name]) => Some(found.named(name.word()?).map_or(Value::Nil, Value::text)),
        ("captures", []) => Some(Value::list(captures())),
        ("to_a" | "deconstruct", []) => Some(Value::list(found.groups.iter().map(text).collect())),
        ("named_captures", []) => {
            let pair = |name: &String| {
                (Value::text(name.as_str()), found.named(name).map_or(Value::Nil, Value::text))
            };
            Some(Value::map(names().map(pair).collect()))
        }
        ("names", []) => Some(Value::list(names().map(|name| Value::text(name.as_str())).collect())),
        ("pre_match", []) => Some(Value::text(found.before.as_str())),
        ("post_match", []) => Some(Value::text(found.after.as_str())),
        ("size" | "length", []) => Some(Value::int(found.groups.len())),
        ("begin", [Value::Int(0)]) => Some(Value::int(found.at)),
        _ => None,
    }
}

/// `\1` and `\0` of a replacement in the crate's words.
pub(super) fn replacement(written: &str) -> String {
    let mut result = String::new();
    let mut letters = written.chars().peekable();
    while let Some(c) = letters.next() {
        match (c, letters.peek().copied()) {
            ('$', _) => result.push_str("$$"),
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                letters.next();
                result.push_str(&format!("${{{digit}}}"));
            }
            ('\\', Some('k')) => {
                letters.next();
                letters.next();
                let name: String = letters.by_ref().take_while(|c| *c != '>').collect();
                result.push_str(&format!("${{{name}}}"));
            }
            ('\\', Some('\\')) => {
                letters.next();
                result.push('\\');
            }
            (c, _) => result.push(c),
        }
    }
    result
}
