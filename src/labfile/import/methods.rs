//! Ruby's own methods on plain values, as far as Vagrantfiles use them: what all have, and numbers.

use std::cmp::Ordering;
use std::rc::Rc;

use super::eval::{Eval, Walk};
use super::value::Value;

/// The longest text that one call makes, in bytes.
pub(super) const TEXT_MAX: usize = 1 << 20;

impl Eval<'_> {
    /// `receiver.method(arguments)` for plain values.
    pub(super) fn method(&mut self, receiver: &Value, method: &str, arguments: &[Value]) -> Walk {
        if let Value::Unknown(_) = receiver {
            return Ok(receiver.clone());
        }
        // What is put into a list or map may be unknown; it is asked for there.
        let is_stored = matches!(receiver, Value::List(_) | Value::Map(_))
            && matches!(
                method,
                "<<" | "push" | "append" | "unshift" | "prepend" | "insert" | "[]=" | "store"
            );
        if let (Some(Value::Unknown(reason)), false) =
            (arguments.iter().find(|value| matches!(value, Value::Unknown(_))), is_stored)
        {
            return Ok(Value::Unknown(Rc::clone(reason)));
        }
        match (receiver, method) {
            (Value::Record(record), _) => {
                return self.record_call(record, method, arguments.to_vec(), None, false);
            }
            (Value::Class(class), "name" | "to_s") => return Ok(Value::text(Rc::clone(&class.name))),
            _ => {}
        }
        let result = match self.everybodys(receiver, method, arguments)? {
            Some(value) => Some(value),
            None => match receiver {
                Value::Text(text) => self.text_method(text, method, arguments)?,
                Value::Symbol(text) => match method {
                    "to_sym" => Some(receiver.clone()),
                    "to_proc" => Some(Value::Proc(Rc::new(super::value::Proc::Named(Rc::clone(text))))),
                    "<=>" | "[]" | "length" | "size" | "start_with?" | "end_with?" | "=~" | "match?"
                    | "match" | "empty?" => self.text_method(text, method, arguments)?,
                    // The others give a symbol: `:web.upcase`.
                    _ => match self.text_method(text, method, arguments)? {
                        Some(Value::Text(text)) => Some(Value::Symbol(text)),
                        other => other,
                    },
                },
                Value::Pattern(_) => self.pattern_method(receiver, method, arguments)?,
                Value::Matched(matched) => super::matching::matched_method(matched, method, arguments),
                Value::Int(_) | Value::Float(_) => self.number_method(receiver, method, arguments)?,
                Value::List(items) => self.list_method(items, method, arguments)?,
                Value::Map(table) => self.map_method(table, method, arguments)?,
                Value::Range(range) => self.range_method(receiver, range, method, arguments)?,
                Value::Ip(address, prefix) => super::ip::method(*address, *prefix, method, arguments),
                Value::Nil => match (method, arguments) {
                    ("to_i", []) => Some(Value::Int(0)),
                    ("to_a", []) => Some(Value::list(Vec::new())),
                    ("to_h", []) => Some(Value::map(Vec::new())),
                    ("&", [_]) => Some(Value::Bool(false)),
                    (
                        "empty?" | "[]" | "each" | "+" | "split" | "length" | "size" | "upcase" | "downcase",
                        _,
                    ) => Some(Value::raised(format!("`{method}` of nothing"))),
                    _ => None,
                },
                Value::Bool(a) => match (method, arguments) {
                    ("&", [other]) => other.truth().map(|b| Value::Bool(*a && b)),
                    ("|", [other]) => other.truth().map(|b| Value::Bool(*a || b)),
                    ("^", [other]) => other.truth().map(|b| Value::Bool(*a != b)),
                    _ => None,
                },
                _ => None,
            },
        };
        let result = match result {
            Some(result) => result,
            None => match arguments.iter().find_map(Value::first_unknown).or(receiver.first_unknown()) {
                Some(unknown) => unknown,
                None => Value::unknown(format!("`{method}` is not run")),
            },
        };
        match &result {
            Value::Text(text) | Value::Symbol(text) => self.made(text.len())?,
            Value::List(items) => self.made(items.borrow().len() * size_of::<Value>())?,
            Value::Map(table) => self.made(table.borrow().pairs.len() * 2 * size_of::<Value>())?,
            _ => {}
        }
        Ok(result)
    }

    /// What every value has.
    fn everybodys(&mut self, receiver: &Value, method: &str, arguments: &[Value]) -> Walk<Option<Value>> {
        Ok(match (method, arguments) {
            ("nil?", []) => Some(Value::Bool(receiver.is_nil())),
            ("!", []) => receiver.truth().map(|truth| Value::Bool(!truth)),
            ("==" | "eql?" | "equal?", [other]) => receiver.same(other).map(Value::Bool),
            ("!=", [other]) => receiver.same(other).map(|same| Value::Bool(!same)),
            ("===", [other]) => Some(self.case_equal(receiver, other)?),
            ("to_s", []) => receiver.to_text().map(Value::text),
            ("inspect", []) => receiver.inspect().map(Value::text),
            (
                "freeze" | "itself" | "to_enum" | "each_entry" | "force_encoding" | "encode"
                | "unicode_normalize" | "scrub" | "b",
                _,
            ) => Some(receiver.clone()),
            ("+@" | "-@", []) if matches!(receiver, Value::Text(_)) => Some(receiver.clone()),
            ("frozen?", []) => Some(Value::Bool(false)),
            ("dup" | "clone" | "deep_dup", _) => Some(match receiver {
                Value::List(items) => Value::list(items.borrow().clone()),
                Value::Map(table) => {
                    let table = table.borrow().clone();
                    Value::Map(Rc::new(std::cell::RefCell::new(table)))
                }
                other => other.clone(),
            }),
            ("<=>", [other]) => match compare(receiver, other) {
                Some(order) => Some(Value::Int(order as i64)),
                None => Some(Value::Nil),
            },
            ("is_a?" | "kind_of?" | "instance_of?", [Value::Name(class)]) => {
                super::host::is_a(receiver, class).map(Value::Bool)
            }
            ("is_a?" | "kind_of?" | "instance_of?", [Value::Class(_)]) => Some(Value::Bool(false)),
            ("class", []) => receiver.class_name().map(Value::text),
            ("respond_to?", [name]) => match (receiver, name.word()) {
                (Value::List(_) | Value::Map(_), Some("each" | "map" | "size" | "length" | "[]")) => {
                    Some(Value::Bool(true))
                }
                (_, Some("each" | "map" | "keys" | "has_key?")) => Some(Value::Bool(false)),
                (_, Some("to_s")) => Some(Value::Bool(true)),
                _ => None,
            },
            ("send" | "public_send" | "__send__", [name, rest @ ..]) => match name.word() {
                Some(name) => Some(self.method(receiver, name, rest)?),
                None => None,
            },
            ("instance_of" | "object_id" | "hash", _) => None,
            ("present?", []) => Some(Value::Bool(!is_blank(receiver))),
            ("blank?", []) => Some(Value::Bool(is_blank(receiver))),
            ("<" | ">" | "<=" | ">=", [other]) if matches!(receiver, Value::Text(_) | Value::Ip(..)) => {
                compare(receiver, other).map(|order| {
                    Value::Bool(match method {
                        "<" => order == Ordering::Less,
                        ">" => order == Ordering::Greater,
                        "<=" => order != Ordering::Greater,
                        _ => order != Ordering::Less,
                    })
                })
            }
            ("between?", [least, most]) => match (compare(receiver, least), compare(receiver, most)) {
                (Some(low), Some(high)) => {
                    Some(Value::Bool(low != Ordering::Less && high != Ordering::Greater))
                }
                _ => None,
            },
            ("clamp", [least, most]) => match (compare(receiver, least), compare(receiver, most)) {
                (Some(Ordering::Less), _) => Some(least.clone()),
                (_, Some(Ordering::Greater)) => Some(most.clone()),
                (Some(_), Some(_)) => Some(receiver.clone()),
                _ => None,
            },
            _ => None,
        })
    }

    fn range_method(
        &mut self,
        receiver: &Value,
        range: &(Value, Value, bool),
        method: &str,
        arguments: &[Value],
    ) -> Walk<Option<Value>> {
        Ok(match (method, arguments) {
            ("first" | "begin" | "min", []) => Some(range.0.clone()),
            ("end", []) => Some(range.1.clone()),
            ("include?" | "member?" | "cover?", [value]) => {
                self.range_includes(range, value).map(Value::Bool)
            }
            ("step" | "%", [step]) => {
                let last = match (&range.1, range.2) {
                    (Value::Int(last), true) => Value::Int(last.saturating_sub(1)),
                    (last, _) => last.clone(),
                };
                Some(self.stepped(&range.0, &last, step)?)
            }
            ("exclude_end?", []) => Some(Value::Bool(range.2)),
            _ => match self.items(receiver)? {
                Ok(items) => {
                    let items = Value::list(items);
                    match method {
                        "to_a" | "entries" | "each" => Some(items),
                        _ => Some(self.method(&items, method, arguments)?),
                    }
                }
                Err(reason) => Some(Value::Unknown(reason)),
            },
        })
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Nil | Value::Bool(false) => true,
        Value::Text(text) => text.trim().is_empty(),
        Value::List(items) => items.borrow().is_empty(),
        Value::Map(table) => table.borrow().pairs.is_empty(),
        _ => false,
    }
}

