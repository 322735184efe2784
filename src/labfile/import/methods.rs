//! Ruby's own methods on plain values, as far as Vagrantfiles use them.

use std::rc::Rc;

use super::eval::{Eval, Walk};
use super::value::Value;

/// What a loop's block gets in each round, or why that is not known.
pub(super) fn rounds(receiver: &Value, method: &str, arguments: &[Value]) -> Result<Vec<Vec<Value>>, Value> {
    let number = |value: Option<&Value>| value.and_then(Value::number);
    let indexed = |items: Vec<Value>| {
        let numbers = (0..).map(Value::Int);
        items.into_iter().zip(numbers).map(|(item, number)| vec![item, number]).collect()
    };
    match (receiver, method) {
        (Value::Unknown(why), _) => Err(Value::Unknown(Rc::clone(why))),
        (Value::List(items), "each" | "map" | "collect" | "flat_map") => {
            Ok(items.iter().map(|item| vec![item.clone()]).collect())
        }
        (Value::List(items), "each_with_index") => Ok(indexed(items.to_vec())),
        (Value::List(items), "reverse_each") => {
            Ok(items.iter().rev().map(|item| vec![item.clone()]).collect())
        }
        (Value::Map(pairs), "each" | "each_pair" | "map" | "collect") => {
            Ok(pairs.iter().map(|(key, value)| vec![key.clone(), value.clone()]).collect())
        }
        (Value::Map(pairs), "each_with_index") => Ok(indexed(
            pairs.iter().map(|(key, value)| Value::list(vec![key.clone(), value.clone()])).collect(),
        )),
        (Value::Map(pairs), "each_key") => Ok(pairs.iter().map(|(key, _)| vec![key.clone()]).collect()),
        (Value::Map(pairs), "each_value") => Ok(pairs.iter().map(|(_, value)| vec![value.clone()]).collect()),
        (Value::Int(count), "times") if *count <= LOOP_MAX => {
            Ok((0..*count).map(|number| vec![Value::Int(number)]).collect())
        }
        (Value::Int(from), "upto" | "downto") => match number(arguments.first()) {
            Some(to) if from.abs_diff(to) <= LOOP_MAX.unsigned_abs() => {
                let up: Vec<_> = (*from.min(&to)..=*from.max(&to)).map(|n| vec![Value::Int(n)]).collect();
                Ok(match method {
                    "upto" if *from <= to => up,
                    "downto" if *from >= to => up.into_iter().rev().collect(),
                    _ => Vec::new(),
                })
            }
            _ => Err(Value::unknown("it has too many rounds, or none that are known")),
        },
        (Value::Nil, _) => Err(Value::unknown("what it goes over is empty")),
        _ => Err(Value::unknown(format!("`{method}` is not run on this"))),
    }
}

/// The most rounds of a counted loop.
const LOOP_MAX: i64 = 10_000;

impl Eval<'_> {
    /// `receiver.method(arguments)` for plain values.
    pub(super) fn method(&mut self, receiver: Value, method: &str, arguments: &[Value]) -> Walk {
        if let Some(why) = receiver.why_unknown().or(arguments.iter().find_map(Value::why_unknown)) {
            return Ok(Value::unknown(why));
        }
        let result = match (&receiver, arguments) {
            (_, []) if method == "nil?" => Some(Value::Bool(matches!(receiver, Value::Nil))),
            (_, []) if method == "!" => receiver.truth().map(|truth| Value::Bool(!truth)),
            (_, [other]) if matches!(method, "==" | "eql?" | "equal?") => {
                receiver.same(other).map(Value::Bool)
            }
            (_, [other]) if method == "!=" => receiver.same(other).map(|same| Value::Bool(!same)),
            (_, []) if method == "to_s" => receiver.to_text().map(Value::text),
            (_, []) if matches!(method, "dup" | "clone" | "freeze" | "to_a" | "to_h" | "itself") => {
                Some(receiver.clone())
            }
            (Value::Text(text), arguments) => text_method(text, method, arguments),
            (Value::Symbol(text), []) if method == "to_sym" => Some(Value::Symbol(Rc::clone(text))),
            (Value::Symbol(text), arguments) => text_method(text, method, arguments),
            (Value::Int(_) | Value::Float(_), arguments) => number_method(&receiver, method, arguments),
            (Value::List(items), arguments) => list_method(items, method, arguments),
            (Value::Map(pairs), arguments) => map_method(pairs, method, arguments),
            (Value::Nil, []) if method == "to_i" => Some(Value::Int(0)),
            (Value::Nil, []) if method == "empty?" => Some(Value::Bool(true)),
            (Value::Bool(a), [other]) => match (method, other.truth()) {
                ("&", Some(b)) => Some(Value::Bool(*a && b)),
                ("|", Some(b)) => Some(Value::Bool(*a || b)),
                _ => None,
            },
            _ => None,
        };
        let result = result.unwrap_or_else(|| Value::unknown(format!("`{method}` is not run")));
        match &result {
            Value::Text(text) | Value::Symbol(text) => self.made(text.len())?,
            Value::List(items) => self.made(items.len() * size_of::<Value>())?,
            Value::Map(pairs) => self.made(pairs.len() * 2 * size_of::<Value>())?,
            _ => {}
        }
        Ok(result)
    }
}

