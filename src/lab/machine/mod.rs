//! One machine of a lab, as a command works on it.
//!
//! - [`handle`] is the machine for all that work on it;
//! - [`records`] decides what is decided once, [`steps`] what is to run;
//! - [`power`] brings the machine up and down, [`session`] works in the guest, [`watch`] ends that with the machine;
//! - [`ready`] takes it to ready, the same way for every command; [`keep`] sees to its snapshots.

mod handle;
pub mod keep;
mod power;
mod ready;
pub mod records;
mod session;
pub mod steps;
mod watch;

pub use handle::Handle;
pub use ready::Until;
pub use session::Work;
