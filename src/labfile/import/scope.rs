//! Variables: a method's own, with those of the blocks in it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::model::Place;
use super::value::Value;

/// The variables of a file, a method or a block. A block sees those around it.
#[derive(Debug, Default)]
pub(super) struct Frame {
    variables: RefCell<HashMap<String, Value>>,
    around: Option<Rc<Frame>>,
    /// The block that the method was called with.
    block: Option<Value>,
    /// Parameters that still hold the text that was handed over, and where that has been changed.
    handed: RefCell<BTreeMap<String, Option<Place>>>,
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
            self.handed.borrow_mut().insert(name.to_owned(), None);
        }
        self.declare(name, value);
    }

    /// Changes a text that is somebody else's as well; whether it is.
    pub(super) fn change_handed(&self, name: &str, value: &Value, place: Place) -> bool {
        if !self.variables.borrow().contains_key(name) {
            return self.around.as_ref().is_some_and(|around| around.change_handed(name, value, place));
        }
        match self.handed.borrow_mut().get_mut(name) {
            Some(changed) => *changed = Some(place),
            None => return false,
        }
        self.declare(name, value.clone());
        true
    }

    /// The parameters whose texts have been changed, and where.
    pub(super) fn changed(&self) -> Vec<(String, Place)> {
        self.handed.borrow().iter().filter_map(|(name, place)| Some((name.clone(), (*place)?))).collect()
    }

    fn change(&self, name: &str, value: Value) -> Result<(), Value> {
        if let Some(known) = self.variables.borrow_mut().get_mut(name) {
            *known = value;
            self.handed.borrow_mut().remove(name);
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
