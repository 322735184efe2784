//! What happens inside a machine, over the system's own `ssh`: getting in, first-boot set-up,
//! provisioners, files. Knows nothing of providers: it is told an address.

pub mod access;
mod archive;
pub mod check;
pub mod copy;
#[cfg(test)]
#[cfg(unix)]
mod driver_tests;
#[doc(hidden)]
pub mod fuzzed;
pub mod keys;
mod marks;
pub mod provision;
pub mod refusal;
mod rsa;
mod session;
pub mod setup;
#[cfg(test)]
#[cfg(unix)]
mod setup_tests;
mod unpack;
pub mod wait;

pub use access::Access;
