//! What is to go wrong, and where: the calls of a world are counted, and each can be told what happens at it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Kind;

/// What a process that is killed by [`Act::Die`] exits with.
pub const KILLED: i32 = 77;

/// When in a call something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Moment {
    /// Before it has changed anything.
    Before,
    /// When half of it is done, for a call that has a half.
    Midway,
    /// When all of it is done, and nobody has heard of it.
    After,
}

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It fails, and changes nothing.
    Fail(Kind),
    /// It takes this long, by the world's own clock.
    Take(Duration),
    /// It does not end until it is cancelled.
    Hang,
    /// This process ends, here and now: no destructor runs, no error is returned.
    Die(Moment),
}

/// A call, told from all others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Call {
    /// What is called.
    pub what: String,
    /// The machine, empty where it is for all.
    pub machine: String,
    /// Which of the calls of this kind for this machine, from 1.
    pub number: u32,
}

impl Call {
    /// The first call of `what` for `machine`.
    pub fn first(what: &str, machine: &str) -> Self {
        Call { what: what.to_owned(), machine: machine.to_owned(), number: 1 }
    }
}

/// A call that there has been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// It.
    pub call: Call,
    /// Whether it leaves a half of its work behind when it is cut short.
    pub has_half: bool,
    /// Whether it changed anything. Where it did not, to be killed before it and after it is the same.
    pub changed: bool,
}

/// The calls that there have been, and what is to happen at those to come.
#[derive(Debug, Default)]
pub(super) struct Script {
    counts: BTreeMap<(String, String), u32>,
    acts: Vec<(Call, Act)>,
    seen: Vec<Seen>,
}

impl Script {
    /// Counts a call, and tells what happens at it. A number of 0 in an act stands for every call.
    pub(super) fn enter(&mut self, what: &str, machine: &str, has_half: bool) -> (Call, Vec<Act>) {
        let count = self.counts.entry((what.to_owned(), machine.to_owned())).or_default();
        *count += 1;
        let call = Call { what: what.to_owned(), machine: machine.to_owned(), number: *count };
        let is_it = |wanted: &Call| {
            wanted.what == call.what
                && wanted.machine == call.machine
                && (wanted.number == 0 || wanted.number == call.number)
        };
        let acts = self.acts.iter().filter(|(wanted, _)| is_it(wanted)).map(|(_, act)| *act).collect();
        self.seen.push(Seen { call: call.clone(), has_half, changed: false });
        (call, acts)
    }

    /// From now on, `act` happens at `call`. Calls are counted anew.
    pub(super) fn add(&mut self, call: Call, act: Act) {
        self.counts.clear();
        self.seen.clear();
        self.acts.push((call, act));
    }

    /// Nothing happens any more. Calls are counted anew.
    pub(super) fn clear(&mut self) {
        *self = Script::default();
    }

    /// `call` has changed something.
    pub(super) fn changed(&mut self, call: &Call) {
        self.seen.iter_mut().filter(|seen| seen.call == *call).for_each(|seen| seen.changed = true);
    }

    /// The calls since they were last counted anew.
    pub(super) fn seen(&self) -> &[Seen] {
        &self.seen
    }
}
