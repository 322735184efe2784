//! Branches, loops and `rescue`; and what is to be known of code that is not run.

use std::collections::BTreeSet;
use std::rc::Rc;

use lib_ruby_parser::traverse::visitor::{self, Visitor};
use lib_ruby_parser::{Node, nodes};

use super::eval::{Eval, Stop, Walk};
use super::value::{Reason, Value};

impl Eval<'_> {
    pub(super) fn branch(
        &mut self,
        node: &'static Node,
        cond: &'static Node,
        yes: Option<&'static Node>,
        no: Option<&'static Node>,
        void: bool,
    ) -> Walk {
        let known = self.value(cond)?;
        match known {
            Value::Unknown(reason) => Ok(self.undecided(node, cond, &reason, void)),
            known if known.truth() == Some(true) => self.body(yes, void),
            _ => self.body(no, void),
        }
    }

    /// A branch that cannot be chosen: what it would set is not known from here on.
    fn undecided(
        &mut self,
        node: &'static Node,
        cond: &'static Node,
        reason: &Rc<Reason>,
        void: bool,
    ) -> Value {
        let place = self.place(node);
        let why = self.reason(place, reason);
        let why = format!("`{}` cannot be decided: {why}", self.source(cond));
        let effects = self.left_out(node, &why);
        if effects.touches {
            let last = self.last_line(node);
            let what = match usize::try_from(place.line) {
                Ok(first) if first < last => format!("what depends on it (to line {last})"),
                _ => "what depends on it".to_owned(),
            };
            self.note(node, format!("{what} is left out, since {why}"));
        }
        // Variables that it would set are said where they are used.
        match void && (effects.touches || !effects.assigned.is_empty()) {
            true => Value::Nil,
            false => Value::Unknown(Rc::new(Reason { why, place, raises: false })),
        }
    }

    /// What `node` would have set is not known, and machines that it would have made are lost.
    pub(super) fn left_out(&mut self, node: &'static Node, why: &str) -> Effects {
        let mut effects = Effects::default();
        effects.visit(node);
        self.add_own_methods(&mut effects);
        // Beyond the limit the next step ends the walk.
        let _ = self.worked(effects.calls);
        let place = self.place(node);
        let reason = Rc::new(Reason { why: why.to_owned(), place, raises: false });
        for name in &effects.assigned {
            let unknown = Value::Unknown(Rc::clone(&reason));
            match name.starts_with(|c: char| c.is_lowercase() || c == '_') {
                true => self.frame.set(name, unknown),
                false => self.write_shared(name, unknown),
            }
        }
        if effects.defines {
            self.found.lost.get_or_insert((place, why.to_owned()));
        }
        effects
    }

    /// What the methods would do that such code calls.
    fn add_own_methods(&self, effects: &mut Effects) {
        let mut seen = BTreeSet::new();
        while let Some(name) = effects.called.iter().find(|name| !seen.contains(*name)).cloned() {
            for (_, method) in self.own.iter().filter(|(key, _)| key.rsplit(['.', '#']).next() == Some(&name))
            {
                // Its variables are its own.
                let mut of_method = Effects::default();
                if let Some(body) = method.body() {
                    of_method.visit(body);
                }
                effects.defines |= of_method.defines;
                effects.touches |= of_method.touches;
                effects.calls += of_method.calls;
                effects.called.extend(of_method.called);
            }
            seen.insert(name);
        }
    }

    /// Notes that a statement may have made machines.
    pub(super) fn lost_in(&mut self, node: &'static Node, reason: &Reason) {
        let mut effects = Effects::default();
        effects.visit(node);
        self.add_own_methods(&mut effects);
        if effects.defines {
            let place = self.place(node);
            self.found.lost.get_or_insert((place, reason.why.clone()));
        }
    }

    pub(super) fn case(&mut self, node: &'static Node, case: &'static nodes::Case, void: bool) -> Walk {
        let subject = match case.expr.as_deref() {
            Some(expr) => Some((expr, self.value(expr)?)),
            None => None,
        };
        for when in &case.when_bodies {
            let Node::When(when) = when else { continue };
            for pattern in &when.patterns {
                let value = self.value(pattern)?;
                let (is, asked) = match &subject {
                    None => (value.clone(), pattern),
                    Some((expr, subject)) => (self.case_equal(&value, subject)?, *expr),
                };
                match is {
                    Value::Unknown(reason) => return Ok(self.undecided(node, asked, &reason, void)),
                    is if is.truth() == Some(true) => return self.body(when.body.as_deref(), void),
                    _ => {}
                }
            }
        }
        self.body(case.else_body.as_deref(), void)
    }

    /// `pattern === subject`
    pub(super) fn case_equal(&mut self, pattern: &Value, subject: &Value) -> Walk {
        if let Some(unknown) = subject.unknown_why().or(pattern.unknown_why()) {
            return Ok(Value::Unknown(Rc::clone(unknown)));
        }
        Ok(match pattern {
            Value::Pattern(_) => match subject.word() {
                Some(_) => Value::Bool(self.match_text(pattern, subject)?.truth() == Some(true)),
                None => Value::Bool(false),
            },
            Value::Range(range) => self
                .range_includes(range, subject)
                .map_or_else(|| Value::unknown("`===` is not run"), Value::Bool),
            Value::Name(name) => match super::host::is_a(subject, name) {
                Some(is) => Value::Bool(is),
                None => Value::unknown(format!("`{name} ===` is not run")),
            },
            Value::Class(class) => Value::Bool(match subject {
                Value::Record(record) => record.class.name == class.name,
                _ => false,
            }),
            Value::Proc(proc) => self.call(proc, vec![subject.clone()], false)?,
            pattern => pattern.same(subject).map_or_else(|| Value::unknown("`===` is not run"), Value::Bool),
        })
    }

    pub(super) fn for_loop(&mut self, node: &'static Node, round: &'static nodes::For, void: bool) -> Walk {
        let over = self.value(&round.iteratee)?;
        let items = match self.items(&over)? {
            Ok(items) => items,
            Err(reason) => return Ok(self.loop_left_out(node, &reason, void)),
        };
        for item in items {
            self.assign(&round.iterator, item)?;
            match self.body(round.body.as_deref(), true) {
                Ok(_) | Err(Stop::Next(_)) => {}
                Err(Stop::Break(value)) => return Ok(value),
                Err(stop) => return Err(stop),
            }
        }
        Ok(over)
    }

    /// A loop or block that is not run. It is noted where it would have set anything; else its value tells.
    pub(super) fn loop_left_out(&mut self, node: &'static Node, reason: &Rc<Reason>, void: bool) -> Value {
        let place = self.place(node);
        let effects = self.left_out(node, &reason.why);
        if effects.touches {
            let (last, why) = (self.last_line(node), self.reason(place, reason));
            let lines = if usize::try_from(place.line) == Ok(last) {
                String::new()
            } else {
                format!(" (to line {last})")
            };
            self.note(node, format!("the block is left out{lines}: {why}"));
            if void {
                return Value::Nil;
            }
        }
        Value::Unknown(Rc::clone(reason))
    }

    /// `while`, `until`: as long as the condition is `wanted`; with `after`, the body comes first.
    pub(super) fn turns(
        &mut self,
        node: &'static Node,
        cond: &'static Node,
        body: Option<&'static Node>,
        wanted: bool,
        after: bool,
    ) -> Walk {
        let (mut first, void) = (after, true);
        loop {
            self.worked(1)?;
            if !std::mem::take(&mut first) {
                match self.value(cond)? {
                    Value::Unknown(reason) => return Ok(self.undecided(node, cond, &reason, void)),
                    value if value.truth() == Some(wanted) => {}
                    _ => return Ok(Value::Nil),
                }
            }
            match self.body(body, true) {
                Ok(_) | Err(Stop::Next(_)) => {}
                Err(Stop::Break(value)) => return Ok(value),
                Err(stop) => return Err(stop),
            }
        }
    }

    /// `begin … rescue … end`: the body, or what helps where Ruby would raise an exception.
    pub(super) fn rescue(&mut self, rescue: &'static nodes::Rescue, void: bool) -> Walk {
        let depth = self.rescuing;
        self.rescuing += 1;
        let tried = self.body(rescue.body.as_deref(), void);
        self.rescuing = depth;
        match tried {
            Ok(_) if rescue.else_.is_some() => self.body(rescue.else_.as_deref(), void),
            Err(Stop::Raised(reason)) => {
                let Some(Node::RescueBody(helps)) = rescue.rescue_bodies.first() else {
                    return Ok(Value::Unknown(reason));
                };
                if let Some(variable) = helps.exc_var.as_deref() {
                    self.assign(variable, Value::Unknown(reason))?;
                }
                self.body(helps.body.as_deref(), void)
            }
            tried => tried,
        }
    }

    pub(super) fn ensure(&mut self, ensure: &'static nodes::Ensure, void: bool) -> Walk {
        let done = self.body(ensure.body.as_deref(), void);
        if !matches!(done, Err(Stop::Error(_))) {
            self.body(ensure.ensure.as_deref(), true)?;
        }
        done
    }
}

