//! A yes, before something is lost.

use std::io::{BufRead, IsTerminal, Write};

use crate::error::{Error, Kind, Result};

use super::App;

/// For verbs that ask first.
#[derive(Debug, clap::Args)]
pub(super) struct Consent {
    /// Do not ask
    #[arg(short, long, visible_short_alias = 'f', visible_alias = "force")]
    yes: bool,
}

impl Consent {
    /// Whether it was given with the command.
    pub(super) fn given(&self) -> bool {
        self.yes
    }

    /// Asks a yes-no question on the terminal, unless it was answered with the command.
    ///
    /// # Errors
    /// [`Kind::NotConfirmed`] where the answer is no, or nobody is there to give one.
    pub(super) fn ask(&self, app: &App, question: &str) -> Result<()> {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() || app.ui.json {
            return Err(Error::new(Kind::NotConfirmed, "this needs a yes, and nobody is there to give it")
                .hint("add --yes"));
        }
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
        drop(err);
        let mut answer = String::new();
        let _ = std::io::stdin().lock().read_line(&mut answer);
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Error::new(Kind::NotConfirmed, "nothing was done")),
        }
    }
}
