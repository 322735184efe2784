//! Ruby's own methods on plain values, as far as Vagrantfiles use them: what all have, and numbers.

use std::cmp::Ordering;
use std::rc::Rc;

use super::eval::{Eval, Walk};
use super::value::Value;

/// The longest text that one call makes, in bytes.
pub(super) const TEXT_MAX: usize = 1 << 22;

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
                Value::Matched(matched) => super::text::matched_method(matched, method, arguments),
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

    fn number_method(&mut self, receiver: &Value, method: &str, arguments: &[Value]) -> Walk<Option<Value>> {
        let whole = |number: Option<i64>| number.map(Value::Int);
        if let (Value::Int(a), [Value::Int(b)]) = (receiver, arguments) {
            let value = match method {
                "+" => whole(a.checked_add(*b)),
                "-" => whole(a.checked_sub(*b)),
                "*" => whole(a.checked_mul(*b)),
                "/" | "div" => whole(
                    a.checked_div(*b).map(|q| if a % b != 0 && (a < &0) != (b < &0) { q - 1 } else { q }),
                ),
                "%" | "modulo" => {
                    whole(a.checked_rem(*b).map(|r| if r != 0 && (r < 0) != (b < &0) { r + b } else { r }))
                }
                "fdiv" => Some(Value::Float(*a as f64 / *b as f64)),
                "divmod" if *b > 0 => {
                    Some(Value::pair(Value::Int(a.div_euclid(*b)), Value::Int(a.rem_euclid(*b))))
                }
                "**" | "pow" => whole(u32::try_from(*b).ok().and_then(|b| a.checked_pow(b))),
                "&" => Some(Value::Int(a & b)),
                "|" => Some(Value::Int(a | b)),
                "^" => Some(Value::Int(a ^ b)),
                "<<" => whole(u32::try_from(*b).ok().filter(|b| *b < 62).and_then(|b| a.checked_mul(1 << b))),
                ">>" => whole(u32::try_from(*b).ok().filter(|b| *b < 64).map(|b| a >> b)),
                "upto" if a <= b => {
                    return Ok(Some(Value::list(self.counted(&(Value::Int(*a), Value::Int(*b), false))?)));
                }
                "downto" if a >= b => {
                    let mut numbers = self.counted(&(Value::Int(*b), Value::Int(*a), false))?;
                    numbers.reverse();
                    return Ok(Some(Value::list(numbers)));
                }
                "upto" | "downto" => Some(Value::list(Vec::new())),
                "to_s" if (2..=36).contains(b) => {
                    u32::try_from(*b).ok().map(|radix| Value::text(in_radix(*a, radix)))
                }
                "rjust" | "ljust" => None,
                _ => None,
            };
            if value.is_some() {
                return Ok(value);
            }
        }
        let order = |other: &Value| compare(receiver, other);
        Ok(match (method, arguments) {
            ("times", []) => {
                let range = (Value::Int(0), receiver.clone(), true);
                Some(Value::list(self.counted(&range)?))
            }
            ("step", [last, step]) => Some(self.stepped(receiver, last, step)?),
            ("<", [other]) => order(other).map(|order| Value::Bool(order == Ordering::Less)),
            (">", [other]) => order(other).map(|order| Value::Bool(order == Ordering::Greater)),
            ("<=", [other]) => order(other).map(|order| Value::Bool(order != Ordering::Greater)),
            (">=", [other]) => order(other).map(|order| Value::Bool(order != Ordering::Less)),
            ("to_i" | "to_int" | "truncate", []) => whole(receiver.number()),
            ("ord", []) => Some(receiver.clone()),
            ("chr", []) => receiver
                .number()
                .and_then(|n| u8::try_from(n).ok())
                .filter(u8::is_ascii)
                .map(|n| Value::text(char::from(n).to_string())),
            ("to_f", []) => receiver.float().map(Value::Float),
            ("floor" | "ceil" | "round", []) => match receiver {
                Value::Float(number) if number.abs() < 1e15 => Some(Value::Int(match method {
                    "floor" => number.floor(),
                    "ceil" => number.ceil(),
                    _ => number.round(),
                } as i64)),
                Value::Int(_) => Some(receiver.clone()),
                _ => None,
            },
            ("round", [Value::Int(digits)]) if (0..10).contains(digits) => match receiver {
                Value::Float(number) => {
                    let by = 10_f64.powi(i32::try_from(*digits).unwrap_or(0));
                    Some(Value::Float((number * by).round() / by))
                }
                other => Some(other.clone()),
            },
            ("succ" | "next", []) => whole(receiver.number().and_then(|n| n.checked_add(1))),
            ("pred", []) => whole(receiver.number().and_then(|n| n.checked_sub(1))),
            ("abs", []) => match receiver {
                Value::Int(number) => whole(number.checked_abs()),
                other => other.float().map(|number| Value::Float(number.abs())),
            },
            ("-@", []) => match receiver {
                Value::Int(number) => whole(number.checked_neg()),
                other => other.float().map(|number| Value::Float(-number)),
            },
            ("+@", []) => Some(receiver.clone()),
            ("zero?", []) => receiver.float().map(|number| Value::Bool(number == 0.0)),
            ("positive?", []) => receiver.float().map(|number| Value::Bool(number > 0.0)),
            ("negative?", []) => receiver.float().map(|number| Value::Bool(number < 0.0)),
            ("even?", []) => receiver.number().map(|number| Value::Bool(number % 2 == 0)),
            ("odd?", []) => receiver.number().map(|number| Value::Bool(number % 2 != 0)),
            ("integer?", []) => Some(Value::Bool(matches!(receiver, Value::Int(_)))),
            ("[]", [Value::Int(bit)]) => u32::try_from(*bit)
                .ok()
                .filter(|bit| *bit < 63)
                .and_then(|bit| Some(Value::Int((receiver.number()? >> bit) & 1))),
            ("digits", []) => receiver.number().filter(|number| *number >= 0).map(|number| {
                Value::list(
                    number
                        .to_string()
                        .bytes()
                        .rev()
                        .map(|digit| Value::Int(i64::from(digit - b'0')))
                        .collect(),
                )
            }),
            ("+" | "-" | "*" | "/" | "**" | "%" | "fdiv", [other]) => match (receiver.float(), other.float())
            {
                (Some(a), Some(b)) => Some(Value::Float(match method {
                    "+" => a + b,
                    "-" => a - b,
                    "*" => a * b,
                    "**" => a.powf(b),
                    "%" => a.rem_euclid(b),
                    _ => a / b,
                })),
                _ => None,
            },
            _ => None,
        })
    }

    /// From one number in steps to another.
    pub(super) fn stepped(&mut self, first: &Value, last: &Value, step: &Value) -> Walk {
        let (Value::Int(first), Value::Int(last), Value::Int(step)) = (first, last, step) else {
            return Ok(Value::unknown("`step` is not run on these"));
        };
        let mut numbers = Vec::new();
        let mut number = *first;
        while *step != 0 && ((*step > 0 && number <= *last) || (*step < 0 && number >= *last)) {
            self.worked(1)?;
            numbers.push(Value::Int(number));
            number = number.saturating_add(*step);
        }
        Ok(Value::list(numbers))
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
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) | (Value::Symbol(a), Value::Symbol(b)) => Some(a.cmp(b)),
        (Value::Ip(a, _), Value::Ip(b, _)) => Some(a.cmp(b)),
        (Value::List(a), Value::List(b)) => {
            let (a, b) = (a.borrow(), b.borrow());
            for (a, b) in a.iter().zip(b.iter()).take(64) {
                match compare(a, b)? {
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

fn in_radix(number: i64, radix: u32) -> String {
    let mut digits = Vec::new();
    let mut rest = number.unsigned_abs();
    loop {
        let digit = u32::try_from(rest % u64::from(radix)).unwrap_or(0);
        digits.push(char::from_digit(digit, radix).unwrap_or('?'));
        rest /= u64::from(radix);
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        digits.push('-');
    }
    digits.iter().rev().collect()
}

/// `"web%02d" % 3`: flags, width and precision; `%{name}` and `%<name>d` of a map.
pub(super) fn formatted(format: &str, values: &[Value]) -> Option<String> {
    let named = values.first();
    let mut values = values.iter();
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        text += before;
        if let Some(after) = after.strip_prefix('{') {
            let (name, after) = after.split_once('}')?;
            text += &named?.get(name)?.to_text()?;
            rest = after;
            continue;
        }
        let mut letters = after.chars().peekable();
        let (mut flags, mut width, mut precision) = (String::new(), String::new(), None);
        let mut own = None;
        loop {
            match *letters.peek()? {
                c @ ('-' | '+' | ' ' | '#') => flags.push(c),
                '0' if width.is_empty() && precision.is_none() => flags.push('0'),
                c if c.is_ascii_digit() && precision.is_none() => width.push(c),
                c if c.is_ascii_digit() => precision.get_or_insert_with(String::new).push(c),
                '.' => precision = Some(String::new()),
                '<' => {
                    letters.next();
                    let name: String = letters.by_ref().take_while(|c| *c != '>').collect();
                    own = Some(named?.get(&name)?);
                    continue;
                }
                _ => break,
            }
            letters.next();
        }
        let kind = letters.next()?;
        let mut value = || own.clone().or_else(|| values.next().cloned());
        let digits = |least: usize, written: String| match written.strip_prefix('-') {
            Some(plain) => format!("-{plain:0>least$}"),
            None => format!("{written:0>least$}"),
        };
        let precision: Option<usize> = match precision {
            Some(digits) => Some(digits.parse().unwrap_or(0)),
            None => None,
        };
        let size: usize = if width.is_empty() { 0 } else { width.parse().ok()? };
        if size > 1_000 || precision.is_some_and(|precision| precision > 100) {
            return None;
        }
        let written = match kind {
            '%' => "%".to_owned(),
            's' => {
                let text = value()?.to_text()?;
                match precision {
                    Some(most) => text.chars().take(most).collect(),
                    None => text,
                }
            }
            'd' | 'i' | 'u' => digits(precision.unwrap_or(0), value()?.number()?.to_string()),
            'x' => in_radix(value()?.number()?, 16),
            'X' => in_radix(value()?.number()?, 16).to_uppercase(),
            'o' => in_radix(value()?.number()?, 8),
            'b' => in_radix(value()?.number()?, 2),
            'f' => {
                let value = value()?;
                let number = value.float().or_else(|| value.word()?.parse().ok())?;
                format!("{number:.*}", precision.unwrap_or(6))
            }
            'p' => value()?.inspect()?,
            _ => return None,
        };
        let written = if flags.contains('+') && matches!(kind, 'd' | 'i' | 'f') && !written.starts_with('-') {
            format!("+{written}")
        } else {
            written
        };
        text += &match () {
            () if flags.contains('-') => format!("{written:<size$}"),
            () if flags.contains('0') && kind != 's' => {
                digits(size - usize::from(written.starts_with('-') && size > 0), written)
            }
            () => format!("{written:>size$}"),
        };
        rest = letters_rest(after, letters.count());
    }
    Some(text + rest)
}

/// The last `count` letters of a text.
fn letters_rest(text: &str, count: usize) -> &str {
    let skip = text.chars().count().saturating_sub(count);
    text.char_indices().nth(skip).map_or("", |(at, _)| text.get(at..).unwrap_or_default())
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
    fn numbers_are_written_as_by_sprintf() {
        let list = [Value::Int(7), Value::text("x"), Value::Float(1.5)];
        assert_eq!(formatted("%02d|%-3s|%.2f|%%", &list).unwrap(), "07|x  |1.50|%");
        assert_eq!(formatted("%5.1f|%05d", &[Value::Float(2.25), Value::Int(-42)]).unwrap(), "  2.2|-0042");
        let map = [Value::map(vec![(Value::symbol("n"), Value::Int(3))])];
        assert_eq!(formatted("web%{n}-%<n>03d", &map).unwrap(), "web3-003");
        assert_eq!(formatted("%d", &[]), None);
    }

    #[test]
    fn words_follow_each_other() {
        for (word, next) in [("a", "b"), ("az", "ba"), ("z", "aa"), ("a9", "b0"), ("09", "10"), ("Zz", "AAa")]
        {
            assert_eq!(succeeding(word), next);
        }
    }
}
