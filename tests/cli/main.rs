//! The program without any guest system: what it says, writes and refuses; how it deals with boxes; what the documentation
//! says of it; what its provider asks of QEMU. All of it runs in parallel: `cargo test --test cli`.
//!
//! A test that needs more than a user's rights and an ssh client is ignored, and says what it needs.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise"
)]

#[path = "../common/mod.rs"]
mod common;

mod box_fetch;
mod box_store;
mod command_line;
mod docs;
mod doctor;
mod errors;
mod guest_ssh;
mod host;
mod import;
mod import_vagrant;
mod json;
mod labfiles;
mod misfortune;
mod qemu_provider;
