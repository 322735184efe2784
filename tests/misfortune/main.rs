//! Bad input and bad luck that need no machine: each ends with a clear error, a hint, its exit code,
//! and nothing left over. QEMU is played by shell scripts.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

#[path = "../common/mod.rs"]
mod common;

mod boxes;
mod fake;
mod labfile;
mod place;
mod programs;
mod state;
mod verbs;
