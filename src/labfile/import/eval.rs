//! The walk over the tree: what each kind of node is worth.

use std::collections::HashMap;
use std::rc::Rc;

use lib_ruby_parser::Node;
use lib_ruby_parser::nodes;

use super::model::{Found, Place};
use super::notes::Source;
use super::own::Method;
use super::pattern::Matched;
use super::scope::Frame;
use super::value::{Object, Proc, Reason, Scope, Value};
use super::{Around, bad};
use crate::error::{Error, Result};

/// How many nodes may be visited: a class of a hundred machines takes some ten thousand.
const STEPS_MAX: usize = 600_000;
/// How many bytes of text and list items may be made on the way.
const MADE_MAX: usize = 32 * 1024 * 1024;
/// How many machines one Vagrantfile may have.
pub(super) const MACHINES_MAX: usize = 1_000;
/// How deep expressions may be nested.
const DEPTH_MAX: usize = 2_000;

/// Why a walk does not go on with the next node.
pub(super) enum Stop {
    /// `next`: the rest of the block is left out.
    Next(Value),
    /// `break`: the rest of the loop is left out.
    Break(Value),
    /// `return`: the rest of the method is left out.
    Return(Value),
    /// Ruby would raise an exception, and a `rescue` is waiting for it.
    Raised(Rc<Reason>),
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
    /// The Vagrantfile, and the Ruby files beside it that it asks for.
    pub(super) files: Vec<Source>,
    /// That in which the walk is.
    pub(super) file: u16,
    /// The local variables here.
    pub(super) frame: Rc<Frame>,
    /// Global and instance variables and constants, which Ruby tells apart by their first character.
    pub(super) shared: HashMap<String, Value>,
    /// `self`.
    pub(super) this: Value,
    /// The module or class that is being read, with `::` behind it.
    pub(super) module: String,
    /// `class << self`
    pub(super) singleton: bool,
    /// The Vagrantfile's own methods.
    pub(super) own: HashMap<String, Method>,
    /// Variables of the environment that the Vagrantfile sets.
    pub(super) environment: HashMap<String, Value>,
    /// What the last pattern found: `$~`, `$1`.
    pub(super) matched: Option<Rc<Matched>>,
    /// The blocks of `Vagrant.configure`, which run when the whole file has been read, as in Vagrant.
    pub(super) configures: Vec<Rc<Proc>>,
    /// The blocks of machines, which run after those: what is set last around them is what they see.
    pub(super) defines: Vec<(usize, Rc<Proc>)>,
    /// The blocks of providers, which run after what is around them.
    pub(super) providers: Vec<(Rc<Proc>, Vec<Value>)>,
    /// The machine whose block is being read.
    pub(super) machine: Option<usize>,
    /// Texts that the last method has changed: the argument's place, the text, and where that was.
    pub(super) handed_back: Vec<(usize, Value, Place)>,
    /// How many `rescue`s are around.
    pub(super) rescuing: usize,
    /// Nobody takes the value of the next node.
    pub(super) void: bool,
    steps: usize,
    made: usize,
    depth: usize,
}

/// Reads a whole Vagrantfile.
pub(super) fn run<'a>(
    tree: &'static Node,
    text: &str,
    around: &'a Around<'a>,
) -> Result<(Found, Vec<Source>)> {
    let mut eval = Eval {
        around,
        found: Found::default(),
        files: vec![Source::new(around.shown.to_owned(), text.to_owned(), 0)],
        file: 0,
        frame: Frame::of_method(None),
        shared: HashMap::from([("$LOAD_PATH".to_owned(), Value::list(Vec::new()))]),
        this: Value::Nil,
        module: String::new(),
        singleton: false,
        own: HashMap::new(),
        environment: HashMap::new(),
        matched: None,
        configures: Vec::new(),
        defines: Vec::new(),
        providers: Vec::new(),
        machine: None,
        handed_back: Vec::new(),
        rescuing: 0,
        void: false,
        steps: 0,
        made: 0,
        depth: 0,
    };
    // A `return` ends the file alone.
    if let Err(Stop::Error(error)) = eval.statement(tree) {
        return Err(error);
    }
    if let Err(Stop::Error(error)) = eval.configured() {
        return Err(error);
    }
    Ok((eval.found, eval.files))
}

