//! `lab halt`

use crate::error::Result;

use super::{App, Status};

/// Shut machines down
///
/// Presses the power button of each machine, and cuts the power where a machine is not off after its
/// `halt_timeout`. The disks stay; `lab up` starts the machines again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab halt
  lab halt web1
  lab halt --force          cut the power at once")]
pub(super) struct Args {
    /// Machines [default: all]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    names: Vec<String>,
    /// Cut the power at once (what the guest has not written to its disk is lost)
    #[arg(short, long)]
    force: bool,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let lab = app.existing(&context, true)?;
        let report = lab.halt(&lab.select(&self.names)?, self.force)?;
        app.finish(Some(&lab), report)
    }
}
