//! `lab box prune`

use serde_json::json;

use crate::cli::consent::Consent;
use crate::disk_space::human;
use crate::error::Result;
use crate::ui;

use super::{Place, called, short};

/// Remove the boxes, base images and downloads that nothing needs
///
/// These are boxes without a name that no lab uses (versions that were replaced, boxes that a Labfile named by
/// path or address), base images of boxes that are gone, and downloads that broke off three days ago or earlier.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab box prune --dry-run      only say what would go
  lab box prune --all --yes    also boxes with a name, if no lab uses them")]
pub(super) struct Args {
    /// Also boxes with a name that no lab uses, and downloads that broke off lately
    #[arg(short, long)]
    all: bool,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

impl Args {
    pub(super) fn run(self, place: &Place<'_>) -> Result<()> {
        let (ui, shelf) = (&place.app.ui, place.shelf()?);
        let unneeded = shelf.unneeded(self.all)?;
        if unneeded.is_empty() {
            ui.tell("there is nothing to remove");
        }
        let listed = shelf.list()?;
        for (digest, bytes) in &unneeded.boxes {
            let name = listed.iter().find(|shelved| shelved.entry.digest == *digest);
            let name = name.map_or_else(String::new, |shelved| called(&shelved.entry));
            ui.tell(&format!("box {name} ({}), {}", short(digest), human(*bytes)));
        }
        for (digest, bytes) in &unneeded.bases {
            let size = human(*bytes);
            ui.tell(&format!("base image of a box that is gone ({}), {size}", short(digest)));
        }
        for download in &unneeded.downloads {
            let source = download.source.as_deref().unwrap_or("an address that is not known any more");
            ui.tell(&format!("what was downloaded of {source}, {}", human(download.bytes)));
        }
        let mut result = unneeded;
        if !result.is_empty() && !self.dry_run {
            self.consent.ask(place.app, "Remove these?")?;
            result = shelf.prune(&result)?;
            ui.tell(&format!("{} are free again", human(result.freed())));
        }
        if ui.json {
            let digests = |list: &[(String, u64)]| -> Vec<String> {
                list.iter().map(|(digest, _)| digest.clone()).collect()
            };
            let downloads = result.downloads.iter();
            let downloads: Vec<_> = downloads
                .map(|download| json!({"source": download.source, "bytes": download.bytes}))
                .collect();
            ui::print_json(&json!({
                "boxes": digests(&result.boxes), "bases": digests(&result.bases), "downloads": downloads,
                "bytes": result.freed(), "removed": !self.dry_run,
            }));
        }
        Ok(())
    }
}
