//! `lab suspend`

use crate::error::Result;

use super::{App, Status};

/// Stop machines with their RAM kept on disk
///
/// `lab resume` lets the machines go on from there.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab suspend
  lab suspend db1")]
pub(super) struct Args {
    /// Machines [default: all]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    names: Vec<String>,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let lab = app.existing(&context, true)?;
        let report = lab.suspend(&lab.select(&self.names)?)?;
        app.finish(Some(&lab), report)
    }
}
