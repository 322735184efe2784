//! `lab reset`

use crate::error::Result;

use super::{App, Status};

/// Bring machines back to what they were when they became ready
///
/// `lab up` takes a snapshot called `ready` of each machine when its provisioners have succeeded. What was done in
/// a machine since is lost; the others go on untouched. A machine whose snapshot has its RAM is ready
/// within seconds, its clock set right.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab reset web1            one machine, after asking
  lab reset --yes           all machines, without asking

With `ready_snapshot = false` under [lab], the Labfile does without: there is nothing to go back to then.")]
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
        let lab = app.existing(&context, false)?;
        let names = lab.resettable(&self.names)?;
        drop(lab);
        if !self.yes {
            let machines = names.join(", ");
            app.confirm(&format!("Reset {machines}? What was done there since `lab up` is lost."))?;
        }
        let lab = app.existing(&context, true)?;
        let names = lab.resettable(&names)?;
        let report = lab.reset(&names)?;
        app.finish(Some(&lab), report)
    }
}