fn text_method(text: &str, method: &str, arguments: &[Value]) -> Option<Value> {
    let plain = |text: String| Some(Value::text(text));
    let length = || i64::try_from(text.chars().count()).ok();
    match (method, arguments) {
        ("to_sym", []) => Some(Value::Symbol(text.into())),
        ("to_i", []) => {
            let digits = text.trim_start().split(|c: char| !c.is_ascii_digit() && c != '-').next();
            Some(Value::Int(digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)))
        }
        // `read`: of a file that was opened, of which the text is all that matters.
        ("to_str" | "read", []) => plain(text.to_owned()),
        ("upcase", []) => plain(text.to_uppercase()),
        ("downcase", []) => plain(text.to_lowercase()),
        ("capitalize", []) => {
            let mut letters = text.chars();
            let first = letters.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
            plain(format!("{first}{}", letters.as_str().to_lowercase()))
        }
        ("strip", []) => plain(text.trim().to_owned()),
        ("lstrip", []) => plain(text.trim_start().to_owned()),
        ("rstrip", []) => plain(text.trim_end().to_owned()),
        ("chomp", []) => plain(text.strip_suffix('\n').unwrap_or(text).to_owned()),
        ("chop", []) => {
            let mut text = text.to_owned();
            text.pop();
            plain(text)
        }
        ("length" | "size", []) => length().map(Value::Int),
        ("empty?", []) => Some(Value::Bool(text.is_empty())),
        ("lines", []) => Some(Value::list(text.split_inclusive('\n').map(Value::text).collect())),
        ("split", []) => Some(Value::list(text.split_whitespace().map(Value::text).collect())),
        ("split", [Value::Text(by)]) if !by.is_empty() => {
            let mut parts: Vec<Value> = text.split(&**by).map(Value::text).collect();
            while parts.last().and_then(Value::word) == Some("") {
                parts.pop();
            }
            Some(Value::list(parts))
        }
        ("+" | "concat" | "<<", [other]) => plain(format!("{text}{}", other.word()?)),
        ("*", [Value::Int(count)]) => {
            let count = usize::try_from(*count).ok()?;
            (text.len().checked_mul(count)? < 1 << 20).then(|| Value::text(text.repeat(count)))
        }
        ("%", [Value::List(values)]) => formatted(text, values).and_then(plain),
        ("%", [value]) => formatted(text, std::slice::from_ref(value)).and_then(plain),
        ("start_with?", [Value::Text(part)]) => Some(Value::Bool(text.starts_with(&**part))),
        ("end_with?", [Value::Text(part)]) => Some(Value::Bool(text.ends_with(&**part))),
        ("include?", [Value::Text(part)]) => Some(Value::Bool(text.contains(&**part))),
        ("gsub" | "tr", [Value::Text(from), Value::Text(to)])
            if !from.is_empty() && (method == "gsub" || (from.len() == 1 && to.len() <= 1)) =>
        {
            let size = text.len().checked_mul(to.len() + 1)?;
            (size < 1 << 22).then(|| Value::text(text.replace(&**from, to)))
        }
        ("sub", [Value::Text(from), Value::Text(to)]) => plain(text.replacen(&**from, to, 1)),
        ("rjust" | "ljust", [Value::Int(width), rest @ ..]) => {
            let fill = rest.first().map_or(Some(" "), Value::word)?.chars().next()?;
            let missing = usize::try_from(width.saturating_sub(length()?)).unwrap_or(0);
            let fill: String = std::iter::repeat_n(fill, missing.min(1 << 16)).collect();
            plain(if method == "rjust" { format!("{fill}{text}") } else { format!("{text}{fill}") })
        }
        _ => None,
    }
}

