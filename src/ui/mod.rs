//! What a person, a log file or a program gets to see: the consumers of [`crate::lab::tell::event::Event`]s, tables, and errors
//! in words.
//!
//! Data goes to standard output; progress, warnings and errors go to standard error.

mod clean;
mod json;
mod live;
mod log;
mod plain;
mod summary;
pub mod table;
mod terminal;

use std::borrow::Cow;
use std::io::IsTerminal;
use std::sync::Arc;

use anstyle::{AnsiColor, Style};

use crate::error::{Error, Kind};
use crate::lab::tell::event::Sink;
use crate::labfile::Report;
use crate::printable;

pub use log::Logged;
pub use summary::summary;
pub use terminal::{print_data, print_json, relay};

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volume {
    /// Errors alone.
    Quiet,
    /// What matters.
    Normal,
    /// The output of provisioners, line by line, and the programs that lab starts.
    Verbose,
}

/// Where everything is printed.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    /// JSON on standard output instead of words.
    pub json: bool,
    /// How much is said.
    pub volume: Volume,
    color: Color,
}

/// The colours of one stream. Without colour, all of them are empty.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Paint {
    /// For names and headings.
    pub bold: Style,
    /// For success.
    pub good: Style,
    /// For warnings.
    pub warn: Style,
    /// For errors.
    pub bad: Style,
    /// For hints.
    pub hint: Style,
    /// For text that matters less.
    pub dim: Style,
}

impl Ui {
    /// A user interface as the command line asks for it.
    pub fn new(json: bool, volume: Volume, color: Color) -> Self {
        Ui { json, volume, color }
    }

    /// The palette for standard error.
    pub fn paint_err(&self) -> Paint {
        self.paint(std::io::stderr().is_terminal())
    }

    /// The palette for standard output.
    pub fn paint_out(&self) -> Paint {
        self.paint(std::io::stdout().is_terminal())
    }

    /// The width of the terminal on standard error, in characters. `None` where it is no terminal: lines may be of any length.
    pub fn width_err(&self) -> Option<usize> {
        width(terminal_size::terminal_size_of(std::io::stderr()))
    }

    /// The width of the terminal on standard output. See [`Ui::width_err`].
    pub fn width_out(&self) -> Option<usize> {
        width(terminal_size::terminal_size_of(std::io::stdout()))
    }

    /// Whether standard error gets colour.
    pub fn has_color(&self) -> bool {
        self.wants_color(std::io::stderr().is_terminal())
    }

    fn wants_color(&self, terminal: bool) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }

    fn paint(&self, terminal: bool) -> Paint {
        if !self.wants_color(terminal) {
            return Paint::default();
        }
        let color = |color: AnsiColor| Style::new().bold().fg_color(Some(color.into()));
        Paint {
            bold: Style::new().bold(),
            good: color(AnsiColor::Green),
            warn: color(AnsiColor::Yellow),
            bad: color(AnsiColor::Red),
            hint: color(AnsiColor::Cyan),
            dim: Style::new().dimmed(),
        }
    }

    /// The consumer of a command's events.
    pub fn sink(&self) -> Arc<dyn Sink + Send> {
        if self.json {
            Arc::new(json::Json)
        } else if std::io::stderr().is_terminal() && self.volume != Volume::Quiet {
            Arc::new(clean::Clean(live::Live::new(self.paint_err(), self.volume)))
        } else {
            Arc::new(clean::Clean(plain::Plain { paint: self.paint_err(), volume: self.volume }))
        }
    }

    /// Prints the error that ended the command.
    pub fn error(&self, error: &Error) {
        if self.json {
            json::error(error);
        } else {
            let paint = self.paint_err();
            terminal::say(&error_text(error, paint), paint);
        }
    }

    /// A line for the person at the keyboard, on standard error; nothing when quiet or in JSON.
    pub fn tell(&self, line: &str) {
        if !self.json && self.volume != Volume::Quiet {
            terminal::say(&printable::line(line), Paint::default());
        }
    }

    /// A table for the person at the keyboard, painted for standard error; nothing when quiet or in JSON.
    pub fn tell_table(&self, table: &str) {
        if !self.json && self.volume != Volume::Quiet {
            terminal::say(table.trim_end(), self.paint_err());
        }
    }

    /// A warning, even when quiet.
    pub fn warn(&self, text: &str, hint: Option<&str>) {
        let paint = self.paint_err();
        let (warn, tip) = (paint.warn, paint.hint);
        terminal::say(&format!("{warn}warning{warn:#}: {}", printable::line(text)), paint);
        if let Some(hint) = hint {
            terminal::say(&format!("{tip}hint{tip:#}: {}", printable::line(hint)), paint);
        }
    }

    /// The problems of a Labfile or Vagrantfile, with the lines that they are about, on standard error.
    pub fn report(&self, report: &Report) {
        // The renderer makes the source printable, and lets messages pass as they are.
        let mut report = report.clone();
        let clean = |text: &mut String| *text = printable::line(text).into_owned();
        clean(&mut report.file);
        for problem in &mut report.problems {
            let also = problem.also.iter_mut().map(|(_, text)| text);
            [&mut problem.message, &mut problem.label]
                .into_iter()
                .chain(&mut problem.hints)
                .chain(also)
                .for_each(clean);
        }
        terminal::say(report.render(self.has_color()).trim_end(), self.paint_err());
    }

    /// The parser's answer to a command line, help or an error: in plain words, or painted where colour is wanted.
    pub fn answer(&self, plain: &str, painted: &str, to_stderr: bool) {
        let paint = if to_stderr { self.paint_err() } else { self.paint_out() };
        let text = if paint == Paint::default() { plain } else { painted };
        if to_stderr {
            terminal::say(text.trim_end(), paint);
        } else {
            terminal::print(text, paint);
        }
    }

    /// Asks a question on the terminal and returns the answer.
    pub fn ask(&self, question: &str) -> String {
        terminal::ask(question)
    }

    /// Words for people on standard output, which may be painted for it.
    pub fn print(&self, text: &str) {
        terminal::print(text, self.paint_out());
    }
}

