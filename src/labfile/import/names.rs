//! Constants and the variables that are everybody's.

use std::rc::Rc;

use lib_ruby_parser::{Node, nodes};

use super::eval::Eval;
use super::model::Place;
use super::value::{Class, Value};

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
    /// A global variable, or one of `self`.
    pub(super) fn read_shared(&self, name: &str) -> Value {
        let name = if name == "$:" { "$LOAD_PATH" } else { name };
        match (&self.this, name.strip_prefix('@')) {
            (Value::Record(record), Some(field)) if !field.starts_with('@') => {
                Self::field(record, field).unwrap_or(Value::Nil)
            }
            _ if matches!(name, "$stdout" | "$stderr") => Value::Name("$stdout".into()),
            _ if name == "$~" => self.matched.clone().map_or(Value::Nil, Value::Matched),
            _ => self.shared.get(name).cloned().unwrap_or(Value::Nil),
        }
    }

    pub(super) fn write_shared(&mut self, name: &str, value: Value) {
        match (&self.this, name.strip_prefix('@')) {
            (Value::Record(record), Some(field)) if !field.starts_with('@') => {
                Self::set_field(record, field, value);
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
                // From the module that is being read outwards.
                let mut module = self.module.clone();
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
                    self.found.notes.add(place, "this is answered as if nothing was typed behind `vagrant`");
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
