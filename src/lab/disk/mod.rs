//! What a lab has on disk, and what all labs of a user share.
//!
//! - [`files`] names every file; [`place`] finds a lab's folder;
//! - [`lock`] lets one command at a time change a lab; [`log`] says what commands did;
//! - [`ports`] knows which lab has which port of this computer.

pub mod files;
pub mod lock;
pub mod log;
mod place;
pub mod ports;

pub use place::Place;
