//! What QEMU's last words mean, for a person.

use std::process::ExitStatus;

use crate::error::{Error, Kind};
use crate::process::describe;

/// The error for a QEMU that ended before it ran. `words` is what it said since it was started.
pub(super) fn start_failed(machine: &str, words: &[String], status: ExitStatus) -> Error {
    let error = explain(machine, words).unwrap_or_else(|| {
        Error::new(Kind::StartFailed, format!("QEMU ended at once ({})", describe(status))).of(machine)
    });
    words.iter().fold(error, |error, line| error.detail(line.as_str()))
}

/// What is known of some of QEMU's messages. They have not changed in wording from 6.0 to 10.0.
fn explain(machine: &str, words: &[String]) -> Option<Error> {
    let all = words.join("\n");
    let says = |text: &str| all.contains(text);
    let failed = |text: &str| Error::new(Kind::StartFailed, text).of(machine);
    if says("Could not set up host forwarding rule") {
        let port = forwarded_port(&all).map_or_else(|| "a port".to_owned(), |port| format!("port {port}"));
        return Some(
            Error::new(Kind::PortTaken, format!("{port} of this computer is taken")).of(machine)
                .hint("`lab up` finds another one for ssh; a port of the Labfile has to be free, or be changed there"),
        );
    }
    if says("Address already in use") {
        return Some(
            Error::new(Kind::PortTaken, "the private network's port is taken")
                .of(machine)
                .hint("run the same command again"),
        );
    }
    if says("No space left on device") {
        return Some(
            Error::new(Kind::DiskFull, "the disk of this computer is full")
                .of(machine)
                .hint("free some space, then run the same command again"),
        );
    }
    if says("Cannot allocate memory") {
        return Some(
            failed("this computer has not enough free memory")
                .hint("close other programs, or give the machine less memory in the Labfile"),
        );
    }
    if says("\"write\" lock") || says("\"consistent read\" lock") {
        return Some(
            failed("another process has its disk open")
                .hint("a qemu or qemu-img that somebody started by hand on it has to end first"),
        );
    }
    if says("loading state") || says("requested snapshot") || says("savevm section") || says("Snapshot '") {
        return Some(failed("its saved RAM could not be loaded").hint(format!(
            "`lab halt --force {machine}` gives the saved RAM up; `lab up` then boots it from its disk"
        )));
    }
    if says("backing file") {
        return Some(
            failed("the base image of its box cannot be read")
                .hint("if LAB_HOME was moved or emptied, `lab destroy` and `lab up` make the machine anew"),
        );
    }
    if says("KVM kernel module") || says("failed to initialize kvm") || says("failed to initialize hvf") {
        return Some(
            failed("hardware virtualisation could not be used")
                .hint("LAB_QEMU_ACCEL=tcg goes without it, slower"),
        );
    }
    let arguments = [
        "invalid option",
        "is not a valid device model",
        "' not found",
        "unsupported machine type",
        "unable to find CPU model",
    ];
    if arguments.iter().any(|text| says(text)) {
        return Some(
            failed("QEMU does not know one of its arguments")
                .hint(format!("check [machine.{machine}.qemu] in the Labfile")),
        );
    }
    None
}

/// The port in `Could not set up host forwarding rule 'tcp:127.0.0.1:4711-:22'`.
fn forwarded_port(words: &str) -> Option<u16> {
    let rule = words.split_once("host forwarding rule '")?.1.split('\'').next()?;
    rule.split(':').nth(2)?.trim_end_matches('-').parse().ok()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn qemus_words_get_their_meaning() {
        // As QEMU 7.2 printed them, its own command line shortened.
        let cases = [
            (
                "qemu-system-x86_64: -netdev user,id=nat,hostfwd=tcp:127.0.0.1:4711-:22: Could not set up host forwarding rule 'tcp:127.0.0.1:4711-:22'",
                Kind::PortTaken,
                "web1: port 4711 of this computer is taken",
            ),
            (
                "qemu-system-x86_64: -netdev socket,id=private,mcast=230.1.2.3:4712: can't bind ip=230.1.2.3 to socket: Address already in use",
                Kind::PortTaken,
                "web1: the private network's port is taken",
            ),
            (
                "qemu-system-x86_64: -blockdev driver=qcow2: Failed to get \"write\" lock\nIs another process using the image [disk.qcow2]?",
                Kind::StartFailed,
                "web1: another process has its disk open",
            ),
            (
                "qemu-system-x86_64: -blockdev driver=qcow2: Could not open backing file: Could not open '/x/base.qcow2': No such file or directory",
                Kind::StartFailed,
                "web1: the base image of its box cannot be read",
            ),
            (
                "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory",
                Kind::StartFailed,
                "web1: this computer has not enough free memory",
            ),
            (
                "qemu-system-x86_64: Device 'disk' does not have the requested snapshot 'ram'",
                Kind::StartFailed,
                "web1: its saved RAM could not be loaded",
            ),
            (
                "qemu-system-x86_64: -device nonsense: 'nonsense' is not a valid device model name",
                Kind::StartFailed,
                "web1: QEMU does not know one of its arguments",
            ),
            (
                "qemu-system-x86_64: something new",
                Kind::StartFailed,
                "web1: QEMU ended at once (exit status 1)",
            ),
        ];
        for (words, kind, message) in cases {
            let lines: Vec<_> = words.lines().map(str::to_owned).collect();
            let error = start_failed("web1", &lines, ExitStatus::from_raw(1 << 8));
            assert_eq!((error.kind(), error.to_string()), (kind, message.to_owned()));
            assert_eq!(error.details(), lines);
        }
    }
}
