//! `lab logs`

use std::time::Duration;

use serde_json::json;

use crate::error::{Error, Kind, Result};
use crate::lab::Lab;
use crate::lab::disk::log;
use crate::process::Stream;
use crate::provider::{Console, ConsoleFile};
use crate::{printable, ui};

use super::{App, Status};

/// How often `--follow` looks for new lines.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Show what a machine's console and provisioners said, or what lab did
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab logs web1                     both, whole
  lab logs web1 --provision -n 20   the provisioners' last 20 lines
  lab logs web1 --console -f        the console, as it grows
  lab logs --lab -n 50              the last of what lab did: steps, programs, errors")]
pub(super) struct Args {
    /// Machines [default: all]
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    names: Vec<String>,
    /// Only the serial console
    #[arg(long, conflicts_with = "provision")]
    console: bool,
    /// Only the provisioners' output
    #[arg(long)]
    provision: bool,
    /// What lab itself did to this lab, with the programs that it started
    #[arg(long, conflicts_with_all = ["names", "console", "provision"])]
    lab: bool,
    /// Only the last lines
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// Go on as the logs grow, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
}

/// A log file, and how much of it has been shown.
struct Log {
    /// The machine that the log is of; `None` for the lab's own log.
    machine: Option<String>,
    /// `console`, `provision` or `lab`.
    what: &'static str,
    source: Box<dyn Console>,
    shown: u64,
    /// The beginning of a line whose end has not been written yet.
    rest: Vec<u8>,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.silent_context()?;
        let mut logs = if self.lab {
            // The lab is not opened: its state may be damaged.
            let paths = log::files(&app.place()?.files().log()).into_iter();
            paths.map(|path| Log::new(None, "lab", Box::new(ConsoleFile::at(path)))).collect()
        } else {
            self.logs(&app.existing(&context, false)?)?
        };
        if logs.is_empty() && !self.follow {
            return Err(
                Error::new(Kind::WrongState, "there are no logs yet").hint("`lab up` makes the machines")
            );
        }
        // The lab's log is one log, though it may stand in two files.
        let several = logs.len() > 1 && !self.lab;
        let manner = match (app.ui.json, several && self.follow) {
            (true, _) => Manner::Json,
            (false, named) => Manner::Plain { named },
        };
        let newest = logs.len().saturating_sub(1);
        for (number, log) in logs.iter_mut().enumerate() {
            let mut lines = log.read()?;
            if !self.follow {
                lines.extend(log.rest());
            }
            if self.lab && self.lines.is_some() && number != newest {
                continue;
            }
            let from = lines.len().saturating_sub(self.lines.unwrap_or(usize::MAX));
            lines.drain(..from);
            if several && !self.follow && !app.ui.json {
                let bold = app.ui.paint_out().bold;
                app.ui.print(&format!("{bold}==> {} <=={bold:#}\n", log.name()));
            }
            log.print(&lines, manner);
        }
        while self.follow && app.cancel.sleep(LOOK_EVERY).is_ok() {
            for log in &mut logs {
                let lines = log.read()?;
                log.print(&lines, manner);
            }
        }
        Ok(0)
    }

    fn logs(&self, lab: &Lab<'_>) -> Result<Vec<Log>> {
        let mut logs = Vec::new();
        for name in lab.select(&self.names)? {
            if let Some(mut console) = lab.console(&name)?.filter(|_| !self.provision)
                && console.said() > 0
            {
                logs.push(Log::new(Some(name.clone()), "console", console));
            }
            let provision = lab.files().provision_log(&name);
            if !self.console && provision.exists() {
                let provision = Box::new(ConsoleFile::at(provision));
                logs.push(Log::new(Some(name.clone()), "provision", provision));
            }
        }
        Ok(logs)
    }
}

/// How lines are shown.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// As JSON objects.
    Json,
    /// As they are in a pipe, printable on a terminal; `named`: with the log's name in front.
    Plain { named: bool },
}

impl Log {
    fn new(machine: Option<String>, what: &'static str, source: Box<dyn Console>) -> Self {
        Log { machine, what, source, shown: 0, rest: Vec::new() }
    }

    /// The name of the log, for people: `web1 console`.
    fn name(&self) -> String {
        match &self.machine {
            Some(machine) => format!("{} {}", printable::line(machine), self.what),
            None => self.what.to_owned(),
        }
    }

    /// A last line that has no end, such as `login: `.
    fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.rest);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }

    /// The lines that have come since the last call. A log that has become shorter is a new one.
    fn read(&mut self) -> Result<Vec<String>> {
        if self.source.said() < self.shown {
            (self.shown, self.rest) = (0, Vec::new());
        }
        let mut bytes = std::mem::take(&mut self.rest);
        loop {
            let more = self.source.read(self.shown)?;
            if more.is_empty() {
                break;
            }
            self.shown += more.len() as u64;
            bytes.extend(more);
        }
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        self.rest = bytes.split_off(end);
        Ok(String::from_utf8_lossy(&bytes)
            .lines()
            .map(|line| line.trim_end_matches('\r').to_owned())
            .collect())
    }

    fn print(&self, lines: &[String], manner: Manner) {
        let Log { machine, what, .. } = self;
        let name = self.name();
        for line in lines {
            match manner {
                Manner::Json => {
                    ui::print_json(&json!({"event": "log", "machine": machine, "log": what, "line": line}));
                }
                Manner::Plain { named } => {
                    let before = if named { format!("{name}: ") } else { String::new() };
                    ui::relay(Stream::Out, &before, line);
                }
            }
        }
    }
}
