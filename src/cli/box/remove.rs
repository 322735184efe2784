//! `lab box remove`

use serde_json::json;

use crate::error::Result;
use crate::ui;

use super::Place;

/// Remove a box that no lab uses
///
/// A box with several names loses this name. With its last name, its files and base images are removed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab box remove lucid32
  lab box remove 5b1a9bb1c0de      one without a name, by the beginning of its SHA256")]
pub(super) struct Args {
    /// The box
    #[arg(add = crate::cli::candidates::boxes())]
    name: String,
}

impl Args {
    pub(super) fn run(self, place: &Place<'_>) -> Result<()> {
        let (name, ui) = (&self.name, &place.app.ui);
        let removed = place.shelf()?.remove(name)?;
        if ui.json {
            ui::print_json(&json!({"sha256": removed.digest, "names": removed.left}));
        } else if removed.left.is_empty() {
            ui.tell(&format!("box {name} is removed"));
        } else {
            ui.tell(&format!("the name {name} is removed; the box is still {}", removed.left.join(", ")));
        }
        Ok(())
    }
}
