//! Lists: Ruby's methods on them.

use std::cmp::Ordering;

use super::eval::{Eval, Walk};
use super::methods::{compare, slice};
use super::value::{List, Table, Value};

/// How deep lists are flattened.
const DEPTH_MAX: usize = 32;

impl Eval<'_> {
    pub(super) fn list_method(
        &mut self,
        list: &List,
        method: &str,
        arguments: &[Value],
    ) -> Walk<Option<Value>> {
        let length = list.borrow().len();
        self.worked(length / 64)?;
        let this = || Value::List(std::rc::Rc::clone(list));
        // `uniq!`: the list itself is changed.
        if let Some(plain) = method.strip_suffix('!').filter(|plain| !plain.is_empty()) {
            return Ok(match self.list_method(list, plain, arguments)? {
                Some(Value::List(changed)) => {
                    let changed = changed.borrow().clone();
                    *list.borrow_mut() = changed;
                    Some(this())
                }
                other => other,
            });
        }
        if let Some(value) = changed(list, method, arguments) {
            let grown = list.borrow().len().saturating_sub(length);
            self.made(grown * size_of::<Value>())?;
            return Ok(Some(value));
        }
        let items = list.borrow().clone();
        Ok(match (method, arguments) {
            (
                "each" | "map" | "collect" | "entries" | "to_a" | "each_entry" | "lazy" | "to_ary" | "force",
                [],
            ) => Some(this()),
            ("to_set", []) => Some(Value::list(unique(items))),
            ("uniq", []) => {
                self.worked(items.len() * items.len() / 64)?;
                Some(Value::list(unique(items)))
            }
            ("each_with_index" | "with_index", arguments) => {
                let from = arguments.first().and_then(Value::number).unwrap_or(0);
                let numbers = (from..).map(Value::Int);
                Some(Value::list(
                    items.into_iter().zip(numbers).map(|(item, number)| Value::pair(item, number)).collect(),
                ))
            }
            ("sum", arguments) => {
                let mut items = items.into_iter();
                let mut sum = match (arguments.first(), items.as_slice().first()) {
                    (Some(first), _) => first.clone(),
                    (None, _) => Value::Int(0),
                };
                for item in items.by_ref() {
                    sum = self.method(&sum, "+", &[item])?;
                }
                Some(sum)
            }
            ("inject" | "reduce", [.., Value::Symbol(operator)]) => {
                let mut items = items.into_iter();
                let mut memo = match arguments {
                    [first, _] => first.clone(),
                    _ => items.next().unwrap_or(Value::Nil),
                };
                for item in items {
                    memo = self.method(&memo, operator, &[item])?;
                }
                Some(memo)
            }
            ("sort", []) => sorted(items).map(Value::list),
            ("min", []) => sorted(items).map(|items| items.first().cloned().unwrap_or(Value::Nil)),
            ("max", []) => sorted(items).map(|items| items.last().cloned().unwrap_or(Value::Nil)),
            ("minmax", []) => sorted(items).map(|items| {
                Value::pair(
                    items.first().cloned().unwrap_or(Value::Nil),
                    items.last().cloned().unwrap_or(Value::Nil),
                )
            }),
            ("to_h", []) => {
                let mut pairs = Vec::new();
                for item in items {
                    let Value::List(pair) = item else { return Ok(item.first_unknown()) };
                    let pair = pair.borrow();
                    let (Some(key), Some(value)) = (pair.first(), pair.get(1)) else { return Ok(None) };
                    pairs.push((key.clone(), value.clone()));
                }
                Some(Value::map(pairs))
            }
            ("tally", []) => {
                let mut table = Table::default();
                for item in items {
                    let count = table.get(&item).and_then(|count| count.number()).unwrap_or(0);
                    table.set(item, Value::Int(count + 1));
                }
                Some(Value::map(table.pairs))
            }
            ("flatten", arguments) => {
                let depth = match arguments.first() {
                    Some(value) => {
                        value.number().and_then(|depth| usize::try_from(depth).ok()).unwrap_or(DEPTH_MAX)
                    }
                    None => DEPTH_MAX,
                };
                let mut flat = Vec::new();
                self.flatten(&items, depth.min(DEPTH_MAX), &mut flat)?;
                Some(Value::list(flat))
            }
            ("product", [Value::List(other)]) => {
                let other = other.borrow();
                self.made(items.len().saturating_mul(other.len()) * 64)?;
                let pairs =
                    items.iter().flat_map(|a| other.iter().map(|b| Value::pair(a.clone(), b.clone())));
                Some(Value::list(pairs.collect()))
            }
            ("[]" | "slice", [Value::Int(_)]) | ("at", [Value::Int(_)]) => {
                Some(at(&items, arguments.first()).unwrap_or(Value::Nil))
            }
            ("fetch", [_]) => Some(
                at(&items, arguments.first())
                    .unwrap_or_else(|| Value::raised("the list has no item of that number")),
            ),
            ("fetch", [_, default]) => Some(at(&items, arguments.first()).unwrap_or_else(|| default.clone())),
            ("dig", [_, rest @ ..]) => match (at(&items, arguments.first()), rest) {
                (Some(item), []) => Some(item),
                (Some(item), rest) => Some(self.method(&item, "dig", rest)?),
                (None, _) => Some(Value::Nil),
            },
            _ => self.plain_list(&items, method, arguments)?,
        })
    }

    fn plain_list(&mut self, items: &[Value], method: &str, arguments: &[Value]) -> Walk<Option<Value>> {
        let count = |value: &Value| value.number().and_then(|number| usize::try_from(number).ok());
        Ok(match (method, arguments) {
            ("[]" | "slice", arguments) => slice(items.len(), arguments).map(|part| match part {
                Some((begin, count)) => {
                    Value::list(items.get(begin..begin + count).unwrap_or_default().to_vec())
                }
                None => Value::Nil,
            }),
            ("first", []) => Some(items.first().cloned().unwrap_or(Value::Nil)),
            ("last", []) => Some(items.last().cloned().unwrap_or(Value::Nil)),
            ("length" | "size" | "count", []) => Some(Value::int(items.len())),
            ("count", [wanted]) => Some(Value::int(items.iter().filter(|item| item.same(wanted) == Some(true)).count())),
            ("empty?", []) => Some(Value::Bool(items.is_empty())),
            ("any?", []) => Some(Value::Bool(items.iter().any(|item| item.truth() == Some(true)))),
            ("none?", []) => Some(Value::Bool(!items.iter().any(|item| item.truth() == Some(true)))),
            ("all?", []) => Some(Value::Bool(items.iter().all(|item| item.truth() == Some(true)))),
            ("take" | "first", [many]) => Some(Value::list(items.iter().take(count(many).unwrap_or(0)).cloned().collect())),
            ("drop", [many]) => Some(Value::list(items.iter().skip(count(many).unwrap_or(0)).cloned().collect())),
            ("last", [many]) => {
                let skipped = items.len().saturating_sub(count(many).unwrap_or(0));
                Some(Value::list(items.iter().skip(skipped).cloned().collect()))
            }
            ("reverse" | "reverse_each", []) => Some(Value::list(items.iter().rev().cloned().collect())),
            ("rotate", arguments) => {
                let by = arguments.first().and_then(Value::number).unwrap_or(1);
                let length = i64::try_from(items.len().max(1)).unwrap_or(1);
                let by = usize::try_from(by.rem_euclid(length)).unwrap_or(0);
                Some(Value::list(items.iter().cycle().skip(by).take(items.len()).cloned().collect()))
            }
            ("compact", []) => Some(Value::list(items.iter().filter(|item| !item.is_nil()).cloned().collect())),
            ("join", arguments) => {
                let separator = match arguments.first() {
                    None | Some(Value::Nil) => "",
                    Some(separator) => match separator.word() {
                        Some(separator) => separator,
                        None => return Ok(None),
                    },
                };
                let mut flat = Vec::new();
                self.flatten(items, DEPTH_MAX, &mut flat)?;
                let mut words = Vec::with_capacity(flat.len());
                for item in &flat {
                    if let Some(unknown) = item.first_unknown() {
                        return Ok(Some(unknown));
                    }
                    match self.said_by_itself(item.clone())? {
                        unknown @ Value::Unknown(_) => return Ok(Some(unknown)),
                        item => match item.to_text() {
                            Some(word) => words.push(word),
                            None => return Ok(None),
                        },
                    }
                }
                Some(Value::text(words.join(separator)))
            }
            ("include?" | "member?", [wanted]) => {
                self.worked(items.len())?;
                let same: Vec<Option<bool>> = items.iter().map(|item| item.same(wanted)).collect();
                match same.contains(&Some(true)) {
                    true => Some(Value::Bool(true)),
                    false if same.contains(&None) => None,
                    false => Some(Value::Bool(false)),
                }
            }
            ("index" | "find_index", [wanted]) => {
                let place = items.iter().position(|item| item.same(wanted) == Some(true));
                Some(place.map_or(Value::Nil, Value::int))
            }
            ("+" | "concat" | "union" | "|", [Value::List(more)]) => {
                let all = items.iter().chain(more.borrow().iter()).cloned().collect();
                Some(Value::list(if matches!(method, "union" | "|") { unique(all) } else { all }))
            }
            ("-" | "difference", [Value::List(less)]) => {
                let less = less.borrow();
                self.worked(items.len() * less.len() / 16)?;
                let kept = items.iter().filter(|item| !less.iter().any(|other| other.same(item) == Some(true)));
                Some(Value::list(kept.cloned().collect()))
            }
            ("&" | "intersection", [Value::List(both)]) => {
                let both = both.borrow();
                self.worked(items.len() * both.len() / 16)?;
                let kept = items.iter().filter(|item| both.iter().any(|other| other.same(item) == Some(true)));
                Some(Value::list(unique(kept.cloned().collect())))
            }
            ("*", [Value::Int(times)]) => {
                let times = usize::try_from(*times).unwrap_or(0);
                self.made(items.len().saturating_mul(times).saturating_mul(size_of::<Value>()))?;
                Some(Value::list(items.iter().cycle().take(items.len() * times).cloned().collect()))
            }
            ("*", [Value::Text(_)]) => self.plain_list(items, "join", arguments)?,
            ("zip", others) => {
                let mut rows: Vec<Vec<Value>> = items.iter().map(|item| vec![item.clone()]).collect();
                for other in others {
                    let other = match self.items(other)? {
                        Ok(other) => other,
                        Err(reason) => return Ok(Some(Value::Unknown(reason))),
                    };
                    for (place, row) in rows.iter_mut().enumerate() {
                        row.push(other.get(place).cloned().unwrap_or(Value::Nil));
                    }
                }
                Some(Value::list(rows.into_iter().map(Value::list).collect()))
            }
            ("transpose", []) => {
                let rows: Option<Vec<Vec<Value>>> = items
                    .iter()
                    .map(|row| match row {
                        Value::List(row) => Some(row.borrow().clone()),
                        _ => None,
                    })
                    .collect();
                rows.map(|rows| {
                    let width = rows.first().map_or(0, Vec::len);
                    let column = |at: usize| rows.iter().filter_map(|row| row.get(at).cloned()).collect();
                    Value::list((0..width).map(|at| Value::list(column(at))).collect())
                })
            }
            ("each_slice" | "each_cons", [size]) => {
                let size = count(size).unwrap_or(0).max(1);
                let group = |part: &[Value]| Value::list(part.to_vec());
                Some(Value::list(match method {
                    "each_slice" => items.chunks(size).map(group).collect(),
                    _ => {
                        self.made(items.len().saturating_mul(size.min(items.len())) * size_of::<Value>())?;
                        items.windows(size).map(group).collect()
                    }
                }))
            }
            ("each_index", []) => Some(Value::list((0..items.len()).map(Value::int).collect())),
            ("values_at", places) => {
                Some(Value::list(places.iter().map(|place| at(items, Some(place)).unwrap_or(Value::Nil)).collect()))
            }
            ("combination", [Value::Int(2)]) => {
                self.made(items.len() * items.len() * 64)?;
                let pairs = items.iter().enumerate().flat_map(|(place, a)| {
                    items.iter().skip(place + 1).map(|b| Value::pair(a.clone(), b.clone()))
                });
                Some(Value::list(pairs.collect()))
            }
            ("assoc", [key]) => items
                .iter()
                .find(|item| matches!(item, Value::List(pair) if pair.borrow().first().and_then(|first| first.same(key)) == Some(true)))
                .cloned()
                .or(Some(Value::Nil)),
            ("shuffle" | "sample", _) => Some(Value::unknown(format!("`{method}` is another one each time"))),
            ("pack", _) => None,
            _ => None,
        })
    }

    fn flatten(&mut self, items: &[Value], depth: usize, flat: &mut Vec<Value>) -> Walk<()> {
        for item in items {
            self.made(size_of::<Value>())?;
            match item {
                Value::List(inner) if depth > 0 => {
                    let inner = inner.borrow().clone();
                    self.flatten(&inner, depth - 1, flat)?;
                }
                other => flat.push(other.clone()),
            }
        }
        Ok(())
    }
}

