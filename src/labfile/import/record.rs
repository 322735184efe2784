//! Records: objects of the Vagrantfile's own classes, `Struct` and `OpenStruct`.

use std::rc::Rc;

use super::eval::{Eval, Walk};
use super::value::{Class, Record, Value};

impl Eval<'_> {
    /// `Node.new("web1", …)`
    pub(super) fn instance(
        &mut self,
        class: &Rc<Class>,
        arguments: Vec<Value>,
        block: Option<Value>,
    ) -> Walk {
        let record = Rc::new(Record { class: Rc::clone(class), fields: Default::default() });
        if let Some(method) = self.method_of(class, '#', "initialize") {
            self.own_method(method, Value::Record(Rc::clone(&record)), arguments, block, true)?;
            return Ok(Value::Record(record));
        }
        match arguments.as_slice() {
            [Value::Unknown(reason), ..] if class.is_open => return Ok(Value::Unknown(Rc::clone(reason))),
            [map @ Value::Map(_)] if class.is_open || class.keywords => {
                for (key, value) in map.pairs() {
                    Self::set_field(&record, &key.to_text().unwrap_or_default(), value);
                }
            }
            values => {
                for (place, member) in class.members.iter().enumerate() {
                    Self::set_field(&record, member, values.get(place).cloned().unwrap_or(Value::Nil));
                }
            }
        }
        Ok(Value::Record(record))
    }

    pub(super) fn set_field(record: &Record, name: &str, value: Value) {
        let mut fields = record.fields.borrow_mut();
        match fields.iter_mut().find(|(known, _)| &**known == name) {
            Some((_, old)) => *old = value,
            None => fields.push((name.into(), value)),
        }
    }

    pub(super) fn field(record: &Record, name: &str) -> Option<Value> {
        record.fields.borrow().iter().find(|(known, _)| &**known == name).map(|(_, value)| value.clone())
    }

    /// `web.ip`, `web.ip = "…"`, `web[:ip]`, and the methods of its class.
    pub(super) fn record_call(
        &mut self,
        record: &Rc<Record>,
        method: &str,
        arguments: Vec<Value>,
        block: Option<Value>,
        void: bool,
    ) -> Walk {
        if let Some(own) = self.method_of(&record.class, '#', method) {
            return self.own_method(own, Value::Record(Rc::clone(record)), arguments, block, void);
        }
        let fields = || -> Vec<(Value, Value)> {
            record
                .fields
                .borrow()
                .iter()
                .map(|(name, value)| (Value::symbol(Rc::clone(name)), value.clone()))
                .collect()
        };
        let key = |value: &Value| match value {
            Value::Int(place) => usize::try_from(*place)
                .ok()
                .and_then(|at| record.class.members.get(at))
                .map(|name| name.to_string()),
            other => other.word().map(str::to_owned),
        };
        Ok(match (method, arguments.as_slice()) {
            ("[]" | "send" | "public_send" | "dig", [name]) => {
                key(name).and_then(|name| Self::field(record, &name)).unwrap_or(Value::Nil)
            }
            ("[]=", [name, value]) => {
                if let Some(name) = key(name) {
                    Self::set_field(record, &name, value.clone());
                }
                value.clone()
            }
            ("to_h" | "attributes", []) => Value::map(fields()),
            ("to_a" | "values" | "deconstruct", []) => {
                Value::list(fields().into_iter().map(|(_, value)| value).collect())
            }
            ("each_pair", []) => {
                Value::list(fields().into_iter().map(|(key, value)| Value::pair(key, value)).collect())
            }
            ("members", []) => {
                Value::list(record.class.members.iter().map(|name| Value::symbol(Rc::clone(name))).collect())
            }
            ("respond_to?", [name]) => {
                let name = name.to_text().unwrap_or_default();
                Value::Bool(
                    Self::field(record, &name).is_some()
                        || self.method_of(&record.class, '#', &name).is_some(),
                )
            }
            ("freeze" | "itself", []) => Value::Record(Rc::clone(record)),
            ("dup" | "clone", []) => {
                let copy = Record { class: Rc::clone(&record.class), fields: record.fields.clone() };
                Value::Record(Rc::new(copy))
            }
            ("nil?", []) => Value::Bool(false),
            ("!", []) => Value::Bool(false),
            ("==" | "equal?", [other]) => {
                Value::Bool(Value::Record(Rc::clone(record)).same(other) == Some(true))
            }
            ("class", []) => Value::Class(Rc::clone(&record.class)),
            ("is_a?" | "kind_of?" | "instance_of?", [Value::Class(class)]) => {
                Value::Bool(class.name == record.class.name)
            }
            (name, [value]) if name.ends_with('=') => {
                Self::set_field(record, name.trim_end_matches('='), value.clone());
                value.clone()
            }
            (name, []) => match Self::field(record, name) {
                Some(value) => value,
                None if record.class.is_open => Value::Nil,
                None if block.is_none() => {
                    Value::unknown(format!("`{name}` of a {} is not known", record.class.name))
                }
                None => Value::unknown(format!("`{name}` is not run")),
            },
            (name, _) => Value::unknown(format!("`{name}` is not run")),
        })
    }

    /// What its own `to_s` says; other values as they are.
    pub(super) fn said_by_itself(&mut self, value: Value) -> Walk {
        let Value::Record(record) = &value else { return Ok(value) };
        match self.method_of(&record.class, '#', "to_s") {
            Some(method) => self.own_method(method, value, Vec::new(), None, false),
            None => Ok(value),
        }
    }
}
