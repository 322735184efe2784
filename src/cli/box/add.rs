//! `lab box add`

use serde_json::json;

use crate::boxes::versions::Constraint;
use crate::boxes::{Add, Source, Wanted};
use crate::error::{Error, Result};
use crate::ui;

use super::Place;

/// Add a box from a file, an address, or by its name
///
/// A name is one of the catalogue (lucid32, debian-12, …) or of the Vagrant registry (bento/ubuntu-24.04). A
/// download that was interrupted goes on where it stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab box add demo ./demo.box
  lab box add lucid32 /media/stick/lucid32.box
  lab box add https://example.org/boxes/base.box
  lab box add bento/ubuntu-24.04
  lab box add bento/ubuntu-24.04 --box-version '~> 202404'

LAB_CATALOG names a catalogue of your own (a file or a folder), LAB_REGISTRY another registry;
LAB_HTTP_TIMEOUT is how many seconds a server may say nothing; HTTPS_PROXY and NO_PROXY are heeded.")]
pub(super) struct Args {
    /// The name to give it, then where it is; the name may be left out
    #[arg(value_name = "[NAME] PATH|URL", required = true, num_args = 1..=2)]
    words: Vec<String>,
    /// Which versions will do, for a box of the registry or the catalogue
    #[arg(long, value_name = "CONDITION")]
    box_version: Option<Constraint>,
    /// Take the name away from another box that has it
    #[arg(short, long)]
    force: bool,
}

impl Args {
    pub(super) fn run(self, place: &Place<'_>) -> Result<()> {
        let (name, what) = match self.words.as_slice() {
            [what] => (None, what),
            [name, what, ..] => (Some(name.as_str()), what),
            [] => return Err(Error::internal("a required argument is missing")),
        };
        let wanted = Wanted { version: self.box_version.as_ref(), ..Wanted::new(what, &place.app.dir) };
        let source = Source::recognise(what, &place.app.dir);
        let direct = match source.transpose()? {
            // The word after a name is a path or an address.
            None if name.is_some() => Some(Source::parse(what, &place.app.dir)?),
            // A file that may describe a box rather than be a box is read first.
            source => source.filter(|source| !source.may_be_metadata() && wanted.version.is_none()),
        };
        let (called, image) = match direct {
            Some(source) => {
                let called = name.map_or_else(|| source.default_name(), str::to_owned);
                let add = Add { replace: self.force, ..Add::new(source).named(&called) };
                let image = place.context.with_box(&called, |task| place.store.add(&add, task))?;
                (called, image)
            }
            None => {
                let image = place.context.with_box(what, |task| place.store.resolve(&wanted, task))?.image;
                let called = name.map_or_else(|| image.name.clone(), str::to_owned);
                place.store.give_name(&called, &image, self.force)?;
                (called, image)
            }
        };
        if place.app.ui.json {
            ui::print_json(&json!({"name": called, "sha256": image.digest}));
        } else {
            place.app.ui.tell(&format!("box {called} is here (sha256 {})", image.digest));
        }
        Ok(())
    }
}
