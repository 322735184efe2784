//! Texts and patterns: Ruby's methods on them.

use std::rc::Rc;

use super::eval::{Eval, Walk};
use super::format::formatted;
use super::matching::{group_text, is_found, matched_method, place, replacement};
use super::methods::{TEXT_MAX, slice, succeeding};
use super::pattern::Matched;
use super::value::{Proc, Value};

impl Eval<'_> {
    pub(super) fn text_method(
        &mut self,
        text: &Rc<str>,
        method: &str,
        arguments: &[Value],
    ) -> Walk<Option<Value>> {
        let searches = arguments.iter().any(|value| matches!(value, Value::Pattern(_)));
        self.worked(text.len() / if searches { 4 } else { 256 })?;
        Ok(match (method, arguments) {
            ("=~", [pattern]) => Some(place(self.match_text(pattern, &Value::Text(Rc::clone(text)))?)),
            ("!~", [pattern]) => {
                Some(match is_found(self.match_text(pattern, &Value::Text(Rc::clone(text)))?) {
                    Value::Bool(is) => Value::Bool(!is),
                    other => other,
                })
            }
            ("match", [pattern]) => Some(self.match_text(pattern, &Value::Text(Rc::clone(text)))?),
            ("match?", [pattern]) => Some(is_found(self.match_text(pattern, &Value::Text(Rc::clone(text)))?)),
            ("[]" | "slice", [Value::Pattern(_), rest @ ..]) => {
                let pattern = arguments.first().cloned().unwrap_or(Value::Nil);
                match (self.match_text(&pattern, &Value::Text(Rc::clone(text)))?, rest) {
                    (Value::Matched(found), []) => matched_method(&found, "[]", &[Value::Int(0)]),
                    (Value::Matched(found), [group]) => {
                        matched_method(&found, "[]", std::slice::from_ref(group))
                    }
                    (other, _) => Some(other),
                }
            }
            ("+" | "concat", [other]) => match other {
                Value::Text(other) if text.len() + other.len() <= TEXT_MAX => {
                    Some(Value::text(format!("{text}{other}")))
                }
                Value::Text(_) => return Err(self.too_much().into()),
                _ => None,
            },
            ("to_c" | "hash", _) => None,
            _ => text_method(text, method, arguments),
        })
    }

    /// `text.gsub(/…/) { |found| … }`, `text.each_line { … }`
    pub(super) fn iterate_text(
        &mut self,
        receiver: &Value,
        method: &str,
        arguments: &[Value],
        block: &Rc<Proc>,
        void: bool,
    ) -> Walk {
        let text = receiver.word().unwrap_or_default();
        match (method, arguments) {
            ("gsub" | "sub", [Value::Pattern(pattern)]) => {
                let mut result = String::new();
                let mut rest = text;
                while let Some(found) = pattern.find(rest) {
                    let whole = found.groups.first().cloned().flatten().unwrap_or_default();
                    result += &found.before;
                    let behind = rest.len() - found.after.len();
                    self.matched = Some(Rc::new(found));
                    let value = self.call(block, vec![Value::text(whole.as_str())], false)?;
                    match value.to_text() {
                        Some(text) => result += &text,
                        None => {
                            return Ok(value
                                .first_unknown()
                                .unwrap_or_else(|| Value::unknown("it is no text")));
                        }
                    }
                    self.made(result.len())?;
                    rest = rest.get(behind..).unwrap_or_default();
                    if method == "sub" || whole.is_empty() {
                        break;
                    }
                }
                Ok(Value::text(result + rest))
            }
            ("each_line" | "each_char" | "each_byte" | "upto" | "scan" | "lines" | "chars" | "split", _) => {
                match self.method(receiver, method, arguments)? {
                    Value::Unknown(reason) => Ok(Value::Unknown(reason)),
                    items => {
                        self.iterate(&items, "each", &[], block, void)?;
                        Ok(receiver.clone())
                    }
                }
            }
            _ => Ok(Value::unknown(format!("`{method}` with a block is not run"))),
        }
    }
}

