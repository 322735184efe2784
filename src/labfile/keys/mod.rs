//! Every key that a Labfile knows, once: the decoder, the JSON Schema and the reference read this table.

mod check;
mod common;
mod elsewhere;
mod kinds;
mod lab;
mod lists;
mod machine;
mod providers;
mod root;

pub use check::CHECK;
pub use kinds::{Key, Section, Short, Type};
pub use lab::{LAB, NETWORK};
pub use lists::{COPY, FORWARD, PROVISION};
pub use machine::MACHINE;
pub use providers::{QEMU, VIRTUALBOX};
pub use root::{ROOT, SECTIONS};
