//! Maps: Ruby's methods on them.

use std::rc::Rc;

use super::eval::{Eval, Stop, Walk};
use super::value::{Map, Proc, Table, Value};

impl Eval<'_> {
    pub(super) fn map_method(&mut self, map: &Map, method: &str, arguments: &[Value]) -> Walk<Option<Value>> {
        let length = map.borrow().pairs.len();
        self.worked(length / 16)?;
        let this = || Value::Map(Rc::clone(map));
        let get = |key: &Value| map.borrow().get(key);
        Ok(match (method, arguments) {
            ("[]", [key]) => {
                let (known, default) = (get(key), map.borrow().default.clone());
                match (known, default) {
                    (Some(value), _) => Some(value),
                    (None, Some(Value::Proc(default))) => {
                        Some(self.call(&default, vec![this(), key.clone()], false)?)
                    }
                    (None, Some(default)) => Some(default),
                    (None, None) => Some(Value::Nil),
                }
            }
            ("fetch", [key]) => Some(get(key).unwrap_or_else(|| {
                Value::raised(format!(
                    "there is no {}",
                    key.inspect().unwrap_or_else(|| "such key".to_owned())
                ))
            })),
            ("fetch", [key, default]) => Some(get(key).unwrap_or_else(|| default.clone())),
            ("dig", [key, rest @ ..]) => match (get(key), rest) {
                (Some(value), []) => Some(value),
                (Some(Value::Nil) | None, _) => Some(Value::Nil),
                (Some(value), rest) => Some(self.method(&value, "dig", rest)?),
            },
            ("[]=" | "store", [key, value]) => {
                if let Some(unknown) = key.first_unknown() {
                    return Ok(Some(unknown));
                }
                self.made(2 * size_of::<Value>())?;
                map.borrow_mut().set(key.clone(), value.clone());
                Some(value.clone())
            }
            ("delete", [key]) => Some(map.borrow_mut().remove(key).unwrap_or(Value::Nil)),
            ("clear", []) => {
                map.borrow_mut().pairs.clear();
                Some(this())
            }
            ("default=", [value]) => {
                map.borrow_mut().default = Some(value.clone());
                Some(value.clone())
            }
            ("shift", []) => {
                let mut table = map.borrow_mut();
                Some(match table.pairs.is_empty() {
                    true => Value::Nil,
                    false => {
                        let (key, value) = table.pairs.remove(0);
                        Value::pair(key, value)
                    }
                })
            }
            ("merge" | "merge!" | "update" | "replace", others) => {
                let mut table = if method == "replace" { Table::default() } else { map.borrow().clone() };
                for other in others {
                    if !matches!(other, Value::Map(_)) {
                        return Ok(None);
                    }
                    for (key, value) in other.pairs() {
                        table.set(key, value);
                        self.worked(table.pairs.len() / 32)?;
                    }
                }
                match method {
                    "merge" => Some(Value::Map(Rc::new(std::cell::RefCell::new(table)))),
                    _ => {
                        *map.borrow_mut() = table;
                        Some(this())
                    }
                }
            }
            (
                "each"
                | "each_pair"
                | "to_h"
                | "to_hash"
                | "map"
                | "compare_by_identity"
                | "with_indifferent_access",
                [],
            ) => Some(this()),
            _ => {
                let pairs = map.borrow().pairs.clone();
                match plain_map(&pairs, method, arguments) {
                    Some(value) => Some(value),
                    // As with a list of pairs.
                    None => match self.items(&this())? {
                        Ok(items) if !method.ends_with('=') && !method.ends_with('!') => {
                            Some(self.method(&Value::list(items), method, arguments)?)
                        }
                        _ => None,
                    },
                }
            }
        })
    }

    /// What is special of maps; `None` for what is as with lists of pairs.
    pub(super) fn iterate_map(
        &mut self,
        receiver: &Value,
        table: &Map,
        method: &str,
        arguments: &[Value],
        block: &Rc<Proc>,
    ) -> Walk<Option<Value>> {
        let pairs = table.borrow().pairs.clone();
        let plain = method.strip_suffix('!').unwrap_or(method);
        let changed = match plain {
            "each_pair" => return self.iterate(receiver, "each", &[], block, true).map(Some),
            "each_key" | "each_value" => {
                for (key, value) in pairs {
                    let one = if method == "each_key" { key } else { value };
                    match self.call(block, vec![one], true) {
                        Err(Stop::Break(value)) => return Ok(Some(value)),
                        other => drop(other?),
                    }
                }
                return Ok(Some(receiver.clone()));
            }
            "fetch" | "delete" => {
                let key = arguments.first().cloned().unwrap_or(Value::Nil);
                let known = match method {
                    "delete" => table.borrow_mut().remove(&key),
                    _ => table.borrow().get(&key),
                };
                return match (known, key.first_unknown()) {
                    (_, Some(unknown)) => Ok(Some(unknown)),
                    (Some(value), None) => Ok(Some(value)),
                    (None, None) => self.call(block, vec![key], false).map(Some),
                };
            }
            "transform_values" | "transform_keys" => {
                let mut changed = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    changed.push(match plain {
                        "transform_values" => (key, self.call(block, vec![value], false)?),
                        _ => (self.call(block, vec![key], false)?, value),
                    });
                }
                changed
            }
            "select" | "filter" | "reject" | "delete_if" | "keep_if" => {
                let wanted = !matches!(plain, "reject" | "delete_if");
                let mut kept = Vec::new();
                for (key, value) in pairs {
                    match self.test(block, &Value::pair(key.clone(), value.clone()))? {
                        Ok(is) if is == wanted => kept.push((key, value)),
                        Ok(_) => {}
                        Err(unknown) => return Ok(Some(unknown)),
                    }
                }
                kept
            }
            "merge" | "update" => {
                let mut merged = pairs;
                for more in arguments {
                    for (key, value) in more.pairs() {
                        match merged.iter().position(|(known, _)| known.same(&key) == Some(true)) {
                            Some(at) => {
                                let Some(old) = merged.get(at).map(|(_, old)| old.clone()) else { continue };
                                let value = self.call(block, vec![key.clone(), old, value], false)?;
                                if let Some(pair) = merged.get_mut(at) {
                                    pair.1 = value;
                                }
                            }
                            None => merged.push((key, value)),
                        }
                    }
                }
                merged
            }
            "find_all" => return Ok(None),
            _ => return Ok(None),
        };
        self.made(changed.len() * 2 * size_of::<Value>())?;
        if plain != method || matches!(plain, "delete_if" | "keep_if" | "update") {
            table.borrow_mut().pairs = changed;
            return Ok(Some(receiver.clone()));
        }
        Ok(Some(Value::map(changed)))
    }
}

