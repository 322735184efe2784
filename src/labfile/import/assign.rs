//! Variables get their values: assignments of every form, and parameters.

use std::collections::VecDeque;
use std::rc::Rc;

use lib_ruby_parser::{Node, nodes};

use super::eval::{Eval, Walk};
use super::value::Value;

/// Whether a method changes the list, map or text that it is called on.
pub(super) fn changes(method: &str) -> bool {
    matches!(
        method,
        "<<" | "push"
            | "append"
            | "concat"
            | "prepend"
            | "unshift"
            | "insert"
            | "pop"
            | "shift"
            | "delete"
            | "delete_at"
            | "delete_if"
            | "keep_if"
            | "clear"
            | "replace"
            | "store"
            | "update"
            | "[]="
    )
}

impl Eval<'_> {
    /// Puts a value where `target` says.
    pub(super) fn assign(&mut self, target: &'static Node, value: Value) -> Walk<()> {
        match target {
            Node::Lvasgn(nodes::Lvasgn { name, .. }) | Node::Lvar(nodes::Lvar { name, .. }) => {
                self.frame.set(name, value);
            }
            Node::Arg(nodes::Arg { name, .. }) => self.frame.hand(name, value),
            Node::Ivasgn(nodes::Ivasgn { name, .. })
            | Node::Gvasgn(nodes::Gvasgn { name, .. })
            | Node::Cvasgn(nodes::Cvasgn { name, .. })
            | Node::Ivar(nodes::Ivar { name, .. })
            | Node::Gvar(nodes::Gvar { name, .. })
            | Node::Cvar(nodes::Cvar { name, .. }) => self.write_shared(name, value),
            Node::Casgn(nodes::Casgn { name, .. }) | Node::Const(nodes::Const { name, .. }) => {
                self.write_constant(name, value);
            }
            Node::Procarg0(procarg) => self.destructure(&procarg.args, value)?,
            Node::Mlhs(list) => self.destructure(&list.items, value)?,
            Node::Splat(nodes::Splat { value: Some(target), .. }) => self.assign(target, value)?,
            Node::Index(index) => {
                let receiver = self.value(&index.recv)?;
                let keys = self.values(&index.indexes)?;
                self.index_set(target, receiver, keys, value)?;
            }
            Node::IndexAsgn(index) => {
                let receiver = self.value(&index.recv)?;
                let keys = self.values(&index.indexes)?;
                self.index_set(target, receiver, keys, value)?;
            }
            Node::Send(send) => {
                let Some(receiver) = send.recv.as_deref() else { return Ok(()) };
                let receiver = self.value(receiver)?;
                let name = format!("{}=", send.method_name.trim_end_matches('='));
                if let Value::Unknown(reason) =
                    self.call_value(target, receiver, &name, vec![value], None, true)?
                {
                    self.note_reason(target, &reason);
                }
            }
            _ => self.note(target, "this assignment is not understood"),
        }
        Ok(())
    }

    /// Puts the items of a list into several places; the first gets what is no list.
    fn destructure(&mut self, targets: &'static [Node], value: Value) -> Walk<()> {
        let mut items = match (targets, value) {
            ([only], value) if !is_rest(only) => return self.assign(only, value),
            (_, Value::List(items)) => VecDeque::from(items.borrow().clone()),
            (targets, Value::Unknown(reason)) => {
                targets.iter().map(|_| Value::Unknown(Rc::clone(&reason))).collect()
            }
            (_, value) => VecDeque::from([value]),
        };
        for (place, target) in targets.iter().enumerate() {
            if !is_rest(target) {
                self.assign(target, items.pop_front().unwrap_or(Value::Nil))?;
                continue;
            }
            let behind = targets.len() - place - 1;
            let rest: Vec<Value> = items.drain(..items.len().saturating_sub(behind)).collect();
            match target {
                Node::Splat(nodes::Splat { value: Some(target), .. }) => {
                    self.assign(target, Value::list(rest))?;
                }
                Node::Restarg(nodes::Restarg { name: Some(name), .. }) => {
                    self.frame.declare(name, Value::list(rest));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn multiple(&mut self, assignment: &'static nodes::Masgn) -> Walk {
        let value = self.value(&assignment.rhs)?;
        self.assign(&assignment.lhs, value.clone())?;
        Ok(value)
    }

    /// What stands where an assignment would put something.
    fn read(&mut self, target: &'static Node) -> Walk {
        Ok(match target {
            Node::Lvasgn(nodes::Lvasgn { name, .. }) => self.frame.get(name).unwrap_or(Value::Nil),
            Node::Ivasgn(nodes::Ivasgn { name, .. })
            | Node::Gvasgn(nodes::Gvasgn { name, .. })
            | Node::Cvasgn(nodes::Cvasgn { name, .. }) => self.read_shared(name),
            Node::Casgn(nodes::Casgn { name, .. }) => {
                self.shared.get(&format!("{}{name}", self.module)).cloned().unwrap_or(Value::Nil)
            }
            Node::IndexAsgn(index) => {
                let receiver = self.value(&index.recv)?;
                let keys = self.values(&index.indexes)?;
                self.call_value(target, receiver, "[]", keys, None, false)?
            }
            Node::Send(send) if send.method_name.ends_with('=') => match send.recv.as_deref() {
                Some(receiver) => {
                    let receiver = self.value(receiver)?;
                    let name = send.method_name.trim_end_matches('=');
                    self.call_value(target, receiver, name, Vec::new(), None, false)?
                }
                None => Value::Nil,
            },
            other => self.value(other)?,
        })
    }

    /// `a ||= b`
    pub(super) fn or_assign(&mut self, assignment: &'static nodes::OrAsgn) -> Walk {
        let old = self.read(&assignment.recv)?;
        if old.truth() != Some(false) {
            return Ok(old);
        }
        let value = self.value(&assignment.value)?;
        self.assign(&assignment.recv, value.clone())?;
        Ok(value)
    }

    /// `a &&= b`
    pub(super) fn and_assign(&mut self, assignment: &'static nodes::AndAsgn) -> Walk {
        let old = self.read(&assignment.recv)?;
        if old.truth() != Some(true) {
            return Ok(old);
        }
        let value = self.value(&assignment.value)?;
        self.assign(&assignment.recv, value.clone())?;
        Ok(value)
    }

    /// `a += b`, `a <<= b`
    pub(super) fn operate(&mut self, assignment: &'static nodes::OpAsgn) -> Walk {
        let old = self.read(&assignment.recv)?;
        let operand = self.value(&assignment.value)?;
        let value = self.method(&old, &assignment.operator, &[operand])?;
        self.assign(&assignment.recv, value.clone())?;
        Ok(value)
    }

    /// `settings["memory"] = 512`
    pub(super) fn index_assignment(
        &mut self,
        node: &'static Node,
        assignment: &'static nodes::IndexAsgn,
    ) -> Walk {
        let receiver = self.value(&assignment.recv)?;
        let keys = self.values(&assignment.indexes)?;
        let value = self.maybe(assignment.value.as_deref())?;
        self.index_set(node, receiver, keys, value.clone())?;
        Ok(value)
    }

    fn index_set(
        &mut self,
        node: &'static Node,
        receiver: Value,
        mut keys: Vec<Value>,
        value: Value,
    ) -> Walk<()> {
        if let (Value::Name(name), [variable]) = (&receiver, keys.as_slice())
            && &**name == "ENV"
        {
            let variable = variable.to_text().unwrap_or_default();
            self.note(node, format!("{variable} is set for Vagrant alone"));
            self.environment.insert(variable, value);
            return Ok(());
        }
        keys.push(value);
        if let Value::Unknown(reason) = self.call_value(node, receiver, "[]=", keys, None, true)? {
            self.note_reason(node, &reason);
        }
        Ok(())
    }

    /// Puts a text back where it came from after `<<`, `gsub!` and others have changed it.
    pub(super) fn put_back(&mut self, node: &'static Node, value: Value) -> Walk<()> {
        match node {
            Node::Lvar(nodes::Lvar { name, .. })
                if self.frame.change_handed(name, &value, self.place(node)) =>
            {
                Ok(())
            }
            Node::Lvar(_) | Node::Ivar(_) | Node::Gvar(_) | Node::Cvar(_) | Node::Index(_) => {
                self.assign(node, value)
            }
            Node::Const(nodes::Const { name, scope: None, .. }) => {
                self.write_constant(name, value);
                Ok(())
            }
            Node::Begin(begin) if begin.statements.len() == 1 => match begin.statements.first() {
                Some(only) => self.put_back(only, value),
                None => Ok(()),
            },
            // `(text ||= "") << "more"`
            Node::OrAsgn(assignment) => self.assign(&assignment.recv, value),
            Node::Send(send) if send.recv.is_some() && send.args.is_empty() => {
                // An attribute: `node.hosts << "web1"`
                let Some(receiver) = send.recv.as_deref() else { return Ok(()) };
                match self.value(receiver)? {
                    Value::Record(record) => {
                        Self::set_field(&record, &send.method_name, value);
                        Ok(())
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Gives a block's parameters their values: a single list is spread over several of them.
    pub(super) fn bind_block(&mut self, parameters: &'static [Node], mut values: Vec<Value>) -> Walk<()> {
        let positional = parameters
            .iter()
            .filter(|one| matches!(one, Node::Arg(_) | Node::Optarg(_) | Node::Mlhs(_) | Node::Restarg(_)))
            .count();
        if let ([Value::List(_) | Value::Unknown(_)], true) = (values.as_slice(), positional > 1) {
            values = match values.remove(0) {
                Value::List(items) => items.borrow().clone(),
                unknown => vec![unknown; positional],
            };
        }
        self.bind(parameters, values, false)
    }

    /// Gives parameters their values; where they are `strict`, one that is missing is not known.
    pub(super) fn bind(
        &mut self,
        parameters: &'static [Node],
        mut values: Vec<Value>,
        strict: bool,
    ) -> Walk<()> {
        let is_named = |one: &Node| matches!(one, Node::Kwarg(_) | Node::Kwoptarg(_) | Node::Kwrestarg(_));
        let by_name = match values.last() {
            Some(Value::Map(_)) if parameters.iter().any(is_named) => values.pop(),
            _ => None,
        };
        let given = |name: &str| by_name.as_ref().and_then(|map| map.get(name));
        let missing = || if strict { Value::unknown("it is called with too little") } else { Value::Nil };
        let mandatory_after = |at: usize| {
            parameters.iter().skip(at).filter(|one| matches!(one, Node::Arg(_) | Node::Mlhs(_))).count()
        };
        let mut values = VecDeque::from(values);
        for (at, one) in parameters.iter().enumerate() {
            match one {
                Node::Arg(_) | Node::Mlhs(_) | Node::Procarg0(_) => {
                    let value = values.pop_front().unwrap_or_else(missing);
                    self.assign(one, value)?;
                }
                Node::Optarg(optional) => {
                    // Those that must be there come first.
                    let spare = values.len() > mandatory_after(at);
                    let value = match if spare { values.pop_front() } else { None } {
                        Some(value) => value,
                        None => self.value(&optional.default)?,
                    };
                    self.frame.declare(&optional.name, value);
                }
                Node::Restarg(rest) => {
                    let many = values.len().saturating_sub(mandatory_after(at));
                    let rest_values: Vec<Value> = values.drain(..many).collect();
                    if let Some(name) = &rest.name {
                        self.frame.declare(name, Value::list(rest_values));
                    }
                }
                Node::Kwarg(argument) => {
                    let value = given(&argument.name).unwrap_or_else(missing);
                    self.frame.declare(&argument.name, value);
                }
                Node::Kwoptarg(argument) => {
                    let value = match given(&argument.name) {
                        Some(value) => value,
                        None => self.value(&argument.default)?,
                    };
                    self.frame.declare(&argument.name, value);
                }
                Node::Kwrestarg(rest) => {
                    let taken = |key: &Value| {
                        parameters.iter().any(|one| match one {
                            Node::Kwarg(nodes::Kwarg { name, .. })
                            | Node::Kwoptarg(nodes::Kwoptarg { name, .. }) => key.word() == Some(name),
                            _ => false,
                        })
                    };
                    let pairs = by_name.as_ref().map(Value::pairs).unwrap_or_default();
                    let pairs = pairs.into_iter().filter(|(key, _)| !taken(key)).collect();
                    if let Some(name) = &rest.name {
                        self.frame.declare(name, Value::map(pairs));
                    }
                }
                Node::Shadowarg(own) => self.frame.declare(&own.name, Value::Nil),
                Node::Blockarg(argument) => {
                    let block = self.frame.block().unwrap_or(Value::Nil);
                    if let Some(name) = &argument.name {
                        self.frame.declare(name, block);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn is_rest(node: &Node) -> bool {
    matches!(node, Node::Splat(_) | Node::Restarg(_))
}
