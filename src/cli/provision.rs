//! `lab provision`

use crate::error::Result;

use super::consent::Agreement;
use super::{App, Status};

/// Run the provisioners again
///
/// Runs all provisioners and copies, also those that have succeeded before. The machines must be running.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab provision                                     everything, on all machines
  lab provision web1                                everything of web1
  lab provision web1 --only provision/web.sh        one provisioner of web1")]
pub(super) struct Args {
    /// Machines [default: all]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    names: Vec<String>,
    /// Only the provisioner of this name (may be given more than once)
    #[arg(long, value_name = "PROVISIONER")]
    only: Vec<String>,
    /// How many machines to work on at once [default: all]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    #[command(flatten)]
    agreement: Agreement,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        self.agreement.ask(app, &context, &app.place()?)?;
        let lab = app.existing(&context, true)?;
        let names = lab.select(&self.names)?;
        let report = lab.provision(&names, &self.only, self.jobs.map(usize::from))?;
        app.finish(Some(&lab), report)
    }
}
