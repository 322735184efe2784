//! What every command has: where to keep things, whom to tell, when to stop, and through what it works.

use crate::boxes::{self, Task};
use crate::cancel::Cancel;
use crate::error::Result;
use crate::guest::Guests;
use crate::provider::table::Table;

use super::disk::files::Home;
use super::disk::log::LabLog;
use super::disk::{Register, Wait};
use super::tell::event::{Bytes, Event, Sink};

/// What every command has.
pub struct Context<'a> {
    /// What all labs share.
    pub home: Home,
    /// The wish to stop.
    pub cancel: Cancel,
    /// Whom to tell.
    pub sink: &'a dyn Sink,
    /// What is done to a lab is written down here.
    pub log: &'a LabLog,
    /// The command as typed, for the lock and the log: "lab up web1".
    pub command: String,
    /// The providers that there are.
    pub providers: &'a Table,
    /// What works in guests.
    pub guests: &'a dyn Guests,
}

impl Context<'_> {
    /// How this command waits for what another has.
    pub fn wait(&self) -> Wait<'_> {
        Wait { cancel: &self.cancel, sink: self.sink }
    }

    /// The labs of this user.
    pub fn register(&self) -> Register<'_> {
        Register::of(&self.home, self.wait())
    }

    /// Does `work` on the box `name`, telling how far it is.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn with_box<T>(&self, name: &str, work: impl FnOnce(&mut Task<'_>) -> Result<T>) -> Result<T> {
        let name = boxes::without_credentials(name);
        let mut phase = None;
        let mut progress = |progress: boxes::Progress| {
            let words = progress.phase.words();
            if phase.replace(progress.phase) != Some(progress.phase) {
                self.sink.note(format!("box {name}: {words}"));
            }
            let fraction = progress.total.map(|total| progress.done as f64 / total.max(1) as f64);
            let bytes = (progress.phase == boxes::Phase::Downloading)
                .then_some(Bytes { done: progress.done, total: progress.total });
            self.sink.emit(Event::Progress { what: format!("box {name}: {words}"), fraction, bytes });
        };
        let result = work(&mut Task { cancel: &self.cancel, progress: &mut progress });
        self.sink.emit(Event::ProgressEnd { what: format!("box {name}") });
        result
    }
}