impl Eval<'_> {
    /// Runs the blocks that Vagrant runs when it has read the file: its own order.
    fn configured(&mut self) -> Walk<()> {
        for block in std::mem::take(&mut self.configures) {
            self.apart(&block, vec![Self::config(Scope::All)])?;
        }
        self.run_providers()?;
        let mut place = 0;
        while place < self.found.machines.len() {
            self.machine = Some(place);
            let (own, others) =
                std::mem::take(&mut self.defines).into_iter().partition(|(of, _)| *of == place);
            self.defines = others;
            let own: Vec<(usize, Rc<Proc>)> = own;
            for (_, block) in own {
                self.apart(&block, vec![Self::config(Scope::Machine(place))])?;
            }
            self.run_providers()?;
            place += 1;
        }
        Ok(())
    }

    fn run_providers(&mut self) -> Walk<()> {
        for (block, values) in std::mem::take(&mut self.providers) {
            self.apart(&block, values)?;
        }
        Ok(())
    }

    /// Runs a block of Vagrant's: what ends it early ends it alone.
    pub(super) fn apart(&mut self, block: &Rc<Proc>, values: Vec<Value>) -> Walk<()> {
        match self.call(block, values, true) {
            Err(Stop::Error(error)) => Err(error.into()),
            Err(Stop::Raised(reason)) => {
                self.found.notes.add(reason.place, reason.why.clone());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Where a node is.
    pub(super) fn place(&self, node: &Node) -> Place {
        let line = self.source_file().map_or(0, |source| source.line(node.expression().begin));
        Place { file: self.file, line: u32::try_from(line).unwrap_or(0) }
    }

    pub(super) fn source_file(&self) -> Option<&Source> {
        self.files.get(usize::from(self.file))
    }

    /// The last line of a node.
    pub(super) fn last_line(&self, node: &Node) -> usize {
        self.source_file().map_or(0, |source| source.line(node.expression().end.saturating_sub(1)))
    }

    /// The beginning of a node's text, on one line.
    pub(super) fn source(&self, node: &Node) -> String {
        let place = node.expression();
        let text =
            self.source_file().and_then(|source| source.text.get(place.begin..place.end.max(place.begin)));
        let first = text.unwrap_or_default().lines().next().unwrap_or_default().trim_end();
        let short: String = first.chars().take(60).collect();
        if short.len() < text.unwrap_or_default().trim_end().len() { format!("{short} …") } else { short }
    }

    pub(super) fn note(&mut self, node: &Node, text: impl Into<String>) {
        let place = self.place(node);
        self.found.notes.add(place, text);
    }

    /// Why something at `place` is not known: the innermost reason, and its line where that is another.
    pub(super) fn reason(&self, place: Place, reason: &Reason) -> String {
        match reason.place {
            Place { line: 0, .. } => reason.why.clone(),
            there if there == place => reason.why.clone(),
            Place { file, line } if file == place.file => format!("{} (line {line})", reason.why),
            Place { file, line } => {
                let shown = self.files.get(usize::from(file)).map_or("?", |source| &source.shown);
                format!("{} ({shown}:{line})", reason.why)
            }
        }
    }

    /// Notes that something is left out for a reason.
    pub(super) fn note_reason(&mut self, node: &Node, reason: &Reason) {
        let place = self.place(node);
        let why = self.reason(place, reason);
        self.found.notes.add(place, why);
    }

    /// Counts what is made, so that no Vagrantfile can make us make too much.
    pub(super) fn made(&mut self, bytes: usize) -> Walk<()> {
        self.made = self.made.saturating_add(bytes);
        if self.made > MADE_MAX { Err(self.too_much().into()) } else { Ok(()) }
    }

    /// Counts work that is done for one node.
    pub(super) fn worked(&mut self, steps: usize) -> Walk<()> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > STEPS_MAX { Err(self.too_much().into()) } else { Ok(()) }
    }

    pub(super) fn too_much(&self) -> Error {
        bad(format!("{} does more than lab follows: too many rounds of its loops", self.around.shown))
            .hint("write the machines out, or write the Labfile by hand: `lab init`")
    }

    /// A node whose value nobody takes: what is not understood is noted.
    pub(super) fn statement(&mut self, node: &'static Node) -> Walk<()> {
        self.void = true;
        let value = self.value(node)?;
        let assigns = matches!(
            node,
            Node::Lvasgn(_)
                | Node::Ivasgn(_)
                | Node::Gvasgn(_)
                | Node::Cvasgn(_)
                | Node::Casgn(_)
                | Node::Masgn(_)
        );
        // A variable has its value: where somebody reads it, it is said.
        if let (Value::Unknown(reason), false) = (&value, assigns) {
            self.note_reason(node, reason);
            self.lost_in(node, reason);
        }
        Ok(())
    }

    pub(super) fn statements(&mut self, nodes: &'static [Node], void: bool) -> Walk {
        let Some((last, first)) = nodes.split_last() else { return Ok(Value::Nil) };
        for node in first {
            self.statement(node)?;
        }
        self.last(last, void)
    }

    /// A last statement: its value, or nothing where nobody takes that.
    fn last(&mut self, node: &'static Node, void: bool) -> Walk {
        match void {
            true => self.statement(node).map(|()| Value::Nil),
            false => self.value(node),
        }
    }

    /// A block's or branch's body.
    pub(super) fn body(&mut self, node: Option<&'static Node>, void: bool) -> Walk {
        node.map_or(Ok(Value::Nil), |node| self.last(node, void))
    }

    /// The value of a node that may be missing.
    pub(super) fn maybe(&mut self, node: Option<&'static Node>) -> Walk {
        node.map_or(Ok(Value::Nil), |node| self.value(node))
    }

    /// The value of a node.
    pub(super) fn value(&mut self, node: &'static Node) -> Walk {
        let void = std::mem::take(&mut self.void);
        self.worked(1)?;
        if self.depth >= DEPTH_MAX {
            let line = self.place(node).line;
            let shown = self.source_file().map_or("?", |source| &source.shown);
            return Err(bad(format!("{shown}:{line}: expressions are nested more than {DEPTH_MAX} deep"))
                .hint("a Vagrantfile's are not; is it the right file?")
                .into());
        }
        self.depth += 1;
        let value = self.dispatch(node, void);
        self.depth -= 1;
        let value = match value? {
            Value::Unknown(reason) if reason.place == Place::default() => Value::Unknown(Rc::new(Reason {
                why: reason.why.clone(),
                place: self.place(node),
                raises: reason.raises,
            })),
            value => return Ok(value),
        };
        match value {
            Value::Unknown(reason) if reason.raises && self.rescuing > 0 => Err(Stop::Raised(reason)),
            value => Ok(value),
        }
    }

    fn dispatch(&mut self, node: &'static Node, void: bool) -> Walk {
        Ok(match node {
            Node::Nil(_) | Node::EmptyElse(_) => Value::Nil,
            Node::True(_) => Value::Bool(true),
            Node::False(_) => Value::Bool(false),
            Node::Int(int) => super::literal::number(&int.value),
            Node::Float(float) => float
                .value
                .replace('_', "")
                .parse()
                .map_or_else(|_| Value::unknown("it is no number"), Value::Float),
            Node::Str(text) => Value::text(text.value.to_string_lossy()),
            Node::Sym(symbol) => Value::symbol(symbol.name.to_string_lossy()),
            Node::Dstr(text) => self.interpolated(&text.parts)?,
            Node::Heredoc(text) => self.heredoc(text)?,
            Node::Dsym(symbol) => match self.interpolated(&symbol.parts)? {
                Value::Text(text) => Value::Symbol(text),
                other => other,
            },
            Node::Xstr(text) => self.program(node, &text.parts)?,
            Node::XHeredoc(text) => self.program(node, &text.parts)?,
            Node::Regexp(pattern) => self.pattern(pattern)?,
            Node::Array(array) => Value::list(self.values(&array.elements)?),
            Node::Hash(hash) => self.map(&hash.pairs)?,
            Node::Kwargs(hash) => self.map(&hash.pairs)?,
            Node::Irange(range) => self.range(range.left.as_deref(), range.right.as_deref(), false)?,
            Node::Erange(range) => self.range(range.left.as_deref(), range.right.as_deref(), true)?,
            Node::Begin(begin) => self.statements(&begin.statements, void)?,
            Node::KwBegin(begin) => self.statements(&begin.statements, void)?,
            Node::Rescue(rescue) => self.rescue(rescue, void)?,
            Node::Ensure(ensure) => self.ensure(ensure, void)?,
            Node::File(_) => Value::text(format!("./{}", self.file_name())),
            Node::Line(_) => Value::Int(i64::from(self.place(node).line)),
            Node::Self_(_) => self.this.clone(),
            Node::Lvar(nodes::Lvar { name, .. }) => self.frame.get(name).unwrap_or(Value::Nil),
            Node::Ivar(nodes::Ivar { name, .. })
            | Node::Gvar(nodes::Gvar { name, .. })
            | Node::Cvar(nodes::Cvar { name, .. }) => self.read_shared(name),
            Node::NthRef(group) => self.group(&group.name),
            Node::Const(constant) => self.constant(constant),
            Node::Defined(defined) => self.defined(&defined.value),
            Node::Lvasgn(nodes::Lvasgn { value, .. })
            | Node::Ivasgn(nodes::Ivasgn { value, .. })
            | Node::Gvasgn(nodes::Gvasgn { value, .. })
            | Node::Cvasgn(nodes::Cvasgn { value, .. })
            | Node::Casgn(nodes::Casgn { value, .. }) => {
                let value = self.maybe(value.as_deref())?;
                self.assign(node, value.clone())?;
                value
            }
            Node::Masgn(assignment) => self.multiple(assignment)?,
            Node::OrAsgn(assignment) => self.or_assign(assignment)?,
            Node::AndAsgn(assignment) => self.and_assign(assignment)?,
            Node::OpAsgn(assignment) => self.operate(assignment)?,
            Node::IndexAsgn(assignment) => self.index_assignment(node, assignment)?,
            Node::And(and) => match self.value(&and.lhs)? {
                left if left.truth() == Some(true) => self.last(&and.rhs, void)?,
                left => left,
            },
            Node::Or(or) => match self.value(&or.lhs)? {
                left if left.truth() == Some(false) => self.last(&or.rhs, void)?,
                left => left,
            },
            Node::If(branch) => {
                self.branch(node, &branch.cond, branch.if_true.as_deref(), branch.if_false.as_deref(), void)?
            }
            Node::IfMod(branch) => {
                self.branch(node, &branch.cond, branch.if_true.as_deref(), branch.if_false.as_deref(), void)?
            }
            Node::IfTernary(branch) => {
                self.branch(node, &branch.cond, Some(&branch.if_true), Some(&branch.if_false), void)?
            }
            Node::Case(case) => self.case(node, case, void)?,
            Node::For(round) => self.for_loop(node, round, void)?,
            Node::While(nodes::While { cond, body, .. }) => {
                self.turns(node, cond, body.as_deref(), true, false)?
            }
            Node::Until(nodes::Until { cond, body, .. }) => {
                self.turns(node, cond, body.as_deref(), false, false)?
            }
            Node::WhilePost(nodes::WhilePost { cond, body, .. }) => {
                self.turns(node, cond, Some(body), true, true)?
            }
            Node::UntilPost(nodes::UntilPost { cond, body, .. }) => {
                self.turns(node, cond, Some(body), false, true)?
            }
            Node::Return(end) => return Err(Stop::Return(self.one(&end.args)?)),
            Node::Next(end) => return Err(Stop::Next(self.one(&end.args)?)),
            Node::Break(end) => return Err(Stop::Break(self.one(&end.args)?)),
            Node::Index(index) => {
                let receiver = self.value(&index.recv)?;
                let arguments = self.values(&index.indexes)?;
                self.call_value(node, receiver, "[]", arguments, None, void)?
            }
            Node::MatchWithLvasgn(pattern) => self.match_and_assign(pattern)?,
            Node::Send(send) => {
                self.send(node, send.recv.as_deref(), &send.method_name, &send.args, None, void)?
            }
            Node::CSend(send) => self.safe_send(node, send, None, void)?,
            Node::Block(block) => {
                self.block_call(node, &block.call, block.args.as_deref(), block.body.as_deref(), 0, void)?
            }
            Node::Numblock(block) => {
                self.block_call(node, &block.call, None, Some(&block.body), block.numargs, void)?
            }
            Node::Yield(call) => self.yielded(call, void)?,
            Node::Super(_) | Node::ZSuper(_) => Value::unknown("`super` is not run"),
            Node::Def(def) => self.make_method(def),
            Node::Defs(def) => self.make_singleton(def)?,
            Node::Module(nodes::Module { name, body, .. }) => {
                self.in_module(name, None, body.as_deref(), false)?
            }
            Node::Class(nodes::Class { name, superclass, body, .. }) => {
                self.in_module(name, superclass.as_deref(), body.as_deref(), true)?
            }
            Node::SClass(class) => {
                let outer = std::mem::replace(&mut self.singleton, true);
                let done = self.body(class.body.as_deref(), true);
                self.singleton = outer;
                done?
            }
            Node::Alias(_) | Node::Undef(_) => Value::Nil,
            Node::Postexe(_) => Value::unknown("`END` is not run"),
            _ => {
                let why = format!("`{}` is not run", self.source(node));
                self.left_out(node, &why);
                Value::unknown(why)
            }
        })
    }

    /// The name of the file in which the walk is, as the Vagrantfile's folder has it.
    pub(super) fn file_name(&self) -> &str {
        match self.file {
            0 => "Vagrantfile",
            _ => self.source_file().map_or("Vagrantfile", |source| &source.shown),
        }
    }

    /// What stands behind `return`, `next` or `break`.
    fn one(&mut self, nodes: &'static [Node]) -> Walk {
        Ok(match self.values(nodes)?.as_slice() {
            [] => Value::Nil,
            [only] => only.clone(),
            several => Value::list(several.to_vec()),
        })
    }

    /// `config` for the machines' blocks.
    pub(super) fn config(scope: Scope) -> Value {
        Value::Object(Object::Config(scope))
    }
}