/// What code would do that is not run.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Variables that it sets, or changes in place.
    pub(super) assigned: Vec<String>,
    /// It says something to Vagrant.
    pub(super) touches: bool,
    /// It makes machines.
    pub(super) defines: bool,
    /// How many calls it has, and of what.
    calls: usize,
    called: BTreeSet<String>,
}

impl Effects {
    fn changed(&mut self, node: &Node) {
        match node {
            Node::Lvar(nodes::Lvar { name, .. })
            | Node::Ivar(nodes::Ivar { name, .. })
            | Node::Gvar(nodes::Gvar { name, .. })
            | Node::Const(nodes::Const { name, scope: None, .. }) => self.assigned.push(name.clone()),
            Node::Index(index) => self.changed(&index.recv),
            Node::Send(send) => {
                if let Some(receiver) = &send.recv {
                    self.changed(receiver);
                }
            }
            _ => {}
        }
    }
}

impl Visitor for Effects {
    fn on_lvasgn(&mut self, node: &nodes::Lvasgn) {
        self.assigned.push(node.name.clone());
        visitor::visit_lvasgn(self, node);
    }

    fn on_ivasgn(&mut self, node: &nodes::Ivasgn) {
        self.assigned.push(node.name.clone());
        visitor::visit_ivasgn(self, node);
    }

