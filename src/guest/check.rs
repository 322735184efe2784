//! Looking at what a student has achieved: several commands in one machine, over one connection.

use std::sync::mpsc;
use std::time::Duration;

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::process::{Stream, quote};

use super::access::Access;
use super::hangup::{answer, watched};
use super::refusal::SSH_FAILED;
use super::shell::Mark;

/// The driver: POSIX shell, run by the guest's `sh`.
const DRIVER: &str = include_str!("check.sh");

/// What connecting may take on top of the checks' own time limits.
const CONNECT: Duration = Duration::from_secs(120);

/// One command.
#[derive(Debug, Clone, Copy)]
pub struct Probe<'a> {
    /// What is run.
    pub script: &'a str,
    /// As root, or as the user that ssh logs in as.
    pub root: bool,
    /// How long it may run.
    pub timeout: Duration,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its exit status; `None` where it took too long.
    pub status: Option<i32>,
    /// The first 64 KiB of its standard output.
    pub stdout: String,
    /// The end of its standard error.
    pub stderr: String,
}

/// Runs `probes` one after another. An answer is missing where the connection ended before it.
///
/// # Errors
/// Those of [`Access::refused`], where the machine does not let us in.
pub fn run(access: &Access, probes: &[Probe<'_>], cancel: &Cancel) -> Result<Vec<Option<Answer>>> {
    // Nothing that a command prints can look like it.
    let mark = format!("lab-check-{}", uuid::Uuid::new_v4().simple());
    let mut script = DRIVER.to_owned();
    for (index, probe) in probes.iter().enumerate() {
        let who = if probe.root { "root" } else { "user" };
        let line =
            format!("lab_check {mark}-{index} {} {who} {}\n", probe.timeout.as_secs(), quote(probe.script));
        script.push_str(&line);
    }
    // The input stays open until the shell ends, so that it is told to.
    script.push_str("exit 0\n");
    let whole = probes.iter().map(|probe| probe.timeout).sum::<Duration>() + CONNECT;
    let entry = Mark::new();
    let ssh = access.session().timeout(whole).arg(entry.command_with_input("exec /bin/sh -s"));
    let mut reading = Reading { mark: &mark, answers: vec![None; probes.len()], part: None };
    let (greet, greeting) = mpsc::channel();
    // Hung up on where it never says that it listens.
    let (hang_up, mut begun, mut said) = (Cancel::new(), false, String::new());
    let stop = &hang_up;
    let status = watched(
        || cancel.is_cancelled(),
        stop,
        || {
            ssh.stream(
                stop,
                move |stdin| {
                    if answer(stdin, &greeting, stop)? { stdin.write_all(script.as_bytes()) } else { Ok(()) }
                },
                |stream, line| match stream {
                    Stream::Out if entry.is(line) => {
                        begun = true;
                        // An error means that nobody waits any more.
                        let _ = greet.send(());
                    }
                    Stream::Out => reading.line(line),
                    Stream::Err if entry.is(line) => said.clear(),
                    Stream::Err => said = format!("{said}{line}\n"),
                },
            )
        },
    );
    cancel.check()?;
    let answers = reading.answers;
    match status {
        Ok(status) if status.code() == Some(SSH_FAILED) && answers.iter().all(Option::is_none) => {
            Err(access.refused(&said))
        }
        Ok(status) if status.code() == Some(97) => Err(Error::new(
            Kind::SetupFailed,
            format!("{}: no temporary folder can be made in it", access.machine),
        )
        .detail(said.trim_end())
        .hint(format!("is its disk full? `lab ssh {} -- df -h /tmp`", access.machine))),
        Ok(_) if !begun => Err(access.no_mark(&said)),
        Err(error) if error.kind() == Kind::Interrupted && !begun => Err(access.no_mark(&said)),
        Ok(_) => Ok(answers),
        // What was answered by then counts.
        Err(error) if error.kind() == Kind::ProgramTimeout && answers.iter().any(Option::is_some) => {
            Ok(answers)
        }
        Err(error) => Err(error),
    }
}

/// The answers to `count` commands in the driver's `lines`.
pub(super) fn read<'a>(
    mark: &str,
    count: usize,
    lines: impl Iterator<Item = &'a str>,
) -> Vec<Option<Answer>> {
    let mut reading = Reading { mark, answers: vec![None; count], part: None };
    lines.for_each(|line| reading.line(line));
    reading.answers
}

