//! Values of a Vagrantfile, as far as they can be known without running it.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;

use lib_ruby_parser::Node;

use super::model::Place;
use super::pattern::{Matched, Pattern};
use super::scope::Frame;

/// A value. Lists, maps and records are shared by all who have them, as in Ruby; texts are put back where they change.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    Symbol(Rc<str>),
    /// `/…/`
    Pattern(Rc<Pattern>),
    /// What a pattern has found.
    Matched(Rc<Matched>),
    /// First, last, and whether the last is left out.
    Range(Rc<(Value, Value, bool)>),
    List(List),
    Map(Map),
    /// A block, lambda or method as a value.
    Proc(Rc<Proc>),
    /// An `OpenStruct`, or an object of a class of the Vagrantfile's own.
    Record(Rc<Record>),
    /// A class or module of the Vagrantfile's own.
    Class(Rc<Class>),
    /// An `IPAddr`: address and length of the mask.
    Ip(Ipv4Addr, u8),
    /// A constant that is no value of ours, such as `File`: `Vagrant::Util::Platform` as written.
    Name(Rc<str>),
    /// Something of Vagrant's.
    Object(Object),
    /// Not known without running the program.
    Unknown(Rc<Reason>),
}

pub(super) type List = Rc<RefCell<Vec<Value>>>;
pub(super) type Map = Rc<RefCell<Table>>;

/// A hash: its pairs in their order, and what it gives for a key that it does not have.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) pairs: Vec<(Value, Value)>,
    pub(super) default: Option<Value>,
}

/// Why a value is not known.
#[derive(Debug)]
pub(super) struct Reason {
    pub(super) why: String,
    /// Where that began; nowhere until the walk fills it in.
    pub(super) place: Place,
    /// Ruby would raise an exception here.
    pub(super) raises: bool,
}

/// What can be called.
#[derive(Debug)]
pub(super) enum Proc {
    Block(Closure),
    /// `&:name`
    Named(Rc<str>),
}

/// A block with the variables around it.
#[derive(Debug)]
pub(super) struct Closure {
    pub(super) parameters: Option<&'static Node>,
    pub(super) body: Option<&'static Node>,
    /// The parameters `_1` to `_9` that it has in place of named ones.
    pub(super) numbered: u8,
    pub(super) frame: Rc<Frame>,
    pub(super) this: Value,
    pub(super) file: u16,
    pub(super) module: Rc<str>,
    /// `return` ends it alone.
    pub(super) is_lambda: bool,
}

/// A class, module or `Struct` of the Vagrantfile's own.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) name: Rc<str>,
    /// Of a `Struct`.
    pub(super) members: Vec<Rc<str>>,
    pub(super) keywords: bool,
    pub(super) parent: Option<Rc<Class>>,
    /// `OpenStruct`: any field may be set.
    pub(super) is_open: bool,
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) class: Rc<Class>,
    pub(super) fields: RefCell<Vec<(Rc<str>, Value)>>,
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

    pub(super) fn symbol(text: impl Into<Rc<str>>) -> Self {
        Value::Symbol(text.into())
    }

    pub(super) fn list(items: Vec<Value>) -> Self {
        Value::List(Rc::new(RefCell::new(items)))
    }

    pub(super) fn pair(key: Value, value: Value) -> Self {
        Value::list(vec![key, value])
    }

    pub(super) fn map(pairs: Vec<(Value, Value)>) -> Self {
        let mut table = Table::default();
        // Of two with one key the later one counts, in the place of the first.
        match pairs.len() {
            0..=1 => table.pairs = pairs,
            _ => pairs.into_iter().for_each(|(key, value)| table.set(key, value)),
        }
        Value::Map(Rc::new(RefCell::new(table)))
    }

    pub(super) fn int(number: usize) -> Self {
        i64::try_from(number).map_or_else(|_| Value::unknown("the number is too large"), Value::Int)
    }

    pub(super) fn unknown(why: impl Into<String>) -> Self {
        Value::Unknown(Rc::new(Reason { why: why.into(), place: Place::default(), raises: false }))
    }

    /// Not known, since Ruby would raise an exception.
    pub(super) fn raised(why: impl Into<String>) -> Self {
        Value::Unknown(Rc::new(Reason { why: why.into(), place: Place::default(), raises: true }))
    }

    /// Why it is not known, if it is not.
    pub(super) fn unknown_why(&self) -> Option<&Rc<Reason>> {
        match self {
            Value::Unknown(reason) => Some(reason),
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

    pub(super) fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }

    /// `to_s` of what has one worth having.
    pub(super) fn to_text(&self) -> Option<String> {
        Some(match self {
            Value::Nil => String::new(),
            Value::Bool(flag) => flag.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e16 => format!("{number:.1}"),
            Value::Float(number) => number.to_string(),
            Value::Text(text) | Value::Symbol(text) => text.to_string(),
            Value::Ip(address, _) => address.to_string(),
            Value::Matched(matched) => matched.groups.first()?.clone()?,
            Value::Class(class) => class.name.to_string(),
            Value::Name(name) => name.to_string(),
            Value::List(_) | Value::Map(_) | Value::Range(_) => return self.inspect(),
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

    pub(super) fn float(&self) -> Option<f64> {
        match self {
            Value::Int(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The value of `key`, a text or symbol, in a map.
    pub(super) fn get(&self, key: &str) -> Option<Value> {
        let Value::Map(table) = self else { return None };
        table
            .borrow()
            .pairs
            .iter()
            .find(|(known, _)| known.word() == Some(key))
            .map(|(_, value)| value.clone())
    }

    /// The pairs of a map.
    pub(super) fn pairs(&self) -> Vec<(Value, Value)> {
        match self {
            Value::Map(table) => table.borrow().pairs.clone(),
            _ => Vec::new(),
        }
    }

    /// What Ruby calls its class.
    pub(super) fn class_name(&self) -> Option<&str> {
        Some(match self {
            Value::Nil => "NilClass",
            Value::Bool(true) => "TrueClass",
            Value::Bool(false) => "FalseClass",
            Value::Int(_) => "Integer",
            Value::Float(_) => "Float",
            Value::Text(_) => "String",
            Value::Symbol(_) => "Symbol",
            Value::Pattern(_) => "Regexp",
            Value::Matched(_) => "MatchData",
            Value::Range(_) => "Range",
            Value::List(_) => "Array",
            Value::Map(_) => "Hash",
            Value::Proc(_) => "Proc",
            Value::Ip(..) => "IPAddr",
            Value::Record(record) => &record.class.name,
            Value::Class(_) => "Class",
            Value::Name(_) | Value::Object(_) | Value::Unknown(_) => return None,
        })
    }
}

impl Table {
    pub(super) fn get(&self, key: &Value) -> Option<Value> {
        self.pairs.iter().find(|(known, _)| is_key(known, key)).map(|(_, value)| value.clone())
    }

    pub(super) fn set(&mut self, key: Value, value: Value) {
        match self.pairs.iter_mut().find(|(known, _)| is_key(known, &key)) {
            Some((_, old)) => *old = value,
            None => self.pairs.push((key, value)),
        }
    }

    pub(super) fn remove(&mut self, key: &Value) -> Option<Value> {
        let place = self.pairs.iter().position(|(known, _)| is_key(known, key))?;
        Some(self.pairs.remove(place).1)
    }
}

/// `1` and `1.0` are the same, and different keys.
fn is_key(known: &Value, key: &Value) -> bool {
    std::mem::discriminant(known) == std::mem::discriminant(key) && known.same(key) == Some(true)
}
