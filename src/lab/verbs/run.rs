//! Using machines that run: provisioners, commands, files, logs.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::guest::{Access, copy, exec};
use crate::process::{Cmd, Stream};
use crate::provider::{Console, PowerState, Reach};

use crate::lab::crew::Job;
use crate::lab::machine::{Handle, Until, steps};
use crate::lab::{Lab, Report};

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
        let after = |name: &String| self.handle(name).in_labfile().map(|machine| machine.after.clone());
        let job = |name: &String| Job { machine: name.clone(), after: after(name).unwrap_or_default() };
        let jobs: Vec<Job> = names.iter().map(job).collect();
        Ok(self.each_machine(&jobs, limit.unwrap_or(jobs.len()), &|machine, turn| {
            let state =
                names.iter().position(|known| known == machine.name).and_then(|place| states.get(place));
            let state = machine.settled(state.copied().unwrap_or(PowerState::Absent))?;
            self.must_be_reachable(machine, state)?;
            let mut wanted = steps::plan(machine.wanted()?)?;
            wanted.retain(|planned| only.is_empty() || only.contains(&planned.step.name));
            for planned in &mut wanted {
                planned.step.force = true;
            }
            machine.make_ready(state, Until::Ran(&wanted), turn)
        }))
    }

    /// The ssh of a running machine, for `lab ssh`, `exec` and `ssh-config`.
    ///
    /// # Errors
    /// [`Kind::WrongState`] where it does not run or has never been set up.
    pub fn ssh(&self, name: &str) -> Result<Access> {
        let machine = self.handle(name);
        self.must_be_reachable(machine, machine.settled(machine.power()?)?)?;
        machine.access(false)
    }

    /// The ssh of a machine that exists, running or not: its settings do not change. `None` for one that has not been made.
    ///
    /// # Errors
    /// Those of [`crate::provider::Provider::reach`].
    pub fn ssh_settings(&self, name: &str) -> Result<Option<Access>> {
        let machine = self.handle(name);
        if machine.known().is_none() {
            return Ok(None);
        }
        machine.access(false).map(Some)
    }

    /// Where a machine that exists is reached; `None` for one that has not been made.
    ///
    /// # Errors
    /// Those of [`crate::provider::Provider::reach`].
    pub fn reach(&self, name: &str) -> Result<Option<Reach>> {
        let machine = self.handle(name);
        if machine.known().is_none() {
            return Ok(None);
        }
        self.provider.reach(&machine.spec()?).map(Some)
    }

    /// That a machine runs and lets us in.
    ///
    /// # Errors
    /// [`Kind::WrongState`], and what to do.
    fn must_be_reachable(&self, machine: Handle<'_>, state: PowerState) -> Result<()> {
        let name = machine.name;
        let wrong =
            |is: &str, hint: String| Err(Error::new(Kind::WrongState, format!("{name} {is}")).hint(hint));
        match (state, machine.known()) {
            (PowerState::Running | PowerState::CutOff, Some(record)) if record.readiness.is_set_up() => {
                Ok(())
            }
            (PowerState::Running | PowerState::CutOff, _) => {
                wrong("runs, but has not been set up yet", format!("`lab up {name}` finishes it"))
            }
            (PowerState::Absent, _) | (_, None) => {
                wrong("has not been created yet", format!("`lab up {name}` makes it"))
            }
            (PowerState::Off, _) => wrong("is off", format!("`lab up {name}` starts it")),
            (PowerState::Suspended, _) => wrong("is suspended", format!("`lab resume {name}` wakes it")),
            (PowerState::Paused, Some(_)) => {
                self.provider.alive(&machine.spec()?)?;
                wrong("is paused", format!("`lab resume {name}` lets it run on"))
            }
            (PowerState::Busy, _) => {
                wrong("is being suspended or resumed", format!("look again with `lab status {name}`"))
            }
            (PowerState::Unclear, _) => wrong(
                "does not answer",
                format!(
                    "`lab logs {name}` shows its console; `lab up {name}` starts it afresh, and loses what it has not written"
                ),
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
                        exec::run(access, command, cancel, &mut |stream, line| on_line(name, stream, line))
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

    /// A machine's serial console; `None` for one that has not been made.
    ///
    /// # Errors
    /// Those of [`crate::provider::Provider::console`].
    pub fn console(&self, name: &str) -> Result<Option<Box<dyn Console>>> {
        let machine = self.handle(name);
        if machine.known().is_none() {
            return Ok(None);
        }
        self.provider.console(&machine.spec()?).map(Some)
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
