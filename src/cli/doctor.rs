//! `lab doctor`

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::atomic;
use crate::doctor::{self, Check, Host, Lab, Outcome, Subject};
use crate::error::{Error, Kind, Result};
use crate::lab::disk::files::LabFiles;
use crate::lab::disk::state;
use crate::labfile;
use crate::printable;
use crate::ui::table::{Cell, Table};
use crate::ui::{self, Paint};

use super::{App, Status};

/// Check whether this computer can run the lab
///
/// Checks virtualisation, VirtualBox, QEMU, memory, disk, ports, networks, ssh, clock and limits against the
/// Labfile; without a Labfile, it checks the computer alone. It downloads nothing and changes nothing. The exit
/// code is 0 where all checks pass or only warn, and 4 where the lab cannot run.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab doctor
  lab doctor -f class/Labfile
  lab doctor --report doctor.txt     one file to send to the teacher
  lab doctor --json | jq '.checks[] | select(.outcome == \"failure\")'")]
pub(super) struct Args {
    /// The Labfile [default: that of this folder or of one above]
    #[arg(short = 'f', long = "labfile", value_name = "LABFILE")]
    labfile: Option<PathBuf>,
    /// Write all of it to a new file too, without the names of user and computer
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// The provider to run the lab with: virtualbox, qemu or auto
    #[arg(long, value_name = "NAME", env = "LAB_PROVIDER", hide_env_values = true)]
    provider: Option<String>,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let report = self.report.as_ref().map(|path| app.dir.join(path));
        if let Some(path) = report.as_deref().filter(|path| path.symlink_metadata().is_ok()) {
            return Err(exists(path));
        }
        let context = app.silent_context()?;
        let host = Host::here();
        let (dir, lab) = match &self.labfile {
            Some(path) => {
                let path = app.dir.join(path);
                let folder = path.parent().unwrap_or(&app.dir).to_owned();
                let read = labfile::load(&path).map(|loaded| loaded.labfile).map_err(Error::from);
                (folder, read)
            }
            None => match app.place() {
                Ok(place) => (place.dir, place.labfile),
                Err(error) => (app.dir.clone(), Err(error)),
            },
        };
        let dir = dir.canonicalize().or_else(|_| std::path::absolute(&dir)).unwrap_or(dir);
        let lab = match lab {
            Ok(labfile) => {
                let known = state::read(&LabFiles::beside(&labfile.dir).state()).ok().flatten();
                Lab::Read(Box::new(labfile), known)
            }
            Err(error) if error.kind() == Kind::NoLabfile && self.labfile.is_none() => Lab::None,
            Err(error) => Lab::Broken(error),
        };
        let subject = Subject { host: &host, dir, home: &context.home, lab, provider: self.provider };
        let checks = doctor::examine(&subject, &context.cancel)?;
        let failed = names(&checks, Outcome::Failure);
        if app.ui.json {
            ui::print_json(&json!({
                "ok": failed.is_empty(),
                "lab": match &subject.lab { Lab::Read(labfile, _) => Some(&labfile.name), _ => None },
                "checks": checks,
            }));
        } else if std::io::stdout().is_terminal() {
            app.ui.print(&table(&checks, app.ui.paint_out()));
        } else {
            app.ui.print(&lines(&checks));
        }
        if let Some(path) = &report {
            let text = doctor::text(&host, &checks);
            atomic::write_new(path, printable::text(&text).as_bytes())?;
            app.ui.tell(&format!(
                "wrote {}: what is above, without the names of user and computer",
                path.display()
            ));
        }
        if failed.is_empty() {
            let warnings = checks.iter().filter(|check| check.outcome == Outcome::Warning).count();
            app.ui.tell(&match warnings {
                0 => "nothing is in the way".to_owned(),
                1 => "nothing is in the way; 1 warning".to_owned(),
                count => format!("nothing is in the way; {count} warnings"),
            });
            return Ok(0);
        }
        let failed = failed.join(", ");
        Err(Error::new(Kind::HostUnfit, format!("this computer is not ready for the lab: {failed}"))
            .hint("each line above says what to do, then run `lab doctor` again"))
    }
}

/// The names of the checks with this outcome, each once.
fn names(checks: &[Check], outcome: Outcome) -> Vec<&'static str> {
    let mut names: Vec<&str> =
        checks.iter().filter(|check| check.outcome == outcome).map(|check| check.name).collect();
    names.dedup();
    names
}

/// A table with a row for each check. After a warning or a failure come two rows: what it means, and what to do.
fn table(checks: &[Check], paint: Paint) -> String {
    let mut table = Table::new(["CHECK", "RESULT", ""], paint);
    for check in checks {
        let style = match check.outcome {
            Outcome::Skipped => paint.dim,
            Outcome::Pass => paint.good,
            Outcome::Warning => paint.warn,
            Outcome::Failure => paint.bad,
        };
        table.row([check.name.into(), Cell::styled(word(check.outcome), style), check.what.as_str().into()]);
        if matches!(check.outcome, Outcome::Warning | Outcome::Failure) {
            table.row(["".into(), "".into(), Cell::styled(check.means.as_str(), paint.dim)]);
            if let Some(todo) = &check.todo {
                table.row(["".into(), "".into(), Cell::styled(format!("→ {todo}"), paint.hint)]);
            }
        }
    }
    table.render()
}

/// The checks for a pipe: one line for each check, with its meaning and what to do.
fn lines(checks: &[Check]) -> String {
    let line = |check: &Check| {
        let means = if check.means.is_empty() { String::new() } else { format!("; {}", check.means) };
        let todo = check.todo.as_ref().map(|todo| format!("; to do: {todo}")).unwrap_or_default();
        let line = format!("{}: {}: {}{means}{todo}", word(check.outcome), check.name, check.what);
        printable::line(&line).into_owned() + "\n"
    };
    checks.iter().map(line).collect()
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Skipped => "left out",
        Outcome::Pass => "pass",
        Outcome::Warning => "warning",
        Outcome::Failure => "failure",
    }
}

fn exists(path: &Path) -> Error {
    Error::new(Kind::FileExists, format!("{} exists already", path.display()))
        .hint("move it away, or give another name: lab doctor --report doctor-2.txt")
}
