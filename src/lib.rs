//! `lab`: real, networked virtual machines for a class, from one Labfile.
//!
//! The rooms and the arrows between them are described in `ARCHITECTURE.md`.

pub mod atomic;
pub mod boxes;
pub mod cancel;
pub mod cli;
pub mod digest;
pub mod disk_space;
pub mod doctor;
pub mod error;
pub mod finding;
pub mod flock;
pub mod guest;
pub mod host;
pub mod lab;
pub mod labfile;
pub mod limited;
pub mod nearest;
pub mod nofollow;
pub mod owner;
pub mod printable;
pub mod process;
pub mod provider;
pub mod section;
pub mod subnet;
pub mod tail;
pub mod threads;
pub mod ui;
pub mod unlink;
pub mod versioned;
