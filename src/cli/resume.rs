//! `lab resume`

use crate::error::Result;
use crate::lab::verbs::up;
use crate::provider::PowerState;

use super::consent::Consent;
use super::{App, Status};

/// Wake suspended machines
///
/// The machines go on from where they were, with their clocks set right. Machines that are off stay off: `lab up`
/// starts them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab resume
  lab resume db1")]
pub(super) struct Args {
    /// Machines [default: all that are suspended]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    names: Vec<String>,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let lab = app.existing(&context, false)?;
        let names = lab.select(&self.names)?;
        let states = lab.power_states(&names)?;
        let suspended = |state: &PowerState| {
            matches!(state, PowerState::Suspended | PowerState::Paused | PowerState::Busy)
        };
        let names: Vec<String> = names
            .into_iter()
            .zip(states)
            .filter(|(_, state)| suspended(state))
            .map(|(name, _)| name)
            .collect();
        if names.is_empty() {
            app.ui.tell("no machine is suspended");
            return Ok(0);
        }
        let place = app.place()?;
        Consent::must_have_agreed(app, &context, &place)?;
        let options = up::Options { names, alone: true, ..up::Options::default() };
        let (lab, report) = up::up(&context, place, &options)?;
        app.finish(Some(&lab), report)
    }
}
