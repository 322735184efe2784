//! A Vagrantfile as a Labfile, without running Ruby.
//!
//! A Vagrantfile is a Ruby program. [`parse`] gives its tree; [`eval`] walks it as far as plain values reach: local
//! variables, interpolation, loops over literals. What it finds becomes [`model`], and [`mod@write`] makes that a
//! Labfile. What has no place in a Labfile, or cannot be known without running the program, becomes a [`Note`] with its
//! line.
//!
//! The parser is `lib-ruby-parser`: pure Rust, three crates, 4 s of build time on two cores, and about 1.7 MB of an
//! optimised binary. `ruby-prism`, which Ruby itself uses, needs libclang on every computer that builds it (bindgen)
//! and some twenty crates more. Ruby 3.1's grammar, which the former stops at, has all that Vagrantfiles use. It may
//! panic on what is no Ruby, so that it runs on a thread of its own ([`parse::guarded`]).

mod args;
mod assign;
mod builtin;
mod call;
mod config;
mod data;
mod describe;
mod eval;
mod files;
mod flow;
mod format;
mod host;
mod ip;
mod iterate;
mod list;
mod literal;
mod look;
mod map;
mod matching;
mod methods;
mod model;
mod names;
mod network;
mod notes;
mod number;
mod own;
mod parse;
mod pattern;
mod plan;
mod provider;
mod provision;
mod record;
mod scope;
mod shared;
mod text;
mod toml;
mod value;
mod write;

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// The largest Vagrantfile that is read, in bytes.
const SIZE_MAX: u64 = 256 * 1024;

/// A Labfile made from a Vagrantfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Its text.
    pub text: String,
    /// The names of its machines.
    pub machines: Vec<String>,
    /// What could not be carried over, or is different now, in the order of the lines.
    pub notes: Vec<Note>,
}

/// Something that the Labfile does not say as the Vagrantfile did.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The line of the Vagrantfile, from 1; 0 where it is about no line.
    pub line: usize,
    /// What, in one line.
    pub text: String,
}

/// Where a Vagrantfile stands, and what is known around it.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Its folder, in which the files that it names are looked for.
    pub dir: &'a Path,
    /// The same folder as the Labfile has to name it; empty where the two stand side by side.
    pub prefix: &'a Path,
    /// Its name, for messages and the Labfile's first line.
    pub shown: &'a str,
    /// What the environment of this computer says for a variable's name.
    pub environment: &'a (dyn Fn(&str) -> Option<String> + Sync),
    /// Whether a box's name is enough to get it, and its address is not needed.
    pub knows_box: &'a (dyn Fn(&str) -> bool + Sync),
}

/// Turns the Vagrantfile at `path` into a Labfile.
///
/// # Errors
/// [`Kind::BadVagrantfile`] for what is no Ruby, no Vagrantfile, or would take too long.
pub fn import(path: &Path, around: &Around<'_>) -> Result<Imported> {
    let bytes = read(path, around.shown)?;
    parse::guarded(|| {
        let (tree, text) = parse::tree(bytes, around.shown)?;
        let (found, files) = eval::run(tree, &text, around)?;
        write::labfile(found, &files, around)
    })
}

/// The path of the Vagrantfile that `path` means: itself, or the one in that folder.
pub fn vagrantfile_at(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("Vagrantfile") } else { path.to_owned() }
}

fn read(path: &Path, shown: &str) -> Result<Vec<u8>> {
    use std::io::Read;
    let about = std::fs::metadata(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => bad(format!("there is no {shown}"))
            .hint("name the Vagrantfile: `lab import path/to/Vagrantfile`")
            .hint("`lab init` writes a Labfile to start from"),
        _ => Error::io("read", path, &source),
    })?;
    if !about.is_file() {
        return Err(bad(format!("{shown} is not a regular file")).hint("name a Vagrantfile"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(SIZE_MAX + 1).read_to_end(&mut bytes))
        .map_err(|source| Error::io("read", path, &source))?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(bad(format!("{shown} has more than 256 KiB, which no Vagrantfile needs"))
            .hint("move what it carries into files, or write the Labfile by hand: `lab init`"));
    }
    Ok(bytes)
}

/// An error about the Vagrantfile.
fn bad(message: String) -> Error {
    Error::new(Kind::BadVagrantfile, message)
}
