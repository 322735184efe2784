//! `lab reset`

use crate::error::Result;

use super::consent::Consent;
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
    #[command(flatten)]
    consent: Consent,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let mut names = self.names;
        if !self.consent.given() {
            names = app.existing(&context, false)?.resettable(&names)?;
            let machines = names.join(", ");
            self.consent
                .ask(app, &format!("Reset {machines}? What was done there since `lab up` is lost."))?;
        }
        let lab = app.existing(&context, true)?;
        let names = lab.resettable(&names)?;
        let report = lab.reset(&names)?;
        app.finish(Some(&lab), report)
    }
}