fn text_method(text: &str, method: &str, arguments: &[Value]) -> Option<Value> {
    let plain = |text: String| Some(Value::text(text));
    let length = || text.chars().count();
    match (method, arguments) {
        ("to_sym" | "intern", []) => Some(Value::symbol(text)),
        ("to_i", []) => Some(Value::Int(leading_number(text))),
        ("to_i", [Value::Int(radix)]) if (2..=36).contains(radix) => {
            let radix = u32::try_from(*radix).ok()?;
            let text = text.trim().trim_start_matches("0x");
            let digits: String = text.chars().take_while(|c| c.is_digit(radix)).collect();
            Some(Value::Int(i64::from_str_radix(&digits, radix).unwrap_or(0)))
        }
        ("hex", []) => i64::from_str_radix(text.trim_start_matches("0x"), 16).ok().map(Value::Int),
        ("to_f", []) => {
            let digits: String =
                text.trim().chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | '-')).collect();
            Some(Value::Float(digits.parse().unwrap_or(0.0)))
        }
        // `read`: of a file that was opened, of which the text is all that matters.
        ("to_str" | "read" | "undent" | "squish", []) if method != "squish" => plain(text.to_owned()),
        ("squish", []) => plain(text.split_whitespace().collect::<Vec<_>>().join(" ")),
        ("upcase", []) => plain(text.to_uppercase()),
        ("downcase", []) => plain(text.to_lowercase()),
        ("swapcase", []) => plain(
            text.chars()
                .map(|c| if c.is_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() })
                .collect(),
        ),
        ("capitalize", []) => {
            let mut letters = text.chars();
            let first = letters.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
            plain(format!("{first}{}", letters.as_str().to_lowercase()))
        }
        ("strip", []) => plain(text.trim().to_owned()),
        ("lstrip", []) => plain(text.trim_start().to_owned()),
        ("rstrip", []) => plain(text.trim_end().to_owned()),
        ("chomp", []) => plain(text.strip_suffix('\n').unwrap_or(text).trim_end_matches('\r').to_owned()),
        ("chomp" | "delete_suffix", [Value::Text(end)]) => {
            plain(text.strip_suffix(&**end).unwrap_or(text).to_owned())
        }
        ("delete_prefix", [Value::Text(begin)]) => {
            plain(text.strip_prefix(&**begin).unwrap_or(text).to_owned())
        }
        ("chop", []) => {
            let mut text = text.to_owned();
            text.pop();
            plain(text)
        }
        ("chr", []) => plain(text.chars().take(1).collect()),
        ("ord", []) => text.chars().next().map(|c| Value::Int(i64::from(u32::from(c)))),
        ("reverse", []) => plain(text.chars().rev().collect()),
        ("succ" | "next", []) => plain(succeeding(text)),
        ("length" | "size", []) => Some(Value::int(length())),
        ("bytesize", []) => Some(Value::int(text.len())),
        ("empty?", []) => Some(Value::Bool(text.is_empty())),
        ("lines" | "each_line" | "readlines", []) => {
            Some(Value::list(text.split_inclusive('\n').map(Value::text).collect()))
        }
        ("chars" | "each_char", []) => {
            Some(Value::list(text.chars().map(|c| Value::text(c.to_string())).collect()))
        }
        ("bytes" | "each_byte", []) => {
            Some(Value::list(text.bytes().map(|byte| Value::Int(i64::from(byte))).collect()))
        }
        ("split", arguments) => split(text, arguments),
        ("partition", [Value::Text(by)]) => {
            let (before, by, after) = match text.split_once(&**by) {
                Some((before, after)) => (before, &**by, after),
                None => (text, "", ""),
            };
            Some(Value::list(vec![Value::text(before), Value::text(by), Value::text(after)]))
        }
        ("rpartition", [Value::Text(by)]) => {
            let (before, by, after) = match text.rsplit_once(&**by) {
                Some((before, after)) => (before, &**by, after),
                None => ("", "", text),
            };
            Some(Value::list(vec![Value::text(before), Value::text(by), Value::text(after)]))
        }
        ("prepend", [Value::Text(before)]) => plain(format!("{before}{text}")),
        ("insert", [Value::Int(at), Value::Text(more)]) => {
            let at =
                usize::try_from(if *at < 0 { i64::try_from(length()).ok()? + at + 1 } else { *at }).ok()?;
            let mut result: String = text.chars().take(at).collect();
            result.push_str(more);
            result.extend(text.chars().skip(at));
            plain(result)
        }
        ("*", [Value::Int(count)]) => {
            let count = usize::try_from(*count).ok()?;
            (text.len().checked_mul(count)? < TEXT_MAX).then(|| Value::text(text.repeat(count)))
        }
        ("%", [Value::List(values)]) => formatted(text, &values.borrow()).and_then(plain),
        ("%", [value]) => formatted(text, std::slice::from_ref(value)).and_then(plain),
        ("start_with?", parts) => begins(text, parts),
        ("end_with?", parts) => {
            let parts: Option<Vec<&str>> = parts.iter().map(Value::word).collect();
            Some(Value::Bool(parts?.iter().any(|part| text.ends_with(part))))
        }
        ("include?", [part]) => Some(Value::Bool(text.contains(part.word()?))),
        ("index", [Value::Text(part)]) => Some(text.find(&**part).map_or(Value::Nil, Value::int)),
        ("rindex", [Value::Text(part)]) => Some(text.rfind(&**part).map_or(Value::Nil, Value::int)),
        ("count", [Value::Text(letters)]) => {
            Some(Value::int(text.chars().filter(|c| letters.contains(*c)).count()))
        }
        ("casecmp", [Value::Text(other)]) => {
            Some(Value::Int(text.to_lowercase().cmp(&other.to_lowercase()) as i64))
        }
        ("casecmp?", [Value::Text(other)]) => Some(Value::Bool(text.to_lowercase() == other.to_lowercase())),
        ("gsub", [Value::Text(from), Value::Text(to)]) if !from.is_empty() => {
            let size = text.len().checked_mul(to.len() + 1)?;
            (size < TEXT_MAX).then(|| Value::text(text.replace(&**from, to)))
        }
        ("gsub", [Value::Pattern(pattern), Value::Text(to)]) => {
            let size = text.len().checked_mul(to.len() + 1)?;
            (size < TEXT_MAX)
                .then(|| Value::text(pattern.regex.replace_all(text, replacement(to)).into_owned()))
        }
        ("gsub", [Value::Pattern(pattern), map @ Value::Map(_)]) => {
            let replaced = pattern.regex.replace_all(text, |found: &regex_lite::Captures<'_>| {
                map.get(found.get(0).map_or("", |whole| whole.as_str()))
                    .and_then(|value| value.to_text())
                    .unwrap_or_default()
            });
            plain(replaced.into_owned())
        }
        ("sub", [Value::Text(from), Value::Text(to)]) => plain(text.replacen(&**from, to, 1)),
        ("sub", [Value::Pattern(pattern), Value::Text(to)]) => {
            plain(pattern.regex.replace(text, replacement(to)).into_owned())
        }
        ("scan", [Value::Pattern(pattern)]) => {
            let item = |found: Matched| match found.groups.len() {
                0 | 1 => found.groups.first().map_or(Value::Nil, group_text),
                _ => Value::list(found.groups.iter().skip(1).map(group_text).collect()),
            };
            Some(Value::list(pattern.scan(text).into_iter().map(item).collect()))
        }
        ("tr" | "tr_s", [Value::Text(from), Value::Text(to)]) => translated(text, from, to).and_then(plain),
        ("delete", [Value::Text(letters)]) => translated(text, letters, "").and_then(plain),
        ("squeeze", []) => {
            let mut result = String::new();
            for c in text.chars() {
                if !result.ends_with(c) {
                    result.push(c);
                }
            }
            plain(result)
        }
        ("rjust" | "ljust" | "center", [Value::Int(width), rest @ ..]) => {
            let fill = rest.first().map_or(Some(" "), Value::word)?.chars().next()?;
            let missing = usize::try_from(*width).unwrap_or(0).saturating_sub(length()).min(1 << 16);
            let left = match method {
                "rjust" => missing,
                "center" => missing / 2,
                _ => 0,
            };
            let filled = |count| std::iter::repeat_n(fill, count).collect::<String>();
            plain(format!("{}{text}{}", filled(left), filled(missing - left)))
        }
        ("[]" | "slice", [Value::Int(at)]) => {
            let at = if *at < 0 { i64::try_from(length()).ok()? + at } else { *at };
            let letter = usize::try_from(at).ok().and_then(|at| text.chars().nth(at));
            Some(letter.map_or(Value::Nil, |c| Value::text(c.to_string())))
        }
        ("[]" | "slice", [Value::Text(part)]) => {
            Some(if text.contains(&**part) { Value::Text(Rc::clone(part)) } else { Value::Nil })
        }
        ("[]" | "slice", arguments) => Some(match slice(length(), arguments)? {
            Some((begin, count)) => Value::text(text.chars().skip(begin).take(count).collect::<String>()),
            None => Value::Nil,
        }),
        ("unpack1" | "unpack" | "crypt" | "sum", _) => None,
        ("strip_heredoc", []) => {
            let indent = text
                .lines()
                .filter(|line| !line.trim().is_empty())
                .map(|line| line.len() - line.trim_start().len())
                .min()
                .unwrap_or(0);
            plain(text.split_inclusive('\n').map(|line| line.get(indent..).unwrap_or("\n")).collect())
        }
        ("upto", [Value::Text(last)]) => {
            let (mut words, mut word) = (Vec::new(), text.to_owned());
            while word.len() <= last.len() && words.len() < 1_000 {
                words.push(Value::text(word.as_str()));
                if *word == **last {
                    break;
                }
                word = succeeding(&word);
            }
            Some(Value::list(words))
        }
        _ => None,
    }
}

