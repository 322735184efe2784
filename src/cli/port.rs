//! `lab port`

use serde_json::json;

use crate::error::{Error, Kind, Result};
use crate::ui::{self, table::Table};

use super::{App, Status};

/// Show which ports of this computer lead to the machines
///
/// With GUEST_PORT, it prints only the port of this computer that leads to that port of the machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab port
  curl http://127.0.0.1:$(lab port web1 80)/")]
pub(super) struct Args {
    /// The machine [default: all]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    name: Option<String>,
    /// A port in the guest
    #[arg(value_name = "GUEST_PORT")]
    guest: Option<u16>,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let lab = app.existing(&context, false)?;
        let names = lab.select(self.name.as_slice())?;
        let mut rows = Vec::new();
        for name in &names {
            if let Some(reach) = lab.reach(name)? {
                rows.push((name, reach.ssh, 22));
                rows.extend(reach.forwards.iter().map(|forward| (name, forward.at, forward.guest)));
            }
        }
        if let (Some(name), Some(guest)) = (&self.name, self.guest) {
            let row = rows.iter().find(|(_, _, port)| *port == guest).ok_or_else(|| {
                Error::new(Kind::Usage, format!("no port of this computer leads to port {guest} of {name}")).hint(
                    format!("add it to the Labfile: `forward = [{{ host = 8080, guest = {guest} }}]`, then `lab reload {name}`"),
                )
            })?;
            app.ui.print(&format!("{}\n", row.1.port()));
        } else if app.ui.json {
            for (name, at, guest) in rows {
                ui::print_json(
                    &json!({"machine": name, "address": at.ip(), "host": at.port(), "guest": guest}),
                );
            }
        } else {
            let mut table = Table::new(["MACHINE", "THIS COMPUTER", "GUEST"], app.ui.paint_out());
            for (name, at, guest) in rows {
                table.row([name.as_str().into(), at.to_string().into(), guest.to_string().into()]);
            }
            app.ui.print(&table.render());
        }
        Ok(0)
    }
}
