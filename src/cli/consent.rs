//! Consent: the user says yes before something is lost.

use std::io::IsTerminal;

use crate::error::{Error, Kind, Result};

use super::App;

/// The option `--yes`, of verbs that ask first.
#[derive(Debug, clap::Args)]
pub(super) struct Consent {
    /// Do not ask
    #[arg(short, long, visible_short_alias = 'f', visible_alias = "force")]
    yes: bool,
}

impl Consent {
    /// Whether the user said yes on the command line.
    pub(super) fn given(&self) -> bool {
        self.yes
    }

    /// Asks a yes-no question on the terminal, unless the user said yes on the command line.
    ///
    /// # Errors
    /// [`Kind::NotConfirmed`] where the answer is no, or where there is no terminal to ask on.
    pub(super) fn ask(&self, app: &App, question: &str) -> Result<()> {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() || app.ui.json {
            return Err(Error::new(Kind::NotConfirmed, "this needs a yes, and nobody is there to give it")
                .hint("add --yes"));
        }
        let answer = app.ui.ask(&format!("{question} [y/N]"));
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Error::new(Kind::NotConfirmed, "nothing was done")),
        }
    }
}
