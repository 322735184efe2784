//! `lab box list`

use serde_json::json;

use crate::error::Result;
use crate::ui::{self, table::Table};

use super::Place;

/// List the boxes that are here
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

impl Args {
    pub(super) fn run(self, place: &Place<'_>) -> Result<()> {
        let ui = &place.app.ui;
        let entries = place.store.list()?;
        if ui.json {
            for entry in entries {
                let manifest = entry.manifest.as_ref().ok().map(|manifest| json!(manifest));
                let damage = entry.manifest.as_ref().err();
                ui::print_json(&json!({
                    "names": entry.names, "sha256": entry.digest, "manifest": manifest, "damage": damage,
                }));
            }
            return Ok(());
        }
        if entries.is_empty() {
            ui.tell("there are no boxes here yet: `lab box add NAME FILE` adds one");
            return Ok(());
        }
        let mut table = Table::new(["BOX", "SIZE", "SHA256"], ui.paint_out());
        for entry in entries {
            let name = if entry.names.is_empty() { "(by path)".to_owned() } else { entry.names.join(", ") };
            let size = match &entry.manifest {
                Ok(manifest) => format!("{} MB", manifest.size.div_ceil(1_000_000)),
                Err(_) => "damaged".to_owned(),
            };
            let digest: String = entry.digest.chars().take(12).collect();
            table.row([name.into(), size.into(), digest.into()]);
        }
        ui::print(&table.render());
        Ok(())
    }
}
