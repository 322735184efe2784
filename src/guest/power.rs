//! Short commands for what the machine under a guest has no part in: going off, and the clock after a pause.

use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use super::access::Access;
use super::sudo;
use crate::cancel::Cancel;
use crate::error::Result;

/// How long setting the clock may take, with the login: a guest that is emulated needs some seconds.
const CLOCK_PATIENCE: Duration = Duration::from_secs(30);
/// The guest says it when it listens for the time.
const READY: &str = "lab: the time, please";

/// Tells a guest to power itself off.
///
/// # Errors
/// Those of ssh: it is cut off as a rule, since the guest goes.
pub fn off(access: &Access, patience: Duration, cancel: &Cancel) -> Result<()> {
    let sudo = sudo::prefix(access);
    let command = format!("{sudo} sh -c 'poweroff || shutdown -h now || halt -p'");
    access.session().arg(command).timeout(patience).run(cancel).map(drop)
}

/// Sets a guest's clock by this computer's. The time is sent when the guest listens: a login takes its time, too.
///
/// # Errors
/// Those of ssh and sudo.
pub fn set_clock(access: &Access, cancel: &Cancel) -> Result<()> {
    let sudo = sudo::prefix(access);
    // BusyBox takes no fractions.
    let script = format!("echo \"{READY}\"; read t; date -u -s \"@$t\" || date -u -s \"@${{t%.*}}\"");
    let (ready, is_ready) = mpsc::channel();
    let ssh = access.session().arg(format!("{sudo} sh -c '{script}' 2>/dev/null")).timeout(CLOCK_PATIENCE);
    ssh.stream(
        cancel,
        move |stdin| {
            if is_ready.recv_timeout(CLOCK_PATIENCE).is_ok() {
                let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
                writeln!(stdin, "{}.{:03}", since.as_secs(), since.subsec_millis())?;
                stdin.flush()?;
            }
            Ok(())
        },
        |_, line| {
            if line.contains(READY) {
                let _ = ready.send(());
            }
        },
    )
    .map(drop)
}
