//! Using machines that run: provisioners, commands, files, logs.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::guest::{Access, copy};
use crate::process::{Cmd, Stream};
use crate::provider::PowerState;

use super::event::{Outcome, Phase};
use super::session::Work;
use super::state::Record;
use super::steps;
use super::{Lab, Report, crew};

impl Lab<'_> {
    /// Runs the provisioners of running machines again: all, or those whose name is in `only`.
    ///
    /// # Errors
    /// [`Kind::Usage`] where `only` names none; a machine's own errors are in the report.
    pub fn provision(&self, names: &[String], only: &[String], limit: Option<usize>) -> Result<Report> {
        let labfile = self.labfile()?;
        for wanted in only {
            let known: Vec<&str> = labfile
                .machines
                .iter()
                .filter(|machine| names.contains(&machine.name))
                .flat_map(|machine| machine.provisioners.iter().map(|provisioner| provisioner.name.as_str()))
                .collect();
            if !known.contains(&wanted.as_str()) {
                return Err(Error::new(Kind::Usage, format!("there is no provisioner {wanted}"))
                    .hint(format!("there are: {}", known.join(", "))));
            }
        }
        let states = self.power_states(names)?;
        let jobs: Vec<crew::Job> = names
            .iter()
            .map(|name| crew::Job {
                machine: name.clone(),
                after: self.machine(name).map(|machine| machine.after.clone()).unwrap_or_default(),
            })
            .collect();
        Ok(self.for_each(&jobs, limit.unwrap_or(jobs.len()), &|name| {
            let state = names.iter().position(|known| known == name).and_then(|place| states.get(place));
            self.reachable(name, self.settled(name, state.copied().unwrap_or(PowerState::Absent))?)?;
            let machine = self.machine(name).ok_or_else(|| {
                Error::new(Kind::UnknownMachine, format!("{name} is not in the Labfile any more"))
            })?;
            let mut wanted = steps::plan(machine)?;
            wanted.retain(|planned| only.is_empty() || only.contains(&planned.step.name));
            for planned in &mut wanted {
                planned.step.force = true;
            }
            self.phase(name, Phase::Provisioning);
            // What is about to be done again counts as done when it is: the next `up` sees to the rest.
            self.store.update_record(name, |record| {
                record.steps.retain(|id, _| wanted.iter().all(|planned| planned.step.id != *id));
            })?;
            let work = Work { identity: None, steps: &wanted };
            let result = self.context.log.step(name, "provision", || self.enter(name, work));
            match result {
                Ok(()) => {
                    // Another step may have failed before, which only `up` takes up again.
                    let all = steps::plan(machine)?;
                    let ready_boot = self.record(name)?.ready_boot;
                    if steps::pending(&all, &self.record(name)?).is_empty() {
                        self.keep_ready(name, true)?;
                    }
                    self.store.update_record(name, |record| {
                        if steps::pending(&all, record).is_empty() {
                            record.failure = None;
                            record.ready_boot = ready_boot;
                        }
                    })?;
                    Ok(Outcome::Ready)
                }
                Err(error) => {
                    if error.kind() != Kind::Interrupted {
                        self.note_failure(name, &error);
                    }
                    Err(error)
                }
            }
        }))
    }

    /// The ssh of a running machine, for `lab ssh`, `exec` and `ssh-config`.
    ///
    /// # Errors
    /// [`Kind::WrongState`] where it does not run or has never been set up.
    pub fn ssh(&self, name: &str) -> Result<Access> {
        let states = self.power_states(std::slice::from_ref(&name.to_owned()))?;
        let state = self.settled(name, states.first().copied().unwrap_or(PowerState::Absent))?;
        let record = self.reachable(name, state)?;
        Ok(self.access(name, &record, &self.spec(name, &record), false))
    }

    /// The ssh of a machine that exists, running or not: its settings do not change.
    pub fn ssh_settings(&self, name: &str) -> Option<Access> {
        let record = self.store.record(name)?;
        Some(self.access(name, &record, &self.spec(name, &record), false))
    }

    fn reachable(&self, name: &str, state: PowerState) -> Result<Record> {
        let wrong =
            |is: &str, hint: String| Err(Error::new(Kind::WrongState, format!("{name} {is}")).hint(hint));
        match (state, self.store.record(name)) {
            (PowerState::Running, Some(record)) if record.identity.is_some() => Ok(record),
            (PowerState::Running, _) => {
                wrong("runs, but has not been set up yet", format!("`lab up {name}` finishes it"))
            }
            (PowerState::Absent, _) | (_, None) => {
                wrong("has not been created yet", format!("`lab up {name}` makes it"))
            }
            (PowerState::Off, _) => wrong("is off", format!("`lab up {name}` starts it")),
            (PowerState::Suspended, _) => wrong("is suspended", format!("`lab resume {name}` wakes it")),
            (PowerState::Paused, Some(record)) => {
                self.provider.alive(&self.spec(name, &record))?;
                wrong("is paused", format!("`lab resume {name}` lets it run on"))
            }
            (PowerState::Busy, _) => {
                wrong("is being suspended or resumed", format!("look again with `lab status {name}`"))
            }
            (PowerState::Unclear, _) => wrong(
                "does not answer",
                format!("`lab up {name}` starts it afresh; `lab logs {name}` shows its console"),
            ),
        }
    }

    /// Runs a command in several machines side by side and returns each one's exit status.
    /// `on_line` gets the output, from several threads.
    ///
    /// # Errors
    /// A machine that cannot be reached, before anything runs.
    pub fn exec(
        &self,
        names: &[String],
        command: &[String],
        on_line: &(dyn Fn(&str, Stream, &str) + Sync),
    ) -> Result<Vec<(String, Result<i32>)>> {
        let accesses = names.iter().map(|name| self.ssh(name)).collect::<Result<Vec<Access>>>()?;
        let cancel = &self.context.cancel;
        Ok(std::thread::scope(|scope| {
            let threads: Vec<_> = names
                .iter()
                .zip(&accesses)
                .map(|(name, access)| {
                    scope.spawn(move || {
                        let ssh = remote(access.batch(), command);
                        let status = ssh.lines(cancel, |stream, line| on_line(name, stream, line))?;
                        Ok(status.code().unwrap_or(255))
                    })
                })
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<i32>>| {
                thread.join().unwrap_or_else(|_| Err(Error::internal("a machine's thread panicked")))
            };
            names.iter().cloned().zip(threads.into_iter().map(join)).collect()
        }))
    }

    /// Copies between this computer and a machine; exactly one side has a machine.
    pub fn copy(&self, from: &Spot, to: &Spot) -> Result<()> {
        let cancel = &self.context.cancel;
        match (from, to) {
            (Spot::Host(from), Spot::Guest(name, to)) => copy::to_guest(&self.ssh(name)?, from, to, cancel),
            (Spot::Guest(name, from), Spot::Host(to)) => copy::to_host(&self.ssh(name)?, from, to, cancel),
            (Spot::Host(_), Spot::Host(_)) => Err(Error::new(Kind::Usage, "neither path is in a machine")
                .hint("write MACHINE:PATH for one of them: `lab cp web1:/var/log/nginx/error.log .`")),
            (Spot::Guest(..), Spot::Guest(..)) => Err(Error::new(Kind::Usage, "both paths are in machines")
                .hint("copy to this computer first, then to the other machine")),
        }
    }

    /// Where a machine's serial console is written to; `None` for one that has not been made.
    pub fn console_log(&self, name: &str) -> Option<PathBuf> {
        let record = self.store.record(name)?;
        Some(self.provider.console_log(&self.spec(name, &record)))
    }
}

