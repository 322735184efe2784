//! Real machines on QEMU. Every test here is ignored by plain `cargo test`; `scripts/test` runs them one after the
//! other, since the machines of one test need the cores that another's would take.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may stop at the first surprise")]

#[path = "../common/mod.rs"]
mod common;

mod box_package;
mod debian;
mod guide;
#[cfg(target_os = "linux")]
mod hard_luck;
mod host;
mod import;
mod kills;
mod lifecycle;
mod reset;
mod side_by_side;
