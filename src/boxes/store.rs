//! The store: boxes by their content, under `LAB_HOME`, shared by all labs.
//!
//! A box is put together in a temporary folder and renamed to its digest when it is whole and on the
//! disk. So a kill at any moment leaves a box that is whole, or none.

mod add;
mod base;
mod care;
mod hold;
mod known;
mod leftovers;
mod resolve;
mod unknown;

pub use add::Add;
pub use base::{Store, Workspace};
pub use care::{Entry, Removed, Verified};
pub use hold::{Claim, Hold};
pub use known::OpenDisk;
pub use leftovers::Leftover;
pub use resolve::{Resolved, Wanted};

#[cfg(test)]
mod resolve_tests;
#[cfg(test)]
pub(super) mod tests;
