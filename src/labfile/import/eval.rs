//! The walk over the tree: statements, variables, branches, loops.

use std::collections::HashMap;
use std::rc::Rc;

use lib_ruby_parser::Node;
use lib_ruby_parser::nodes;

use super::model::Found;
use super::own::{self, Methods};
use super::value::{Object, Scope, Value};
use super::{Around, Note, bad};
use crate::error::{Error, Result};

/// How many nodes may be visited: a class of a hundred machines takes some ten thousand.
const STEPS_MAX: usize = 400_000;
/// How many bytes of text and list items may be made on the way.
const MADE_MAX: usize = 32 * 1024 * 1024;
/// How many machines one Vagrantfile may have.
pub(super) const MACHINES_MAX: usize = 1_000;
/// How many notes are kept; behind them there is no more to learn.
const NOTES_MAX: usize = 500;
/// How deep expressions may be nested.
const DEPTH_MAX: usize = 2_000;

/// Why a walk does not go on with the next node.
pub(super) enum Stop {
    /// `next`: the rest of the block is left out.
    Next,
    /// `break`: the rest of the loop is left out.
    Break,
    /// `return`: the rest of the method is left out.
    Return(Value),
    /// It takes too long, or is too large.
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

pub(super) type Walk<T = Value> = std::result::Result<T, Stop>;

/// The state of a walk.
pub(super) struct Eval<'a> {
    pub(super) around: &'a Around<'a>,
    pub(super) found: Found,
    text: &'a str,
    line_starts: Vec<usize>,
    /// Local, instance and global variables and constants, which Ruby tells apart by their first character. Blocks see
    /// the variables around them, so that one table does for all.
    pub(super) variables: HashMap<String, Value>,
    /// The machine whose block is being read: `config` of an outer block means it there.
    pub(super) machine: Option<usize>,
    /// The file's own methods.
    pub(super) own: Methods<'a>,
    steps: usize,
    made: usize,
    depth: usize,
}

/// Reads a whole Vagrantfile.
pub(super) fn run<'a>(tree: &'a Node, text: &'a str, around: &'a Around<'a>) -> Result<Found> {
    let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut eval = Eval {
        around,
        found: Found::default(),
        text,
        line_starts,
        variables: HashMap::new(),
        machine: None,
        own: own::methods(tree),
        steps: 0,
        made: 0,
        depth: 0,
    };
    match eval.statement(tree) {
        Ok(_) | Err(Stop::Next | Stop::Break | Stop::Return(_)) => {}
        Err(Stop::Error(error)) => return Err(error),
    }
    if !eval.found.configured {
        return Err(bad(format!("{} configures no machines", around.shown))
            .hint("a Vagrantfile has a block `Vagrant.configure(\"2\") do |config| … end`")
            .hint("`lab init` writes a Labfile to start from"));
    }
    let mut found = eval.found;
    found.notes.sort();
    found.notes.dedup();
    Ok(found)
}

impl<'a> Eval<'a> {
    /// The line of a node, from 1.
    pub(super) fn line(&self, node: &Node) -> usize {
        self.line_starts.partition_point(|start| *start <= node.expression().begin)
    }

    /// The beginning of a node's text, on one line.
    pub(super) fn source(&self, node: &Node) -> String {
        let place = node.expression();
        let text = self.text.get(place.begin..place.end.max(place.begin)).unwrap_or_default();
        let first = text.lines().next().unwrap_or_default().trim_end();
        let short: String = first.chars().take(90).collect();
        if short.len() < text.trim_end().len() { format!("{short} …") } else { short }
    }

