//! A guest that restarts while lab works in it: a provisioner that ends with `reboot`, a new kernel.
//!
//! The kernel has another boot id after each start (random(4), `/proc/sys/kernel/random/boot_id`), and the guest
//! notes each step that has succeeded. So after a broken connection both are asked for.

use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::process::Stream;

use super::access::Access;
use super::refusal::SSH_FAILED;
use super::shell::Mark;
use super::step::{STATE_DIR, Step};

/// How long a guest may go on as if nothing was, after the connection has broken, before it counts as one that
/// does not restart. (busybox's init kills first, and its sshd may live a moment longer.)
const NOTHING_SEEN: Duration = Duration::from_secs(5);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// `going_down`: whether the system is on its way to a restart or to its end, as its init says.
pub(super) const GOING_DOWN: &str = r#"going_down() {
	if [ -d /run/systemd/system ]; then
		case $(systemctl is-system-running 2>/dev/null) in stopping) return 0 ;; esac
	elif command -v runlevel >/dev/null; then
		case $(runlevel 2>/dev/null) in *[06]) return 0 ;; esac
	fi
	return 1
}
"#;

/// Whether a script has a word that may restart the system. What it starts is not known; after such a script it
/// is looked at what the system does.
pub(super) fn speaks_of_restart(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let mut before = "";
    text.split(|c: char| c.is_whitespace() || ";&|()'\"`,".contains(c)).filter(|word| !word.is_empty()).any(
        |word| {
            let name = word.rsplit('/').next().unwrap_or(word);
            let found = matches!(name, "reboot" | "shutdown" | "poweroff" | "halt" | "kexec")
                || (matches!(before, "init" | "telinit") && matches!(word, "0" | "6"));
            before = name;
            found
        },
    )
}

/// What became of a guest whose connection broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It restarted. `noted`: the step asked for had succeeded before, and the guest had noted it.
    Restarted {
        /// Whether the step is done.
        noted: bool,
    },
    /// It runs in the same boot: the connection alone broke.
    SameBoot,
}

/// Looks whether a guest that was in the boot `before` has restarted since its connection broke, and whether it
/// has noted the step `id`. `wait` waits for its sshd.
///
/// # Errors
/// `wait`'s; ssh's own, when the guest has not let us in for `limit`; [`Kind::Interrupted`].
pub fn after_break(
    access: &Access,
    before: &str,
    id: Option<&str>,
    limit: Duration,
    cancel: &Cancel,
    wait: &mut dyn FnMut() -> Result<()>,
) -> Result<After> {
    let started = Instant::now();
    loop {
        wait()?;
        match look(access, id, cancel) {
            Ok(now) if now.boot != before => return Ok(After::Restarted { noted: now.noted }),
            Ok(now) if !now.going_down && started.elapsed() >= NOTHING_SEEN => return Ok(After::SameBoot),
            Ok(_) => {}
            Err(error)
                if started.elapsed() < limit
                    && matches!(error.kind(), Kind::NoSsh | Kind::SshRefused | Kind::SetupFailed) => {}
            Err(error) => return Err(error),
        }
        cancel.sleep(PAUSE)?;
    }
}

/// What a look showed.
struct Seen {
    boot: String,
    going_down: bool,
    noted: bool,
}

fn look(access: &Access, id: Option<&str>, cancel: &Cancel) -> Result<Seen> {
    let mark = Mark::new();
    let script = format!(
        "{GOING_DOWN}\
         read -r boot </proc/sys/kernel/random/boot_id; echo \"boot $boot\"\n\
         [ ! -e {}/steps/{} ] || echo noted\n\
         ! going_down || echo down\n",
        STATE_DIR,
        id.unwrap_or("-"),
    );
    let (mut said, mut errors) = (None::<Vec<String>>, String::new());
    let status = access.session().arg(mark.command(&script)).lines(cancel, |stream, line| {
        match (stream, &mut said) {
            (Stream::Out, None) if mark.is(line) => said = Some(Vec::new()),
            (Stream::Out, Some(said)) => said.push(line.to_owned()),
            (Stream::Out, None) => {}
            (Stream::Err, _) => errors = format!("{errors}{line}\n"),
        }
    })?;
    let says = |word: &str| said.iter().flatten().any(|line| line == word);
    match said.iter().flatten().find_map(|line| line.strip_prefix("boot ")) {
        Some(boot) => Ok(Seen { boot: boot.to_owned(), going_down: says("down"), noted: says("noted") }),
        None if status.code() == Some(SSH_FAILED) => Err(access.refused(&errors)),
        None => Err(access.no_mark(&errors)),
    }
}

/// The error for a guest that restarted while `step` ran, which is not known to be done. `next` is the step that
/// `lab up` would go on with.
pub fn cut_off(machine: &str, step: &Step) -> Error {
    Error::new(Kind::ProvisionFailed, format!("{machine} restarted while {} ran", step.name))
        .detail("it had not come to its end, so it does not count as done")
        .hint(format!("run `lab up {machine}` again: it goes on with {}", step.name))
        .hint("a script that restarts the machine is best a step of its own that ends with `reboot`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_restart_are_seen() {
        for text in [
            "reboot",
            "apt-get install -y linux\n/sbin/reboot",
            "(sleep 1; reboot) &",
            "sudo shutdown -r now",
            "systemctl reboot",
            "init 6",
            "x && telinit 6",
        ] {
            assert!(speaks_of_restart(text.as_bytes()), "{text}");
        }
        for text in ["[ -f /var/run/reboot-required ]", "echo rebooting", "init q", "asphalt", ""] {
            assert!(!speaks_of_restart(text.as_bytes()), "{text}");
        }
    }
}
