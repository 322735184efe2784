//! Events as plain lines on standard error, each with the machine's name in front.

use crate::error::Kind;
use crate::lab::tell::event::{Event, Outcome, Sink};
use crate::process::{Call, Moment};

use super::{Paint, Volume, duration, error_text, say};

/// For pipes, logs and dumb terminals.
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
            say(&line);
        }
    }
}

/// The line for an event; none for progress, which would fill a log.
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
            format!("{bold}{machine}{bold:#}: {dim}|{dim:#} {}", printable(line))
        }
        Event::Done { machine, outcome: Outcome::Unchanged, .. } => {
            format!("{bold}{machine}{bold:#}: nothing to do")
        }
        Event::Done { machine, outcome, took } => {
            format!("{bold}{machine}{bold:#}: {good}{}{good:#} ({})", outcome.words(), duration(*took))
        }
        // Everybody was told to stop at once, and the command's own end says how to go on.
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

/// `line` without what could move the cursor of the host's terminal: guests are not trusted with it.
pub fn printable(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // A control sequence: everything up to its final letter.
            '\u{1b}' => {
                if chars.next_if_eq(&'[').is_some() {
                    while chars.next_if(|c| !c.is_ascii_alphabetic() && *c != '~').is_some() {}
                }
                chars.next();
            }
            '\t' => clean.push_str("    "),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_move_our_cursor() {
        assert_eq!(printable("a\u{1b}[2J\u{1b}[1;31mred\u{1b}[0m\u{7}\tend"), "ared    end");
        assert_eq!(printable("broken \u{1b}["), "broken ");
    }
}
