//! Every provider is held to the contract by the same tests: [`suite`] has them, and each provider a file that makes its bed.
//! That of VirtualBox is in `tests/virtualbox`, where its bed is.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at the first surprise")]

#[path = "../common/mod.rs"]
mod common;
#[macro_use]
mod suite;

mod fake;
mod far;
mod qemu;
