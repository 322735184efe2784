//! `lab box update`

use serde_json::json;

use crate::boxes::Pin;
use crate::disk_space::human;
use crate::error::Result;
use crate::lab::boxes::supply::{self, Moved};
use crate::ui;

use super::{Place, short};

/// Take the newest boxes that the Labfile allows
///
/// `lab up` uses the boxes that are noted in Labfile.lock. This command asks the registry, the catalogue and the
/// files for newer boxes, and notes those in Labfile.lock. Machines that exist stay as they are until they are
/// made anew.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab box update
  lab box update lucid32")]
pub(super) struct Args {
    /// The box, as the Labfile calls it; all of them without a name
    name: Option<String>,
}

impl Args {
    pub(super) fn run(self, place: &Place<'_>) -> Result<()> {
        let lab = place.app.place()?;
        let moved = supply::update(place.context, &lab, self.name.as_deref())?;
        for moved in &moved {
            if place.app.ui.json {
                ui::print_json(&json!({
                    "name": moved.name, "changed": moved.is_change(), "before": moved.before, "now": moved.now,
                    "machines": moved.machines,
                }));
            } else {
                words(moved).iter().for_each(|line| place.app.ui.tell(line));
            }
        }
        Ok(())
    }
}

fn words(moved: &Moved) -> Vec<String> {
    let name = &moved.name;
    let mut lines = vec![match (&moved.before, &moved.now) {
        (None, Some(now)) => format!("box {name}: {}", described(now)),
        (Some(_), None) => format!("box {name}: no longer in the Labfile"),
        (Some(before), Some(now)) if moved.is_change() => {
            format!("box {name}: {} → {}", described(before), described(now))
        }
        (_, Some(now)) => format!("box {name}: {}, as before", described(now)),
        (None, None) => String::new(),
    }];
    if !moved.machines.is_empty() {
        let machines = moved.machines.join(" ");
        lines.push(format!(
            "  made from another one: {} (`lab destroy {machines}` and `lab up` make them anew)",
            moved.machines.join(", ")
        ));
    }
    lines
}

fn described(pin: &Pin) -> String {
    let version = pin.version.as_ref().map_or_else(String::new, |version| format!("{version}, "));
    format!("{version}sha256 {}… ({})", short(&pin.sha256), human(pin.size))
}