/// What the driver says, line by line.
struct Reading<'a> {
    mark: &'a str,
    answers: Vec<Option<Answer>>,
    part: Option<Part>,
}

#[derive(Default)]
struct Part {
    index: usize,
    stdout: Vec<String>,
    stderr: Vec<String>,
    in_stderr: bool,
}

impl Reading<'_> {
    fn line(&mut self, line: &str) {
        let marked = line.strip_prefix(self.mark).and_then(|rest| rest.strip_prefix('-'));
        let words: Option<Vec<&str>> = marked.map(|rest| rest.split(' ').collect());
        match (words.as_deref(), self.part.as_mut()) {
            (Some([index, "out"]), _) => {
                self.part = index.parse().ok().map(|index| Part { index, ..Part::default() });
            }
            (Some([_, "err"]), Some(part)) => part.in_stderr = true,
            (Some([_, "end", status]), Some(_)) => {
                let Some(part) = self.part.take() else { return };
                // The line end before a mark is the driver's own.
                let text = |lines: Vec<String>| lines.join("\n").trim_end_matches('\n').to_owned();
                if let Some(slot) = self.answers.get_mut(part.index) {
                    *slot = Some(Answer {
                        status: status.parse().ok(),
                        stdout: text(part.stdout),
                        stderr: text(part.stderr),
                    });
                }
            }
            (None, Some(part)) => {
                let lines = if part.in_stderr { &mut part.stderr } else { &mut part.stdout };
                lines.push(line.to_owned());
            }
            _ => {}
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::process::Cmd;

    /// What the driver makes of `lines`, run by this computer's shell.
    #[allow(clippy::unwrap_used, reason = "a test's helper may stop at the first surprise")]
    fn driven(lines: &[&str]) -> Vec<Option<Answer>> {
        let script = DRIVER.to_owned() + &lines.concat() + "exit 0\n";
        let mut reading = Reading { mark: "m", answers: vec![None; lines.len()], part: None };
        let shell = Cmd::new("sh").arg("-s").timeout(Duration::from_secs(60));
        let fed = |stdin: &mut dyn std::io::Write| stdin.write_all(script.as_bytes());
        let status = shell
            .stream(&Cancel::new(), fed, |stream, line| {
                if stream == Stream::Out {
                    reading.line(line);
                }
            })
            .unwrap();
        assert!(status.success());
        reading.answers
    }

    #[test]
    fn each_command_has_its_own_answer() {
        let answers = driven(&[
            "lab_check m-0 20 user 'echo one; echo two; echo no >&2; exit 3'\n",
            "lab_check m-1 20 user 'cat; printf x; sleep 30 &'\n",
            "lab_check m-2 1 user 'echo begun; sleep 30; echo never'\n",
            "lab_check m-3 20 user 'head -c 200000 /dev/zero | tr \\\\0 a; exit 0'\n",
        ]);
        let answer = |index: usize| answers[index].clone().unwrap();
        assert_eq!(
            answer(0),
            Answer { status: Some(3), stdout: "one\ntwo".to_owned(), stderr: "no".to_owned() }
        );
        assert_eq!((answer(1).status, answer(1).stdout.as_str()), (Some(0), "x"));
        assert_eq!((answer(2).status, answer(2).stdout.as_str()), (None, "begun"));
        assert_eq!(answer(3).status, Some(0));
        assert_eq!(answer(3).stdout.len(), 65536);
    }

    #[test]
    fn a_broken_connection_leaves_answers_out() {
        let mut reading = Reading { mark: "m", answers: vec![None; 2], part: None };
        for line in ["m-0 out", "x", "", "m-0 err", "", "m-0 end 0", "m-1 out", "half"] {
            reading.line(line);
        }
        assert_eq!(reading.answers[0].as_ref().unwrap().stdout, "x");
        assert_eq!(reading.answers[1], None);
    }
}
