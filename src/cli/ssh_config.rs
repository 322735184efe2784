//! `lab ssh-config`

use serde_json::json;

use crate::error::Result;
use crate::guest::{Access, access};
use crate::ui;

use super::{App, Status};

/// Print ssh settings for ~/.ssh/config, scp, rsync and other tools
///
/// With them ssh, scp, rsync, Ansible and editors reach the machines by name.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab ssh-config > lab.ssh && ssh -F lab.ssh web1
  lab ssh-config > ~/.ssh/class.conf     with `Include class.conf` in ~/.ssh/config: ssh web1")]
pub(super) struct Args {
    /// Machines [default: all that have been made]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    names: Vec<String>,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let lab = app.existing(&context, false)?;
        let names = lab.select(&self.names)?;
        let made = names.iter().filter_map(|name| lab.ssh_settings(name).transpose());
        let made: Vec<Access> = made.collect::<Result<_>>()?;
        if app.ui.json {
            for access in made {
                ui::print_json(&json!({
                    "machine": access.machine,
                    "host": access.address.ip(),
                    "port": access.address.port(),
                    "user": access.user,
                    "keys": access.keys,
                    "known_hosts": access.known_hosts,
                }));
            }
            return Ok(0);
        }
        let client = access::client_version(&app.cancel);
        let blocks: Vec<String> = made.iter().map(|access| access.config_block(client)).collect();
        ui::print_data(&format!("{}\n", blocks.join("\n").trim_end()));
        Ok(0)
    }
}
