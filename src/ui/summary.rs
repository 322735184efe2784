//! What `up` says at its end: what there is, and how to go on.

use std::time::Duration;

use crate::lab::status::{MachineStatus, Status};
use crate::provider::PowerState;

use super::table::{Cell, Table};
use super::{Paint, duration};

/// The machines as a table.
pub fn summary(status: &Status, paint: Paint) -> String {
    let mut table = Table::new(["MACHINE", "STATE", "ADDRESS", "SSH", "FORWARDS"], paint);
    for machine in &status.machines {
        let (words, style) = state_words(machine, paint);
        let ssh = machine.ssh.map_or_else(String::new, |ssh| ssh.to_string());
        let forwards: Vec<String> = machine
            .forwards
            .iter()
            .map(|forward| format!("{} → {}", url(forward.host, forward.guest), forward.guest))
            .collect();
        table.row([
            Cell::styled(machine.name.clone(), paint.bold),
            Cell::styled(words, style),
            machine.ip.map_or_else(String::new, |ip| ip.to_string()).into(),
            ssh.into(),
            forwards.join(", ").into(),
        ]);
    }
    table.render()
}

fn state_words(machine: &MachineStatus, paint: Paint) -> (String, anstyle::Style) {
    match machine.state {
        PowerState::Running if machine.ready => {
            let since = machine.ready_for.map_or_else(String::new, |seconds| {
                if seconds < 60 {
                    String::new()
                } else {
                    format!(" for {}", duration(Duration::from_secs(seconds)))
                }
            });
            (format!("ready{since}"), paint.good)
        }
        PowerState::Running if machine.failure.is_some() => ("running, failed".to_owned(), paint.bad),
        PowerState::Running => ("running, not ready".to_owned(), paint.warn),
        PowerState::Absent => ("not created".to_owned(), paint.dim),
        PowerState::Off => ("off".to_owned(), paint.dim),
        PowerState::Suspended => ("suspended".to_owned(), paint.dim),
        PowerState::Paused => ("paused".to_owned(), paint.warn),
        PowerState::Busy => ("busy".to_owned(), paint.warn),
        PowerState::Unclear => ("does not answer".to_owned(), paint.bad),
    }
}

/// What to type or open for a forwarded port: a URL where the guest's port is one of the web's.
fn url(host: u16, guest: u16) -> String {
    match guest {
        80 | 3000 | 5000 | 8000 | 8080 | 8888 => format!("http://127.0.0.1:{host}"),
        443 | 8443 => format!("https://127.0.0.1:{host}"),
        _ => format!("127.0.0.1:{host}"),
    }
}
