//! Variables: a method's own, with those of the blocks in it.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::value::Value;

/// The variables of a file, a method or a block. A block sees those around it.
#[derive(Debug, Default)]
pub(super) struct Frame {
    variables: RefCell<HashMap<String, Value>>,
    around: Option<Rc<Frame>>,
    /// The block that the method was called with.
    block: Option<Value>,
    /// Variables whose values were handed over, and who else has them is not known.
    handed: RefCell<BTreeSet<String>>,
}

impl Frame {
    /// That of a method, which sees nobody's variables.
    pub(super) fn of_method(block: Option<Value>) -> Rc<Self> {
        Rc::new(Frame { block, ..Frame::default() })
    }

    /// That of a block.
    pub(super) fn within(around: &Rc<Frame>) -> Rc<Self> {
        Rc::new(Frame { around: Some(Rc::clone(around)), ..Frame::default() })
    }

    pub(super) fn get(&self, name: &str) -> Option<Value> {
        let own = self.variables.borrow().get(name).cloned();
        own.or_else(|| self.around.as_ref()?.get(name))
    }

    /// Changes the variable where it is, or makes it here.
    pub(super) fn set(&self, name: &str, value: Value) {
        self.handed.borrow_mut().remove(name);
        if let Err(value) = self.change(name, value) {
            self.declare(name, value);
        }
    }

    /// Makes a variable here, whatever is around: a block's parameter.
    pub(super) fn declare(&self, name: &str, value: Value) {
        self.variables.borrow_mut().insert(name.to_owned(), value);
    }

    /// Makes a variable of what was handed over.
    pub(super) fn hand(&self, name: &str, value: Value) {
        if let Value::Text(_) = value {
            self.handed.borrow_mut().insert(name.to_owned());
        }
        self.declare(name, value);
    }

    /// Whether the text of the variable is somebody else's as well.
    pub(super) fn is_handed(&self, name: &str) -> bool {
        self.handed.borrow().contains(name)
    }

    fn change(&self, name: &str, value: Value) -> Result<(), Value> {
        if let Some(known) = self.variables.borrow_mut().get_mut(name) {
            *known = value;
            return Ok(());
        }
        match &self.around {
            Some(around) => around.change(name, value),
            None => Err(value),
        }
    }

    /// The block that the method around was called with.
    pub(super) fn block(&self) -> Option<Value> {
        self.block.clone().or_else(|| self.around.as_ref()?.block())
    }
}
