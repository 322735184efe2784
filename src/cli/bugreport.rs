//! `lab bugreport`

use std::path::PathBuf;

use serde_json::json;

use crate::error::Result;
use crate::lab::tell::bugreport::BugReport;
use crate::{atomic, ui};

use super::{App, Status};

/// Collect into one text file what a bug report needs
///
/// The file has versions, the Labfile, lab's own log and the machines' logs. It does not have keys, disks, the output of
/// provisioners, and the Labfile's scripts, arguments, environments and comments. From the rest, lab takes out your name
/// and what it recognises as a password. It cannot recognise every password: read the file before you send it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab bugreport                      lab-bugreport-DATE-TIME.txt, in this folder
  lab bugreport --out report.txt")]
pub(super) struct Args {
    /// The file to write; a file that exists stays as it is
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.silent_context()?;
        let place = app.place().ok();
        let report =
            BugReport::collect(place.as_ref().map(|place| place.dir.as_path()), &context.home, &app.cancel);
        app.cancel.check()?;
        let name = || format!("lab-bugreport-{}.txt", jiff::Zoned::now().strftime("%Y%m%d-%H%M%S")).into();
        let path = app.dir.join(self.out.unwrap_or_else(name));
        app.ui.tell("the report has:");
        for part in &report.parts {
            app.ui.tell(&format!("  {}", part.words()));
        }
        if !report.left_out.is_empty() {
            app.ui.tell("left out:");
        }
        for what in &report.left_out {
            app.ui.tell(&format!("  {what}"));
        }
        if place.is_none() {
            app.ui.tell("there is no lab here: it is about this computer alone");
        }
        atomic::write_new(&path, report.text().as_bytes())?;
        if app.ui.json {
            let part = |part: &crate::lab::tell::bugreport::Part| json!({"name": part.name, "bytes": part.text.len(), "cut": part.cut, "left_out": part.left_out});
            let parts: Vec<_> = report.parts.iter().map(part).collect();
            ui::print_json(
                &json!({"path": path.display().to_string(), "parts": parts, "left_out": report.left_out}),
            );
        } else {
            app.ui.tell(&format!("wrote {}: look through it before you send it", path.display()));
        }
        Ok(0)
    }
}
