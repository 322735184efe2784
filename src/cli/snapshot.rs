//! `lab snapshot`

use std::time::Duration;

use crate::error::Result;
use crate::lab::disk::state::now;
use crate::lab::verbs::snapshots::{Listing, check_name};
use crate::ui::table::Table;
use crate::ui::{self, duration};

use super::consent::Consent;
use super::{App, Status};

/// Take snapshots of machines, and go back to them
///
/// A snapshot holds a machine's disk and, where the machine runs or is suspended, its RAM. It stays when
/// the machine is halted, suspended or brought back to it, and goes with `lab destroy`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Save(Save),
    List(List),
    Restore(Restore),
    Delete(Delete),
}

/// Take a snapshot of machines
///
/// A machine that runs goes on afterwards.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab snapshot save before-upgrade            of all machines
  lab snapshot save before-upgrade web1       of one")]
struct Save {
    /// What to call it
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
    /// Machines [default: all]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    names: Vec<String>,
}

/// List the snapshots of machines
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab snapshot list
  lab snapshot list web1 --json | jq -r '.machines[].snapshots[].name'")]
struct List {
    /// Machines [default: all]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    names: Vec<String>,
}

/// Bring machines back to a snapshot
///
/// What was done in them since is lost. Those that ran when it was taken go on from there, with their
/// clocks set right; those that were off are off. Provisioners that ran only afterwards count as not run: `lab up`
/// runs them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab snapshot restore before-upgrade         all machines that have it, after asking
  lab snapshot restore before-upgrade web1 --yes
  lab snapshot restore before-upgrade web1 --no-start")]
struct Restore {
    /// Which one
    #[arg(value_name = "SNAPSHOT", add = super::candidates::snapshots())]
    snapshot: String,
    /// Machines [default: all that have it]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    names: Vec<String>,
    /// Leave them suspended or off; `lab up` starts them
    #[arg(long)]
    no_start: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Delete a snapshot of machines
///
/// The machines stay as they are.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab snapshot delete before-upgrade          of all machines that have it
  lab snapshot delete before-upgrade web1     of one")]
struct Delete {
    /// Which one
    #[arg(value_name = "SNAPSHOT", add = super::candidates::snapshots())]
    snapshot: String,
    /// Machines [default: all that have it]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    names: Vec<String>,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        match self.verb {
            Verb::Save(args) => args.run(app),
            Verb::List(args) => args.run(app),
            Verb::Restore(args) => args.run(app),
            Verb::Delete(args) => args.run(app),
        }
    }
}

impl Save {
    fn run(self, app: &App) -> Result<Status> {
        check_name(&self.snapshot)?;
        let context = app.context()?;
        let lab = app.existing(&context, true)?;
        let report = lab.save_snapshot(&lab.select(&self.names)?, &self.snapshot)?;
        app.finish(Some(&lab), report)
    }
}

impl List {
    fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let lab = app.existing(&context, false)?;
        let listing = lab.list_snapshots(&lab.select(&self.names)?)?;
        if app.ui.json {
            ui::print_json(&listing);
        } else if listing.machines.iter().all(|machine| machine.snapshots.is_empty()) {
            app.ui.tell("there are no snapshots: `lab snapshot save SNAPSHOT` takes one");
        } else {
            app.ui.print(&table(&listing, app));
        }
        Ok(0)
    }
}

fn table(listing: &Listing, app: &App) -> String {
    let mut table = Table::new(["MACHINE", "SNAPSHOT", "TAKEN", "HOLDS"], app.ui.paint_out());
    for machine in &listing.machines {
        for snapshot in &machine.snapshots {
            let ago = snapshot.taken.map(|taken| Duration::from_secs(now().saturating_sub(taken)));
            let ago = ago.map_or_else(String::new, |ago| format!("{} ago", duration(ago)));
            let holds = if snapshot.with_ram { "disk and RAM" } else { "disk" };
            table.row([
                machine.name.as_str().into(),
                snapshot.name.as_str().into(),
                ago.into(),
                holds.into(),
            ]);
        }
    }
    table.render()
}

impl Restore {
    fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        if !self.no_start {
            Consent::must_have_agreed(app, &context, &app.place()?)?;
        }
        let mut names = self.names;
        if !self.consent.given() {
            names = app.existing(&context, false)?.with_snapshot(&names, &self.snapshot)?;
            let (machines, snapshot) = (names.join(", "), &self.snapshot);
            let question = format!("Bring {machines} back to {snapshot}? What was done there since is lost.");
            self.consent.ask(app, &question)?;
        }
        let lab = app.existing(&context, true)?;
        let names = lab.with_snapshot(&names, &self.snapshot)?;
        let report = lab.restore_snapshot(&names, &self.snapshot, !self.no_start)?;
        app.finish(Some(&lab), report)
    }
}

impl Delete {
    fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let lab = app.existing(&context, true)?;
        let names = lab.with_snapshot(&self.names, &self.snapshot)?;
        let report = lab.delete_snapshot(&names, &self.snapshot)?;
        app.finish(Some(&lab), report)
    }
}
