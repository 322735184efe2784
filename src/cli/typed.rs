//! What was typed: parsed, or answered with help or with what is wrong with it.

use std::ffi::OsString;

use clap::FromArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::{Error, ExitCode, Kind, Result};
use crate::printable;
use crate::process::quote;
use crate::ui::Ui;

use super::{Cli, Status, command, habits};

/// What came of the command line.
pub(super) enum Typed {
    /// A verb to run.
    Command(Box<Cli>),
    /// It was answered: help, the version, or what was not understood.
    Answered(Status),
}

/// Parses the process's arguments, and answers them where they are no command.
///
/// # Errors
/// [`Kind::Usage`], where lab says better than the parser what to type.
pub(super) fn parse(ui: &Ui) -> Result<Typed> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let parsed = |words: &[OsString]| {
        command().try_get_matches_from(words).and_then(|matches| Cli::from_arg_matches(&matches))
    };
    let mut error = match parsed(&words) {
        Ok(cli) => return Ok(Typed::Command(Box::new(cli))),
        Err(error) => error,
    };
    // The parser quotes words as they were typed, between lines of its own.
    let clean = |word: &OsString| match word.to_str() {
        Some(text) => printable::line(text).into_owned().into(),
        None => word.clone(),
    };
    if let Err(clean) = parsed(&words.iter().map(clean).collect::<Vec<_>>()) {
        error = clean;
    }
    match error.kind() {
        ErrorKind::InvalidUtf8 => return Err(not_text(words.into_iter().skip(1), std::env::vars_os())),
        ErrorKind::InvalidSubcommand => {
            if let Some(better) = habit(&error) {
                return Err(better);
            }
        }
        _ => {}
    }
    without_bad_advice(&mut error);
    let text = error.render();
    ui.answer(&text.to_string(), &text.ansi().to_string(), error.use_stderr());
    // Help and version are no failures.
    let code = if error.use_stderr() { ExitCode::Usage } else { ExitCode::Success };
    Ok(Typed::Answered(code as Status))
}

/// The command line as one could type it again, for whoever waits for this command, and for the log.
pub(super) fn command_line() -> String {
    let words = std::env::args_os().skip(1).map(|word| quote(&word.to_string_lossy()));
    std::iter::once("lab".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// The parser's error does not say which word it was.
fn not_text(
    mut words: impl Iterator<Item = OsString>,
    mut variables: impl Iterator<Item = (OsString, OsString)>,
) -> Error {
    let bad = |text: &OsString| text.to_str().is_none();
    let lossy = |text: &OsString| text.to_string_lossy().into_owned();
    if let Some(word) = words.find(bad) {
        return Error::new(Kind::Usage, format!("`{}` is not Unicode text (UTF-8)", lossy(&word)))
            .hint("if it is a file's name, rename the file; `lab cp` takes such names as they are");
    }
    let variable = variables.find(|(name, value)| name.to_string_lossy().starts_with("LAB_") && bad(value));
    let name = variable.map_or_else(|| "one of the LAB_… variables".to_owned(), |(name, _)| lossy(&name));
    Error::new(Kind::Usage, format!("{name} is not Unicode text (UTF-8)")).hint(format!("unset {name}"))
}

/// The error for a verb that other programs have and lab has under another name.
fn habit(error: &clap::Error) -> Option<Error> {
    let ContextValue::String(word) = error.get(ContextKind::InvalidSubcommand)? else { return None };
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let family = ["box", "snapshot"].into_iter().find(|family| usage.contains(&format!("lab {family}")));
    let (typed, instead) = (family.map_or_else(|| word.clone(), |family| format!("{family} {word}")), family);
    let hint = habits::instead(instead, word)?;
    Some(Error::new(Kind::Usage, format!("there is no `lab {typed}`")).hint(hint))
}

/// For an option that it does not know, the parser advises to type it after `--`. There it would go to the guest's
/// shell, as a command.
fn without_bad_advice(error: &mut clap::Error) {
    let Some(ContextValue::StyledStrs(advice)) = error.get(ContextKind::Suggested).cloned() else { return };
    let good: Vec<_> =
        advice.into_iter().filter(|advice| !advice.to_string().contains("as a value, use")).collect();
    if good.is_empty() {
        error.remove(ContextKind::Suggested);
    } else {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(good));
    }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    #[test]
    fn the_word_that_is_no_text_is_named() {
        use super::*;
        use std::os::unix::ffi::OsStringExt;
        let bad = || OsString::from_vec(b"caf\xe9".to_vec());
        let error = not_text([OsString::from("up"), bad()].into_iter(), std::iter::empty());
        assert_eq!(error.message(), "`caf\u{fffd}` is not Unicode text (UTF-8)");
        let variables = [(OsString::from("X"), bad()), (OsString::from("LAB_PROVIDER"), bad())];
        let error = not_text(std::iter::empty(), variables.into_iter());
        assert_eq!(error.hints(), ["unset LAB_PROVIDER"]);
    }
}
