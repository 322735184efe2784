//! What a Vagrantfile makes of its own: methods, blocks, modules, classes, constants.

use std::rc::Rc;

use lib_ruby_parser::{Node, nodes};

use super::eval::{Eval, Stop, Walk};
use super::model::Place;
use super::scope::Frame;
use super::value::{Class, Closure, Proc, Record, Value};

/// A method: `def node(config, name, memory: 512) … end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method {
    args: Option<&'static Node>,
    body: Option<&'static Node>,
    file: u16,
}

/// Of a text that a method or block has changed.
pub(super) const CHANGED: &str = "the text is changed here, and not where it comes from";

/// What is known under a name that the walk has no variable for, and that Ruby knows.
const LIBRARY: &[&str] = &[
    "Vagrant",
    "File",
    "Dir",
    "ENV",
    "YAML",
    "JSON",
    "RbConfig",
    "RUBY_PLATFORM",
    "RUBY_VERSION",
    "ARGV",
    "IPAddr",
    "OpenStruct",
    "Struct",
    "Hash",
    "Array",
    "String",
    "Integer",
    "Float",
    "Regexp",
    "Etc",
    "Pathname",
    "IO",
    "Psych",
    "Kernel",
    "Process",
    "Time",
    "Gem",
    "VagrantPlugins",
    "Socket",
];

