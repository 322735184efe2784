//! `lab open`

use std::time::Duration;

use serde_json::json;

use crate::error::{Error, Kind, Result};
use crate::process::Cmd;
use crate::provider::PowerState;
use crate::ui;

use super::{App, Status};

/// Ports whose service speaks TLS.
const HTTPS: &[u16] = &[443, 8443, 9443];
/// Ports of web servers, the likeliest first.
const WEB: &[u16] = &[80, 443, 8080, 8000, 3000, 5000, 8443];
/// How long the program that opens a page may run.
const PATIENCE: Duration = Duration::from_secs(30);

/// Open a machine's web page in the browser
///
/// The browser reaches the page through a forward of the machine: the forward of port 80, or else of another
/// port that web servers use.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab open web1
  lab open web1 8080        the page behind the machine's own port 8080
  lab open web1 --print     only the address")]
pub(super) struct Args {
    /// The machine
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    name: String,
    /// A port in the machine
    #[arg(value_name = "GUEST_PORT")]
    guest: Option<u16>,
    /// Print the address instead of opening it
    #[arg(long)]
    print: bool,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let lab = app.existing(&context, false)?;
        let name = lab.select(std::slice::from_ref(&self.name))?.pop().unwrap_or(self.name);
        let forwards = lab.reach(&name)?.map(|reach| reach.forwards).unwrap_or_default();
        let forward = match self.guest {
            Some(guest) => forwards.iter().find(|forward| forward.guest == guest),
            None => {
                let likely =
                    WEB.iter().find_map(|port| forwards.iter().find(|forward| forward.guest == *port));
                likely.or(forwards.first())
            }
        };
        let Some(forward) = forward else {
            let port = self.guest.unwrap_or(80);
            return Err(Error::new(Kind::Usage, format!("no port of this computer leads to a page of {name}")).hint(
                format!("add it to the Labfile: `forward = [{{ host = 8080, guest = {port} }}]`, then `lab reload {name}`"),
            ));
        };
        let scheme = if HTTPS.contains(&forward.guest) { "https" } else { "http" };
        let url = format!("{scheme}://{}/", forward.at);
        if app.ui.json {
            ui::print_json(&json!({"machine": name, "url": url}));
            return Ok(0);
        }
        if self.print {
            ui::print_data(&format!("{url}\n"));
            return Ok(0);
        }
        if lab.power_states(std::slice::from_ref(&name))?.first() != Some(&PowerState::Running) {
            return Err(Error::new(
                Kind::WrongState,
                format!("{name} does not run, so that nobody answers at {url}"),
            )
            .hint(format!("`lab up {name}` starts it")));
        }
        app.ui.tell(&format!("opening {url}"));
        let opener = if cfg!(target_os = "macos") {
            Cmd::new("open")
        } else if cfg!(windows) {
            Cmd::new("explorer")
        } else {
            Cmd::new("xdg-open")
        };
        let opener =
            opener.missing_hint(format!("open {url} in a browser yourself")).timeout(PATIENCE).arg(&url);
        let opened = opener.output(&app.cancel)?;
        // Windows' explorer ends with 1 whatever it did.
        if opened.status.success() || cfg!(windows) {
            return Ok(0);
        }
        Err(opener.failed(&opened).hint(format!("open {url} in a browser yourself")))
    }
}