/// `"web%02d" % 3`: `%s`, `%d` with a width, and `%%`.
pub(super) fn formatted(format: &str, values: &[Value]) -> Option<String> {
    let mut values = values.iter();
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        text += before;
        let end = after.find(|c: char| !c.is_ascii_digit() && c != '-')?;
        let (width, after) = after.split_at(end);
        let mut letters = after.chars();
        let value = match letters.next()? {
            '%' => "%".to_owned(),
            's' => values.next()?.to_text()?,
            'd' | 'i' => values.next()?.number()?.to_string(),
            'x' => format!("{:x}", values.next()?.number()?),
            _ => return None,
        };
        let size: usize = if width.is_empty() { 0 } else { width.trim_start_matches('-').parse().ok()? };
        text += &match width {
            _ if size > 1_000 => return None,
            width if width.starts_with('-') => format!("{value:<size$}"),
            width if width.starts_with('0') => format!("{value:0>size$}"),
            _ => format!("{value:>size$}"),
        };
        rest = letters.as_str();
    }
    Some(text + rest)
}

fn number_method(receiver: &Value, method: &str, arguments: &[Value]) -> Option<Value> {
    if let (Value::Int(a), [Value::Int(b)]) = (receiver, arguments) {
        let whole = |number: Option<i64>| number.map(Value::Int);
        return match method {
            "+" => whole(a.checked_add(*b)),
            "-" => whole(a.checked_sub(*b)),
            "*" => whole(a.checked_mul(*b)),
            "/" => whole(a.checked_div_euclid(*b)),
            "%" => whole(a.checked_rem_euclid(*b)),
            "**" => whole(u32::try_from(*b).ok().and_then(|b| a.checked_pow(b))),
            "<" => Some(Value::Bool(a < b)),
            ">" => Some(Value::Bool(a > b)),
            "<=" => Some(Value::Bool(a <= b)),
            ">=" => Some(Value::Bool(a >= b)),
            _ => None,
        };
    }
    let float = |value: &Value| match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    };
    match (method, arguments) {
        ("to_i" | "floor" | "truncate", []) => receiver.number().map(Value::Int),
        ("to_f", []) => float(receiver).map(Value::Float),
        ("succ" | "next", []) => receiver.number()?.checked_add(1).map(Value::Int),
        ("pred", []) => receiver.number()?.checked_sub(1).map(Value::Int),
        ("+", [other]) => Some(Value::Float(float(receiver)? + float(other)?)),
        ("-", [other]) => Some(Value::Float(float(receiver)? - float(other)?)),
        ("*", [other]) => Some(Value::Float(float(receiver)? * float(other)?)),
        ("/", [other]) => Some(Value::Float(float(receiver)? / float(other)?)),
        ("<", [other]) => Some(Value::Bool(float(receiver)? < float(other)?)),
        (">", [other]) => Some(Value::Bool(float(receiver)? > float(other)?)),
        _ => None,
    }
}

