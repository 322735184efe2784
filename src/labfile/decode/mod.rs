//! Reads the pieces of a Labfile from its TOML. A mistake does not end the reading: each piece that is understood is kept,
//! with its place in the text, and [`super::check`] compares the pieces afterwards.

mod check;
mod files;
mod lab;
mod lists;
mod machine;
mod names;
mod reader;
mod root;
mod slot;
mod syntax;
mod unknown;
mod values;

pub(super) use root::labfile;
pub(super) use syntax::problems as syntax_problems;
