//! What every provider says to what a machine cannot do now: the same words, the same way on.

use super::MachineSpec;
use crate::error::{Error, Kind};

/// It has not been made.
pub(super) fn absent(machine: &MachineSpec) -> Error {
    Error::new(Kind::WrongState, format!("{} does not exist", machine.name)).hint("`lab up` makes it")
}

/// It runs, and nothing can be asked of what runs it.
pub(super) fn cut_off(machine: &MachineSpec) -> Error {
    let name = &machine.name;
    Error::new(Kind::Monitor, "it runs, but its control sockets are gone")
        .of(name)
        .detail(
            "the system may have removed them when you logged out, or a cleaner of /tmp; ssh goes on working",
        )
        .hint(format!(
            "`lab halt {name}` has its guest shut down; after that `lab up {name}` makes them anew"
        ))
}

/// It is to be shut down, and is suspended.
pub(super) fn suspended(machine: &MachineSpec) -> Error {
    let name = &machine.name;
    Error::new(Kind::WrongState, format!("{name} is suspended, so its power button does nothing"))
        .hint(format!("`lab resume {name}` first, or `lab halt --force {name}` to give its RAM up"))
}

/// It is to be suspended, and does not run.
pub(super) fn not_running(machine: &MachineSpec) -> Error {
    Error::new(Kind::WrongState, format!("{} does not run, so there is nothing to suspend", machine.name))
}

/// Its disk is to be taken, and is in use.
pub(super) fn not_off(machine: &MachineSpec) -> Error {
    let name = &machine.name;
    Error::new(Kind::WrongState, format!("{name} is not off")).hint(format!("`lab halt {name}` first"))
}

/// A snapshot is to be taken under a name that another one has.
pub(super) fn snapshot_exists(machine: &MachineSpec, snapshot: &str) -> Error {
    let name = &machine.name;
    Error::new(Kind::WrongState, format!("{name} has a snapshot {snapshot} already"))
        .hint(format!("take another name, or `lab snapshot delete {snapshot} {name}` first"))
}

/// There is no snapshot of that name; there are `others`.
pub(super) fn no_snapshot(machine: &MachineSpec, snapshot: &str, others: &[&str]) -> Error {
    let name = &machine.name;
    let error = Error::new(Kind::WrongState, format!("{name} has no snapshot {snapshot}"));
    if others.is_empty() {
        error.hint(format!("`lab snapshot save {snapshot} {name}` takes one"))
    } else {
        error.hint(format!("it has: {}", others.join(", ")))
    }
}
