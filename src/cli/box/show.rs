//! `lab box show`

use serde_json::json;

use crate::error::{Error, Kind, Result};
use crate::ui;

use super::Place;

/// Show all that is known of a box
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The box
    name: String,
}

impl Args {
    pub(super) fn run(self, place: &Place<'_>) -> Result<()> {
        let entry = place.entry(&self.name)?;
        let manifest = entry.manifest.as_ref().map_err(|damage| Error::new(Kind::BadBox, damage.clone()))?;
        let value = json!({"names": entry.names, "manifest": manifest});
        if place.app.ui.json {
            ui::print_json(&value);
        } else {
            ui::print(&format!("{value:#}\n"));
        }
        Ok(())
    }
}
