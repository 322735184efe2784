//! `lab up`

use crate::doctor;
use crate::error::Result;
use crate::lab::verbs::up;

use super::consent::Agreement;
use super::{App, Status};

/// Make machines ready: create, start, set up, provision
///
/// Machines that exist are kept, and machines that are ready are left alone. After a failure or an interruption,
/// `lab up` goes on from there.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab up                    all machines of the Labfile
  lab up web1               web1, and what it comes after
  lab up --jobs 2           two machines at a time, for a small computer
  lab up --json             one event per line, for programs")]
pub(super) struct Args {
    /// Machines [default: all]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    names: Vec<String>,
    /// What runs the machines [auto, qemu, virtualbox]
    #[arg(long, env = "LAB_PROVIDER", value_name = "PROVIDER")]
    provider: Option<String>,
    /// How many machines to work on at once [default: all]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    #[command(flatten)]
    agreement: Agreement,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let options = up::Options {
            names: self.names,
            provider: self.provider.filter(|name| !name.is_empty()),
            jobs: self.jobs.map(usize::from),
            alone: false,
        };
        let place = app.place()?;
        app.warn_of(&place);
        if !place.files().state().exists() {
            doctor::can_hold_a_lab(&place.dir)?;
        }
        self.agreement.ask(app, &context, &place)?;
        let (lab, report) = up::up(&context, place, &options)?;
        let well = report.machines.iter().all(|(_, result)| result.is_ok());
        let first = report.machines.first().map(|(name, _)| name.clone());
        let status = app.finish(Some(&lab), report)?;
        if let (true, Some(first)) = (well, first) {
            app.ui.tell("");
            app.ui.tell(&format!("`lab ssh {first}` opens a shell in it; `lab destroy` removes everything."));
        }
        Ok(status)
    }
}
