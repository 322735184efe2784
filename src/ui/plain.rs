//! Events as plain lines on standard error. The machine's name stands in front of each.

use crate::error::Kind;
use crate::lab::tell::event::{Event, Outcome, Sink};
use crate::process::{Call, Moment};

use super::terminal::say;
use super::{Paint, Volume, duration, error_text};

/// The display for pipes and for terminals that cannot move the cursor.
pub(super) struct Plain {
    pub(super) paint: Paint,
    pub(super) volume: Volume,
}

impl Sink for Plain {
    fn emit(&self, event: Event) {
        let least = match event {
            Event::Failed { .. } | Event::Warning { .. } => Volume::Quiet,
            Event::Program(_) => Volume::Verbose,
            _ => Volume::Normal,
        };
        if self.volume >= least
            && let Some(line) = line(&event, self.paint)
        {
            say(&line, self.paint);
        }
    }
}

/// The line for an event. Progress gives no line: it would fill a log.
pub(super) fn line(event: &Event, paint: Paint) -> Option<String> {
    let Paint { bold, good, warn, hint: tip, dim, .. } = paint;
    let before = |machine: &Option<String>| {
        machine.as_ref().map_or_else(String::new, |machine| format!("{bold}{machine}{bold:#}: "))
    };
    Some(match event {
        Event::Waiting { machine, on } => format!("{bold}{machine}{bold:#}: {}", waiting(on)),
        Event::Phase { machine, phase } => format!("{bold}{machine}{bold:#}: {}", phase.words()),
        Event::StepStarted { machine, step } => format!("{bold}{machine}{bold:#}: {step}"),
        Event::StepFinished { machine, step, took } => {
            format!("{bold}{machine}{bold:#}: {step}: done in {}", duration(*took))
        }
        Event::Output { machine, line, .. } => {
            format!("{bold}{machine}{bold:#}: {dim}|{dim:#} {line}")
        }
        Event::Done { machine, outcome: Outcome::Unchanged, .. } => {
            format!("{bold}{machine}{bold:#}: nothing to do")
        }
        Event::Done { machine, outcome, took } => {
            format!("{bold}{machine}{bold:#}: {good}{}{good:#} ({})", outcome.words(), duration(*took))
        }
        // All machines stop together, and the error at the end of the command says how to go on.
        Event::Failed { machine, error } if error.kind() == Kind::Interrupted => {
            format!("{bold}{machine}{bold:#}: stopped")
        }
        Event::Failed { machine, error } => error_text(&error.clone().of(machine), paint),
        Event::Note { machine, text } => format!("{}{text}", before(machine)),
        Event::Warning { machine, text, hint } => {
            let mut line = format!("{}{warn}warning{warn:#}: {text}", before(machine));
            if let Some(hint) = hint {
                line.push_str(&format!("\n{}{tip}hint{tip:#}: {hint}", before(machine)));
            }
            line
        }
        Event::Program(call) => program(call),
        Event::Begin { .. } | Event::End | Event::Progress { .. } | Event::ProgressEnd { .. } => return None,
    })
}

/// A program's start or end.
fn program(Call { number, command, moment }: &Call) -> String {
    match moment {
        Moment::Started => format!("program {number}: {command}"),
        Moment::Ended { how, took } => format!("program {number}: {how} after {:.3} s", took.as_secs_f64()),
    }
}

/// What a machine waits for, in words.
pub(super) fn waiting(on: &[String]) -> String {
    if on.is_empty() { "waiting for its turn".to_owned() } else { format!("waiting for {}", on.join(", ")) }
}
