//! Explains mistakes of TOML to people who do not know TOML.
//!
//! The parser goes on after a mistake and then reports others that only follow from the first. So lab tells one mistake
//! for each line, and one for a list that is never closed.

use std::cell::OnceCell;
use std::collections::HashMap;

use toml::de::{DeTable, DeValue, Error};

use crate::labfile::keys::{Key, SECTIONS, Type};
use crate::labfile::lines::{Lines, Span};
use crate::labfile::names;
use crate::labfile::problem::Problem;
use crate::labfile::raw::PROBLEMS_MAX;

/// The syntax errors of a text, and the lines that could not be read because of them.
#[derive(Default)]
pub(in crate::labfile) struct Syntax {
    pub(in crate::labfile) problems: Vec<Problem>,
    /// By line.
    spoiled: Vec<bool>,
}

impl Syntax {
    /// Whether to show `problem`: not where it is about a line that could not be read, or about something missing.
    pub(in crate::labfile) fn leaves(&self, text: &Lines<'_>, problem: &Problem) -> bool {
        let spoiled = self.spoiled.get(text.number(problem.span.start)).copied().unwrap_or(false);
        self.problems.is_empty() || !problem.absence && !spoiled
    }
}

/// The last line that `problem` in line `number` spoils: where a header is broken, all that stands below it.
fn end_of_trouble(lines: &Lines<'_>, number: usize, problem: &Problem) -> usize {
    let is_header = |number: &usize| lines.get(lines.span(*number)).trim_start().starts_with('[');
    if !is_header(&number) || problem.code == "duplicate" {
        return number;
    }
    (number + 1..lines.count()).find(is_header).unwrap_or(lines.count()) - 1
}

/// Puts the parser's `errors` into words.
pub(in crate::labfile) fn problems(lines: &Lines<'_>, tree: &DeTable<'_>, errors: &[Error]) -> Syntax {
    let mut syntax = Syntax::default();
    let mut errors: Vec<(usize, &Error)> =
        errors.iter().map(|error| (lines.floor(error.span().map_or(0, |span| span.start)), error)).collect();
    errors.sort_by_key(|(at, _)| *at);

    // What is never closed swallows what follows it; all the rest there is only a consequence.
    // Of several that are open at the same place, the innermost is the one that was forgotten.
    // Each one takes a walk through the whole file: of very many, the first ones are looked for.
    let unclosed_errors =
        errors.iter().filter(|(_, error)| kind_of_unclosed(error).is_some()).take(LOOKED_FOR);
    let mut open: Vec<Span> =
        unclosed_errors.filter_map(|(at, error)| never_closed(tree, *at, error)).collect();
    open.sort_by_key(|span| (span.end, std::cmp::Reverse(span.start)));
    open.dedup_by_key(|span| span.end);
    syntax.spoiled = vec![false; lines.count()];
    let mut spoil = |first: usize, last: usize| {
        let fresh = syntax.spoiled.get(first).is_some_and(|spoiled| !spoiled);
        syntax.spoiled.iter_mut().take(last + 1).skip(first).for_each(|spoiled| *spoiled = true);
        fresh
    };
    for span in open {
        if spoil(lines.number(span.start), lines.number(span.end)) {
            syntax.problems.push(unclosed(lines, &span));
        }
    }
    let first = OnceCell::new();
    for (at, error) in errors {
        if syntax.problems.len() >= PROBLEMS_MAX {
            break;
        }
        let line = lines.number(at);
        if spoil(line, line) {
            let problem = match error.message() {
                "duplicate key" => {
                    duplicate(lines, at, error, first.get_or_init(|| (first_headers(lines), keys(lines))))
                }
                _ => explain(lines, at, error),
            };
            spoil(line, end_of_trouble(lines, line, &problem));
            syntax.problems.push(problem);
        }
    }
    syntax
}

/// So many values without an end are looked for.
const LOOKED_FOR: usize = 50;

/// What kind of value `error` finds without an end.
fn kind_of_unclosed(error: &Error) -> Option<fn(&DeValue<'_>) -> bool> {
    match error.message() {
        message if message.starts_with("unclosed array,") => Some(|value| value.is_array()),
        message if message.starts_with("unclosed inline table") => Some(|value| value.is_table()),
        message if message.starts_with("invalid multi-line") => Some(|value| value.is_str()),
        _ => None,
    }
}