    fn on_gvasgn(&mut self, node: &nodes::Gvasgn) {
        self.assigned.push(node.name.clone());
        visitor::visit_gvasgn(self, node);
    }

    fn on_casgn(&mut self, node: &nodes::Casgn) {
        self.assigned.push(node.name.clone());
        visitor::visit_casgn(self, node);
    }

    fn on_match_var(&mut self, node: &nodes::MatchVar) {
        self.assigned.push(node.name.clone());
        visitor::visit_match_var(self, node);
    }

    fn on_index_asgn(&mut self, node: &nodes::IndexAsgn) {
        self.changed(&node.recv);
        visitor::visit_index_asgn(self, node);
    }

    fn on_op_asgn(&mut self, node: &nodes::OpAsgn) {
        self.changed(&node.recv);
        visitor::visit_op_asgn(self, node);
    }

    fn on_or_asgn(&mut self, node: &nodes::OrAsgn) {
        self.changed(&node.recv);
        visitor::visit_or_asgn(self, node);
    }

    fn on_send(&mut self, node: &nodes::Send) {
        self.calls += 1;
        if !self.called.contains(&node.method_name) {
            self.called.insert(node.method_name.clone());
        }
        match node.method_name.as_str() {
            "define" => {
                self.defines = true;
                self.touches = true;
            }
            "puts" | "print" | "p" | "warn" | "raise" | "abort" | "exit" | "format" | "sprintf"
            | "require" | "Integer" | "String" | "Float" | "Array" | "lambda" | "proc" | "system" => {}
            // A method of the file's own may do anything.
            _ if node.recv.is_none() && !node.args.is_empty() => self.touches = true,
            "vm" | "provision" | "synced_folder" | "network" | "customize" | "ssh" | "winrm" | "trigger"
            | "configure" => self.touches = true,
            name if (super::assign::changes(name) || name.ends_with('!')) && node.recv.is_some() => {
                if let Some(receiver) = &node.recv {
                    self.changed(receiver);
                }
            }
            // `vb.memory = 512`
            name if name.ends_with('=') && !matches!(name, "==" | "!=" | "<=" | ">=" | "===") => {
                self.touches = true;
            }
            _ => {}
        }
        visitor::visit_send(self, node);
    }
}
