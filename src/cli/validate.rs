//! `lab validate`

use serde_json::json;

use crate::error::{Error, Result};
use crate::ui;

use super::{App, Status};

/// Check the Labfile without touching anything
///
/// Shows all mistakes at once, also those about the files that the Labfile names.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab validate
  lab validate -C path/to/class")]
pub(super) struct Args {}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let place = app.place()?;
        if let (Err(error), Some(report)) = (&place.labfile, &place.problems)
            && !app.ui.json
        {
            app.ui.report(report);
            return Err(Error::new(error.kind(), error.message()));
        }
        app.warn_of(&place);
        let problems = place.problems.as_ref().map(|report| report.to_json());
        let labfile = match place.labfile {
            Ok(labfile) => labfile,
            Err(error) => {
                if app.ui.json {
                    ui::print_json(&json!({"valid": false, "problems": problems}));
                }
                return Err(error);
            }
        };
        let names: Vec<&str> = labfile.machines.iter().map(|machine| machine.name.as_str()).collect();
        if app.ui.json {
            ui::print_json(
                &json!({"valid": true, "lab": labfile.name, "machines": names, "problems": problems}),
            );
        } else {
            app.ui.tell(&format!("{} is fine: {}", labfile.path.display(), names.join(", ")));
        }
        Ok(0)
    }
}
