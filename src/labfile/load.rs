//! Reading a Labfile: the file, its pieces, what they say together.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::lines::Lines;
use super::model::Labfile;
use super::problem::{Problem, Report};
use super::raw::Cx;
use super::{check, decode, find};
use crate::error::{Error, Result};

/// A Labfile that was read, and what is odd about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The Labfile.
    pub labfile: Labfile,
    /// Warnings; often none.
    pub warnings: Report,
}

/// Why there is no Labfile to work with.
#[derive(Debug, Clone)]
pub enum LoadError {
    /// The file could not be read as text.
    Unreadable(Error),
    /// It has mistakes.
    Mistakes(Report),
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Error {
        match error {
            LoadError::Unreadable(error) => error,
            LoadError::Mistakes(report) => report.into(),
        }
    }
}

/// Reads and checks the Labfile at `path`.
///
/// # Errors
/// [`LoadError::Unreadable`] for what is no text file of at most 1 MiB, [`LoadError::Mistakes`] with all mistakes. Either
/// turns into an [`Error`] of kind [`crate::error::Kind::BadLabfile`] (or `io`) by `?`.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    let (path, text) = find::read(path).map_err(LoadError::Unreadable)?;
    parse(&text, &path).map_err(LoadError::Mistakes)
}

/// Checks the Labfile `text` as if it stood at `path`. Looks at the files that it names, and at nothing else.
///
/// # Errors
/// A [`Report`] of all mistakes, and the warnings among them.
pub fn parse(text: &str, path: &Path) -> Result<Loaded, Report> {
    let file = shown(path);
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let dir = path.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
    if text.trim().is_empty() {
        let problem = Problem::error("empty", 0..0, "the Labfile is empty")
            .hint("delete it, and write a new one with: lab init");
        return Err(Report::new(file, text.to_owned(), vec![problem]));
    }

    if let Some(problem) = too_much(text) {
        return Err(Report::new(file, text.to_owned(), vec![problem]));
    }
    let (tree, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::new(text);
    let syntax = decode::syntax_problems(&lines, tree.get_ref(), &errors);
    let mut cx = Cx::new(text, &dir, &path);
    let raw = decode::labfile(&mut cx, tree.get_ref());
    let labfile = check::labfile(&mut cx, raw, &path);

    let mut problems = cx.into_problems();
    problems.retain(|problem| syntax.leaves(&lines, problem));
    let labfile = labfile.filter(|_| syntax.problems.is_empty());
    problems.extend(syntax.problems);
    let report = Report::new(file, text.to_owned(), problems);
    match labfile {
        Some(labfile) => Ok(Loaded { labfile, warnings: report }),
        None => Err(report),
    }
}

/// The most lines that begin with `[`, and the most opening brackets in all. No Labfile comes near, and the parser of TOML
/// takes time in proportion to the square of the one, and 500 bytes of memory for each of the other.
const SECTIONS_MAX: usize = 10_000;
const BRACKETS_MAX: usize = 100_000;

/// Refuses a text with more sections or brackets than any Labfile has.
fn too_much(text: &str) -> Option<Problem> {
    let mut starts = text.match_indices('[').map(|(at, _)| at);
    let begins_line = |at: &usize| {
        let before = text.get(..*at).unwrap_or_default().trim_end_matches([' ', '\t']);
        before.is_empty() || before.ends_with('\n')
    };
    let problem = |at: usize, what: &str| {
        Problem::error("too-many", at..at + 1, format!("there are too many {what} for a Labfile"))
            .hint("make several labs of it, a folder each; long scripts go into files of their own")
    };
    if let Some((at, _)) = text.match_indices(['[', '{']).nth(BRACKETS_MAX) {
        return Some(problem(at, "brackets"));
    }
    starts.by_ref().filter(begins_line).nth(SECTIONS_MAX).map(|at| problem(at, "sections"))
}

/// `path` as it is shown: from the current folder where it is below it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).ok();
    let short = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    short.unwrap_or(path).display().to_string()
}
