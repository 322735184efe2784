//! What a lab has on disk, and what all labs of a user share.
//!
//! - [`files`] names every file; [`place`] finds a lab's folder;
//! - [`register`] knows all labs of the user by their [`entry`]: [`found`] says whose a `.lab` is, after [`look`] has looked at
//!   it as at something that anybody may have made; [`seal`] tells what this user's lab wrote; [`taken_over`] are the
//!   labs of the release before;
//! - [`state`] knows how far the lab's machines are;
//! - [`ports`] knows which lab has which port of this computer;
//! - [`remove`] removes what lab made, and nothing else;
//! - [`lock`] lets one command at a time change a lab, [`wait`] is how it waits; [`log`] says what commands did.

mod entry;
pub mod files;
mod found;
pub mod lock;
pub mod log;
mod look;
pub mod now;
mod place;
pub mod ports;
mod register;
pub mod remove;
pub mod seal;
pub mod state;
mod taken_over;
mod wait;

pub use entry::{Entry, FolderId, Machine};
pub use found::Found;
pub use look::Oddity;
pub use place::Place;
pub use register::{Register, User};
pub use wait::{TIMEOUT_VARIABLE, Wait};

#[cfg(test)]
#[cfg(unix)]
mod hostile_tests;
#[cfg(test)]
mod register_tests;
