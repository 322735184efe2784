//! Every key that a Labfile knows, once: the decoder, the JSON Schema and the reference read this table.

mod check;
mod common;
mod elsewhere;
mod lab;
mod lists;
mod machine;
mod root;

pub use check::CHECK;
pub use lab::{LAB, NETWORK};
pub use lists::{COPY, FORWARD, PROVISION};
pub use machine::MACHINE;
pub use root::{ROOT, SECTIONS};

pub use crate::section::{Key, Section, Short, Type};
