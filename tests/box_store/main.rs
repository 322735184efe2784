//! The store of boxes, as a user and a kill signal meet it. No machines are started.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may stop at the first surprise")]

#[path = "../box_server/mod.rs"]
mod box_server;
mod care;
#[path = "../common/mod.rs"]
mod common;
mod kills;
mod make;