fn plain_map(pairs: &[(Value, Value)], method: &str, arguments: &[Value]) -> Option<Value> {
    let has = |wanted: &Value| pairs.iter().any(|(key, _)| key.same(wanted) == Some(true));
    let renamed = |change: fn(&str) -> Value| {
        let pair =
            |(key, value): &(Value, Value)| (key.word().map_or_else(|| key.clone(), change), value.clone());
        Value::map(pairs.iter().map(pair).collect())
    };
    match (method, arguments) {
        ("key?" | "has_key?" | "include?" | "member?", [key]) => {
            key.first_unknown().or_else(|| Some(Value::Bool(has(key))))
        }
        ("value?" | "has_value?", [wanted]) => {
            Some(Value::Bool(pairs.iter().any(|(_, value)| value.same(wanted) == Some(true))))
        }
        ("key", [wanted]) => Some(
            pairs
                .iter()
                .find(|(_, value)| value.same(wanted) == Some(true))
                .map_or(Value::Nil, |(key, _)| key.clone()),
        ),
        ("keys" | "each_key", []) => Some(Value::list(pairs.iter().map(|(key, _)| key.clone()).collect())),
        ("values" | "each_value", []) => {
            Some(Value::list(pairs.iter().map(|(_, value)| value.clone()).collect()))
        }
        ("values_at", keys) => {
            let value = |wanted: &Value| {
                pairs
                    .iter()
                    .find(|(key, _)| key.same(wanted) == Some(true))
                    .map_or(Value::Nil, |(_, value)| value.clone())
            };
            Some(Value::list(keys.iter().map(value).collect()))
        }
        ("fetch_values", keys) => {
            let value = |wanted: &Value| {
                let found = pairs.iter().find(|(key, _)| key.same(wanted) == Some(true));
                found.map(|(_, value)| value.clone())
            };
            let values: Option<Vec<Value>> = keys.iter().map(value).collect();
            Some(values.map_or_else(|| Value::raised("there is no such key"), Value::list))
        }
        ("length" | "size" | "count", []) => Some(Value::int(pairs.len())),
        ("empty?", []) => Some(Value::Bool(pairs.is_empty())),
        ("any?", []) => Some(Value::Bool(!pairs.is_empty())),
        ("to_a" | "entries", []) => Some(Value::list(
            pairs.iter().map(|(key, value)| Value::pair(key.clone(), value.clone())).collect(),
        )),
        ("first", []) => {
            Some(pairs.first().map_or(Value::Nil, |(key, value)| Value::pair(key.clone(), value.clone())))
        }
        ("invert", []) => {
            Some(Value::map(pairs.iter().map(|(key, value)| (value.clone(), key.clone())).collect()))
        }
        ("compact", []) => {
            Some(Value::map(pairs.iter().filter(|(_, value)| !value.is_nil()).cloned().collect()))
        }
        ("slice", keys) | ("except", keys) => {
            let wanted = method == "slice";
            let listed = |key: &Value| keys.iter().any(|other| other.same(key) == Some(true));
            Some(Value::map(pairs.iter().filter(|(key, _)| listed(key) == wanted).cloned().collect()))
        }
        ("symbolize_keys" | "deep_symbolize_keys", []) => Some(renamed(|word| Value::symbol(word))),
        ("stringify_keys", []) => Some(renamed(|word| Value::text(word))),
        ("transform_keys", [Value::Proc(named)]) => match &**named {
            super::value::Proc::Named(name) if &**name == "to_sym" => {
                Some(renamed(|word| Value::symbol(word)))
            }
            super::value::Proc::Named(name) if &**name == "to_s" => Some(renamed(|word| Value::text(word))),
            _ => None,
        },
        _ => None,
    }
}
