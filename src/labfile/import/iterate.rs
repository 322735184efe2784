//! Methods with a block: what goes round, chooses, sorts and gathers.

use std::cmp::Ordering;
use std::rc::Rc;

use super::eval::{Eval, Stop, Walk};
use super::methods::{compare, succeeding};
use super::value::{Proc, Reason, Table, Value};

/// The most rounds of a counted loop.
const LOOP_MAX: u64 = 10_000;

/// What has stopped a round: `break` with its value, or a test whose answer is not known.
enum Early {
    Broken(Value),
    Unknown(Value),
}

impl Eval<'_> {
    /// The numbers or words of a range.
    pub(super) fn counted(&mut self, range: &(Value, Value, bool)) -> Walk<Vec<Value>> {
        match range {
            (Value::Int(first), Value::Int(last), open) => {
                let last = last.saturating_sub(i64::from(*open));
                if first <= &last && first.abs_diff(last) > LOOP_MAX {
                    return Err(self.too_much().into());
                }
                Ok((*first..=last).map(Value::Int).collect())
            }
            (Value::Text(first), Value::Text(last), open) => {
                let mut words = Vec::new();
                let mut word = first.to_string();
                while word.len() <= last.len() {
                    let is_last = *word == **last;
                    if !(is_last && *open) {
                        words.push(Value::text(word.as_str()));
                    }
                    if is_last || words.len() as u64 > LOOP_MAX {
                        break;
                    }
                    word = succeeding(&word);
                }
                Ok(words)
            }
            _ => Ok(Vec::new()),
        }
    }

    pub(super) fn range_includes(&self, range: &(Value, Value, bool), value: &Value) -> Option<bool> {
        let (first, last, open) = range;
        let above = first.is_nil() || compare(first, value)? != Ordering::Greater;
        let below = match (last, compare(value, last)) {
            (Value::Nil, _) => true,
            (_, Some(order)) => order == Ordering::Less || (!open && order == Ordering::Equal),
            (_, None) => return None,
        };
        Some(above && below)
    }

    /// What a loop over a value goes over, or why that is not known.
    pub(super) fn items(&mut self, value: &Value) -> Walk<Result<Vec<Value>, Rc<Reason>>> {
        let items = match value {
            Value::List(items) => items.borrow().clone(),
            Value::Map(table) => table
                .borrow()
                .pairs
                .iter()
                .map(|(key, value)| Value::pair(key.clone(), value.clone()))
                .collect(),
            Value::Range(range) => self.counted(range)?,
            Value::Unknown(reason) => return Ok(Err(Rc::clone(reason))),
            other => {
                let what = other.class_name().unwrap_or("this");
                let why = match other {
                    Value::Nil => "what it goes over is empty".to_owned(),
                    _ => format!("it goes over {what}, which is no list"),
                };
                return Ok(Err(Rc::new(Reason { why, place: Default::default(), raises: true })));
            }
        };
        self.made(items.len() * size_of::<Value>())?;
        Ok(Ok(items))
    }

    /// `receiver.method(arguments) { … }`
    pub(super) fn iterate(
        &mut self,
        receiver: &Value,
        method: &str,
        arguments: &[Value],
        block: &Rc<Proc>,
        void: bool,
    ) -> Walk {
        let number = |place: usize| arguments.get(place).and_then(Value::number);
        match (receiver, method) {
            (_, "tap") => {
                self.call(block, vec![receiver.clone()], true)?;
                return Ok(receiver.clone());
            }
            (_, "then" | "yield_self") => return self.call(block, vec![receiver.clone()], false),
            (Value::Text(_) | Value::Symbol(_), _) => {
                return self.iterate_text(receiver, method, arguments, block, void);
            }
            (Value::Map(table), _) => {
                if let Some(value) = self.iterate_map(receiver, table, method, arguments, block)? {
                    return Ok(value);
                }
            }
            (Value::List(items), "fetch") => {
                let at = number(0).and_then(|at| usize::try_from(at).ok());
                let item = at.and_then(|at| items.borrow().get(at).cloned());
                return match item {
                    Some(item) => Ok(item),
                    None => self.call(block, arguments.to_vec(), false),
                };
            }
            (Value::Int(count), "times") => {
                let range = Value::Range(Rc::new((Value::Int(0), Value::Int(*count), true)));
                return self.iterate(&range, "each", &[], block, void).map(|_| receiver.clone());
            }
            (Value::Int(_) | Value::Range(_), "upto" | "downto" | "step" | "%") => {
                return match self.method(receiver, method, arguments)? {
                    Value::Unknown(reason) => Ok(Value::Unknown(reason)),
                    numbers => self.iterate(&numbers, "each", &[], block, void).map(|_| receiver.clone()),
                };
            }
            _ => {}
        }
        // Over what another method gives: `each_slice(2) { … }`
        if matches!(
            method,
            "each_slice"
                | "each_cons"
                | "each_index"
                | "reverse_each"
                | "each_entry"
                | "combination"
                | "permutation"
                | "product"
        ) {
            return match self.method(receiver, method, arguments)? {
                Value::Unknown(reason) => Ok(Value::Unknown(reason)),
                groups => self.iterate(&groups, "each", &[], block, void).map(|_| receiver.clone()),
            };
        }
        let items = match self.items(receiver)? {
            Ok(items) => items,
            Err(reason) => {
                let Reason { why, .. } = &*reason;
                return Ok(Value::Unknown(Rc::new(Reason {
                    why: why.clone(),
                    place: Default::default(),
                    raises: true,
                })));
            }
        };
        match self.gather(receiver, items, method, arguments, block) {
            Err(Stop::Break(value)) => Ok(value),
            gathered => gathered,
        }
    }

    pub(super) fn test(&mut self, block: &Rc<Proc>, item: &Value) -> Walk<Result<bool, Value>> {
        let value = self.call(block, vec![item.clone()], false)?;
        Ok(value.truth().ok_or(value))
    }

    fn each_value(&mut self, items: &[Value], block: &Rc<Proc>) -> Walk<Vec<Value>> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(self.call(block, vec![item.clone()], false)?);
        }
        self.made(values.len() * size_of::<Value>())?;
        Ok(values)
    }

    fn gather(
        &mut self,
        receiver: &Value,
        items: Vec<Value>,
        method: &str,
        arguments: &[Value],
        block: &Rc<Proc>,
    ) -> Walk {
        // `map!`, `select!`: the list itself is changed.
        if let (Some(plain), Value::List(list)) = (
            method.strip_suffix('!').or(match method {
                "delete_if" => Some("reject"),
                "keep_if" => Some("select"),
                _ => None,
            }),
            receiver,
        ) {
            return match self.gather(receiver, items, plain, arguments, block)? {
                Value::List(changed) => {
                    let changed = changed.borrow().clone();
                    *list.borrow_mut() = changed;
                    Ok(receiver.clone())
                }
                other => Ok(other),
            };
        }
        Ok(match method {
            "each" => {
                for item in items {
                    let value = self.call(block, vec![item], true)?;
                    // Of a method as a block nobody else says that it is not run.
                    if let (Value::Unknown(_), Proc::Named(_)) = (&value, &**block) {
                        return Ok(value);
                    }
                }
                receiver.clone()
            }
            "each_with_index" | "with_index" | "map_with_index" => {
                let from = arguments.first().and_then(Value::number).unwrap_or(0);
                let mut values = Vec::new();
                for (item, number) in items.into_iter().zip(from..) {
                    // `map.with_index` gives what the block says; of `each` nobody takes that.
                    values.push(self.call(
                        block,
                        vec![item, Value::Int(number)],
                        method == "each_with_index",
                    )?);
                }
                if method == "each_with_index" { receiver.clone() } else { Value::list(values) }
            }
            "each_with_object" | "with_object" => {
                let mut memo = arguments.first().cloned().unwrap_or(Value::Nil);
                for item in items {
                    let (_, changed) = self.call_keeping(block, vec![item, memo.clone()], true, Some(1))?;
                    // A list or map has been changed in place; a text is put back.
                    if let (Value::Text(_), Some(changed)) = (&memo, changed) {
                        memo = changed;
                    }
                }
                memo
            }
            "inject" | "reduce" => {
                let mut items = items.into_iter();
                let mut memo = match arguments.first() {
                    Some(memo) => memo.clone(),
                    None => items.next().unwrap_or(Value::Nil),
                };
                for item in items {
                    memo = self.call(block, vec![memo, item], false)?;
                }
                memo
            }
            "map" | "collect" => Value::list(self.each_value(&items, block)?),
            "flat_map" | "collect_concat" => {
                let values = Value::list(self.each_value(&items, block)?);
                self.method(&values, "flatten", &[Value::Int(1)])?
            }
            "filter_map" => {
                let values = self.each_value(&items, block)?;
                Value::list(values.into_iter().filter(|value| value.truth() != Some(false)).collect())
            }
            "to_h" => {
                let values = Value::list(self.each_value(&items, block)?);
                self.method(&values, "to_h", &[])?
            }
            "to_set" => Value::list(self.each_value(&items, block)?),
            "sum" => {
                let values = Value::list(self.each_value(&items, block)?);
                self.method(&values, "sum", arguments)?
            }
            "select" | "filter" | "find_all" | "reject" | "partition" | "take_while" | "drop_while"
            | "count" | "find" | "detect" | "find_index" | "index" | "any?" | "all?" | "none?" | "one?" => {
                match self.chosen(items, method, block)? {
                    Ok(value) | Err(Early::Broken(value) | Early::Unknown(value)) => value,
                }
            }
            "sort_by" | "min_by" | "max_by" | "uniq" | "group_by" | "chunk_while" | "slice_when" => {
                let keys = self.each_value(&items, block)?;
                if let Some(unknown) = keys.iter().find_map(Value::first_unknown) {
                    return Ok(unknown);
                }
                self.by_keys(method, items, keys)?
            }
            "sort" | "max" | "min" => self.sorted(items, method, block)?,
            "each_entry" => receiver.clone(),
            "zip" => Value::unknown("`zip` with a block is not run"),
            "cycle" => Value::unknown("`cycle` has no end"),
            _ => Value::unknown(format!("`{method}` with a block is not run")),
        })
    }

    /// What a test of each item decides.
    fn chosen(&mut self, items: Vec<Value>, method: &str, block: &Rc<Proc>) -> Walk<Result<Value, Early>> {
        let (mut yes, mut no) = (Vec::new(), Vec::new());
        for (place, item) in items.iter().enumerate() {
            let is = match self.test(block, item) {
                Ok(Ok(is)) => is,
                Ok(Err(unknown)) => return Ok(Err(Early::Unknown(unknown))),
                Err(Stop::Break(value)) => return Ok(Err(Early::Broken(value))),
                Err(stop) => return Err(stop),
            };
            match (method, is) {
                ("find" | "detect", true) => return Ok(Ok(item.clone())),
                ("find_index" | "index", true) => return Ok(Ok(Value::int(place))),
                ("any?", true) => return Ok(Ok(Value::Bool(true))),
                ("all?", false) | ("none?", true) => return Ok(Ok(Value::Bool(false))),
                ("take_while", false) => return Ok(Ok(Value::list(yes))),
                ("drop_while", false) => {
                    return Ok(Ok(Value::list(items.get(place..).unwrap_or_default().to_vec())));
                }
                (_, true) => yes.push(item.clone()),
                (_, false) => no.push(item.clone()),
            }
        }
        Ok(Ok(match method {
            "reject" => Value::list(no),
            "partition" => Value::pair(Value::list(yes), Value::list(no)),
            "count" => Value::int(yes.len()),
            "find" | "detect" | "find_index" | "index" => Value::Nil,
            "any?" => Value::Bool(false),
            "all?" | "none?" => Value::Bool(true),
            "one?" => Value::Bool(yes.len() == 1),
            "drop_while" => Value::list(Vec::new()),
            _ => Value::list(yes),
        }))
    }

    fn by_keys(&mut self, method: &str, items: Vec<Value>, keys: Vec<Value>) -> Walk {
        self.worked(items.len() * items.len() / 64)?;
        let mut keyed: Vec<(Value, Value)> = keys.into_iter().zip(items).collect();
        let mut comparable = true;
        let mut order = |a: &Value, b: &Value| {
            compare(a, b).unwrap_or_else(|| {
                comparable = false;
                Ordering::Equal
            })
        };
        let result = match method {
            "sort_by" => {
                keyed.sort_by(|a, b| order(&a.0, &b.0));
                Value::list(keyed.into_iter().map(|(_, item)| item).collect())
            }
            "min_by" => {
                keyed.into_iter().min_by(|a, b| order(&a.0, &b.0)).map_or(Value::Nil, |(_, item)| item)
            }
            // Of several greatest ones Ruby takes the first.
            "max_by" => {
                keyed.into_iter().rev().max_by(|a, b| order(&a.0, &b.0)).map_or(Value::Nil, |(_, item)| item)
            }
            "uniq" => {
                let mut table = Table::default();
                for (key, item) in keyed {
                    if table.get(&key).is_none() {
                        table.set(key, item);
                    }
                }
                Value::list(table.pairs.into_iter().map(|(_, item)| item).collect())
            }
            "group_by" => {
                let mut table = Table::default();
                for (key, item) in keyed {
                    match table.get(&key) {
                        Some(Value::List(group)) => group.borrow_mut().push(item),
                        _ => table.set(key, Value::list(vec![item])),
                    }
                }
                Value::map(table.pairs)
            }
            _ => Value::unknown(format!("`{method}` is not run")),
        };
        Ok(if comparable { result } else { Value::unknown(format!("what `{method}` compares has no order")) })
    }

    /// `sort { |a, b| b <=> a }`, by insertion: the block may stop the walk.
    fn sorted(&mut self, items: Vec<Value>, method: &str, block: &Rc<Proc>) -> Walk {
        let mut sorted: Vec<Value> = Vec::with_capacity(items.len());
        for item in items {
            let mut place = sorted.len();
            while let Some(before) = place.checked_sub(1).and_then(|at| sorted.get(at)).cloned() {
                match self.call(block, vec![before, item.clone()], false)? {
                    Value::Int(order) if order > 0 => place -= 1,
                    Value::Int(_) => break,
                    other => {
                        return Ok(other
                            .first_unknown()
                            .unwrap_or_else(|| Value::unknown("`sort` is not run")));
                    }
                }
            }
            sorted.insert(place, item);
        }
        Ok(match method {
            "min" => sorted.first().cloned().unwrap_or(Value::Nil),
            "max" => sorted.last().cloned().unwrap_or(Value::Nil),
            _ => Value::list(sorted),
        })
    }
}
