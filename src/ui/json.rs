//! Events as JSON, one object per line on standard output. The schema is documented in `docs/json.md`.

use serde_json::{Value, json};

use crate::error::Error;
use crate::lab::tell::event::{Event, Sink};
use crate::process::Stream;

use super::terminal::print_json;

/// Prints every event as JSON. Progress and calls of programs are left out: they are for people to look at.
pub(super) struct Json;

impl Sink for Json {
    fn emit(&self, event: Event) {
        if let Some(value) = value(event) {
            print_json(&value);
        }
    }
}

fn value(event: Event) -> Option<Value> {
    Some(match event {
        Event::Waiting { machine, on } => {
            json!({"event": "phase", "machine": machine, "phase": "waiting", "for": on})
        }
        Event::Phase { machine, phase } => json!({"event": "phase", "machine": machine, "phase": phase}),
        Event::StepStarted { machine, step } => json!({"event": "step", "machine": machine, "step": step}),
        Event::StepFinished { machine, step, took } => {
            json!({"event": "step_done", "machine": machine, "step": step, "seconds": took.as_secs_f64()})
        }
        Event::Output { machine, step, stream, line } => {
            let stream = if stream == Stream::Out { "stdout" } else { "stderr" };
            json!({"event": "output", "machine": machine, "step": step, "stream": stream, "line": line})
        }
        Event::Done { machine, outcome, took } => {
            json!({"event": "done", "machine": machine, "outcome": outcome, "seconds": took.as_secs_f64()})
        }
        Event::Failed { machine, error } => {
            json!({"event": "failed", "machine": machine, "error": error_value(&error)})
        }
        Event::Note { machine, text } => json!({"event": "note", "machine": machine, "text": text}),
        Event::Warning { machine, text, hint } => {
            json!({"event": "warning", "machine": machine, "text": text, "hint": hint})
        }
        Event::Program(_)
        | Event::Begin { .. }
        | Event::End
        | Event::Progress { .. }
        | Event::ProgressEnd { .. } => return None,
    })
}

/// Prints the error that ended the command.
pub(super) fn error(error: &Error) {
    print_json(&json!({"event": "error", "error": error_value(error)}));
}

fn error_value(error: &Error) -> Value {
    json!({
        "code": error.kind().code(),
        "exit": error.kind().exit() as u8,
        "machine": error.machine(),
        "message": error.to_string(),
        "details": error.details(),
        "hints": error.hints(),
    })
}
