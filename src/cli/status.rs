//! `lab status`

use crate::error::Result;
use crate::lab::tell::status;
use crate::lab::verbs::down;
use crate::lab::{Lab, select};
use crate::ui;

use super::{App, Status};

/// Show what the machines are doing
///
/// Asks the provider what is really there, and changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab status
  lab status --json | jq '.machines[] | select(.ready | not) | .name'")]
pub(super) struct Args {
    /// Machines [default: all]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    names: Vec<String>,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let place = app.place()?;
        if let Err(error) = &place.labfile
            && place.files().state().exists()
        {
            app.ui.warn(error.message(), Some("`lab validate` shows every mistake"));
        }
        let status = match Lab::open(&context, app.place()?, false)? {
            Some(lab) => lab.status(&lab.select(&self.names)?)?,
            None => {
                let mut status = status::of_nothing(&place)?;
                let names: Vec<String> = status.machines.iter().map(|machine| machine.name.clone()).collect();
                let wanted = select(&names, &self.names)?;
                status.machines.retain(|machine| wanted.contains(&machine.name));
                for name in down::strays(&context, &place)? {
                    let text = format!("{name} still runs, though the lab's files (.lab) were deleted");
                    app.ui
                        .warn(&text, Some("`lab destroy` ends it; `lab up` ends it and makes the lab anew"));
                }
                status
            }
        };
        if app.ui.json {
            ui::print_json(&status);
            return Ok(0);
        }
        app.ui.print(&ui::summary(&status, app.ui.paint_out(), app.ui.width_out()));
        for machine in &status.machines {
            if let Some(failure) = &machine.failure {
                app.ui.tell(&format!("{}: {failure}", machine.name));
            }
            for step in &machine.changed {
                let name = &machine.name;
                app.ui.tell(&format!(
                    "{name}: {step} has changed since it ran; `lab provision {name}` runs it again"
                ));
            }
        }
        Ok(0)
    }
}
