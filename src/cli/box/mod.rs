//! `lab box`: one file per sub-verb.

mod add;
mod list;
mod package;
mod prune;
mod remove;
mod show;
mod update;
mod verify;

use crate::boxes::{Entry, Store};
use crate::error::Result;
use crate::lab::Context;
use crate::lab::boxes::shelf::Shelf;

use super::{App, Status};

/// Add, list, check, update, remove and make boxes
///
/// Boxes are the images that machines are made from. They are kept once, for all labs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// The sub-verbs. Each file says what its sub-verb does.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    Add(add::Args),
    List(list::Args),
    Show(show::Args),
    Verify(verify::Args),
    Remove(remove::Args),
    Prune(prune::Args),
    Update(update::Args),
    Package(package::Args),
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
            Verb::Verify(args) => args.run(&place)?,
            Verb::Remove(args) => args.run(&place)?,
            Verb::Prune(args) => args.run(&place)?,
            Verb::Update(args) => args.run(&place)?,
            Verb::Package(args) => args.run(&place)?,
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
    /// The boxes with the labs and base images that need them.
    fn shelf(&self) -> Result<Shelf<'_>> {
        Shelf::new(self.context, self.store)
    }
}

/// What a box is called in lists: its names, or that it has none.
fn called(entry: &Entry) -> String {
    if entry.names.is_empty() { "(no name)".to_owned() } else { entry.names.join(", ") }
}

/// The first 12 characters of a digest, for people.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