fn begins(text: &str, parts: &[Value]) -> Option<Value> {
    for part in parts {
        let begins = match part {
            Value::Pattern(pattern) => pattern.regex.find(text).is_some_and(|found| found.start() == 0),
            other => text.starts_with(other.word()?),
        };
        if begins {
            return Some(Value::Bool(true));
        }
    }
    Some(Value::Bool(false))
}

fn split(text: &str, arguments: &[Value]) -> Option<Value> {
    let most = match arguments.get(1) {
        None => None,
        Some(Value::Int(most)) => usize::try_from(*most).ok().filter(|most| *most > 0),
        Some(_) => return None,
    };
    let mut parts: Vec<String> = match arguments.first() {
        None | Some(Value::Nil) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Text(by)) if &**by == " " && most.is_none() => {
            text.split_whitespace().map(str::to_owned).collect()
        }
        Some(Value::Text(by)) if by.is_empty() => text.chars().map(|c| c.to_string()).collect(),
        Some(Value::Text(by)) => match most {
            Some(most) => text.splitn(most, &**by).map(str::to_owned).collect(),
            None => text.split(&**by).map(str::to_owned).collect(),
        },
        Some(Value::Pattern(pattern)) => match most {
            Some(most) => pattern.regex.splitn(text, most).map(str::to_owned).collect(),
            None => pattern.regex.split(text).map(str::to_owned).collect(),
        },
        Some(_) => return None,
    };
    while most.is_none() && parts.last().is_some_and(String::is_empty) {
        parts.pop();
    }
    Some(Value::list(parts.into_iter().map(Value::text).collect()))
}

