//! `.lab/journal.jsonl`: a line before and after each step of each machine.
//!
//! For people and bug reports: what a killed command was doing. Nothing is decided by it, since the
//! provider and the guest are asked what is really there.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::state::now;

/// The journal of one lab, open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    order: Mutex<()>,
}

impl Journal {
    /// The journal at `path`; made with the first line.
    pub fn at(path: PathBuf) -> Self {
        Journal { path, order: Mutex::new(()) }
    }

    /// Does `work`, with a line before and one after it.
    pub fn step<T, E: std::fmt::Display>(
        &self,
        machine: &str,
        step: &str,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.line(&json!({"at": now(), "machine": machine, "step": step, "is": "begun"}));
        let result = work();
        self.line(&match &result {
            Ok(_) => json!({"at": now(), "machine": machine, "step": step, "is": "done"}),
            Err(error) => {
                json!({"at": now(), "machine": machine, "step": step, "is": "failed", "why": error.to_string()})
            }
        });
        result
    }

    /// Appends a line. A journal that cannot be written stops nobody's class.
    fn line(&self, line: &serde_json::Value) {
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.path);
        let _ = file.and_then(|mut file| writeln!(file, "{line}"));
    }
}