/// `<=>`
pub(super) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    compare_within(a, b, 0)
}

fn compare_within(a: &Value, b: &Value, depth: usize) -> Option<Ordering> {
    match (a, b) {
        (Value::List(_), _) if depth > 2 => None,
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) | (Value::Symbol(a), Value::Symbol(b)) => Some(a.cmp(b)),
        (Value::Ip(a, _), Value::Ip(b, _)) => Some(a.cmp(b)),
        (Value::List(a), Value::List(b)) => {
            let (a, b) = (a.borrow(), b.borrow());
            for (a, b) in a.iter().zip(b.iter()).take(64) {
                match compare_within(a, b, depth + 1)? {
                    Ordering::Equal => {}
                    order => return Some(order),
                }
            }
            Some(a.len().cmp(&b.len()))
        }
        (a, b) => a.float()?.partial_cmp(&b.float()?),
    }
}

/// The word after `word`: `a9` becomes `b0`, `z` becomes `aa`.
pub(super) fn succeeding(word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let mut place = letters.len();
    loop {
        let Some(at) = place.checked_sub(1) else {
            let first = match letters.first() {
                Some('0') => '1',
                Some('A') => 'A',
                _ => 'a',
            };
            letters.insert(0, first);
            break;
        };
        place = at;
        let Some(letter) = letters.get_mut(at) else { break };
        match *letter {
            '9' => *letter = '0',
            'z' => *letter = 'a',
            'Z' => *letter = 'A',
            c => {
                *letter = char::from_u32(u32::from(c) + 1).unwrap_or(c);
                break;
            }
        }
    }
    letters.into_iter().collect()
}

/// What `[…]` of something with `length` items means: where it begins, and how many.
pub(super) fn slice(length: usize, arguments: &[Value]) -> Option<Option<(usize, usize)>> {
    let length = i64::try_from(length).ok()?;
    let from_end = |at: i64| if at < 0 { at + length } else { at };
    let (begin, count) = match arguments {
        [Value::Int(begin), Value::Int(count)] => (from_end(*begin), *count),
        [Value::Range(range)] => {
            let begin = match &range.0 {
                Value::Nil => 0,
                Value::Int(begin) => from_end(*begin),
                _ => return None,
            };
            let end = match &range.1 {
                Value::Nil => length,
                Value::Int(end) => from_end(*end) + i64::from(!range.2),
                _ => return None,
            };
            (begin, (end - begin).max(0))
        }
        _ => return None,
    };
    if begin < 0 || begin > length || count < 0 {
        return Some(None);
    }
    let count = count.min(length - begin);
    Some(Some((usize::try_from(begin).ok()?, usize::try_from(count).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_each_other() {
        for (word, next) in [("a", "b"), ("az", "ba"), ("z", "aa"), ("a9", "b0"), ("09", "10"), ("Zz", "AAa")]
        {
            assert_eq!(succeeding(word), next);
        }
    }
}
