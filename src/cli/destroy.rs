//! `lab destroy`

use crate::error::Result;
use crate::lab::Lab;

use super::{App, Status};

/// Remove machines and everything that belongs to them
///
/// Their disks, sockets, ports, keys and logs go. Boxes stay, for the next lab.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab destroy               everything, after asking
  lab destroy web2 --yes    one machine, without asking")]
pub(super) struct Args {
    /// Machines [default: all]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    names: Vec<String>,
    /// Do not ask
    #[arg(short, long, visible_short_alias = 'f', visible_alias = "force")]
    yes: bool,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let place = app.place()?;
        let Some(lab) = Lab::open(&context, place, false)? else {
            // A killed command may have left a folder without a state; opening it for a change removes it.
            Lab::open(&context, app.place()?, true)?;
            app.ui.tell("nothing to destroy");
            return Ok(0);
        };
        let names = lab.select(&self.names)?;
        drop(lab);
        if !self.yes {
            app.confirm(&format!("Destroy {}, with all that is on their disks?", names.join(", ")))?;
        }
        let Some(lab) = Lab::open(&context, app.place()?, true)? else { return Ok(0) };
        let names = lab.select(&self.names)?;
        let root = lab.files().root().to_owned();
        let report = lab.destroy(&names)?;
        if let (false, Some(dir)) = (root.exists(), root.parent()) {
            super::hosts::forget(app, dir);
        }
        app.finish(None, report)
    }
}
