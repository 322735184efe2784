//! What a lab has on disk, and what all labs of a user share.
//!
//! - [`files`] names every file; [`place`] finds a lab's folder;
//! - [`lock`] lets one command at a time change a lab; [`log`] says what commands did;
//! - [`state`] knows how far its machines are;
//! - [`ports`] knows which lab has which port of this computer.

pub mod files;
pub mod lock;
pub mod log;
mod place;
pub mod ports;
pub mod state;

pub use place::Place;
