//! What happens inside a machine, over the system's own `ssh`: getting in, first-boot set-up,
//! provisioners, files. Knows nothing of providers: it is told an address.

pub mod access;
mod archive;
pub mod check;
pub mod console;
pub mod contents;
pub mod copy;
mod door;
#[cfg(test)]
#[cfg(unix)]
mod driver_tests;
pub mod exec;
mod failed;
#[doc(hidden)]
pub mod fuzzed;
mod hangup;
pub mod keys;
pub mod login;
mod marks;
mod payload;
pub mod power;
mod progress;
pub mod refusal;
pub mod restart;
mod rsa;
pub mod session;
pub mod setup;
#[cfg(test)]
#[cfg(unix)]
mod setup_tests;
mod shell;
pub mod step;
mod sudo;
mod unpack;
pub mod wait;

pub use access::Access;
pub use door::{Guests, OverSsh};
