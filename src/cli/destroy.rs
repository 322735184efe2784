//! `lab destroy`

use crate::error::Result;
use crate::lab::disk::{Found, Oddity};
use crate::lab::verbs::down::{self, Wreck};
use crate::lab::{Context, Lab, Place};

use super::consent::Consent;
use super::{App, Status};

/// Remove machines and everything that belongs to them
///
/// Their disks, sockets, ports, keys and logs go. Boxes stay, for the next lab.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab destroy               everything, after asking
  lab destroy web2 --yes    one machine, without asking")]
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
        let place = app.place()?;
        let found = context.register().find(&place.dir)?;
        if matches!(found, Found::Copy { .. } | Found::Foreign { why: None | Some(Oddity::Link), .. }) {
            return self.discard(app, &context, &place, &found);
        }
        if let Some(wreck) = down::wreck(&place) {
            return self.clear(app, &context, &place, wreck);
        }
        let strays = down::strays(&context, &place)?;
        let Some(lab) = Lab::open(&context, place, false)? else {
            if !strays.is_empty() {
                let names = strays.join(", ");
                app.ui
                    .warn(&format!("{names}: still runs, though the lab's files (.lab) were deleted"), None);
                self.consent.ask(app, &format!("End {names}?"))?;
            }
            // A killed command may have left a folder without a state; opening it for a change removes it.
            Lab::open(&context, app.place()?, true)?;
            if strays.is_empty() {
                app.ui.tell("nothing to destroy");
            }
            return Ok(0);
        };
        let names = lab.select(&self.names)?;
        drop(lab);
        self.consent.ask(app, &question(&names.join(", ")))?;
        let Some(lab) = Lab::open(&context, app.place()?, true)? else { return Ok(0) };
        let names = lab.select(&self.names)?;
        let root = lab.files().root().to_owned();
        let report = lab.destroy(&names)?;
        if let (false, Some(dir)) = (root.exists(), root.parent()) {
            super::hosts::forget(app, dir);
        }
        app.finish(None, report)
    }

    /// Removes a `.lab` that is a copy, or came from elsewhere; no machine is reached by it.
    fn discard(self, app: &App, context: &Context<'_>, place: &Place, found: &Found) -> Result<Status> {
        if let Some(refusal) = found.refusal() {
            app.ui.warn(refusal.message(), None);
        }
        self.consent.ask(app, "Remove what lab makes in this .lab? No machine is touched.")?;
        down::remove_unbelieved(context, place)?;
        Ok(0)
    }

    /// Removes what is left of a lab whose state is damaged.
    fn clear(self, app: &App, context: &Context<'_>, place: &Place, wreck: Wreck) -> Result<Status> {
        let Wreck { damage, machines } = wreck;
        if !self.names.is_empty() {
            return Err(damage.hint("without names, since all machines have to go"));
        }
        app.ui.warn(damage.message(), None);
        let machines = if machines.is_empty() { "the lab".to_owned() } else { machines.join(", ") };
        self.consent.ask(app, &question(&machines))?;
        down::clear(context, place)?;
        super::hosts::forget(app, &place.dir);
        Ok(0)
    }
}

fn question(machines: &str) -> String {
    format!("Destroy {machines}, with all that is on their disks?")
}
