//! `lab validate`

use serde_json::json;

use crate::error::{Error, Result};
use crate::{labfile, ui};

use super::{App, Status};

/// Check the Labfile without touching anything
///
/// Every mistake in it, and in what it says of other files, is shown at once; and all that it asks
/// for beyond its own machines and its own folder.
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
        let reaches = labfile::reaches(&labfile);
        if app.ui.json {
            let listed: Vec<_> = reaches
                .iter()
                .map(
                    |reach| json!({"line": reach.line, "kind": reach.what.kind(), "text": reach.what.text()}),
                )
                .collect();
            let digest = (!reaches.is_empty()).then(|| labfile::digest(&reaches));
            ui::print_json(&json!({
                "valid": true, "lab": labfile.name, "machines": names, "problems": problems,
                "reaches": listed, "reaches_digest": digest,
            }));
            return Ok(0);
        }
        app.ui.tell(&format!("{} is fine: {}", labfile.path.display(), names.join(", ")));
        if !reaches.is_empty() {
            app.ui.tell("It reaches beyond its own machines and its own folder:");
            for reach in &reaches {
                app.ui.tell(&format!("  line {}: {}", reach.line, reach.what.text()));
            }
            app.ui.tell("Use it only if you trust whoever wrote it.");
        }
        Ok(0)
    }
}