/// A path of `lab cp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spot {
    /// On this computer.
    Host(PathBuf),
    /// In a machine, where a path is bytes.
    Guest(String, Vec<u8>),
}

impl Spot {
    /// Reads `MACHINE:PATH` or `PATH`. A colon behind a slash belongs to the path; on Windows also one
    /// behind a single letter, which is a drive.
    pub fn parse(text: &OsStr) -> Self {
        let bytes = text.as_encoded_bytes();
        let colon = bytes.iter().position(|byte| *byte == b':').unwrap_or(0);
        match str::from_utf8(&bytes[..colon]) {
            Ok(machine) if colon > 0 && !machine.contains(['/', '\\']) && !is_drive(machine) => {
                Spot::Guest(machine.to_owned(), bytes[colon + 1..].to_vec())
            }
            _ => Spot::Host(PathBuf::from(text)),
        }
    }
}

fn is_drive(name: &str) -> bool {
    cfg!(windows) && name.len() == 1
}

/// `ssh … -- COMMAND…`: one word is a shell line for the guest, as with ssh; several are the words
/// of a command, which arrive as they are.
pub fn remote(ssh: Cmd, command: &[String]) -> Cmd {
    match command {
        [] => ssh,
        [line] => ssh.arg("--").arg(line),
        words => {
            let quoted: Vec<String> = words.iter().map(|word| crate::process::quote(word)).collect();
            ssh.arg("--").arg(quoted.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spots_are_told_apart() {
        let parse = |text: &str| Spot::parse(text.as_ref());
        assert_eq!(parse("web1:/etc/hosts"), Spot::Guest("web1".into(), "/etc/hosts".into()));
        assert_eq!(parse("web1:"), Spot::Guest("web1".into(), Vec::new()));
        for path in ["notes.txt", "./a:b", "/a:b", ":a"] {
            assert_eq!(parse(path), Spot::Host(path.into()), "{path}");
        }
    }

    #[test]
    fn several_words_arrive_as_they_are() {
        let words = ["echo", "it's", "two words"].map(str::to_owned);
        let cmd = remote(Cmd::new("ssh").arg("web1"), &words);
        assert_eq!(cmd.display(), r#"ssh web1 -- 'echo '\''it'\''\'\'''\''s'\'' '\''two words'\'''"#);
    }
}
