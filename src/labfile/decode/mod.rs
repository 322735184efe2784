//! From TOML to what a Labfile says, piece by piece. Nothing is given up at the first mistake: every piece that is
//! understood is kept with its place in the text, so that [`super::check`] can compare the pieces.

mod check;
mod files;
mod lab;
mod lists;
mod machine;
mod names;
mod qemu_args;
mod reader;
mod root;
mod slot;
mod syntax;
mod unknown;
mod values;

pub(super) use root::labfile;
pub(super) use syntax::problems as syntax_problems;
