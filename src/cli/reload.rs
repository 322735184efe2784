//! `lab reload`

use crate::error::Result;
use crate::lab::verbs::up;

use super::consent::Agreement;
use super::{App, Status};

/// Halt machines and bring them up again with the Labfile's new settings
///
/// The machines get memory, processors and forwards from the Labfile as it is now. Provisioners with
/// `run = "always"` run.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab reload
  lab reload web1")]
pub(super) struct Args {
    /// Machines [default: all]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    names: Vec<String>,
    /// Cut the power rather than shutting down
    #[arg(short, long)]
    force: bool,
    /// How many machines to work on at once [default: all]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    #[command(flatten)]
    agreement: Agreement,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let place = app.place()?;
        // A machine is halted only where it can be started again.
        place.labfile.as_ref().map_err(Clone::clone)?;
        self.agreement.ask(app, &context, &place)?;
        let lab = app.existing(&context, true)?;
        let names = lab.select(&self.names)?;
        lab.halt(&names, self.force)?.into_result()?;
        // Here the lock is released for a moment. Another command that takes it finds halted machines.
        drop(lab);
        let options = up::Options { names, jobs: self.jobs.map(usize::from), ..up::Options::default() };
        let (lab, report) = up::up(&context, place, &options)?;
        app.finish(Some(&lab), report)
    }
}
