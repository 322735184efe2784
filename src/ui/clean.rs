//! Events fit for a terminal and for lines of a log: no text in them can move a cursor or begin a line of its own.

use std::borrow::Cow;

use crate::lab::tell::event::{Event, Sink};
use crate::printable;
use crate::process::Moment;

/// Hands events on to `S` with every text in them made printable.
pub(super) struct Clean<S>(pub(super) S);

impl<S: Sink> Sink for Clean<S> {
    fn emit(&self, event: Event) {
        self.0.emit(clean(event));
    }
}

/// `event` with every text in it made one printable line. Errors are so already; see [`crate::error::Error::new`].
pub(super) fn clean(mut event: Event) -> Event {
    match &mut event {
        Event::Begin { machines } => machines.iter_mut().for_each(line),
        Event::Waiting { machine, on } => on.iter_mut().chain([machine]).for_each(line),
        Event::Phase { machine, .. } | Event::Done { machine, .. } | Event::Failed { machine, .. } => {
            line(machine);
        }
        Event::StepStarted { machine, step } | Event::StepFinished { machine, step, .. } => {
            [machine, step].into_iter().for_each(line);
        }
        Event::Output { machine, step, line: said, .. } => {
            [machine, step].into_iter().for_each(line);
            *said = printable::output(said);
        }
        Event::Note { machine, text } => machine.iter_mut().chain([text]).for_each(line),
        Event::Warning { machine, text, hint } => machine.iter_mut().chain([text]).chain(hint).for_each(line),
        Event::Progress { what, .. } | Event::ProgressEnd { what } => line(what),
        Event::Program(call) => {
            line(&mut call.command);
            if let Moment::Ended { how, .. } = &mut call.moment {
                line(how);
            }
        }
        Event::End => {}
    }
    event
}

fn line(text: &mut String) {
    if let Cow::Owned(clean) = printable::line(text) {
        *text = clean;
    }
}
