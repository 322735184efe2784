//! The orchestration: from a Labfile and what is really there to machines that are ready, or gone.
//!
//! - [`verbs`] is what is done to a lab: up, down, run, snapshots, check, package;
//! - [`machine`] is one machine's way to ready and back, the same for every verb;
//! - [`boxes`] gets the boxes that a Labfile asks for, and knows what hangs on those that there are;
//! - [`disk`] is what stands on disk; [`tell`] is what is told: events, status, pictures, reports;
//! - [`opened`] is a lab with all that belongs to it, [`context`] what every command has; [`choose`] chooses the
//!   provider, [`mod@select`] the machines; [`crew`] lets machines go side by side, [`report`] says how they came out.

pub mod boxes;
mod choose;
mod context;
pub mod crew;
pub mod disk;
pub mod machine;
mod opened;
mod report;
mod select;
pub mod tell;
#[cfg(test)]
#[cfg(unix)]
mod trial;
pub mod verbs;

pub use context::Context;
pub use disk::Place;
pub use opened::Lab;
pub use report::Report;
pub use select::select;
