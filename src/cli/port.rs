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
            if let Some(access) = lab.ssh_settings(name) {
                rows.push((name, access.address.port(), 22));
            }
            let record = lab.state().machines.get(name).cloned();
            let forwards = record.map(|record| record.forwards).unwrap_or_default();
            rows.extend(forwards.iter().map(|forward| (name, forward.host, forward.guest)));
        }
        if let (Some(name), Some(guest)) = (&self.name, self.guest) {
            let row = rows.iter().find(|(_, _, port)| *port == guest).ok_or_else(|| {
                Error::new(Kind::Usage, format!("no port of this computer leads to port {guest} of {name}")).hint(
                    format!("add it to the Labfile: `forward = [{{ host = 8080, guest = {guest} }}]`, then `lab reload {name}`"),
                )
            })?;
            app.ui.print(&format!("{}\n", row.1));
        } else if app.ui.json {
            for (name, host, guest) in rows {
                ui::print_json(
                    &json!({"machine": name, "address": "127.0.0.1", "host": host, "guest": guest}),
                );
            }
        } else {
            let mut table = Table::new(["MACHINE", "THIS COMPUTER", "GUEST"], app.ui.paint_out());
            for (name, host, guest) in rows {
                table.row([
                    name.as_str().into(),
                    format!("127.0.0.1:{host}").into(),
                    guest.to_string().into(),
                ]);
            }
            app.ui.print(&table.render());
        }
        Ok(0)
    }
}
