//! What a person, a log file or a program sees: the consumers of [`crate::lab::tell::event::Event`]s, and the words of errors.
//!
//! Data goes to standard output; progress, warnings and errors go to standard error.

mod json;
mod live;
mod log;
mod plain;
mod summary;
pub mod table;

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use anstyle::{AnsiColor, Style};

use crate::error::{Error, Kind};
use crate::lab::tell::event::Sink;

pub use log::Logged;
pub use plain::printable;
pub use summary::summary;

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
    /// Provisioners' output as well where it is not shown anyway, and the programs that are started.
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

/// A stream's palette: styles that are empty where there is to be no colour.
#[derive(Debug, Clone, Copy, Default)]
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
    /// For what is in the background.
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

    /// How wide standard error's terminal is; `None` where it is none, and as much as one likes may be written.
    pub fn width_err(&self) -> Option<usize> {
        width(terminal_size::terminal_size_of(std::io::stderr()))
    }

    /// The same of standard output.
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
            Arc::new(live::Live::new(self.paint_err(), self.volume))
        } else {
            Arc::new(plain::Plain { paint: self.paint_err(), volume: self.volume })
        }
    }

    /// Prints what ended the command.
    pub fn error(&self, error: &Error) {
        if self.json {
            json::error(error);
        } else {
            say(&error_text(error, self.paint_err()));
        }
    }

    /// A line for the person at the keyboard, on standard error; nothing when quiet or in JSON.
    pub fn tell(&self, text: &str) {
        if !self.json && self.volume != Volume::Quiet {
            say(text);
        }
    }

    /// A warning, even when quiet.
    pub fn warn(&self, text: &str, hint: Option<&str>) {
        let paint = self.paint_err();
        let (warn, tip) = (paint.warn, paint.hint);
        say(&format!("{warn}warning{warn:#}: {text}"));
        if let Some(hint) = hint {
            say(&format!("{tip}hint{tip:#}: {hint}"));
        }
    }
}

/// `COLUMNS` stands above what the terminal says of itself, as in other programs.
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
        // It may be a guest's.
        text.push_str(printable(line).trim_end());
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

/// An error in words without colour, for a log.
pub fn plain_error(error: &Error) -> String {
    error_text(error, Paint::default())
}

/// A line on standard error. If nobody reads it, nobody misses it.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Data on standard output, as it is. A reader that has gone away (`lab status | head -1`) ends the
/// program quietly, as it does any other tool's.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        say(&format!("error: could not write to standard output: {error}"));
        std::process::exit(1);
    }
}

/// A value as one line of JSON on standard output.
pub fn print_json(value: &impl serde::Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => print(&format!("{text}\n")),
        Err(error) => say(&format!("error: could not write JSON: {error}")),
    }
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
    fn durations_are_for_people() {
        let words = [400, 12_900, 200_000, 7_500_000].map(Duration::from_millis).map(duration);
        assert_eq!(words, ["0.4 s", "12 s", "3 min 20 s", "2 h 5 min"]);
    }
}
