//! `lab inventory`

use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::guest::access::{self, Access};
use crate::process::quote;
use crate::ui;

use super::{App, Status};

/// Print the machines as an inventory for Ansible
///
/// The inventory is an INI file, or with --json a dynamic inventory. The machines are in the group `lab`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab inventory > inventory.ini && ansible -i inventory.ini lab -m ping
  ansible-playbook -i inventory.ini site.yml --limit web1

As a dynamic inventory, an executable file with these two lines:
  #!/bin/sh
  exec lab -C /path/to/class inventory --json")]
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
        let machines: Vec<Access> =
            names.iter().filter_map(|name| lab.ssh_settings(name).transpose()).collect::<Result<_>>()?;
        let client = access::client_version(&app.cancel);
        if app.ui.json {
            let names: Vec<&str> = machines.iter().map(|access| access.machine.as_str()).collect();
            let variables: Map<String, Value> = machines
                .iter()
                .map(|access| {
                    let own = variables(access, client)
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), json!(value)));
                    (access.machine.clone(), Value::Object(own.collect()))
                })
                .collect();
            ui::print_json(&json!({"lab": {"hosts": names}, "_meta": {"hostvars": variables}}));
            return Ok(0);
        }
        let mut text = "[lab]\n".to_owned();
        for access in &machines {
            let words: Vec<String> = variables(access, client)
                .iter()
                .map(|(name, value)| format!("{name}={}", quote(value)))
                .collect();
            text += &format!("{} {}\n", access.machine, words.join(" "));
        }
        ui::print_data(&text);
        Ok(0)
    }
}

/// What Ansible has to know of a machine. The options go on ssh's command line, which Ansible splits as a shell would.
fn variables(access: &Access, client: Option<(u32, u32)>) -> Vec<(&'static str, String)> {
    const OWN: &[&str] =
        &["HostName", "Port", "User", "ControlMaster", "ControlPath", "ControlPersist", "LogLevel"];
    let options: Vec<String> = access
        .options()
        .into_iter()
        .chain(access.shield(client))
        .filter(|(name, _)| !OWN.contains(name))
        .map(|(name, value)| format!("-o {}", quote(&format!("{name}={value}"))))
        .collect();
    vec![
        ("ansible_host", access.address.ip().to_string()),
        ("ansible_port", access.address.port().to_string()),
        ("ansible_user", access.user.clone()),
        ("ansible_ssh_common_args", options.join(" ")),
    ]
}
