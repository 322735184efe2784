//! `lab box prune`

use serde_json::json;

use crate::boxes::human;
use crate::error::Result;
use crate::ui;

use super::{Place, called, short};

/// Remove the boxes and base images that nothing needs
///
/// These are boxes without a name that no lab uses (versions that were replaced, boxes that a Labfile named by
/// path or address), and base images of boxes that are gone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab box prune --dry-run      only say what would go
  lab box prune --all --yes    also boxes with a name, if no lab uses them")]
pub(super) struct Args {
    /// Also boxes with a name that no lab uses
    #[arg(short, long)]
    all: bool,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl Args {
    pub(super) fn run(self, place: &Place<'_>) -> Result<()> {
        let (ui, shelf) = (&place.app.ui, place.shelf()?);
        let unneeded = shelf.unneeded(self.all)?;
        let nothing = unneeded.boxes.is_empty() && unneeded.bases.is_empty();
        if nothing {
            ui.tell("there is nothing to remove");
        } else {
            for shelved in
                shelf.list()?.iter().filter(|shelved| unneeded.boxes.contains(&shelved.entry.digest))
            {
                let entry = &shelved.entry;
                let size = human(shelved.on_disk);
                ui.tell(&format!("box {} ({}), {size}", called(entry), short(&entry.digest)));
            }
            for digest in &unneeded.bases {
                ui.tell(&format!("base image of a box that is gone ({})", short(digest)));
            }
        }
        if !nothing && !self.dry_run {
            if !self.yes {
                place.app.confirm("Remove these?")?;
            }
            shelf.prune(&unneeded)?;
            ui.tell(&format!("{} are free again", human(unneeded.freed)));
        }
        if ui.json {
            ui::print_json(&json!({
                "boxes": unneeded.boxes, "bases": unneeded.bases, "bytes": unneeded.freed,
                "removed": !self.dry_run,
            }));
        }
        Ok(())
    }
}