/// Where the value begins that `error`, at `at`, finds without an end.
fn never_closed(tree: &DeTable<'_>, at: usize, error: &Error) -> Option<Span> {
    let kind = kind_of_unclosed(error)?;
    let mut values: Vec<_> = tree.values().collect();
    while let Some(value) = values.pop() {
        let span = value.span();
        if kind(value.get_ref()) && span.start < at && span.end >= at {
            return Some(span);
        }
        match value.get_ref() {
            DeValue::Table(table) => values.extend(table.values()),
            DeValue::Array(items) => values.extend(items.iter()),
            _ => {}
        }
    }
    None
}

fn unclosed(lines: &Lines<'_>, span: &Span) -> Problem {
    let text = lines.get(span.clone());
    let (what, width, close) = match text.chars().next() {
        Some('[') => ("this list", 1, "]"),
        Some('{') => ("this table", 1, "}"),
        Some('\'') => ("this text", 3, "'''"),
        _ => ("this text", 3, "\"\"\""),
    };
    Problem::error("syntax", span.start..span.start + width, format!("{what} is never closed"))
        .label("it begins here")
        .hint(format!("write {close} where it ends"))
}

/// One error of the parser, at `at`.
fn explain(lines: &Lines<'_>, at: usize, error: &Error) -> Problem {
    let message = error.message();
    let line = lines.span(lines.number(at));
    let span = error.span().map_or(at..at, |span| at..span.end.clamp(at, line.end.max(at)));
    let problem =
        |span: Span, message: &str, hint: String| Problem::error("syntax", span, message).hint(hint);
    let starts = |beginnings: &[&str]| beginnings.iter().any(|beginning| message.starts_with(beginning));
    let statement = lines.get(line.clone()).trim();

    if lines.get(span.clone()).contains(QUOTES)
        || statement.contains(QUOTES) && starts(&["string values", "invalid"])
    {
        let quoted = value_span(lines, &line).unwrap_or(span);
        let meant = lines.get(quoted.clone()).replace(QUOTES, "\"");
        return problem(
            quoted,
            "these are typographic quotation marks",
            format!("write straight ones: {meant}"),
        );
    }
    if lines.get(line.start..lines.floor(at + 1)).contains(';') || lines.get(span.clone()).contains(';') {
        let semicolon =
            lines.get(line.clone()).find(';').map_or(span, |at| line.start + at..line.start + at + 1);
        return problem(
            semicolon,
            "a `;` stands where a comma belongs",
            "write , between the parts".to_owned(),
        );
    }
    if starts(&["string values must be quoted"]) && !lines.get(span.clone()).trim().is_empty() {
        // `{ host = 8080 guest = 80 }`: what follows the value is the next key.
        let written = lines.get(span.clone());
        let next = lines.get(span.end..line.end).trim_start();
        if let Some((value, _)) = written.split_once(char::is_whitespace).filter(|_| next.starts_with('=')) {
            let gap = span.start + value.len();
            return problem(gap..gap + 1, "a comma is missing here", "write , between the parts".to_owned());
        }
        return unquoted(statement, written, span);
    }
    if starts(&["string values must be quoted", "missing value"]) {
        let hint = example(statement).unwrap_or_else(|| "write a value after the `=`".to_owned());
        return problem(line.start..line.end, "there is no value after the `=`", hint);
    }
    if starts(&["invalid boolean"]) {
        return unquoted(statement, lines.get(span.clone()), span);
    }
    if starts(&[
        "invalid float",
        "invalid integer",
        "invalid datetime",
        "unexpected leading zero",
        "`_` may only",
    ]) && let Some(value) = value_span(lines, &line).filter(|value| value.start <= at && at <= value.end)
    {
        return unquoted(statement, lines.get(value.clone()), value);
    }
    if starts(&["key with no value", "invalid unquoted key", "unexpected content"])
        && !statement.contains('=')
    {
        let statement_span = lines
            .get(line.clone())
            .find(statement)
            .map_or(line.clone(), |start| line.start + start..line.start + start + statement.len());
        if let Some((key, value)) = statement.split_once(':') {
            let (key, value) = (key.trim(), value.trim());
            let hint = match value {
                "" if key == "machines" || key == "machine" => {
                    "write [machine.NAME] for each machine".to_owned()
                }
                "" => format!("write [{key}]"),
                _ => format!("write {key} = {}", in_quotes(value)),
            };
            return problem(statement_span, "between a key and its value stands `=`, not `:`", hint);
        }
        if !statement.starts_with('[') {
            let hint = example(statement)
                .unwrap_or_else(|| "write key = value, or begin the line with #".to_owned());
            return problem(statement_span, "this line is neither `key = value` nor a `[section]`", hint);
        }
    }
    if starts(&["unclosed table", "unclosed array table"])
        || statement.starts_with('[') && starts(&["invalid unquoted key"])
    {
        let header = statement.trim_matches(['[', ']']).split(['#', ']']).next().unwrap_or_default().trim();
        let name = |part: &str| names::corrected(part, "m").unwrap_or_else(|| part.to_owned());
        let meant = match header.strip_prefix("machine.") {
            Some(machine) => {
                format!("machine.{}", machine.split('.').map(name).collect::<Vec<_>>().join("."))
            }
            None => header.chars().filter(|c| is_bare(*c)).collect(),
        };
        let message = match header == meant {
            true => "the section's header has no closing bracket",
            false => "the section's header has a character that cannot stand there",
        };
        return problem(line.start..line.end, message, format!("write [{meant}]"));
    }
    if starts(&["missing escaped value", "too few unicode"]) {
        let backslash = lines.get(line.start..at).rfind('\\').map_or(at, |start| line.start + start);
        let end = lines.floor(at + 1).max(at).min(line.end);
        return problem(
            backslash..end,
            "in double quotes `\\` begins an escape such as \\n",
            "in paths write /, and a backslash itself as \\\\".to_owned(),
        );
    }
    if starts(&["invalid basic string", "invalid literal string"]) {
        let quote = if starts(&["invalid basic"]) { "\"" } else { "'" };
        let start = value_span(lines, &line).map_or(line.start, |value| value.start);
        return problem(start..at, "this text has no closing quotation mark", format!("end it with {quote}"));
    }
    if starts(&["missing comma"]) {
        return problem(span, "a comma is missing here", "write , between the parts".to_owned());
    }
    if starts(&["extra comma"]) {
        return problem(span, "there is a comma too many", "take it out".to_owned());
    }
    if starts(&["cannot recurse", "recursion"]) {
        return problem(
            span,
            "this is nested too deeply",
            "no Labfile needs more than four levels".to_owned(),
        );
    }
    let message = message.trim_end_matches(", expected nothing");
    let hint = example(statement)
        .unwrap_or_else(|| "a line is `key = value` or `[section]`; text is in quotes".to_owned());
    problem(span, message, hint)
}

