//! `lab reset`

use crate::error::Result;

use super::consent::Consent;
use super::{App, Status};

/// Bring machines back to what they were when they became ready
///
/// `lab up` takes a snapshot called `ready` of each machine when its provisioners have succeeded. All that
/// was done in the machine since then is lost; other machines are not touched. A machine whose snapshot holds its
/// RAM is ready again within seconds, with its clock set right.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab reset web1            one machine, after asking
  lab reset --yes           all machines, without asking

With `ready_snapshot = false` under [lab], `lab up` takes no such snapshot, and `lab reset` has nothing to go back to.")]
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
        Consent::must_have_agreed(app, &context, &app.place()?)?;
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
