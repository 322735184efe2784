//! What a student has achieved: the Labfile's checks, all machines side by side, a connection each.

use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::guest::check::{Answer, Probe};
use crate::labfile::model::Check;

use crate::lab::Lab;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is as expected.
    Passed,
    /// It is not.
    Failed,
    /// The machine could not be asked.
    Unreachable,
}

/// A check, looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// Its machine.
    pub machine: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What it is worth.
    pub points: u32,
    /// Why it has not passed.
    pub reason: Option<String>,
    /// What the Labfile says to who has not achieved it.
    pub hint: Option<String>,
}

impl Lab<'_> {
    /// Looks at the checks of these names, or at all, in the Labfile's order.
    ///
    /// # Errors
    /// [`Kind::Usage`] where there is none of a name, or none at all; why the Labfile cannot be read;
    /// [`Kind::Interrupted`]. What is wrong with a machine is in its checks.
    pub fn check(&self, names: &[String]) -> Result<Vec<Checked>> {
        let checks = chosen(&self.labfile()?.checks, names)?;
        let mut machines: Vec<&str> = checks.iter().map(|check| check.machine.as_str()).collect();
        machines.sort_unstable();
        machines.dedup();
        let answers: Vec<Vec<Checked>> = std::thread::scope(|scope| {
            let threads: Vec<_> = machines
                .iter()
                .map(|machine| {
                    let own: Vec<&Check> =
                        checks.iter().filter(|check| check.machine == *machine).copied().collect();
                    scope.spawn(move || self.check_one(machine, &own))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
        });
        self.context.cancel.check()?;
        let mut answers: Vec<Checked> = answers.into_iter().flatten().collect();
        answers.sort_by_key(|answer| checks.iter().position(|check| check.name == answer.name));
        if answers.len() < checks.len() {
            return Err(Error::internal("a machine's thread panicked"));
        }
        Ok(answers)
    }

    fn check_one(&self, machine: &str, checks: &[&Check]) -> Vec<Checked> {
        let probes: Vec<Probe<'_>> = checks
            .iter()
            .map(|check| Probe { script: &check.run, root: check.root, timeout: check.timeout })
            .collect();
        let answers = self
            .ssh(machine)
            .and_then(|access| self.context.guests.answers(&access, &probes, &self.context.cancel));
        let (answers, why) = match answers {
            Ok(answers) => (answers, format!("the connection to {machine} ended before it")),
            Err(error) => (Vec::new(), error.message().to_owned()),
        };
        let mut answers = answers.into_iter();
        checks
            .iter()
            .map(|check| {
                let (verdict, reason) = match answers.next().flatten() {
                    Some(answer) => match fault(check, &answer) {
                        None => (Verdict::Passed, None),
                        Some(why) => (Verdict::Failed, Some(why)),
                    },
                    None => (Verdict::Unreachable, Some(why.clone())),
                };
                Checked {
                    name: check.name.clone(),
                    machine: machine.to_owned(),
                    verdict,
                    points: check.points,
                    reason,
                    hint: check.hint.clone().filter(|_| verdict == Verdict::Failed),
                }
            })
            .collect()
    }
}

/// The checks that are asked for.
fn chosen<'a>(checks: &'a [Check], names: &[String]) -> Result<Vec<&'a Check>> {
    let known = || checks.iter().map(|check| check.name.as_str()).collect::<Vec<_>>().join(", ");
    if checks.is_empty() {
        return Err(Error::new(Kind::Usage, "this Labfile has no checks")
            .hint("for example: [check.web-answers] with run = \"curl -s http://localhost/\" and expect = \"hello\""));
    }
    for name in names {
        if !checks.iter().any(|check| check.name == *name) {
            return Err(Error::new(Kind::Usage, format!("there is no check {name} in this lab"))
                .hint(format!("there are: {}", known())));
        }
    }
    Ok(checks.iter().filter(|check| names.is_empty() || names.contains(&check.name)).collect())
}

/// Why an answer is not the one that is expected, in one line.
fn fault(check: &Check, answer: &Answer) -> Option<String> {
    let Some(status) = answer.status else {
        return Some(format!("took longer than {} s", check.timeout.as_secs()));
    };
    if status != i32::from(check.status) {
        let said = answer
            .stderr
            .lines()
            .rev()
            .chain(answer.stdout.lines().rev())
            .find(|line| !line.trim().is_empty());
        let expected = match check.status {
            0 => String::new(),
            status => format!(" instead of {status}"),
        };
        return Some(match said {
            Some(line) => format!("exit status {status}{expected}: {}", short(line)),
            None => format!("exit status {status}{expected}"),
        });
    }
    let expect = check.expect.as_ref().filter(|expect| !answer.stdout.contains(expect.as_str()))?;
    let expect = short(expect);
    Some(match answer.stdout.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("no \"{expect}\" in what it says: {}", short(line)),
        None => format!("no \"{expect}\": it says nothing"),
    })
}

/// A line that fits beside a table.
fn short(line: &str) -> String {
    const MOST: usize = 80;
    let line: String = line.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn check(expect: Option<&str>, status: u8) -> Check {
        Check {
            name: "c".into(),
            machine: "m".into(),
            run: "true".into(),
            expect: expect.map(str::to_owned),
            status,
            root: true,
            timeout: Duration::from_secs(30),
            points: 1,
            hint: None,
        }
    }

    fn answer(status: Option<i32>, stdout: &str, stderr: &str) -> Answer {
        Answer { status, stdout: stdout.into(), stderr: stderr.into() }
    }

    #[test]
    fn what_is_expected_passes() {
        assert_eq!(fault(&check(None, 0), &answer(Some(0), "", "noise")), None);
        assert_eq!(fault(&check(Some("hello"), 0), &answer(Some(0), "x\nsay hello\n", "")), None);
        assert_eq!(fault(&check(None, 7), &answer(Some(7), "", "")), None);
    }

    #[test]
    fn what_is_not_has_a_short_reason() {
        let why = |check: &Check, answer: Answer| fault(check, &answer).unwrap();
        assert_eq!(why(&check(None, 0), answer(None, "", "")), "took longer than 30 s");
        assert_eq!(
            why(&check(None, 0), answer(Some(7), "", "curl: refused\n\n")),
            "exit status 7: curl: refused"
        );
        assert_eq!(why(&check(None, 1), answer(Some(0), "", "")), "exit status 0 instead of 1");
        assert_eq!(
            why(&check(Some("hello"), 0), answer(Some(0), "\n<h1>It works</h1>", "")),
            "no \"hello\" in what it says: <h1>It works</h1>"
        );
        assert_eq!(why(&check(Some("hello"), 0), answer(Some(0), "", "")), "no \"hello\": it says nothing");
        assert_eq!(short(&"x".repeat(200)).chars().count(), 81);
    }
}