/// What word processors and chats make of quotation marks.
const QUOTES: &[char] = &['“', '”', '„', '‟', '‘', '’', '‚', '«', '»', '″'];

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn in_quotes(value: &str) -> String {
    let bare = value.parse::<i64>().is_ok() || value == "true" || value == "false";
    if bare || value.starts_with(['"', '\'', '[', '{']) { value.to_owned() } else { format!("\"{value}\"") }
}

/// A value that is neither a number nor `true` nor text in quotes.
fn unquoted(statement: &str, value: &str, span: Span) -> Problem {
    let value = value.trim_end();
    let span = span.start..span.start + value.len();
    let meant = match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some("true"),
        "false" | "no" | "off" => Some("false"),
        _ => None,
    };
    if let Some(meant) = meant {
        let message = format!("`{value}` is not a value that TOML knows");
        return Problem::error("syntax", span, message).hint(format!("write {meant}"));
    }
    if value.len() > 1 && value.starts_with('0') && value.bytes().all(|b| b.is_ascii_digit()) {
        let number = value.trim_start_matches('0');
        let number = if number.is_empty() { "0" } else { number };
        return Problem::error("syntax", span, "a number does not begin with 0")
            .hint(format!("write {number}"));
    }
    let key = key_of(statement);
    if let Some(key) = key.filter(|key| matches!(key.takes, Type::Integer(..) | Type::Flag)) {
        let message = format!("`{value}` is not a value that TOML knows");
        return Problem::error("syntax", span, message)
            .hint(format!("for example: {} = {}", key.name, key.example));
    }
    let value = value.replace(['"', '\\'], "");
    Problem::error("syntax", span, "text must be in quotes").hint(format!("write \"{value}\""))
}

