//! One command of a user's in a machine: `lab exec`.

use crate::cancel::Cancel;
use crate::error::Result;
use crate::process::Stream;

use super::access::Access;
use super::refusal::SSH_FAILED;
use super::shell::{Mark, users_command};

/// Runs `command` in the login user's home folder; its exit status. One word is a line for the shell, several are the
/// words of a command, which arrive as they are. What start-up files of the login shell print is left out.
///
/// # Errors
/// ssh's own; [`crate::error::Kind::SetupFailed`] where the login shell ended before the command began.
pub fn run(
    access: &Access,
    command: &[String],
    cancel: &Cancel,
    on_line: &mut dyn FnMut(Stream, &str),
) -> Result<i32> {
    let mark = Mark::new();
    let mut begun = [false, false];
    let mut before = String::new();
    let ssh = access.session().arg(mark.command(&users_command(command)));
    let status = ssh.lines(cancel, |stream, line| match &mut begun[usize::from(stream == Stream::Err)] {
        true => on_line(stream, line),
        begun if mark.is(line) => *begun = true,
        _ => before = format!("{before}{line}\n"),
    })?;
    let status = status.code().unwrap_or(SSH_FAILED);
    match begun {
        [true, _] => Ok(status),
        _ if status == SSH_FAILED => Err(access.refused(&before)),
        _ => Err(access.no_mark(&before)),
    }
}
