//! Methods of the Vagrantfile's own: `def node(config, name, memory: 512) … end`.

use std::collections::HashMap;

use lib_ruby_parser::{Node, nodes};

use super::eval::{Eval, Stop, Walk};
use super::value::Value;

/// A file's methods by their names.
pub(super) type Methods<'a> = HashMap<&'a str, &'a nodes::Def>;

/// Those that stand in no block. Vagrant runs its block when it has read the whole file, so one may stand behind its use.
pub(super) fn methods(tree: &Node) -> Methods<'_> {
    let statements = match tree {
        Node::Begin(begin) => begin.statements.as_slice(),
        only => std::slice::from_ref(only),
    };
    let mut methods = Methods::new();
    for statement in statements {
        if let Node::Def(def) = statement {
            methods.insert(&def.name, def);
        }
    }
    methods
}

impl Eval<'_> {
    /// Runs one, with variables of its own.
    pub(super) fn own_method(&mut self, def: &nodes::Def, arguments: Vec<Value>) -> Walk {
        // Constants, and what begins with `$` or `@`, are everybody's.
        let shared = |name: &str| !name.starts_with(|c: char| c.is_lowercase() || c == '_');
        let around = std::mem::take(&mut self.variables);
        let visible = around.iter().filter(|(name, _)| shared(name));
        self.variables = visible.map(|(name, value)| (name.clone(), value.clone())).collect();
        let ran = self
            .parameters(def.args.as_deref(), arguments)
            .and_then(|()| self.block_body(def.body.as_deref()));
        let left = std::mem::replace(&mut self.variables, around);
        self.variables.extend(left.into_iter().filter(|(name, _)| shared(name)));
        match ran {
            Err(Stop::Return(value)) => Ok(value),
            ran => ran,
        }
    }

    /// Gives its parameters their values.
    fn parameters(&mut self, parameters: Option<&Node>, mut arguments: Vec<Value>) -> Walk<()> {
        let Some(Node::Args(nodes::Args { args, .. })) = parameters else { return Ok(()) };
        let named =
            args.iter().any(|one| matches!(one, Node::Kwarg(_) | Node::Kwoptarg(_) | Node::Kwrestarg(_)));
        let by_name = match arguments.last() {
            Some(Value::Map(_)) if named => arguments.pop(),
            _ => None,
        };
        let given = |name: &str| by_name.as_ref().and_then(|map| map.get(name)).cloned();
        let mandatory_after =
            |at: usize| args.iter().skip(at).filter(|one| matches!(one, Node::Arg(_))).count();
        let mut arguments = std::collections::VecDeque::from(arguments);
        for (at, one) in args.iter().enumerate() {
            match one {
                Node::Arg(_) => {
                    let value = arguments
                        .pop_front()
                        .unwrap_or_else(|| Value::unknown("it is called with too little"));
                    self.assign(one, value)?;
                }
                Node::Optarg(optional) => {
                    // Those that must be there come first.
                    let spare = arguments.len() > mandatory_after(at);
                    let value = match if spare { arguments.pop_front() } else { None } {
                        Some(value) => value,
                        None => self.value(&optional.default)?,
                    };
                    self.variables.insert(optional.name.clone(), value);
                }
                Node::Restarg(rest) => {
                    let many = arguments.len().saturating_sub(mandatory_after(at));
                    let values = arguments.drain(..many).collect();
                    if let Some(name) = &rest.name {
                        self.variables.insert(name.clone(), Value::list(values));
                    }
                }
                Node::Kwarg(argument) => {
                    let value = given(&argument.name)
                        .unwrap_or_else(|| Value::unknown("it is called with too little"));
                    self.variables.insert(argument.name.clone(), value);
                }
                Node::Kwoptarg(argument) => {
                    let value = match given(&argument.name) {
                        Some(value) => value,
                        None => self.value(&argument.default)?,
                    };
                    self.variables.insert(argument.name.clone(), value);
                }
                Node::Kwrestarg(rest) => {
                    let taken = |key: &Value| {
                        args.iter().any(|one| match one {
                            Node::Kwarg(nodes::Kwarg { name, .. })
                            | Node::Kwoptarg(nodes::Kwoptarg { name, .. }) => key.word() == Some(name),
                            _ => false,
                        })
                    };
                    let pairs = match &by_name {
                        Some(Value::Map(pairs)) => {
                            pairs.iter().filter(|(key, _)| !taken(key)).cloned().collect()
                        }
                        _ => Vec::new(),
                    };
                    if let Some(name) = &rest.name {
                        self.variables.insert(name.clone(), Value::Map(std::rc::Rc::new(pairs)));
                    }
                }
                Node::Blockarg(argument) => {
                    if let Some(name) = &argument.name {
                        self.variables.insert(name.clone(), Value::unknown("blocks handed on are not run"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