/// One line on standard error without colour, from where there is no [`Ui`] yet.
pub(crate) fn say_line(line: &str) {
    terminal::say(&printable::line(line), Paint::default());
}

/// The width to use. The variable `COLUMNS` counts before the size that the terminal reports, as in other programs.
fn width(terminal: Option<(terminal_size::Width, terminal_size::Height)>) -> Option<usize> {
    let wish = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    wish.filter(|columns| *columns > 0)
        .or_else(|| terminal.map(|(terminal_size::Width(columns), _)| usize::from(columns)))
}

/// An error in words: the message, the particulars indented, the hints after a blank line.
pub fn error_text(error: &Error, paint: Paint) -> String {
    let (bad, tip) = (paint.bad, paint.hint);
    let mut text = format!("{bad}error{bad:#}: {error}");
    for line in error.details().iter().flat_map(|detail| detail.lines()) {
        text.push_str("\n  ");
        // The line may be a guest's.
        text.push_str(printable::output(line).trim_end());
    }
    let mut hints = error.hints().to_vec();
    if error.kind() == Kind::Internal {
        hints.push("this is a bug in lab: please report it with the command that you typed".to_owned());
    }
    if !hints.is_empty() {
        text.push('\n');
    }
    hints.dedup();
    for hint in hints {
        text.push_str(&format!("\n{tip}hint{tip:#}: {hint}"));
    }
    text
}

/// An error in words without colour, for the lab's log. What a provisioner said is left out: it has a log of its own,
/// and may hold what is nobody's business.
pub fn plain_error(error: &Error) -> String {
    error_text(&for_log(error), Paint::default())
}

/// `error` without what a provisioner said.
fn for_log(error: &Error) -> Cow<'_, Error> {
    if !matches!(error.kind(), Kind::ProvisionFailed | Kind::ProvisionTimeout) || error.details().is_empty() {
        return Cow::Borrowed(error);
    }
    let brief = Error::new(error.kind(), error.message()).detail("(its words are in its own log)");
    Cow::Owned(error.hints().iter().fold(brief, |brief, hint| brief.hint(hint)))
}

/// A duration for people: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_error_reads_well_without_colour() {
        let error = Error::new(Kind::PortTaken, "port 8080 is taken")
            .detail("by nginx\non all addresses")
            .hint("stop it");
        insta::assert_snapshot!(error_text(&error, Paint::default()), @r"
        error: port 8080 is taken
          by nginx
          on all addresses

        hint: stop it
        ");
    }

    #[test]
    fn what_a_provisioner_said_is_not_in_the_labs_log() {
        let error = Error::new(Kind::ProvisionFailed, "web1: a.sh failed").detail("PASS=x").hint("mend it");
        let text = plain_error(&error);
        assert!(
            text.contains("a.sh failed") && text.contains("hint: mend it") && !text.contains("PASS"),
            "{text}"
        );
        let error = Error::new(Kind::StartFailed, "web1 did not start").detail("no KVM");
        assert!(plain_error(&error).contains("no KVM"));
    }

    #[test]
    fn durations_are_for_people() {
        let words = [400, 12_900, 200_000, 7_500_000].map(Duration::from_millis).map(duration);
        assert_eq!(words, ["0.4 s", "12 s", "3 min 20 s", "2 h 5 min"]);
    }
}
