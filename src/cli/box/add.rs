//! `lab box add`

use serde_json::json;

use crate::boxes::{Add, Source};
use crate::error::{Error, Result};
use crate::ui;

use super::Place;

/// Add a box from a file or an address
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab box add demo ./demo.box
  lab box add lucid32 /media/stick/lucid32.box
  lab box add https://example.org/boxes/base.box")]
pub(super) struct Args {
    /// The name to give it, then where it is; the name may be left out
    #[arg(value_name = "[NAME] PATH|URL", required = true, num_args = 1..=2)]
    words: Vec<String>,
}

impl Args {
    pub(super) fn run(self, place: &Place<'_>) -> Result<()> {
        let (name, what) = match self.words.as_slice() {
            [what] => (None, what),
            [name, what, ..] => (Some(name.as_str()), what),
            [] => return Err(Error::internal("a required argument is missing")),
        };
        let source = Source::parse(what, &place.app.dir)?;
        let called = name.map_or_else(|| source.default_name(), str::to_owned);
        let add = Add::new(source).named(&called);
        let image = place.context.with_box(&called, |task| place.store.add(&add, task))?;
        if place.app.ui.json {
            ui::print_json(&json!({"name": called, "sha256": image.digest}));
        } else {
            place.app.ui.tell(&format!("box {called} is here (sha256 {})", image.digest));
        }
        Ok(())
    }
}
