//! Values of a Vagrantfile, as far as they can be known without running it.

use std::rc::Rc;

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    Symbol(Rc<str>),
    List(Rc<Vec<Value>>),
    Map(Rc<Vec<(Value, Value)>>),
    /// A constant that is no value of ours, such as `File`: `Vagrant::Util::Platform` as written.
    Name(Rc<str>),
    /// Something of Vagrant's.
    Object(Object),
    /// Not known without running the program; the text says why.
    Unknown(Rc<str>),
}

/// What Vagrant hands to a block, and what one reaches from there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Object {
    /// `config`.
    Config(Scope),
    /// `config.vm`, `config.ssh`, a plugin's `config.vbguest`.
    Section(Scope, Rc<str>),
    /// `vb` of `config.vm.provider "virtualbox" do |vb|`.
    Provider(Scope, Rc<str>),
    /// `s` of `config.vm.provision "shell" do |s|`: its place among the scope's.
    Provisioner(Scope, usize),
    /// What belongs to something that lab does not do; the text names it.
    Ignored(Rc<str>),
}

/// Whom a setting is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every machine.
    All,
    /// The machine at this place.
    Machine(usize),
}

impl Value {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Value::Text(text.into())
    }

    pub(super) fn list(items: Vec<Value>) -> Self {
        Value::List(Rc::new(items))
    }

    pub(super) fn unknown(why: impl Into<Rc<str>>) -> Self {
        Value::Unknown(why.into())
    }

    /// Why it is not known, if it is not.
    pub(super) fn why_unknown(&self) -> Option<&str> {
        match self {
            Value::Unknown(why) => Some(why),
            _ => None,
        }
    }

    /// Whether Ruby takes it for true; `None` where that is not known.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Value::Unknown(_) => None,
            Value::Nil | Value::Bool(false) => Some(false),
            _ => Some(true),
        }
    }

    /// `to_s` of what has one worth having.
    pub(super) fn to_text(&self) -> Option<String> {
        Some(match self {
            Value::Nil => String::new(),
            Value::Bool(flag) => flag.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) if number.fract() == 0.0 => format!("{number:.1}"),
            Value::Float(number) => number.to_string(),
            Value::Text(text) | Value::Symbol(text) => text.to_string(),
            _ => return None,
        })
    }

    /// The text of a text or symbol.
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::Symbol(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, also one in quotes.
    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Float(number) if number.abs() < 1e15 => Some(*number as i64),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Whether two plain values are the same; `None` where that is not known.
    pub(super) fn same(&self, other: &Value) -> Option<bool> {
        Some(match (self, other) {
            (Value::Unknown(_), _) | (_, Value::Unknown(_)) => return None,
            (Value::Nil, Value::Nil) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b,
            (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => *a as f64 == *b,
            (Value::Text(a), Value::Text(b)) | (Value::Symbol(a), Value::Symbol(b)) => a == b,
            (Value::List(_) | Value::Map(_), Value::List(_) | Value::Map(_)) => return None,
            _ => false,
        })
    }

    /// The value of `key` in a map.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let Value::Map(pairs) = self else { return None };
        pairs.iter().rev().find(|(known, _)| known.word() == Some(key)).map(|(_, value)| value)
    }
}
