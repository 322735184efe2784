//! Events in a lab's log: what plain lines say, but for what a provisioner says, which has a log of its own.

use std::sync::Arc;

use crate::lab::tell::event::{Event, Sink};
use crate::lab::disk::log::LabLog;

use super::Paint;
use super::plain::line;

/// Hands events on to the display, and to the log of the lab that is worked on.
pub struct Logged {
    /// The display.
    pub shown: Arc<dyn Sink + Send>,
    /// The log.
    pub log: Arc<LabLog>,
}

impl Sink for Logged {
    fn emit(&self, event: Event) {
        // A phase is a step of the log's own.
        if !matches!(event, Event::Output { .. } | Event::Phase { .. })
            && let Some(line) = line(&event, Paint::default())
        {
            self.log.line(&line);
        }
        self.shown.emit(event);
    }
}