impl Eval<'_> {
    pub(super) fn make_method(&mut self, def: &'static nodes::Def) -> Value {
        let name = match (self.module.trim_end_matches("::"), self.singleton) {
            ("", _) => def.name.clone(),
            (module, true) => format!("{module}.{}", def.name),
            (module, false) => format!("{module}#{}", def.name),
        };
        let method = Method { args: def.args.as_deref(), body: def.body.as_deref(), file: self.file };
        self.own.insert(name, method);
        Value::symbol(def.name.as_str())
    }

    pub(super) fn make_singleton(&mut self, def: &'static nodes::Defs) -> Walk {
        let of = match &*def.definee {
            Node::Self_(_) => self.module.trim_end_matches("::").to_owned(),
            other => match self.value(other)? {
                Value::Class(class) => class.name.to_string(),
                Value::Name(name) => name.to_string(),
                _ => return Ok(Value::unknown("a method of one object alone is not run")),
            },
        };
        let name = if of.is_empty() { def.name.clone() } else { format!("{of}.{}", def.name) };
        let method = Method { args: def.args.as_deref(), body: def.body.as_deref(), file: self.file };
        self.own.insert(name, method);
        Ok(Value::symbol(def.name.as_str()))
    }

    /// Runs a method, with variables of its own.
    pub(super) fn own_method(
        &mut self,
        method: Method,
        this: Value,
        arguments: Vec<Value>,
        block: Option<Value>,
        void: bool,
    ) -> Walk {
        let frame = std::mem::replace(&mut self.frame, Frame::of_method(block));
        let this = std::mem::replace(&mut self.this, this);
        let file = std::mem::replace(&mut self.file, method.file);
        let parameters = match method.args {
            Some(Node::Args(args)) => args.args.as_slice(),
            _ => &[],
        };
        let ran = self.bind(parameters, arguments, true).and_then(|()| self.body(method.body, void));
        let own = std::mem::replace(&mut self.frame, frame);
        (self.this, self.file) = (this, file);
        let of =
            |name: &str| parameters.iter().position(|one| matches!(one, Node::Arg(one) if one.name == name));
        let changed = own.changed().into_iter();
        self.handed_back =
            changed.filter_map(|(name, place)| Some((of(&name)?, own.get(&name)?, place))).collect();
        match ran {
            Err(Stop::Return(value)) => Ok(value),
            ran => ran,
        }
    }

    /// A block as a value.
    pub(super) fn closure(
        &self,
        parameters: Option<&'static Node>,
        body: Option<&'static Node>,
        numbered: u8,
        is_lambda: bool,
    ) -> Rc<Proc> {
        Rc::new(Proc::Block(Closure {
            parameters,
            body,
            numbered,
            frame: Rc::clone(&self.frame),
            this: self.this.clone(),
            file: self.file,
            is_lambda,
        }))
    }

    /// Calls a block; `next` ends it.
    pub(super) fn call(&mut self, proc: &Rc<Proc>, values: Vec<Value>, void: bool) -> Walk {
        self.call_keeping(proc, values, void, None).map(|(value, _)| value)
    }

    /// The same; gives also what the parameter at the place `kept` holds at the end, which is its caller's alone.
    pub(super) fn call_keeping(
        &mut self,
        proc: &Rc<Proc>,
        values: Vec<Value>,
        void: bool,
        kept: Option<usize>,
    ) -> Walk<(Value, Option<Value>)> {
        self.worked(1)?;
        let closure = match &**proc {
            Proc::Block(closure) => closure,
            Proc::Named(name) => {
                let mut values = values.into_iter();
                let receiver = values.next().unwrap_or(Value::Nil);
                let value = self.method(&receiver, name, &values.collect::<Vec<_>>())?;
                return Ok((value, None));
            }
        };
        let frame = std::mem::replace(&mut self.frame, Frame::within(&closure.frame));
        let this = std::mem::replace(&mut self.this, closure.this.clone());
        let file = std::mem::replace(&mut self.file, closure.file);
        let bound = match closure.parameters {
            Some(Node::Args(args)) => self.bind_block(&args.args, values),
            Some(other) => self.bind_block(std::slice::from_ref(other), values),
            None => {
                self.number(closure.numbered, values);
                Ok(())
            }
        };
        let kept = match (kept, closure.parameters) {
            (Some(at), Some(Node::Args(args))) => match args.args.get(at) {
                Some(Node::Arg(argument)) => Some(argument.name.as_str()),
                _ => None,
            },
            _ => None,
        };
        if let Some(value) = kept.and_then(|name| self.frame.get(name)) {
            self.frame.set(kept.unwrap_or_default(), value);
        }
        let ran = bound.and_then(|()| self.body(closure.body, void));
        let own = std::mem::replace(&mut self.frame, frame);
        (self.this, self.file) = (this, file);
        for (_, place) in own.changed() {
            self.found.notes.add(place, CHANGED);
        }
        let value = match ran {
            Err(Stop::Next(value)) => value,
            Err(Stop::Return(value)) if closure.is_lambda => value,
            ran => ran?,
        };
        Ok((value, kept.and_then(|name| own.get(name))))
    }

    /// The parameters `_1` to `_9`.
    fn number(&mut self, count: u8, values: Vec<Value>) {
        let values = match values.as_slice() {
            [Value::List(items)] if count > 1 => items.borrow().clone(),
            _ => values,
        };
        for place in 0..count {
            let value = values.get(usize::from(place)).cloned().unwrap_or(Value::Nil);
            self.frame.declare(&format!("_{}", place + 1), value);
        }
    }

    pub(super) fn yielded(&mut self, call: &'static nodes::Yield, void: bool) -> Walk {
        let values = self.values(&call.args)?;
        match self.frame.block() {
            Some(Value::Proc(block)) => self.call(&block, values, void),
            Some(Value::Unknown(reason)) => Ok(Value::Unknown(reason)),
            _ => Ok(Value::raised("there is no block for `yield`")),
        }
    }

    /// Reads a module's or class's body.
    pub(super) fn in_module(
        &mut self,
        name: &'static Node,
        parent: Option<&'static Node>,
        body: Option<&'static Node>,
        is_class: bool,
    ) -> Walk {
        let written = self.source(name);
        let full = format!("{}{written}", self.module);
        let parent = match parent {
            Some(parent) => match self.value(parent)? {
                Value::Class(class) => Some(class),
                Value::Unknown(reason) => return Ok(Value::Unknown(reason)),
                _ => return Ok(self.foreign_class(name, &full)),
            },
            None => None,
        };
        if !self.shared.contains_key(&full) {
            let (members, keywords, is_open) = match &parent {
                Some(parent) => (parent.members.clone(), parent.keywords, parent.is_open),
                None => (Vec::new(), false, false),
            };
            let class = Class { name: full.as_str().into(), members, keywords, parent, is_open };
            self.shared.insert(full.clone(), Value::Class(Rc::new(class)));
        }
        let _ = is_class;
        let module = std::mem::replace(&mut self.module, format!("{full}::"));
        let frame = std::mem::replace(&mut self.frame, Frame::of_method(None));
        let done = self.body(body, true);
        (self.module, self.frame) = (module, frame);
        done.map(|_| Value::Nil)
    }

    /// A class that builds on one of Ruby's or Vagrant's: a plugin, a command.
    fn foreign_class(&mut self, name: &'static Node, full: &str) -> Value {
        let unknown = Value::unknown("a class that builds on another one of Ruby's or Vagrant's is not run");
        self.note(name, "a class that builds on one of Ruby's or Vagrant's is not run");
        self.shared.insert(full.to_owned(), unknown);
        Value::Nil
    }

    /// The method of a class, or of those that it builds on.
    pub(super) fn method_of(&self, class: &Class, by: char, name: &str) -> Option<Method> {
        let own = self.own.get(&format!("{}{by}{name}", class.name)).copied();
        own.or_else(|| self.method_of(class.parent.as_deref()?, by, name))
    }

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

    /// What its own `to_s` says.
    pub(super) fn record_text(&mut self, value: &Value) -> Walk<Option<String>> {
        let Value::Record(record) = value else { return Ok(None) };
        match self.method_of(&record.class, '#', "to_s") {
            Some(method) => Ok(self.own_method(method, value.clone(), Vec::new(), None, false)?.to_text()),
            None => Ok(None),
        }
    }

    /// A global variable, or one of `self`.
    pub(super) fn read_shared(&self, name: &str) -> Value {
        match (&self.this, name.strip_prefix('@')) {
            (Value::Record(record), Some(field)) if !field.starts_with('@') => {
                Self::field(record, field).unwrap_or(Value::Nil)
            }
            _ if name == "$~" => self.matched.clone().map_or(Value::Nil, Value::Matched),
            _ => self.shared.get(name).cloned().unwrap_or(Value::Nil),
        }
    }

    pub(super) fn write_shared(&mut self, name: &str, value: Value) {
        match (&self.this, name.strip_prefix('@')) {
            (Value::Record(record), Some(field)) if !field.starts_with('@') => {
                Self::set_field(record, field, value)
            }
            _ => drop(self.shared.insert(name.to_owned(), value)),
        }
    }

    pub(super) fn write_constant(&mut self, name: &str, value: Value) {
        // `Node = Struct.new(:name)` names the class.
        let value = match value {
            Value::Class(class) if class.name.is_empty() => Value::Class(Rc::new(Class {
                name: format!("{}{name}", self.module).into(),
                members: class.members.clone(),
                keywords: class.keywords,
                parent: class.parent.clone(),
                is_open: class.is_open,
            })),
            value => value,
        };
        self.shared.insert(format!("{}{name}", self.module), value);
    }

    pub(super) fn constant(&mut self, constant: &'static nodes::Const) -> Value {
        let scope = match constant.scope.as_deref() {
            None => {
                // From the module that is being read outwards. A method of a module knows it by its own name.
                let mut module = match &self.this {
                    Value::Class(class) if self.module.is_empty() => format!("{}::", class.name),
                    Value::Record(record) if self.module.is_empty() => format!("{}::", record.class.name),
                    _ => self.module.clone(),
                };
                loop {
                    if let Some(value) = self.shared.get(&format!("{module}{}", constant.name)) {
                        return value.clone();
                    }
                    if module.is_empty() {
                        break;
                    }
                    let outer = module
                        .trim_end_matches("::")
                        .rsplit_once("::")
                        .map(|(outer, _)| format!("{outer}::"));
                    module = outer.unwrap_or_default();
                }
                String::new()
            }
            Some(Node::Const(scope)) => match self.constant(scope) {
                Value::Name(name) => format!("{name}::"),
                Value::Class(class) => format!("{}::", class.name),
                Value::Unknown(reason) => return Value::Unknown(reason),
                _ => String::new(),
            },
            Some(_) => String::new(),
        };
        let full = format!("{scope}{}", constant.name);
        if let Some(value) = self.shared.get(&full) {
            return value.clone();
        }
        if matches!(full.as_str(), "RUBY_PLATFORM" | "RbConfig::CONFIG" | "ARGV") {
            let line = self
                .files
                .get(usize::from(self.file))
                .map_or(0, |source| source.line(constant.expression_l.begin));
            let place = Place { file: self.file, line: u32::try_from(line).unwrap_or(0) };
            match full.as_str() {
                "ARGV" => {
                    self.found.notes.add(place, "this is answered as if nothing was typed behind `vagrant`")
                }
                _ => self.decided_at(place),
            }
        }
        self.host_constant(&full).unwrap_or_else(|| Value::Name(full.into()))
    }

    /// `defined?(x)`
    pub(super) fn defined(&mut self, node: &'static Node) -> Value {
        let is = match node {
            Node::Begin(begin) if begin.statements.len() == 1 => {
                return begin.statements.first().map_or(Value::Nil, |only| self.defined(only));
            }
            Node::Lvar(_) => Some("local-variable"),
            Node::Ivar(nodes::Ivar { name, .. }) | Node::Gvar(nodes::Gvar { name, .. }) => {
                (!self.read_shared(name).is_nil()).then_some("expression")
            }
            Node::Const(constant) => match self.constant(constant) {
                Value::Name(name) => {
                    let first = name.split("::").next().unwrap_or_default();
                    LIBRARY.contains(&first).then_some("constant")
                }
                _ => Some("constant"),
            },
            Node::Send(send) if send.recv.is_none() => {
                self.own.contains_key(&send.method_name).then_some("method")
            }
            _ => return Value::unknown("`defined?` of this is not run"),
        };
        is.map_or(Value::Nil, Value::text)
    }
}
