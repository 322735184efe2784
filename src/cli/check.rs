//! `lab check`

use serde_json::json;

use crate::error::{Error, Kind, Result};
use crate::lab::verbs::check::{Checked, Verdict};
use crate::ui::{self, table::Cell, table::Table};

use super::{App, Status};

/// Show what has been achieved in the lab
///
/// Runs the checks of the Labfile in their machines, side by side, and shows which have passed. lab itself
/// changes nothing; a check may.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
In the Labfile:
  [check.web-answers]
  machine = \"web1\"
  run     = \"curl -s http://localhost/\"
  expect  = \"hello\"                    may be left out: an exit status of 0 is enough
  hint    = \"is nginx running?\"

Examples:
  lab check
  lab check web-answers
  lab check --json | jq '.checks[] | select(.verdict != \"passed\") | .name'")]
pub(super) struct Args {
    /// Checks [default: all]
    #[arg(value_name = "NAME", add = super::candidates::checks())]
    names: Vec<String>,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let lab = app.existing(&context, false)?;
        let checks = lab.check(&self.names)?;
        let sum = |passed: bool| -> u32 {
            let counted = checks.iter().filter(|check| !passed || check.verdict == Verdict::Passed);
            counted.map(|check| check.points).sum()
        };
        let (points, most) = (sum(true), sum(false));
        let passed = checks.iter().filter(|check| check.verdict == Verdict::Passed).count();
        if app.ui.json {
            ui::print_json(&json!({"points": points, "of": most, "checks": checks}));
        } else {
            app.ui.print(&table(app, &checks));
            app.ui.tell(&format!("{passed} of {} passed, {points} of {most} points", checks.len()));
        }
        if passed == checks.len() {
            return Ok(0);
        }
        let names: Vec<&str> = checks
            .iter()
            .filter(|check| check.verdict != Verdict::Passed)
            .map(|check| check.name.as_str())
            .collect();
        let error = Error::new(Kind::ChecksFailed, format!("not achieved yet: {}", names.join(", ")));
        let off = checks.iter().find(|check| check.verdict == Verdict::Unreachable);
        Err(match off {
            Some(check) => {
                error.hint(format!("`lab up {}` makes it ready, then `lab check` again", check.machine))
            }
            None => error.hint(format!("`lab check {}` looks again", names.join(" "))),
        })
    }
}

fn table(app: &App, checks: &[Checked]) -> String {
    let paint = app.ui.paint_out();
    let mut table = Table::new(["CHECK", "MACHINE", "POINTS", "RESULT"], paint);
    for check in checks {
        let (word, style) = match check.verdict {
            Verdict::Passed => ("passed", paint.good),
            Verdict::Failed => ("failed", paint.bad),
            Verdict::Unreachable => ("not reachable", paint.warn),
        };
        let points = if check.verdict == Verdict::Passed { check.points } else { 0 };
        let mut text = word.to_owned();
        for more in check.reason.iter().chain(&check.hint) {
            text = format!("{text}; {more}").replacen("; ", ": ", usize::from(text == word));
        }
        table.row([
            check.name.as_str().into(),
            check.machine.as_str().into(),
            format!("{points}/{}", check.points).into(),
            Cell::styled(text, style),
        ]);
    }
    table.render()
}
