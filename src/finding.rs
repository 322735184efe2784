//! What an examination of this computer has found.

use crate::error::Error;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was not made: there is no Labfile to hold the computer to, or no way to look on this system.
    Skipped,
    /// All is well.
    Pass,
    /// It may bite.
    Warning,
    /// The lab will not run, or not as the Labfile says.
    Failure,
}

/// One line of the examination.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// What was looked at: a stable word.
    pub name: &'static str,
    /// How it came out.
    pub outcome: Outcome,
    /// What is there.
    pub what: String,
    /// What that means for the lab.
    pub means: String,
    /// What to do.
    pub todo: Option<String>,
}

impl Check {
    pub(crate) fn new(
        name: &'static str,
        outcome: Outcome,
        what: impl Into<String>,
        means: impl Into<String>,
    ) -> Self {
        Check { name, outcome, what: what.into(), means: means.into(), todo: None }
    }

    pub(crate) fn pass(name: &'static str, what: impl Into<String>, means: impl Into<String>) -> Self {
        Check::new(name, Outcome::Pass, what, means)
    }

    pub(crate) fn warning(name: &'static str, what: impl Into<String>, means: impl Into<String>) -> Self {
        Check::new(name, Outcome::Warning, what, means)
    }

    pub(crate) fn failure(name: &'static str, what: impl Into<String>, means: impl Into<String>) -> Self {
        Check::new(name, Outcome::Failure, what, means)
    }

    pub(crate) fn skipped(name: &'static str, what: impl Into<String>) -> Self {
        Check::new(name, Outcome::Skipped, what, "")
    }

    /// An error as it stands: what it says, and its hints as what to do.
    pub(crate) fn of_error(
        name: &'static str,
        outcome: Outcome,
        error: &Error,
        means: impl Into<String>,
    ) -> Self {
        let said = error.details().first().map(|detail| format!(" ({detail})")).unwrap_or_default();
        let check = Check::new(name, outcome, format!("{}{said}", error.message()), means);
        match error.hints() {
            [] => check,
            hints => check.todo(hints.join("; ")),
        }
    }

    pub(crate) fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = Some(todo.into());
        self
    }
}
