//! Memory and disk, against what the Labfile adds up to.

use std::path::Path;
use std::time::Duration;

use super::needs::Needs;
use super::{Check, Host, Subject};
use crate::cancel::Cancel;
use crate::host::{free, same_disk};
use crate::process::Cmd;

/// What is left to the rest of the computer when machines take all they are given, in bytes.
const RESERVE: u64 = 512 << 20;
/// What each machine's emulator takes on top: a QEMU with 256 MB of guest peaked 215 MB, tables and all.
const OVERHEAD: u64 = 48 << 20;
/// Less than this on the disk of `LAB_HOME` is little for any lab.
const LITTLE: u64 = 2 << 30;
/// Less than this many files may still be made: few.
const FEW_FILES: u64 = 10_000;

/// Memory, then disk.
pub(super) fn checks(subject: &Subject<'_>, needs: &Needs, cancel: &Cancel) -> Vec<Check> {
    let machines = subject.lab.labfile().map(|labfile| labfile.machines.len() as u64);
    let (total, available) = memory_here(subject.host, cancel);
    // Machines that run already have what they need.
    let available = available.filter(|_| subject.lab.state().is_none());
    let mut checks = vec![memory(machines, needs, total, available)];
    let (home, dir) = (subject.home.root(), subject.dir.as_path());
    if subject.lab.labfile().is_none() || same_disk(home, dir) {
        checks.push(disk("LAB_HOME and the lab", home, needs.boxes + needs.disks, needs, free(home)));
    } else {
        checks.push(disk("LAB_HOME", home, needs.boxes, needs, free(home)));
        checks.push(disk("the lab's folder", dir, needs.disks, needs, free(dir)));
    }
    checks
}

fn memory_here(host: &Host, cancel: &Cancel) -> (Option<u64>, Option<u64>) {
    if host.os == "macos" {
        // Unverified.
        let said = Cmd::new("sysctl").args(["-n", "hw.memsize"]).timeout(Duration::from_secs(3)).run(cancel);
        return (said.ok().and_then(|said| said.trim().parse().ok()), None);
    }
    (host.memory("MemTotal"), host.memory("MemAvailable"))
}

fn memory(machines: Option<u64>, needs: &Needs, total: Option<u64>, available: Option<u64>) -> Check {
    const NAME: &str = "memory";
    let Some(total) = total else { return Check::skipped(NAME, "not looked at on this system") };
    let Some(machines) = machines else {
        return Check::pass(
            NAME,
            format!("{} in all", gib(total)),
            "no Labfile that can be read says how much is needed",
        );
    };
    let wanted = (needs.memory_mib << 20) + machines * OVERHEAD;
    let guess = match needs.guessed.as_slice() {
        [] => String::new(),
        boxes => format!(" (512 MiB taken for each machine of {}, which will say itself)", boxes.join(", ")),
    };
    let what = format!("machines take {}{guess}, this computer has {}", gib(wanted), gib(total));
    let less = "give them less `memory` in the Labfile, or start some: `lab up NAME`";
    if wanted > total {
        Check::failure(NAME, what, "they cannot all run at once").todo(less)
    } else if wanted + RESERVE > total {
        Check::warning(NAME, what, "nothing is left for the rest of the computer: it will swap").todo(less)
    } else if let Some(available) = available.filter(|available| wanted > *available) {
        let what = format!("machines take {}{guess}, {} are free now", gib(wanted), gib(available));
        Check::warning(NAME, what, "it will fit only when other programs make room")
            .todo("close other programs (browsers, other virtual machines) before `lab up`")
    } else {
        Check::pass(NAME, what, "they fit")
    }
}

fn disk(where_: &str, path: &Path, wanted: u64, needs: &Needs, free: Option<(u64, u64)>) -> Check {
    const NAME: &str = "disk";
    let Some((bytes, files)) = free else { return Check::skipped(NAME, "not looked at on this system") };
    let todo =
        format!("free some space ({}), `lab box prune`, or set LAB_HOME to a larger disk", path.display());
    let boxes = match needs.missing {
        0 => String::new(),
        1 => " (1 box is not here yet)".to_owned(),
        count => format!(" ({count} boxes are not here yet)"),
    };
    let what = match wanted {
        0 => format!("{} free for {where_}", gib(bytes)),
        _ => format!("{} free for {where_}, which take about {}{boxes}", gib(bytes), gib(wanted)),
    };
    // What boxes take that are not here is a guess, by which nobody is sent home.
    if bytes < wanted && (needs.missing == 0 || bytes < wanted / 2) {
        Check::failure(NAME, what, "the lab does not fit").todo(todo)
    } else if bytes < wanted.saturating_add(LITTLE) {
        Check::warning(NAME, what, "it fits closely: machines that write much will stop").todo(todo)
    } else if files < FEW_FILES {
        Check::warning(
            NAME,
            format!("{files} more files fit on the disk of {where_}"),
            "it may fill up by their number",
        )
        .todo(todo)
    } else {
        Check::pass(NAME, what, "there is room")
    }
}

/// For people: GiB with one decimal, MiB below one.
fn gib(bytes: u64) -> String {
    if bytes < 1 << 30 {
        format!("{} MiB", bytes >> 20)
    } else {
        format!("{:.1} GiB", bytes as f64 / (1_u64 << 30) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    fn needs(memory_mib: u64) -> Needs {
        Needs { memory_mib, ..Needs::default() }
    }

    const GIB: u64 = 1 << 30;

    #[test]
    fn memory_is_held_to_what_there_is() {
        let outcome = |mib, total, available| memory(Some(2), &needs(mib), total, available).outcome;
        assert_eq!(outcome(1024, Some(8 * GIB), Some(6 * GIB)), Outcome::Pass);
        assert_eq!(outcome(1024, Some(8 * GIB), Some(GIB / 2)), Outcome::Warning);
        assert_eq!(outcome(1024, Some(GIB + GIB / 4), None), Outcome::Warning);
        assert_eq!(outcome(1024, Some(GIB), None), Outcome::Failure);
        assert_eq!(outcome(1024, None, None), Outcome::Skipped);
        assert_eq!(memory(None, &needs(0), Some(GIB), None).outcome, Outcome::Pass);
        let guessed = Needs { guessed: vec!["x".to_owned()], ..needs(512) };
        assert!(memory(Some(1), &guessed, Some(GIB), None).what.contains("each machine of x"));
    }

    #[test]
    fn disks_are_held_to_what_they_have() {
        let outcome = |wanted, bytes, files| {
            disk("it", Path::new("/x"), wanted, &needs(0), Some((bytes, files))).outcome
        };
        assert_eq!(outcome(GIB, 9 * GIB, u64::MAX), Outcome::Pass);
        assert_eq!(outcome(GIB, 2 * GIB, u64::MAX), Outcome::Warning);
        assert_eq!(outcome(GIB, GIB - 1, u64::MAX), Outcome::Failure);
        assert_eq!(outcome(GIB, 9 * GIB, 3), Outcome::Warning);
        let guess = Needs { missing: 1, ..needs(0) };
        let outcome_of =
            |bytes| disk("it", Path::new("/x"), 4 * GIB, &guess, Some((bytes, u64::MAX))).outcome;
        assert_eq!([outcome_of(3 * GIB), outcome_of(GIB)], [Outcome::Warning, Outcome::Failure]);
        assert_eq!(outcome(0, 9 * GIB, u64::MAX), Outcome::Pass);
    }
}