    /// All of a node's text.
    pub(super) fn whole_source(&self, node: &Node) -> &'a str {
        let place = node.expression();
        self.text.get(place.begin..place.end.max(place.begin)).unwrap_or_default()
    }

    pub(super) fn note(&mut self, line: usize, text: impl Into<String>) {
        let note = Note { line, text: text.into() };
        if self.found.notes.len() < NOTES_MAX && !self.found.notes.contains(&note) {
            self.found.notes.push(note);
        }
    }

    /// Counts what is made, so that no Vagrantfile can make us make too much.
    pub(super) fn made(&mut self, bytes: usize) -> Walk<()> {
        self.made = self.made.saturating_add(bytes);
        if self.made > MADE_MAX { Err(self.too_much().into()) } else { Ok(()) }
    }

    pub(super) fn too_much(&self) -> Error {
        bad(format!("{} does more than lab follows: too many rounds of its loops", self.around.shown))
            .hint("write the machines out, or write the Labfile by hand: `lab init`")
    }

    /// A node whose value nobody takes: what is not understood is noted.
    pub(super) fn statement(&mut self, node: &Node) -> Walk {
        let value = self.value(node)?;
        self.note_unknown(node, &value);
        Ok(value)
    }

    /// Notes that a statement has had no effect. An assignment has: where somebody reads the variable, it is said there.
    fn note_unknown(&mut self, node: &Node, value: &Value) {
        let assigns = matches!(
            node,
            Node::Lvasgn(_) | Node::Ivasgn(_) | Node::Gvasgn(_) | Node::Cvasgn(_) | Node::Casgn(_)
        );
        if let (Value::Unknown(why), false) = (value, assigns) {
            let (line, source) = (self.line(node), self.source(node));
            self.note(line, format!("`{source}`: {why}"));
        }
    }

    fn statements(&mut self, nodes: &[Node]) -> Walk {
        let Some((last, first)) = nodes.split_last() else { return Ok(Value::Nil) };
        for node in first {
            self.statement(node)?;
        }
        self.value(last)
    }

    /// A block's or branch's body.
    pub(super) fn body(&mut self, node: Option<&Node>) -> Walk {
        node.map_or(Ok(Value::Nil), |node| self.value(node))
    }

    /// The value of a node.
    pub(super) fn value(&mut self, node: &Node) -> Walk {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(self.too_much().into());
        }
        if self.depth >= DEPTH_MAX {
            let line = self.line(node);
            let shown = self.around.shown;
            return Err(bad(format!("{shown}:{line}: expressions are nested more than {DEPTH_MAX} deep"))
                .hint("a Vagrantfile's are not; is it the right file?")
                .into());
        }
        self.depth += 1;
        let value = self.dispatch(node);
        self.depth -= 1;
        value
    }

    fn dispatch(&mut self, node: &Node) -> Walk {
        Ok(match node {
            Node::Nil(_) => Value::Nil,
            Node::True(_) => Value::Bool(true),
            Node::False(_) => Value::Bool(false),
            Node::Int(int) => {
                int.value.replace('_', "").parse().map_or_else(|_| Value::unknown("is too large"), Value::Int)
            }
            Node::Float(float) => float
                .value
                .replace('_', "")
                .parse()
                .map_or_else(|_| Value::unknown("is no number"), Value::Float),
            Node::Str(text) => Value::text(text.value.to_string_lossy()),
            Node::Sym(symbol) => Value::Symbol(symbol.name.to_string_lossy().into()),
            Node::Dstr(text) => self.interpolated(&text.parts)?,
            Node::Heredoc(text) => self.interpolated(&text.parts)?,
            Node::Dsym(symbol) => match self.interpolated(&symbol.parts)? {
                Value::Text(text) => Value::Symbol(text),
                other => other,
            },
            Node::Array(array) => Value::list(self.values(&array.elements)?),
            Node::Hash(hash) => self.map(&hash.pairs)?,
            Node::Kwargs(hash) => self.map(&hash.pairs)?,
            Node::Irange(range) => self.range(range.left.as_deref(), range.right.as_deref(), 0)?,
            Node::Erange(range) => self.range(range.left.as_deref(), range.right.as_deref(), 1)?,
            Node::Begin(begin) => self.statements(&begin.statements)?,
            Node::KwBegin(begin) => self.statements(&begin.statements)?,
            Node::Rescue(rescue) => self.body(rescue.body.as_deref())?,
            Node::Ensure(ensure) => self.body(ensure.body.as_deref())?,
            Node::File(_) => Value::text("./Vagrantfile"),
            Node::Line(_) => Value::Int(i64::try_from(self.line(node)).unwrap_or(0)),
            Node::Lvar(nodes::Lvar { name, .. })
            | Node::Ivar(nodes::Ivar { name, .. })
            | Node::Gvar(nodes::Gvar { name, .. })
            | Node::Cvar(nodes::Cvar { name, .. }) => self.variables.get(name).cloned().unwrap_or(Value::Nil),
            Node::Const(constant) => self.constant(constant),
            Node::Lvasgn(nodes::Lvasgn { name, value, .. })
            | Node::Ivasgn(nodes::Ivasgn { name, value, .. })
            | Node::Gvasgn(nodes::Gvasgn { name, value, .. })
            | Node::Cvasgn(nodes::Cvasgn { name, value, .. })
            | Node::Casgn(nodes::Casgn { name, value, .. }) => {
                let value = self.body(value.as_deref())?;
                self.variables.insert(name.clone(), value.clone());
                value
            }
            Node::Masgn(assignment) => self.multiple(assignment)?,
            Node::OrAsgn(assignment) => {
                let old = self.value(&assignment.recv)?;
                if old.truth() == Some(true) {
                    return Ok(Value::Nil);
                }
                let value = self.value(&assignment.value)?;
                self.assign(&assignment.recv, value)?
            }
            Node::OpAsgn(assignment) => {
                let old = self.value(&assignment.recv)?;
                let operand = self.value(&assignment.value)?;
                let value = self.method(old, &assignment.operator, &[operand])?;
                self.assign(&assignment.recv, value)?
            }
            Node::IndexAsgn(assignment) => self.index_assignment(assignment)?,
            Node::And(and) => {
                let left = self.value(&and.lhs)?;
                if left.truth() == Some(true) { self.value(&and.rhs)? } else { left }
            }
            Node::Or(or) => {
                let left = self.value(&or.lhs)?;
                if left.truth() == Some(false) { self.value(&or.rhs)? } else { left }
            }
            Node::If(branch) => {
                self.branch(node, &branch.cond, branch.if_true.as_deref(), branch.if_false.as_deref())?
            }
            Node::IfMod(branch) => {
                self.branch(node, &branch.cond, branch.if_true.as_deref(), branch.if_false.as_deref())?
            }
            Node::IfTernary(branch) => {
                self.branch(node, &branch.cond, Some(&branch.if_true), Some(&branch.if_false))?
            }
            Node::Case(case) => self.case(node, case)?,
            Node::For(round) => {
                let items = self.value(&round.iteratee)?;
                let rounds = super::methods::rounds(&items, "each", &[]);
                self.rounds(node, &round.iterator, round.body.as_deref(), rounds)?
            }
            Node::Return(end) => {
                let value = match self.values(&end.args)?.as_slice() {
                    [] => Value::Nil,
                    [only] => only.clone(),
                    several => Value::list(several.to_vec()),
                };
                return Err(Stop::Return(value));
            }
            Node::Next(_) => return Err(Stop::Next),
            Node::Break(_) => return Err(Stop::Break),
            Node::Index(index) => {
                let receiver = self.value(&index.recv)?;
                let arguments = self.values(&index.indexes)?;
                self.call_value(node, receiver, "[]", arguments, None)?
            }
            Node::Send(send) => self.send(node, send.recv.as_deref(), &send.method_name, &send.args, None)?,
            Node::CSend(send) => self.send(node, Some(&send.recv), &send.method_name, &send.args, None)?,
            Node::Block(block) => match &*block.call {
                Node::Send(send) => {
                    self.send(node, send.recv.as_deref(), &send.method_name, &send.args, Some(block))?
                }
                _ => Value::unknown("is not run"),
            },
            Node::Def(def) if self.own.contains_key(def.name.as_str()) => Value::Nil,
            Node::Def(_) | Node::Defs(_) => {
                Value::unknown("a method that is made within something else is not run")
            }
            Node::Class(_) | Node::Module(_) => Value::unknown("classes and modules are not run"),
            Node::While(_) | Node::Until(_) | Node::WhilePost(_) | Node::UntilPost(_) => {
                Value::unknown("loops with a condition are not run, and what is in them is left out")
            }
            Node::Xstr(_) | Node::XHeredoc(_) => Value::unknown("programs of this computer are not run"),
            Node::EmptyElse(_) => Value::Nil,
            _ => Value::unknown("is not run"),
        })
    }

    pub(super) fn values(&mut self, nodes: &[Node]) -> Walk<Vec<Value>> {
        let mut values = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node {
                Node::Splat(splat) => match self.body(splat.value.as_deref())? {
                    Value::List(items) => {
                        self.made(items.len() * size_of::<Value>())?;
                        values.extend(items.iter().cloned());
                    }
                    other => values.push(other),
                },
                // `&block`, `&:name`
                Node::BlockPass(_) => values.push(Value::unknown("blocks handed on are not run")),
                node => values.push(self.value(node)?),
            }
        }
        self.made(values.len() * size_of::<Value>())?;
        Ok(values)
    }

    fn map(&mut self, pairs: &[Node]) -> Walk {
        let mut map = Vec::with_capacity(pairs.len());
        for pair in pairs {
            match pair {
                Node::Pair(pair) => map.push((self.value(&pair.key)?, self.value(&pair.value)?)),
                Node::Kwsplat(splat) => match self.value(&splat.value)? {
                    Value::Map(more) => {
                        self.made(more.len() * 2 * size_of::<Value>())?;
                        map.extend(more.iter().cloned());
                    }
                    _ => return Ok(Value::unknown("what `**` puts in is not known")),
                },
                _ => return Ok(Value::unknown("this form of a hash is not understood")),
            }
        }
        self.made(map.len() * 2 * size_of::<Value>())?;
        Ok(Value::Map(Rc::new(map)))
    }

    fn interpolated(&mut self, parts: &[Node]) -> Walk {
        let mut text = String::new();
        for part in parts {
            let value = self.value(part)?;
            match (value.to_text(), value) {
                (Some(part), _) => text += &part,
                (None, Value::Unknown(why)) => return Ok(Value::Unknown(why)),
                (None, _) => {
                    let source = self.source(part);
                    return Ok(Value::unknown(format!("`{source}` is no text")));
                }
            }
        }
        self.made(text.len())?;
        Ok(Value::text(text))
    }

    fn range(&mut self, first: Option<&Node>, last: Option<&Node>, less: i64) -> Walk {
        let (first, last) = (self.body(first)?, self.body(last)?);
        let (Value::Int(first), Value::Int(last)) = (&first, &last) else {
            return Ok(first
                .why_unknown()
                .or(last.why_unknown())
                .map_or_else(|| Value::unknown("this range is not one of numbers"), Value::unknown));
        };
        let count = usize::try_from(last.saturating_sub(less).saturating_sub(*first).saturating_add(1));
        self.made(count.unwrap_or(0).saturating_mul(size_of::<Value>()))?;
        Ok(Value::list((*first..=last.saturating_sub(less)).map(Value::Int).collect()))
    }

    fn constant(&mut self, constant: &nodes::Const) -> Value {
        if constant.scope.is_none()
            && let Some(value) = self.variables.get(&constant.name)
        {
            return value.clone();
        }
        let scope = match constant.scope.as_deref() {
            Some(Node::Const(scope)) => match self.constant(scope) {
                Value::Name(name) => format!("{name}::"),
                _ => String::new(),
            },
            _ => String::new(),
        };
        Value::Name(format!("{scope}{}", constant.name).into())
    }

    fn branch(&mut self, node: &Node, cond: &Node, yes: Option<&Node>, no: Option<&Node>) -> Walk {
        let known = self.value(cond)?;
        match known.truth() {
            Some(true) => self.body(yes),
            Some(false) => self.body(no),
            None => Ok(self.undecided(node, cond, &known)),
        }
    }

    /// A branch that cannot be chosen.
    fn undecided(&self, node: &Node, cond: &Node, known: &Value) -> Value {
        let last = self.line_starts.partition_point(|start| *start < node.expression().end);
        let lines = match (self.line(node), last) {
            (first, last) if first < last => format!("what depends on it (to line {last})"),
            _ => "what depends on it".to_owned(),
        };
        let why = known.why_unknown().unwrap_or("is not known");
        Value::unknown(format!("{lines} is left out, since `{}` cannot be decided: {why}", self.source(cond)))
    }

    fn case(&mut self, node: &Node, case: &nodes::Case) -> Walk {
        let Some(subject_node) = case.expr.as_deref() else {
            return Ok(Value::unknown("a `case` without a value is not understood"));
        };
        let subject = self.value(subject_node)?;
        for when in &case.when_bodies {
            let Node::When(when) = when else { continue };
            for pattern in &when.patterns {
                let pattern_value = self.value(pattern)?;
                match subject.same(&pattern_value) {
                    Some(true) => return self.body(when.body.as_deref()),
                    Some(false) if !matches!(pattern_value, Value::Name(_)) => {}
                    _ => return Ok(self.undecided(node, subject_node, &subject)),
                }
            }
        }
        self.body(case.else_body.as_deref())
    }

    /// Walks a block's body for each of `rounds`; its last values, for `map`.
    pub(super) fn rounds(
        &mut self,
        node: &Node,
        parameters: &Node,
        body: Option<&Node>,
        rounds: std::result::Result<Vec<Vec<Value>>, Value>,
    ) -> Walk {
        let rounds = match rounds {
            Ok(rounds) => rounds,
            Err(why) => {
                let why = why.why_unknown().unwrap_or("what it goes over is not known").to_owned();
                let last = self.line_starts.partition_point(|start| *start < node.expression().end);
                return Ok(Value::unknown(format!("the loop is left out (to line {last}): {why}")));
            }
        };
        let mut values = Vec::new();
        for round in rounds {
            self.bind(parameters, round)?;
            match self.block_body(body) {
                Ok(value) => values.push(value),
                Err(Stop::Next) => values.push(Value::Nil),
                Err(Stop::Break) => break,
                Err(stop) => return Err(stop),
            }
        }
        self.made(values.len() * size_of::<Value>())?;
        Ok(Value::list(values))
    }

    /// A block's body, whose last statement may be a setting like any other.
    pub(super) fn block_body(&mut self, body: Option<&Node>) -> Walk {
        let Some(body) = body else { return Ok(Value::Nil) };
        let value = self.value(body)?;
        let last = match body {
            Node::Begin(begin) => begin.statements.last().unwrap_or(body),
            body => body,
        };
        self.note_unknown(last, &value);
        Ok(value)
    }

    /// Runs a block once, with `values` as its parameters.
    pub(super) fn block(&mut self, block: &nodes::Block, values: Vec<Value>) -> Walk<()> {
        if let Some(parameters) = block.args.as_deref() {
            self.bind(parameters, values)?;
        }
        match self.block_body(block.body.as_deref()) {
            Ok(_) | Err(Stop::Next) => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    /// The scope that `config` means here.
    pub(super) fn scope(&self, scope: Scope) -> Scope {
        match (scope, self.machine) {
            (Scope::All, Some(machine)) => Scope::Machine(machine),
            (scope, _) => scope,
        }
    }

    /// `config` for the machines' blocks.
    pub(super) fn config(scope: Scope) -> Value {
        Value::Object(Object::Config(scope))
    }
}
