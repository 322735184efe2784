//! Values as they are written: lists, hashes, texts with `#{…}`, patterns, ranges, numbers.

use std::rc::Rc;

use lib_ruby_parser::{Node, nodes};

use super::eval::{Eval, Walk};
use super::parse;
use super::pattern::Pattern;
use super::value::Value;

impl Eval<'_> {
    pub(super) fn values(&mut self, nodes: &'static [Node]) -> Walk<Vec<Value>> {
        let mut values = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node {
                Node::Splat(splat) => match self.maybe(splat.value.as_deref())? {
                    Value::List(items) => values.extend(items.borrow().iter().cloned()),
                    Value::Nil => {}
                    Value::Range(range) => values.extend(self.counted(&range)?),
                    other => values.push(other),
                },
                // Handed over apart from the arguments.
                Node::BlockPass(_) => {}
                // `f(**options)` with nothing in it is no argument.
                Node::Kwargs(hash) => match self.map(&hash.pairs)? {
                    Value::Map(table) if table.borrow().pairs.is_empty() && !hash.pairs.is_empty() => {}
                    map => values.push(map),
                },
                node => values.push(self.value(node)?),
            }
        }
        self.made(values.len() * size_of::<Value>())?;
        Ok(values)
    }

    pub(super) fn map(&mut self, pairs: &'static [Node]) -> Walk {
        let mut map = Vec::with_capacity(pairs.len());
        for pair in pairs {
            match pair {
                Node::Pair(pair) => map.push((self.value(&pair.key)?, self.value(&pair.value)?)),
                Node::Kwsplat(splat) => match self.value(&splat.value)? {
                    Value::Map(more) => map.extend(more.borrow().pairs.iter().cloned()),
                    Value::Unknown(reason) => return Ok(Value::Unknown(reason)),
                    _ => return Ok(Value::unknown("what `**` puts in is no hash")),
                },
                _ => return Ok(Value::unknown("this form of a hash is not understood")),
            }
        }
        self.made(map.len() * 2 * size_of::<Value>())?;
        self.worked(map.len() * map.len() / 64)?;
        Ok(Value::map(map))
    }

    /// The text of its parts, or what of it is not known.
    pub(super) fn interpolated(&mut self, parts: &'static [Node]) -> Walk {
        let mut text = String::new();
        for part in parts {
            let value = self.value(part)?;
            let value = self.said_by_itself(value)?;
            match (value.to_text(), value.first_unknown()) {
                (_, Some(unknown)) => return Ok(unknown),
                (Some(part), None) => text += &part,
                (None, None) => {
                    let source = self.source(part);
                    return Ok(Value::unknown(format!("`{source}` is no text")));
                }
            }
            self.made(text.len() / 8)?;
        }
        self.made(text.len())?;
        Ok(Value::text(text))
    }

    /// `<<~TEXT`: without the lines' common indentation, which the parser was asked to leave.
    pub(super) fn heredoc(&mut self, node: &'static nodes::Heredoc) -> Walk {
        let Some(source) = self.source_file().filter(|source| parse::is_squiggly(&source.text, node)) else {
            return self.interpolated(&node.parts);
        };
        let body = source.text.get(node.heredoc_body_l.begin..node.heredoc_body_l.end).unwrap_or_default();
        let indent = parse::indentation(body);
        let begins: Vec<bool> = node
            .parts
            .iter()
            .map(|part| {
                let before = part.expression().begin.checked_sub(1);
                before.is_none_or(|at| source.text.as_bytes().get(at) == Some(&b'\n'))
            })
            .collect();
        let mut text = String::new();
        for (part, begins) in node.parts.iter().zip(begins) {
            match part {
                Node::Str(part) => text += &parse::outdented(&part.value.to_string_lossy(), indent, begins),
                part => match self.interpolated(std::slice::from_ref(part))? {
                    Value::Text(part) => text += &part,
                    other => return Ok(other),
                },
            }
        }
        self.made(text.len())?;
        Ok(Value::text(text))
    }

    pub(super) fn pattern(&mut self, pattern: &'static nodes::Regexp) -> Walk {
        let source = self.interpolated(&pattern.parts)?;
        let options = match pattern.options.as_deref() {
            Some(Node::RegOpt(options)) => options.options.clone().unwrap_or_default(),
            _ => String::new(),
        };
        Ok(match source.word().map(|source| Pattern::new(source, &options)) {
            Some(Some(pattern)) => Value::Pattern(Rc::new(pattern)),
            Some(None) => Value::unknown("this pattern is not understood"),
            None => source,
        })
    }

    pub(super) fn range(
        &mut self,
        first: Option<&'static Node>,
        last: Option<&'static Node>,
        open: bool,
    ) -> Walk {
        let (first, last) = (self.maybe(first)?, self.maybe(last)?);
        match first.first_unknown().or(last.first_unknown()) {
            Some(unknown) => Ok(unknown),
            None => Ok(Value::Range(Rc::new((first, last, open)))),
        }
    }
}

/// `1_000`, `0x1f`, `0644`.
pub(super) fn number(written: &str) -> Value {
    let digits = written.replace('_', "").to_lowercase();
    let (digits, radix) = match digits.as_str() {
        text if text.starts_with("0x") => (digits.get(2..), 16),
        text if text.starts_with("0b") => (digits.get(2..), 2),
        text if text.starts_with("0o") => (digits.get(2..), 8),
        text if text.len() > 1 && text.starts_with('0') => (digits.get(1..), 8),
        text => (Some(text), 10),
    };
    i64::from_str_radix(digits.unwrap_or_default(), radix)
        .map_or_else(|_| Value::unknown("the number is too large"), Value::Int)
}
