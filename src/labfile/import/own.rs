//! What a Vagrantfile makes of its own: methods, blocks, modules, classes, constants.

use std::rc::Rc;

use lib_ruby_parser::{Node, nodes};

use super::eval::{Eval, Stop, Walk};
use super::scope::Frame;
use super::value::{Class, Closure, Proc, Value};

/// A method: `def node(config, name, memory: 512) … end`.
#[derive(Debug, Clone)]
pub(super) struct Method {
    args: Option<&'static Node>,
    body: Option<&'static Node>,
    file: u16,
    /// The module around, whose constants it sees.
    module: Rc<str>,
}

impl Method {
    pub(super) fn body(&self) -> Option<&'static Node> {
        self.body
    }
}

/// Of a text that a method or block has changed.
pub(super) const CHANGED: &str = "the text is changed here, and not where it comes from";

impl Eval<'_> {
    pub(super) fn make_method(&mut self, def: &'static nodes::Def) -> Value {
        let name = match (self.module.trim_end_matches("::"), self.singleton) {
            ("", _) => def.name.clone(),
            (module, true) => format!("{module}.{}", def.name),
            (module, false) => format!("{module}#{}", def.name),
        };
        let (args, body) = (def.args.as_deref(), def.body.as_deref());
        let method = Method { args, body, file: self.file, module: self.module.as_str().into() };
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
        let (args, body) = (def.args.as_deref(), def.body.as_deref());
        let method = Method { args, body, file: self.file, module: self.module.as_str().into() };
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
        let module = std::mem::replace(&mut self.module, method.module.to_string());
        let parameters = match method.args {
            Some(Node::Args(args)) => args.args.as_slice(),
            _ => &[],
        };
        let ran = self.bind(parameters, arguments, true).and_then(|()| self.body(method.body, void));
        let own = std::mem::replace(&mut self.frame, frame);
        (self.this, self.file, self.module) = (this, file, module);
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
            module: self.module.as_str().into(),
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
        let module = std::mem::replace(&mut self.module, closure.module.to_string());
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
        (self.this, self.file, self.module) = (this, file, module);
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
        let own = self.own.get(&format!("{}{by}{name}", class.name)).cloned();
        own.or_else(|| self.method_of(class.parent.as_deref()?, by, name))
    }
}
