//! Calls: who is meant, and with which block.

use std::rc::Rc;

use lib_ruby_parser::{Node, nodes};

use super::assign::changes;
use super::eval::{Eval, Walk};
use super::format::formatted;
use super::value::{Class, Object, Proc, Value};

impl Eval<'_> {
    /// `receiver.method(arguments)`, `method(arguments)`.
    pub(super) fn send(
        &mut self,
        node: &'static Node,
        receiver: Option<&'static Node>,
        method: &str,
        arguments: &'static [Node],
        block: Option<Value>,
        void: bool,
    ) -> Walk {
        let Some(receiver_node) = receiver else {
            let values = self.values(arguments)?;
            let block = self.block_of(arguments, block)?;
            let value = self.call_own(node, method, values, block, void);
            self.take_back(arguments)?;
            return value;
        };
        let receiver = self.value(receiver_node)?;
        let values = self.values(arguments)?;
        let block = self.block_of(arguments, block)?;
        let bang = method.len() > 1 && method.ends_with('!');
        if matches!(receiver, Value::Text(_)) && (bang || changes(method)) {
            let plain = match method {
                "<<" | "concat" | "append" => "+",
                "replace" => "itself_of",
                method => method.trim_end_matches('!'),
            };
            let changed = match (plain, values.as_slice()) {
                ("itself_of", [value]) => value.clone(),
                _ => self.call_value(node, receiver, plain, values, block, false)?,
            };
            self.put_back(receiver_node, changed.clone())?;
            return Ok(changed);
        }
        let is_shared = matches!(receiver, Value::List(_) | Value::Map(_));
        let value = self.call_value(node, receiver, method, values, block, void);
        self.take_back(arguments)?;
        let value = value?;
        // What it should have been changed by is not known, so that it is not known itself.
        if let (Value::Unknown(reason), true) = (&value, is_shared && (bang || changes(method))) {
            self.put_back(receiver_node, Value::Unknown(Rc::clone(reason)))?;
        }
        Ok(value)
    }

    /// Puts the texts that a method has changed where its arguments came from.
    fn take_back(&mut self, arguments: &'static [Node]) -> Walk<()> {
        for (at, value, place) in std::mem::take(&mut self.handed_back) {
            match arguments.get(at) {
                Some(
                    node @ (Node::Lvar(_) | Node::Ivar(_) | Node::Gvar(_) | Node::Index(_) | Node::Const(_)),
                ) => {
                    self.put_back(node, value)?;
                }
                // Nobody has it.
                Some(Node::Str(_) | Node::Dstr(_) | Node::Heredoc(_) | Node::Send(_)) => {}
                _ => self.found.notes.add(place, super::own::CHANGED),
            }
        }
        Ok(())
    }

    /// `receiver&.method`
    pub(super) fn safe_send(
        &mut self,
        node: &'static Node,
        send: &'static nodes::CSend,
        block: Option<Value>,
        void: bool,
    ) -> Walk {
        match self.value(&send.recv)? {
            Value::Nil => Ok(Value::Nil),
            _ => self.send(node, Some(&send.recv), &send.method_name, &send.args, block, void),
        }
    }

    /// A call with a block of its own; `->(x) { … }`.
    pub(super) fn block_call(
        &mut self,
        node: &'static Node,
        call: &'static Node,
        parameters: Option<&'static Node>,
        body: Option<&'static Node>,
        numbered: u8,
        void: bool,
    ) -> Walk {
        let is_lambda = match call {
            Node::Lambda(_) => true,
            Node::Send(send) => send.recv.is_none() && send.method_name == "lambda",
            _ => false,
        };
        let block = Value::Proc(self.closure(parameters, body, numbered, is_lambda));
        match call {
            Node::Lambda(_) => Ok(block),
            Node::Send(send) => {
                self.send(node, send.recv.as_deref(), &send.method_name, &send.args, Some(block), void)
            }
            Node::CSend(send) => self.safe_send(node, send, Some(block), void),
            _ => Ok(Value::unknown("this call is not run")),
        }
    }

    /// The block that a call is given: its own, or one that is handed on with `&`.
    fn block_of(&mut self, arguments: &'static [Node], own: Option<Value>) -> Walk<Option<Value>> {
        let Some(Node::BlockPass(handed)) = arguments.last() else { return Ok(own) };
        Ok(match self.maybe(handed.value.as_deref())? {
            Value::Nil => None,
            Value::Symbol(name) => Some(Value::Proc(Rc::new(Proc::Named(name)))),
            other => Some(other),
        })
    }

    /// A call without a receiver: one of the Vagrantfile's own methods, or of Ruby's.
    fn call_own(
        &mut self,
        node: &'static Node,
        method: &str,
        arguments: Vec<Value>,
        block: Option<Value>,
        void: bool,
    ) -> Walk {
        let own = match self.this.clone() {
            Value::Record(record) => match self.method_of(&record.class, '#', method) {
                Some(own) => Some(own),
                None if Self::field(&record, method).is_some() => {
                    return self.record_call(&record, method, arguments, block, void);
                }
                None => None,
            },
            Value::Class(class) => {
                self.method_of(&class, '.', method).or_else(|| self.method_of(&class, '#', method))
            }
            _ => None,
        };
        if let Some(own) = own.or_else(|| self.own.get(method).cloned()) {
            let this = self.this.clone();
            return self.own_method(own, this, arguments, block, void);
        }
        let value = self.kernel(node, method, &arguments, block.as_ref())?;
        self.unless_run(node, value, &arguments, block.as_ref(), void)
    }

    /// A call that was not run: its block neither, and machines that it may have made are lost.
    fn unless_run(
        &mut self,
        node: &'static Node,
        value: Value,
        arguments: &[Value],
        block: Option<&Value>,
        void: bool,
    ) -> Walk {
        let Value::Unknown(reason) = &value else { return Ok(value) };
        if arguments.iter().any(|value| matches!(value, Value::Object(Object::Config(_)))) {
            let reason = Rc::clone(reason);
            self.note(node, "what this says to Vagrant is left out");
            self.note_reason(node, &reason);
            return Ok(if void { Value::Nil } else { value });
        }
        match block {
            Some(_) if reason.place.line == 0 => {
                let reason = Rc::new(super::value::Reason {
                    why: reason.why.clone(),
                    place: self.place(node),
                    raises: reason.raises,
                });
                Ok(self.loop_left_out(node, &reason, void))
            }
            _ => Ok(value),
        }
    }

    /// A call with receiver and arguments that are known.
    pub(super) fn call_value(
        &mut self,
        node: &'static Node,
        receiver: Value,
        method: &str,
        arguments: Vec<Value>,
        block: Option<Value>,
        void: bool,
    ) -> Walk {
        match &receiver {
            Value::Object(object) => return self.object(node, object, method, &arguments, block.as_ref()),
            Value::Name(name) => {
                let value = self.named(node, name, method, &arguments, block.as_ref())?;
                return self.unless_run(node, value, &arguments, block.as_ref(), void);
            }
            Value::Class(class) => {
                let value = self.class_call(class, method, &arguments, block.clone(), void)?;
                return self.unless_run(node, value, &arguments, block.as_ref(), void);
            }
            Value::Record(record) => {
                let value = self.record_call(record, method, arguments.clone(), block.clone(), void)?;
                return self.unless_run(node, value, &arguments, block.as_ref(), void);
            }
            Value::Proc(proc) => match method {
                "call" | "()" | "yield" | "[]" | "===" => return self.call(proc, arguments, void),
                "to_proc" => return Ok(receiver),
                _ => {}
            },
            // A `Pathname` is a text here.
            Value::Text(_)
                if matches!(
                    method,
                    "dirname"
                        | "parent"
                        | "basename"
                        | "expand_path"
                        | "realpath"
                        | "exist?"
                        | "file?"
                        | "directory?"
                        | "join"
                        | "extname"
                ) =>
            {
                let mut path = vec![receiver.clone()];
                path.extend(arguments);
                return self.file_method(node, "Pathname", method, &path, block.as_ref());
            }
            Value::Unknown(reason) => {
                return Ok(match block {
                    Some(_) => self.loop_left_out(node, reason, void),
                    None => receiver,
                });
            }
            _ => {}
        }
        match &block {
            None => self.method(&receiver, method, &arguments),
            Some(Value::Proc(proc)) => {
                let value = self.iterate(&receiver, method, &arguments, proc, void)?;
                self.unless_run(node, value, &arguments, block.as_ref(), void)
            }
            Some(Value::Unknown(reason)) => Ok(Value::Unknown(Rc::clone(reason))),
            Some(_) => Ok(Value::unknown("the block handed on is none")),
        }
    }

    /// `Helpers.address(3)`, `Node.new("web1")`
    fn class_call(
        &mut self,
        class: &Rc<Class>,
        method: &str,
        arguments: &[Value],
        block: Option<Value>,
        void: bool,
    ) -> Walk {
        // `module_function` makes a module's methods its own.
        let own = self.method_of(class, '.', method).or_else(|| self.method_of(class, '#', method));
        match (own, method) {
            (_, "new") => self.instance(class, arguments.to_vec(), block),
            (_, "[]") if !class.members.is_empty() => self.instance(class, arguments.to_vec(), block),
            (Some(own), _) => {
                self.own_method(own, Value::Class(Rc::clone(class)), arguments.to_vec(), block, void)
            }
            (None, "name" | "to_s") => Ok(Value::text(Rc::clone(&class.name))),
            (None, "members") => {
                Ok(Value::list(class.members.iter().map(|name| Value::symbol(Rc::clone(name))).collect()))
            }
            (None, "==" | "!=") => Ok(Value::unknown("classes are not compared")),
            (None, "include" | "extend" | "freeze" | "private_constant") => Ok(Value::Nil),
            _ => Ok(Value::unknown(format!("`{}.{method}` is not run", class.name))),
        }
    }

    /// A call without a receiver that is none of the Vagrantfile's own.
    fn kernel(
        &mut self,
        node: &'static Node,
        method: &str,
        arguments: &[Value],
        block: Option<&Value>,
    ) -> Walk {
        let unknown = |otherwise: &str| {
            arguments.iter().find_map(Value::first_unknown).unwrap_or_else(|| Value::unknown(otherwise))
        };
        Ok(match (method, arguments) {
            ("__dir__", []) => Value::text(self.folder_name()),
            ("__method__", []) => Value::Nil,
            ("require", [path]) => self.required(node, path, true)?,
            ("require_relative" | "load", [path, ..]) => self.required(node, path, false)?,
            ("binding", _) => Value::Nil,
            ("puts" | "print" | "p" | "warn" | "pp" | "printf" | "putc", _) => {
                self.note(node, "a message; it is not printed any more");
                Value::Nil
            }
            ("raise" | "abort" | "exit" | "fail" | "exit!", arguments) => {
                let said = arguments.iter().rev().find_map(|value| value.word().map(str::to_owned));
                match said {
                    Some(said) => {
                        Value::raised(format!("Ruby would end here (\"{said}\"); lab goes on reading"))
                    }
                    None => Value::raised("Ruby would end here; lab goes on reading"),
                }
            }
            (
                "sleep"
                | "srand"
                | "private"
                | "public"
                | "protected"
                | "module_function"
                | "attr_accessor"
                | "attr_reader"
                | "attr_writer"
                | "private_class_method"
                | "private_constant"
                | "using"
                | "trap",
                _,
            ) => Value::Nil,
            ("include" | "extend", modules) => {
                self.included(modules);
                Value::Nil
            }
            ("lambda" | "proc", []) => block.cloned().unwrap_or(Value::Nil),
            ("block_given?", []) => Value::Bool(self.frame.block().is_some()),
            ("loop", []) => match block {
                Some(Value::Proc(block)) => loop {
                    match self.call(block, Vec::new(), true) {
                        Ok(_) => {}
                        Err(super::eval::Stop::Break(value)) => break value,
                        Err(stop) => return Err(stop),
                    }
                },
                _ => Value::unknown("`loop` is not run"),
            },
            ("String", [value]) => value.to_text().map_or_else(|| unknown("it is no text"), Value::text),
            ("Integer", [value, ..]) => match (value, value.number()) {
                (_, Some(number)) => Value::Int(number),
                (value, None) if value.first_unknown().is_some() => value.clone(),
                _ => Value::raised("it is no number"),
            },
            ("Float", [value]) => match value.float().or_else(|| value.word()?.trim().parse().ok()) {
                Some(number) => Value::Float(number),
                None => unknown("it is no number"),
            },
            ("Array", [value]) => match value {
                Value::List(_) | Value::Unknown(_) => value.clone(),
                Value::Nil => Value::list(Vec::new()),
                Value::Map(_) | Value::Range(_) => self.method(value, "to_a", &[])?,
                other => Value::list(vec![other.clone()]),
            },
            ("Hash" | "Pathname", [value]) => value.clone(),
            ("format" | "sprintf", [Value::Text(format), values @ ..]) => formatted(format, values)
                .map_or_else(|| unknown("this `format` is not understood"), Value::text),
            ("freeze", []) => Value::Nil,
            ("method", [name]) => match name.word() {
                Some(name) if self.own.contains_key(name) => Value::unknown("a method as a value is not run"),
                _ => Value::unknown("`method` is not run"),
            },
            ("rand", _) => Value::unknown("`rand` is another number each time"),
            ("gets", _) => Value::unknown("`gets` asks whoever types"),
            ("system" | "exec" | "spawn" | "`", _) => Value::unknown("programs of this computer are not run"),
            ("eval" | "instance_eval" | "class_eval", _) => Value::unknown("Ruby in a text is not run"),
            ("at_exit", _) => Value::unknown("what Ruby would do at its end is not run"),
            ("send" | "public_send" | "__send__", [name, rest @ ..]) => match name.word() {
                Some(name) => {
                    let name = name.to_owned();
                    return self.call_own(node, &name, rest.to_vec(), block.cloned(), false);
                }
                None => unknown("`send` is not run"),
            },
            ("respond_to?", [name]) => {
                Value::Bool(name.word().is_some_and(|name| self.own.contains_key(name)))
            }
            _ => match unknown("") {
                Value::Unknown(reason) if !reason.why.is_empty() => Value::Unknown(reason),
                _ => Value::unknown(format!("`{method}` is not run")),
            },
        })
    }

    /// `include Helpers`: its methods are everybody's.
    fn included(&mut self, modules: &[Value]) {
        for module in modules {
            let Value::Class(class) = module else { continue };
            let begin = format!("{}#", class.name);
            let methods: Vec<_> = self
                .own
                .iter()
                .filter_map(|(name, method)| Some((name.strip_prefix(&begin)?.to_owned(), method.clone())))
                .collect();
            let into = match self.module.trim_end_matches("::") {
                "" => String::new(),
                module => format!("{module}#"),
            };
            self.own.extend(methods.into_iter().map(|(name, method)| (format!("{into}{name}"), method)));
        }
    }
}
