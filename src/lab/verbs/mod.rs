//! What is done to a lab.
//!
//! - [`up`] brings machines forward, [`down`] takes them back;
//! - [`run`] uses machines that run, [`check`] looks at what has been achieved in them;
//! - [`snapshots`] brings machines back to what they were; [`package`] makes a box of one;
//! - [`each`] lets a verb go over its machines.

pub mod check;
pub mod down;
mod each;
pub mod package;
pub mod run;
pub mod snapshots;
pub mod up;