fn list_method(items: &[Value], method: &str, arguments: &[Value]) -> Option<Value> {
    let count = i64::try_from(items.len()).ok();
    match (method, arguments) {
        ("[]" | "at" | "fetch", [Value::Int(index)]) => {
            let index = if *index < 0 { index + count? } else { *index };
            Some(
                usize::try_from(index).ok().and_then(|index| items.get(index)).cloned().unwrap_or(Value::Nil),
            )
        }
        ("first", []) => Some(items.first().cloned().unwrap_or(Value::Nil)),
        ("last", []) => Some(items.last().cloned().unwrap_or(Value::Nil)),
        ("length" | "size" | "count", []) => count.map(Value::Int),
        ("empty?", []) => Some(Value::Bool(items.is_empty())),
        ("any?", []) => Some(Value::Bool(!items.is_empty())),
        ("uniq", []) => {
            let mut unique: Vec<Value> = Vec::new();
            for item in items.iter().take(1_000) {
                if !unique.iter().any(|known| known.same(item) == Some(true)) {
                    unique.push(item.clone());
                }
            }
            Some(Value::list(unique))
        }
        ("take" | "first", [Value::Int(count)]) => {
            Some(Value::list(items.iter().take(usize::try_from(*count).ok()?).cloned().collect()))
        }
        ("reverse", []) => Some(Value::list(items.iter().rev().cloned().collect())),
        ("compact", []) => {
            Some(Value::list(items.iter().filter(|item| !matches!(item, Value::Nil)).cloned().collect()))
        }
        ("flatten", []) => {
            let flat = items.iter().flat_map(|item| match item {
                Value::List(inner) => inner.to_vec(),
                other => vec![other.clone()],
            });
            Some(Value::list(flat.collect()))
        }
        ("join", separator) => {
            let separator = separator.first().map_or(Some(""), Value::word)?;
            let words = items.iter().map(Value::to_text).collect::<Option<Vec<_>>>()?;
            Some(Value::text(words.join(separator)))
        }
        ("include?", [wanted]) => {
            let same: Option<Vec<bool>> = items.iter().map(|item| item.same(wanted)).collect();
            Some(Value::Bool(same?.contains(&true)))
        }
        ("index" | "find_index", [wanted]) => {
            let place = items.iter().position(|item| item.same(wanted) == Some(true));
            Some(place.and_then(|place| i64::try_from(place).ok()).map_or(Value::Nil, Value::Int))
        }
        ("+" | "concat", [Value::List(more)]) => {
            Some(Value::list(items.iter().chain(more.iter()).cloned().collect()))
        }
        ("<<" | "push" | "append", more) => Some(Value::list(items.iter().chain(more).cloned().collect())),
        _ => None,
    }
}

fn map_method(pairs: &[(Value, Value)], method: &str, arguments: &[Value]) -> Option<Value> {
    let get = |key: &Value| {
        pairs.iter().rev().find(|(known, _)| known.same(key) == Some(true)).map(|(_, value)| value.clone())
    };
    match (method, arguments) {
        ("[]", [key]) => Some(get(key).unwrap_or(Value::Nil)),
        ("fetch", [key]) => get(key),
        ("fetch", [key, default]) => Some(get(key).unwrap_or_else(|| default.clone())),
        ("dig", [key]) => Some(get(key).unwrap_or(Value::Nil)),
        ("dig", [key, more @ ..]) => match get(key) {
            Some(Value::Map(inner)) => map_method(&inner, "dig", more),
            _ => Some(Value::Nil),
        },
        ("key?" | "has_key?" | "include?" | "member?", [key]) => Some(Value::Bool(get(key).is_some())),
        ("keys", []) => Some(Value::list(pairs.iter().map(|(key, _)| key.clone()).collect())),
        ("values", []) => Some(Value::list(pairs.iter().map(|(_, value)| value.clone()).collect())),
        ("length" | "size" | "count", []) => i64::try_from(pairs.len()).ok().map(Value::Int),
        ("empty?", []) => Some(Value::Bool(pairs.is_empty())),
        ("any?", []) => Some(Value::Bool(!pairs.is_empty())),
        ("merge", [Value::Map(more)]) => {
            let kept =
                pairs.iter().filter(|(key, _)| !more.iter().any(|(known, _)| known.same(key) == Some(true)));
            Some(Value::Map(Rc::new(kept.chain(more.iter()).cloned().collect())))
        }
        _ => None,
    }
}
