//! The orchestration tried on machines that are not there, by the provider [`crate::provider::fake`].
//!
//! [`bench`] is a user's folders and what can be typed in them, [`guests`] what is inside the machines. [`kills`] kills lab
//! at every call, [`paths`] goes where little else goes.

mod bench;
mod guests;
mod kills;
mod paths;
