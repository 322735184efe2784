//! What is told of a lab.
//!
//! - [`event`] is what is reported while a command works; [`status`] is what there is, as data;
//! - [`hosts`] and [`graph`] help the person in front of the computer;
//! - [`bugreport`] collects what tells how it went, [`redact`] knows what not to tell.

pub mod bugreport;
pub mod event;
pub mod graph;
pub mod hosts;
pub mod outline;
pub mod redact;
pub mod status;
