//! `.lab/state.json`: what a lab must remember of its machines and cannot ask anyone.
//!
//! Ids, MACs and ports are decided once and kept. What a machine *does* is never read from here: the
//! provider is asked. Every change is written at once, whole.

mod model;
mod readiness;
mod store;
mod version_1;

pub use crate::lab::disk::now::now;
pub use model::{AtSnapshot, Login, Record, State, VERSION};
pub use readiness::{Readiness, StepRecord};
pub use store::{Store, read, write};
