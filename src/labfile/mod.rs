//! From text to a typed, checked Labfile.
//!
//! [`parse`] reads the TOML with the place of every piece, decodes what can be decoded, compares the pieces, and tells
//! every mistake at once. [`keys`] is the one table of what may be written; [`schema()`] is made from it.

mod beyond;
mod check;
mod decode;
mod find;
pub mod import;
pub mod keys;
mod lines;
mod load;
pub mod model;
mod names;
mod problem;
mod raw;
mod reach;
mod render;
mod schema;
mod scripts;
mod template;
mod trust;
mod units;

pub use beyond::{Beyond, Reach, digest};
pub use find::{FILE_NAME, find};
pub use lines::Span;
pub use load::{LoadError, Loaded, load, parse};
pub use model::Labfile;
pub use names::is_machine as is_machine_name;
pub use problem::{Problem, Report, Severity};
pub use reach::reaches;
pub use schema::schema;
pub use template::template;
pub use trust::check_found_above as check_found;