/// What changes the list itself; `None` for what does not.
fn changed(list: &List, method: &str, arguments: &[Value]) -> Option<Value> {
    let this = Value::List(std::rc::Rc::clone(list));
    // Not while it is read.
    let arguments: Vec<Value> = arguments.to_vec();
    let mut items = list.borrow_mut();
    match (method, arguments.as_slice()) {
        ("<<" | "push" | "append", more) => items.extend(more.iter().cloned()),
        ("unshift" | "prepend", more) => drop(items.splice(0..0, more.iter().cloned())),
        ("insert", [Value::Int(place), more @ ..]) => {
            let place = usize::try_from(*place).ok()?.min(items.len());
            items.splice(place..place, more.iter().cloned());
        }
        ("concat", [Value::List(more)]) if !std::rc::Rc::ptr_eq(more, list) => {
            items.extend(more.borrow().iter().cloned());
        }
        ("pop", []) => return Some(items.pop().unwrap_or(Value::Nil)),
        ("shift", []) => return Some(if items.is_empty() { Value::Nil } else { items.remove(0) }),
        ("pop" | "shift", [Value::Int(many)]) => {
            let many = usize::try_from(*many).unwrap_or(0).min(items.len());
            let begin = if method == "pop" { items.len() - many } else { 0 };
            return Some(Value::list(items.drain(begin..begin + many).collect()));
        }
        ("delete", [wanted]) => {
            let kept: Vec<Value> =
                items.iter().filter(|item| item.same(wanted) != Some(true)).cloned().collect();
            let found = kept.len() < items.len();
            *items = kept;
            return Some(if found { wanted.clone() } else { Value::Nil });
        }
        ("delete_at" | "slice!", [Value::Int(place)]) => {
            let place =
                usize::try_from(if *place < 0 { i64::try_from(items.len()).ok()? + place } else { *place })
                    .ok()?;
            return Some(if place < items.len() { items.remove(place) } else { Value::Nil });
        }
        ("clear", []) => items.clear(),
        ("replace", [Value::List(other)]) if !std::rc::Rc::ptr_eq(other, list) => {
            *items = other.borrow().clone();
        }
        ("fill", [value]) => items.iter_mut().for_each(|item| *item = value.clone()),
        ("[]=", [Value::Int(place), value]) => {
            let place =
                usize::try_from(if *place < 0 { i64::try_from(items.len()).ok()? + place } else { *place })
                    .ok()?;
            if place > items.len() + 10_000 {
                return None;
            }
            while items.len() <= place {
                items.push(Value::Nil);
            }
            if let Some(item) = items.get_mut(place) {
                *item = value.clone();
            }
        }
        _ => return None,
    }
    drop(items);
    Some(this)
}

fn at(items: &[Value], place: Option<&Value>) -> Option<Value> {
    let place = place?.number()?;
    let place = if place < 0 { place + i64::try_from(items.len()).ok()? } else { place };
    items.get(usize::try_from(place).ok()?).cloned()
}

fn unique(items: Vec<Value>) -> Vec<Value> {
    let mut unique: Vec<Value> = Vec::new();
    for item in items {
        if !unique.iter().any(|known| known.same(&item) == Some(true)) {
            unique.push(item);
        }
    }
    unique
}

/// In order; `None` for what has none.
fn sorted(mut items: Vec<Value>) -> Option<Vec<Value>> {
    let mut comparable = true;
    items.sort_by(|a, b| {
        compare(a, b).unwrap_or_else(|| {
            comparable = false;
            Ordering::Equal
        })
    });
    comparable.then_some(items)
}
