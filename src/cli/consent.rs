//! Consent: the user says yes before something is lost.

use std::io::IsTerminal;

use crate::error::{Error, Kind, Result};
use crate::lab::disk::agreed;
use crate::lab::{Context, Place};

use super::App;

/// The option `--yes`, of verbs that do what a Labfile says.
#[derive(Debug, clap::Args)]
pub(super) struct Agreement {
    /// Agree to all in the Labfile that reaches beyond its own machines and its own folder
    #[arg(short, long)]
    yes: bool,
}

impl Agreement {
    /// Sees to it that the user agrees to what the Labfile of `place` reaches beyond its own machines and its own folder.
    /// The answer is remembered: the same is not asked again. A Labfile that reaches nothing asks nothing.
    ///
    /// # Errors
    /// [`Kind::NotTrusted`] where nobody has agreed and there is no terminal to ask on, [`Kind::NotConfirmed`] where the
    /// answer is no: nothing has been made then.
    pub(super) fn ask(&self, app: &App, context: &Context<'_>, place: &Place) -> Result<()> {
        let Ok(labfile) = &place.labfile else { return Ok(()) };
        let reaches = agreed::open_questions(&context.home, labfile);
        if reaches.is_empty() {
            return Ok(());
        }
        let lines = reaches.iter().map(|reach| format!("line {}: {}", reach.line, reach.what.text()));
        if !self.yes {
            let file = labfile.path.display();
            if !std::io::stdin().is_terminal() || app.ui.json {
                let message = format!("{file} reaches beyond its own machines and its own folder");
                let error = lines.fold(Error::new(Kind::NotTrusted, message), Error::detail);
                return Err(error
                    .hint("if you trust whoever wrote it: `lab up --yes`; lab remembers that, and asks again only about more")
                    .hint("if you do not: take these lines out of the Labfile"));
            }
            app.ui.tell(&format!("{file} reaches beyond its own machines and its own folder:"));
            lines.for_each(|line| app.ui.tell(&format!("  {line}")));
            if !is_yes(&app.ui.ask("Do you trust whoever wrote it? [y/N]")) {
                return Err(Error::new(Kind::NotConfirmed, "nothing was done"));
            }
        }
        agreed::agree(&context.home, &reaches)
    }
}

/// The option `--yes`, of verbs that ask first.
#[derive(Debug, clap::Args)]
pub(super) struct Consent {
    /// Do not ask
    #[arg(short, long, visible_short_alias = 'f', visible_alias = "force")]
    yes: bool,
}

impl Consent {
    /// As [`Agreement::ask`], where `--yes` stands for something else: it agrees to nothing in a Labfile.
    pub(super) fn must_have_agreed(app: &App, context: &Context<'_>, place: &Place) -> Result<()> {
        Agreement { yes: false }.ask(app, context, place)
    }

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
        if is_yes(&answer) { Ok(()) } else { Err(Error::new(Kind::NotConfirmed, "nothing was done")) }
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}
