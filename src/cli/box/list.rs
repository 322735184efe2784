//! `lab box list`

use std::collections::BTreeSet;

use serde_json::json;

use crate::disk_space::human;
use crate::error::Result;
use crate::lab::boxes::shelf::Shelved;
use crate::ui::{self, table::Table};

use super::{Place, called, short};

/// List the boxes that are here
///
/// Shows the labs that use each box, and its space on the disk: the unpacked box, and the base images that
/// machines are made from. Each of these is there once for all labs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

impl Args {
    pub(super) fn run(self, place: &Place<'_>) -> Result<()> {
        let ui = &place.app.ui;
        let shelved = place.shelf()?.list()?;
        if ui.json {
            for Shelved { entry, users, on_disk } in shelved {
                let manifest = entry.manifest.as_ref().ok().map(|manifest| json!(manifest));
                let damage = entry.manifest.as_ref().err();
                ui::print_json(&json!({
                    "names": entry.names, "sha256": entry.digest, "manifest": manifest, "damage": damage,
                    "used_by": users, "on_disk": on_disk,
                }));
            }
            return Ok(());
        }
        if shelved.is_empty() {
            ui.tell("there are no boxes here yet: `lab box add NAME FILE` adds one");
            return Ok(());
        }
        let mut table = Table::new(["BOX", "ON DISK", "SHA256", "USED BY"], ui.paint_out());
        for Shelved { entry, users, on_disk } in shelved {
            let mut size = human(on_disk);
            if entry.manifest.is_err() {
                size.push_str(" (damaged)");
            }
            let labs: BTreeSet<String> = users.iter().map(|user| user.lab.display().to_string()).collect();
            let labs: Vec<String> = labs.into_iter().collect();
            table.row([
                called(&entry).into(),
                size.into(),
                short(&entry.digest).into(),
                labs.join(", ").into(),
            ]);
        }
        ui.print(&table.render());
        Ok(())
    }
}