/// `tr("a-z", "A-Z")`; with nothing to put in, the letters go.
fn translated(text: &str, from: &str, to: &str) -> Option<String> {
    let negated = from.len() > 1 && from.starts_with('^');
    let from = spelt_out(from.strip_prefix('^').filter(|_| negated).unwrap_or(from))?;
    let to = spelt_out(to)?;
    let mut result = String::new();
    for c in text.chars() {
        match from.iter().position(|known| *known == c) {
            Some(_) if negated => result.push(c),
            None if !negated => result.push(c),
            Some(at) => result.extend(to.get(at).or(to.last())),
            None => result.extend(to.last()),
        }
    }
    Some(result)
}

fn spelt_out(letters: &str) -> Option<Vec<char>> {
    let letters: Vec<char> = letters.chars().collect();
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(first) = letters.get(at).copied() {
        match (letters.get(at + 1), letters.get(at + 2)) {
            (Some('-'), Some(last)) => {
                all.extend(first..=*last);
                at += 3;
            }
            _ => {
                all.push(first);
                at += 1;
            }
        }
        if all.len() > 4_096 {
            return None;
        }
    }
    Some(all)
}

fn leading_number(text: &str) -> i64 {
    let text = text.trim_start();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits: String =
        digits.chars().take_while(|c| c.is_ascii_digit() || *c == '_').filter(|c| *c != '_').collect();
    digits.parse::<i64>().map_or(0, |number| sign * number)
}

#[cfg(test)]
mod tests {
    use super::super::pattern::Pattern;
    use super::*;

    fn is(text: &str, method: &str, arguments: &[Value], expected: &str) {
        let value = text_method(text, method, arguments).unwrap_or_else(|| panic!("{method}"));
        assert_eq!(value.inspect().unwrap(), expected, "{text}.{method}");
    }

    #[test]
    fn texts_are_taken_apart() {
        let range = |a, b| Value::Range(Rc::new((Value::Int(a), Value::Int(b), false)));
        is("192.168.56.10", "split", &[Value::text(".")], r#"["192", "168", "56", "10"]"#);
        is("a,b,,", "split", &[Value::text(",")], r#"["a", "b"]"#);
        is("abc", "[]", &[range(0, 1)], "\"ab\"");
        is("abc", "[]", &[range(1, -1)], "\"bc\"");
        is("web_1", "tr", &[Value::text("_"), Value::text("-")], "\"web-1\"");
        is("abc", "tr", &[Value::text("a-y"), Value::text("b-z")], "\"bcd\"");
        is("a.b", "partition", &[Value::text(".")], r#"["a", ".", "b"]"#);
        is("12abc", "to_i", &[], "12");
        let pattern = Value::Pattern(Rc::new(Pattern::new(r"(\d+)", "").unwrap()));
        is("a1b22", "gsub", &[pattern.clone(), Value::text("<\\1>")], "\"a<1>b<22>\"");
        is("a1b22", "scan", &[pattern], r#"[["1"], ["22"]]"#);
    }
}