/// Where the value of a line `key = value` stands, without a comment. Knows nothing of lists and tables.
fn value_span(lines: &Lines<'_>, line: &Span) -> Option<Span> {
    let text = lines.get(line.clone());
    let equals = text.find('=')?;
    let value = text.get(equals + 1..)?;
    let end = value.find(" #").unwrap_or(value.len());
    let value = value.get(..end)?;
    if value.trim_start().starts_with(['[', '{']) {
        return None;
    }
    let start = line.start + equals + 1 + (value.len() - value.trim_start().len());
    Some(start..(start + value.trim().len()).max(start))
}

/// The key that a line begins with, if it is one of ours.
fn key_of(statement: &str) -> Option<&'static Key> {
    let name = statement.split(|c: char| !is_bare(c)).next().unwrap_or_default();
    SECTIONS.iter().find_map(|section| section.key(name))
}

/// An example for the key that a line begins with.
fn example(statement: &str) -> Option<String> {
    let key = key_of(statement)?;
    Some(match key.takes {
        Type::Section(_) | Type::Named(_) => format!("for example: {}", key.example),
        _ => format!("for example: {} = {}", key.name, key.example),
    })
}

/// A key or section that is there a second time. `headers` are the lines of the first sections, `keys` the places of all keys.
fn duplicate(
    lines: &Lines<'_>,
    at: usize,
    error: &Error,
    (headers, keys): &(HashMap<&str, usize>, HashMap<&str, Vec<usize>>),
) -> Problem {
    let span = error.span().unwrap_or(at..at);
    if let Some(header) = header(lines, lines.number(at)) {
        let problem = Problem::error("duplicate", span, format!("{header} is there twice"))
            .hint("put all its keys into one, or give one of them another name");
        return match headers.get(header).filter(|first| **first < lines.number(at)) {
            Some(first) => problem.also(lines.span(*first), "the first one"),
            None => problem,
        };
    }
    let name = lines.get(span.clone());
    let problem =
        Problem::error("duplicate", span, format!("`{name}` is given twice")).hint("take one of them out");
    match earlier_key(keys, name, at) {
        Some(first) => problem.also(first, "the first one"),
        None => problem,
    }
}

/// The section header in line `number`.
fn header<'a>(lines: &Lines<'a>, number: usize) -> Option<&'a str> {
    let text = lines.get(lines.span(number)).trim();
    text.starts_with('[').then(|| text.split_inclusive(']').next().unwrap_or(text))
}

/// The line where each header stands first.
fn first_headers<'a>(lines: &Lines<'a>) -> HashMap<&'a str, usize> {
    let mut first = HashMap::new();
    for number in 0..lines.count() {
        if let Some(header) = header(lines, number) {
            first.entry(header).or_insert(number);
        }
    }
    first
}

/// Where each key stands: the places of every word before a `=`, in their order. The parser knows, and does not tell.
fn keys<'a>(lines: &Lines<'a>) -> HashMap<&'a str, Vec<usize>> {
    let text = lines.text();
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (equals, _) in text.match_indices('=') {
        let before = text.get(..equals).unwrap_or_default().trim_end_matches([' ', '\t']);
        let word = before.len() - before.chars().rev().take_while(|c| is_bare(*c)).count();
        if let Some(name) = before.get(word..).filter(|name| !name.is_empty()) {
            places.entry(name).or_default().push(word);
        }
    }
    places
}

/// The nearest place before `at` where `name` stands as a key.
fn earlier_key(keys: &HashMap<&str, Vec<usize>>, name: &str, at: usize) -> Option<Span> {
    let places = keys.get(name)?;
    let start = *places.get(places.partition_point(|place| *place < at).checked_sub(1)?)?;
    Some(start..start + name.len())
}
