//! Whether lab is still let in after a session: what a provisioner may have changed, and a new login.

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::process::Stream;

use super::access::Access;
use super::refusal::SSH_FAILED;
use super::shell::Mark;

/// What decides a login and was changed during a session: the accounts, sshd's settings, the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginChanged {
    /// Files of the guest by their paths; `sshd` where it was started anew, `firewall` where its modules changed. Empty
    /// where the guest could not tell.
    pub what: Vec<String>,
}

/// Logs in anew and runs `true` there.
///
/// # Errors
/// ssh's own ([`Access::refused`]); [`Kind::SetupFailed`] where the login shell does not run what it is given.
pub fn prove(access: &Access, cancel: &Cancel) -> Result<()> {
    let mark = Mark::new();
    let (mut inside, mut said) = (false, String::new());
    let status = access.session().arg(mark.command("exit 0")).lines(cancel, |stream, line| match stream {
        Stream::Out => inside |= mark.is(line),
        Stream::Err if mark.is(line) => {}
        Stream::Err => said = format!("{said}{line}\n"),
    })?;
    match status.code() {
        Some(SSH_FAILED) => Err(access.refused(&said)),
        Some(0) if inside => Ok(()),
        _ => Err(access.no_mark(&said)),
    }
}

impl LoginChanged {
    /// The error where a new login does not work (`refused`) after `provisioners` ran in `machine`.
    pub fn locked_out(&self, machine: &str, provisioners: &[&str], refused: &Error) -> Error {
        let who = match provisioners {
            [] => "something".to_owned(),
            [one] => format!("provisioner '{one}'"),
            several => format!("one of the provisioners '{}'", several.join("', '")),
        };
        let error = Error::new(Kind::SshRefused, format!("{who} locked lab out of {machine}"))
            .detail(format!("a new login does not work: {}", refused.message()));
        let error = refused.details().iter().fold(error, |error, detail| error.detail(detail.clone()));
        let error = if self.what.is_empty() {
            error
        } else {
            error.detail(format!("what decides a login and was changed meanwhile: {}", self.what.join(", ")))
        };
        error
            .hint(format!(
                "mend the provisioner, then `lab destroy {machine}` and `lab up {machine}`, or `lab reset {machine}` where \
                 it was ready before"
            ))
            .hint(format!("`lab logs {machine}` shows its console, where sshd may say why"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_who_and_what() {
        let refused = Error::new(Kind::SshRefused, "no").detail("ssh said: Permission denied");
        let changed = LoginChanged { what: vec!["/etc/ssh/sshd_config".into(), "sshd".into()] };
        let error = changed.locked_out("solo", &["my key"], &refused);
        assert_eq!(error.message(), "provisioner 'my key' locked lab out of solo");
        assert!(error.details().iter().any(|detail| detail.contains("sshd_config, sshd")), "{error:?}");
        assert!(error.details().iter().any(|detail| detail.contains("Permission denied")), "{error:?}");
        let error = changed.locked_out("solo", &["a", "b"], &refused);
        assert!(error.message().contains("one of the provisioners 'a', 'b'"), "{error}");
    }
}
