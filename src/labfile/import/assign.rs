//! Variables get their values: assignments of every form, and blocks' parameters.

use std::rc::Rc;

use lib_ruby_parser::{Node, nodes};

use super::eval::{Eval, Walk};
use super::value::Value;

impl Eval<'_> {
    /// Puts a value where `target` says.
    pub(super) fn assign(&mut self, target: &Node, value: Value) -> Walk {
        match target {
            Node::Lvasgn(nodes::Lvasgn { name, .. })
            | Node::Ivasgn(nodes::Ivasgn { name, .. })
            | Node::Gvasgn(nodes::Gvasgn { name, .. })
            | Node::Cvasgn(nodes::Cvasgn { name, .. })
            | Node::Casgn(nodes::Casgn { name, .. })
            | Node::Arg(nodes::Arg { name, .. }) => {
                self.variables.insert(name.clone(), value);
            }
            Node::Optarg(argument) => {
                let value = if matches!(value, Value::Nil) { self.value(&argument.default)? } else { value };
                self.variables.insert(argument.name.clone(), value);
            }
            Node::Procarg0(procarg) => self.destructure(&procarg.args, value)?,
            Node::Mlhs(list) => self.destructure(&list.items, value)?,
            Node::Send(send) => {
                let Some(receiver) = send.recv.as_deref() else { return Ok(Value::Nil) };
                let receiver = self.value(receiver)?;
                let name = format!("{}=", send.method_name.trim_end_matches('='));
                return self.call_value(target, receiver, &name, vec![value], None);
            }
            _ => return Ok(Value::unknown("this assignment is not understood")),
        }
        Ok(Value::Nil)
    }

    /// Puts the items of a list into several places; the first gets what is no list.
    fn destructure(&mut self, targets: &[Node], value: Value) -> Walk<()> {
        match (targets, value) {
            ([only], value) => self.assign(only, value).map(drop),
            (targets, Value::List(items)) => {
                for (index, target) in targets.iter().enumerate() {
                    self.assign(target, items.get(index).cloned().unwrap_or(Value::Nil))?;
                }
                Ok(())
            }
            (targets, value) => {
                let unknown = value.why_unknown().map(Value::unknown);
                for (index, target) in targets.iter().enumerate() {
                    let rest = unknown.clone().unwrap_or(Value::Nil);
                    self.assign(target, if index == 0 { value.clone() } else { rest })?;
                }
                Ok(())
            }
        }
    }

    pub(super) fn multiple(&mut self, assignment: &nodes::Masgn) -> Walk {
        let value = self.value(&assignment.rhs)?;
        self.assign(&assignment.lhs, value)
    }

    /// `settings["memory"] = 512`, for a map in a variable.
    pub(super) fn index_assignment(&mut self, assignment: &nodes::IndexAsgn) -> Walk {
        let map = self.value(&assignment.recv)?;
        let keys = self.values(&assignment.indexes)?;
        let value = self.body(assignment.value.as_deref())?;
        if let (Value::Name(name), [variable]) = (&map, keys.as_slice())
            && &**name == "ENV"
        {
            let variable = variable.to_text().unwrap_or_default();
            return Ok(Value::unknown(format!("{variable} is set for Vagrant alone")));
        }
        let ([key], Value::Map(pairs)) = (keys.as_slice(), map) else {
            return Ok(Value::unknown("this assignment is not understood"));
        };
        self.made(pairs.len() * 2 * size_of::<Value>())?;
        let mut pairs: Vec<_> =
            pairs.iter().filter(|(known, _)| known.same(key) != Some(true)).cloned().collect();
        pairs.push((key.clone(), value));
        match &*assignment.recv {
            Node::Lvar(nodes::Lvar { name, .. })
            | Node::Ivar(nodes::Ivar { name, .. })
            | Node::Gvar(nodes::Gvar { name, .. })
            | Node::Const(nodes::Const { name, .. }) => {
                self.variables.insert(name.clone(), Value::Map(Rc::new(pairs)));
                Ok(Value::Nil)
            }
            _ => Ok(Value::unknown("this assignment is not understood")),
        }
    }

    /// Gives a block's parameters their values.
    pub(super) fn bind(&mut self, parameters: &Node, mut values: Vec<Value>) -> Walk<()> {
        let targets: &[Node] = match parameters {
            Node::Args(args) => &args.args,
            other => std::slice::from_ref(other),
        };
        match (targets.len(), values.len()) {
            // `|name, settings|` over a list of pairs
            (2.., 1) => self.destructure(targets, values.remove(0)),
            // A `for` over a map, or `|pair|`
            (1, 2..) if !matches!(parameters, Node::Args(_)) => {
                self.assign(parameters, Value::list(values)).map(drop)
            }
            _ => {
                let mut values = values.into_iter();
                for target in targets {
                    self.assign(target, values.next().unwrap_or(Value::Nil))?;
                }
                Ok(())
            }
        }
    }

    /// Puts a list back into the variable that `<<` and `push` changed.
    pub(super) fn put_back(&mut self, node: &Node, value: Value) -> Walk {
        match node {
            Node::Lvar(nodes::Lvar { name, .. })
            | Node::Ivar(nodes::Ivar { name, .. })
            | Node::Gvar(nodes::Gvar { name, .. })
            | Node::Const(nodes::Const { name, .. }) => {
                self.variables.insert(name.clone(), value);
                Ok(Value::Nil)
            }
            _ => Ok(value),
        }
    }
}
