//! `lab box`: one file per sub-verb.

mod add;
mod list;
mod remove;
mod show;

use crate::boxes::{Entry, Store};
use crate::error::{Error, Kind, Result};
use crate::lab::Context;

use super::{App, Status};

/// Add, list and remove boxes
///
/// Boxes are the images that machines are made from. They are kept once, for all labs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What each does is said in its own file.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    Add(add::Args),
    List(list::Args),
    Show(show::Args),
    Remove(remove::Args),
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let store = Store::open(context.home.root())?;
        let place = Place { app, context: &context, store: &store };
        match self.verb {
            Verb::Add(args) => args.run(&place)?,
            Verb::List(args) => args.run(&place)?,
            Verb::Show(args) => args.run(&place)?,
            Verb::Remove(args) => args.run(&place)?,
        }
        Ok(0)
    }
}

/// What every sub-verb needs.
struct Place<'a> {
    app: &'a App,
    context: &'a Context<'a>,
    store: &'a Store,
}

impl Place<'_> {
    /// The box that is called `name`, or has this digest; `None` where there is none.
    fn look_up(&self, name: &str) -> Result<Option<Entry>> {
        let is_it = |entry: &Entry| entry.digest == name || entry.names.iter().any(|known| known == name);
        Ok(self.store.list()?.into_iter().find(is_it))
    }

    /// The same, that must be there.
    ///
    /// # Errors
    /// [`Kind::BoxNotFound`].
    fn entry(&self, name: &str) -> Result<Entry> {
        self.look_up(name)?.ok_or_else(|| {
            Error::new(Kind::BoxNotFound, format!("there is no box {name} here"))
                .hint("`lab box list` shows those that are")
        })
    }
}
