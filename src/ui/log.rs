//! Events in the lab's log: the same lines as in a pipe. The output of provisioners is left out: it has its own log.

use std::sync::Arc;

use crate::lab::disk::log::LabLog;
use crate::lab::tell::event::{Event, Sink};

use super::clean::clean;
use super::plain::line;
use super::{Paint, for_log};

/// Hands events on to the display, and to the log of the lab that the command changes.
pub struct Logged {
    /// The display.
    pub shown: Arc<dyn Sink + Send>,
    /// The log.
    pub log: Arc<LabLog>,
}

impl Sink for Logged {
    fn emit(&self, event: Event) {
        // `LabLog::step` writes a line for each phase.
        if !matches!(event, Event::Output { .. } | Event::Phase { .. }) {
            let mut event = clean(event.clone());
            if let Event::Failed { error, .. } = &mut event {
                *error = for_log(error).into_owned();
            }
            if let Some(line) = line(&event, Paint::default()) {
                self.log.line(&line);
            }
        }
        self.shown.emit(event);
    }
}
