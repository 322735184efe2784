//! The table of machines, at the end of `lab up` and in `lab status`.

use std::time::Duration;

use crate::lab::tell::status::{Forward, MachineStatus, Status};
use crate::provider::PowerState;

use super::table::{Cell, Give, Table};
use super::{Paint, duration};

/// The machines as a table, `width` characters wide at most.
pub fn summary(status: &Status, paint: Paint, width: Option<usize>) -> String {
    const HEADING: [&str; 7] = ["MACHINE", "STATE", "UPTIME", "MEMORY", "ADDRESS", "SSH", "FORWARDS"];
    let mut table = Table::new(HEADING, paint);
    for machine in &status.machines {
        let (words, style) = state_words(machine, paint);
        let forwards = |words: &dyn Fn(&Forward) -> String| -> String {
            machine.forwards.iter().map(words).collect::<Vec<_>>().join(", ")
        };
        table.row([
            Cell::styled(machine.name.clone(), paint.bold),
            Cell::styled(words, style),
            uptime(machine),
            memory(machine),
            machine.ip.map_or_else(String::new, |ip| ip.to_string()).into(),
            machine
                .ssh
                .map_or_else(Cell::default, |ssh| Cell::from(ssh.to_string()).or(format!(":{}", ssh.port()))),
            Cell::from(forwards(&|forward| format!("{} → {}", url(forward), forward.guest)))
                .or(forwards(&|forward| format!("{}→{}", forward.host, forward.guest))),
        ]);
    }
    if let Some(width) = width {
        let [name, state, uptime, memory, _address, ssh, forwards] = [0, 1, 2, 3, 4, 5, 6];
        table.fit(
            width,
            &[
                Give::Short(forwards),
                Give::Short(memory),
                Give::Short(ssh),
                Give::Short(uptime),
                // Nobody has to type this address: `lab ssh` uses it.
                Give::Drop(ssh),
                Give::Cut(forwards),
                Give::Drop(uptime),
                Give::Drop(memory),
                Give::Cut(name),
                Give::Cut(state),
                Give::Drop(forwards),
            ],
        );
    }
    table.render()
}

fn uptime(machine: &MachineStatus) -> Cell {
    let Some(seconds) = machine.uptime else { return Cell::default() };
    let short = match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    };
    Cell::from(duration(Duration::from_secs(seconds))).or(short)
}

/// How much memory of this computer the machine uses. That includes the emulator's own, so it may be more than the
/// machine has.
fn memory(machine: &MachineStatus) -> Cell {
    let text = |used| Cell::from(format!("{used} MiB")).or(format!("{used}M"));
    machine.memory_used_mib.map_or_else(Cell::default, text)
}

fn state_words(machine: &MachineStatus, paint: Paint) -> (String, anstyle::Style) {
    match machine.state {
        PowerState::Running if machine.ready => ("ready".to_owned(), paint.good),
        PowerState::Running if machine.failure.is_some() => ("running, failed".to_owned(), paint.bad),
        PowerState::Running => ("running, not ready".to_owned(), paint.warn),
        PowerState::Absent => ("not created".to_owned(), paint.dim),
        PowerState::Off => ("off".to_owned(), paint.dim),
        PowerState::Suspended => ("suspended".to_owned(), paint.dim),
        PowerState::Paused => ("paused".to_owned(), paint.warn),
        PowerState::Busy => ("busy".to_owned(), paint.warn),
        PowerState::CutOff => ("runs, but its control sockets are gone".to_owned(), paint.bad),
        PowerState::Unclear => ("does not answer".to_owned(), paint.bad),
    }
}

/// The address of a forwarded port. Ports that are usual for web servers get a URL.
fn url(forward: &Forward) -> String {
    let at = forward.at();
    match forward.guest {
        80 | 3000 | 5000 | 8000 | 8080 | 8888 => format!("http://{at}"),
        443 | 8443 => format!("https://{at}"),
        _ => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::tell::status::VERSION;

    fn machine(name: &str, guest: u16) -> MachineStatus {
        MachineStatus {
            name: name.to_owned(),
            state: PowerState::Running,
            ready: true,
            ready_for: Some(700),
            uptime: Some(723),
            memory_used_mib: Some(97),
            ip: Some([192, 168, 56, 10].into()),
            ssh: Some(([127, 0, 0, 1], 2200).into()),
            forwards: vec![Forward { host: 8080, guest, address: [127, 0, 0, 1].into() }],
            image: None,
            memory_mib: Some(256),
            changed: Vec::new(),
            failure: None,
        }
    }

    #[test]
    fn it_fits_wide_and_narrow_terminals() {
        let off = MachineStatus {
            state: PowerState::Off,
            ready: false,
            uptime: None,
            memory_used_mib: None,
            ssh: None,
            ..machine("db1", 5432)
        };
        let machines = vec![machine("web1", 80), off];
        let status = Status { version: VERSION, lab: "x".to_owned(), provider: None, machines };
        let at = |width| summary(&status, Paint::default(), width);
        insta::assert_snapshot!(at(None), @r"
        MACHINE  STATE  UPTIME      MEMORY  ADDRESS        SSH             FORWARDS
        web1     ready  12 min 3 s  97 MiB  192.168.56.10  127.0.0.1:2200  http://127.0.0.1:8080 → 80
        db1      off                        192.168.56.10                  127.0.0.1:8080 → 5432
        ");
        insta::assert_snapshot!(at(Some(80)), @r"
        MACHINE  STATE  UPTIME      MEMORY  ADDRESS        SSH             FORWARDS
        web1     ready  12 min 3 s  97 MiB  192.168.56.10  127.0.0.1:2200  8080→80
        db1      off                        192.168.56.10                  8080→5432
        ");
        insta::assert_snapshot!(at(Some(60)), @r"
        MACHINE  STATE  UPTIME  MEMORY  ADDRESS        FORWARDS
        web1     ready  12m     97M     192.168.56.10  8080→80
        db1      off                    192.168.56.10  8080→5432
        ");
        for width in 40..110 {
            let longest = at(Some(width)).lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(width), "{width}: {}", at(Some(width)));
        }
    }
}
