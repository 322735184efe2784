//! Looks into values, which may hold each other and themselves: what is unknown in them, how they are written, whether two are the same.

use std::cell::Cell;
use std::rc::Rc;

use super::value::Value;

/// How many values within a value are looked at: lists may hold each other, and themselves.
const LOOKED_AT_MAX: usize = 100_000;
/// How deep they may be nested.
const DEPTH_MAX: usize = 64;

impl Value {
    /// The value, or the first thing in it, that is not known.
    pub(super) fn first_unknown(&self) -> Option<Value> {
        self.find_unknown(&Look::default())
    }

    fn find_unknown(&self, look: &Look) -> Option<Value> {
        match self {
            Value::Unknown(_) => Some(self.clone()),
            Value::List(_) | Value::Map(_) if !look.deeper() => Some(Value::unknown("it is too large")),
            Value::List(items) => {
                let found = items.try_borrow().ok()?.iter().find_map(|item| item.find_unknown(look));
                look.back();
                found
            }
            Value::Map(table) => {
                let found =
                    table.try_borrow().ok()?.pairs.iter().find_map(|(_, value)| value.find_unknown(look));
                look.back();
                found
            }
            _ => None,
        }
    }

    /// As `inspect` writes it.
    pub(super) fn inspect(&self) -> Option<String> {
        self.inspected(&Look::default())
    }

    fn inspected(&self, look: &Look) -> Option<String> {
        if !look.deeper() {
            return None;
        }
        let text = self.inspected_plainly(look);
        look.back();
        text
    }

    fn inspected_plainly(&self, look: &Look) -> Option<String> {
        Some(match self {
            Value::Nil => "nil".to_owned(),
            Value::Text(text) => {
                let escaped: String = text
                    .chars()
                    .map(|c| match c {
                        '"' => "\\\"".to_owned(),
                        '\\' => "\\\\".to_owned(),
                        '\n' => "\\n".to_owned(),
                        '\t' => "\\t".to_owned(),
                        '#' => "#".to_owned(),
                        c => c.to_string(),
                    })
                    .collect();
                format!("\"{escaped}\"")
            }
            Value::Symbol(name) => format!(":{name}"),
            Value::List(items) => {
                let items =
                    items.borrow().iter().map(|item| item.inspected(look)).collect::<Option<Vec<_>>>()?;
                format!("[{}]", items.join(", "))
            }
            Value::Map(table) => {
                let table = table.borrow();
                let pairs = table.pairs.iter().map(|(key, value)| {
                    Some(format!("{}=>{}", key.inspected(look)?, value.inspected(look)?))
                });
                format!("{{{}}}", pairs.collect::<Option<Vec<_>>>()?.join(", "))
            }
            Value::Range(range) => {
                let (first, last, open) = &**range;
                format!("{}{}{}", first.to_text()?, if *open { "..." } else { ".." }, last.to_text()?)
            }
            Value::Ip(..) | Value::Record(_) | Value::Proc(_) | Value::Pattern(_) => return None,
            other => other.to_text()?,
        })
    }

    /// Whether two values are the same; `None` where that is not known.
    pub(super) fn same(&self, other: &Value) -> Option<bool> {
        self.same_at(other, &Look::default())
    }

    fn same_at(&self, other: &Value, look: &Look) -> Option<bool> {
        if !look.deeper() {
            return None;
        }
        let same = self.same_plainly(other, look);
        look.back();
        same
    }

    fn same_plainly(&self, other: &Value, look: &Look) -> Option<bool> {
        Some(match (self, other) {
            (Value::Unknown(_), _) | (_, Value::Unknown(_)) => return None,
            (Value::Nil, Value::Nil) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b,
            (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => *a as f64 == *b,
            (Value::Text(a), Value::Text(b)) | (Value::Symbol(a), Value::Symbol(b)) => a == b,
            (Value::Name(a), Value::Name(b)) => a == b,
            (Value::Ip(a, m), Value::Ip(b, n)) => a == b && m == n,
            (Value::Object(a), Value::Object(b)) => a == b,
            (Value::Class(a), Value::Class(b)) => Rc::ptr_eq(a, b),
            (Value::Record(a), Value::Record(b)) => Rc::ptr_eq(a, b),
            (Value::Range(a), Value::Range(b)) => {
                a.2 == b.2 && a.0.same_at(&b.0, look)? && a.1.same_at(&b.1, look)?
            }
            (Value::List(a), Value::List(b)) if Rc::ptr_eq(a, b) => true,
            (Value::Map(a), Value::Map(b)) if Rc::ptr_eq(a, b) => true,
            (Value::List(a), Value::List(b)) => {
                let (a, b) = (a.try_borrow().ok()?, b.try_borrow().ok()?);
                if a.len() != b.len() {
                    return Some(false);
                }
                for (a, b) in a.iter().zip(b.iter()) {
                    if !a.same_at(b, look)? {
                        return Some(false);
                    }
                }
                true
            }
            (Value::Map(a), Value::Map(b)) => {
                let (a, b) = (a.try_borrow().ok()?, b.try_borrow().ok()?);
                if a.pairs.len() != b.pairs.len() {
                    return Some(false);
                }
                for (key, value) in &a.pairs {
                    let other = b.pairs.iter().find(|(known, _)| known.same_at(key, look) == Some(true));
                    match other {
                        Some((_, other)) if value.same_at(other, look)? => {}
                        _ => return Some(false),
                    }
                }
                true
            }
            _ => false,
        })
    }
}

/// How far one look into a value has come.
#[derive(Default)]
struct Look {
    depth: Cell<usize>,
    seen: Cell<usize>,
}

impl Look {
    fn deeper(&self) -> bool {
        self.seen.set(self.seen.get() + 1);
        let may = self.depth.get() < DEPTH_MAX && self.seen.get() < LOOKED_AT_MAX;
        if may {
            self.depth.set(self.depth.get() + 1);
        }
        may
    }

    fn back(&self) {
        self.depth.set(self.depth.get() - 1);
    }
}
