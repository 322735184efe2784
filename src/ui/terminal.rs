//! The way out: all that lab prints leaves here, and nothing leaves that a terminal would obey but lab's own colours.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::printable;
use crate::process::Stream;

use super::Paint;

/// `text` as it may be shown: with the colours of `paint` where that has any.
pub(super) fn shown(text: &str, paint: Paint) -> Cow<'_, str> {
    if paint == Paint::default() { printable::text(text) } else { printable::painted(text) }
}

/// Lines on standard error. If nobody reads them, nobody misses them.
pub(super) fn say(text: &str, paint: Paint) {
    let _ = writeln!(io::stderr().lock(), "{}", shown(text, paint));
}

/// Asks for an answer in the same line, and returns it.
pub(super) fn ask(question: &str) -> String {
    let mut err = io::stderr().lock();
    let _ = write!(err, "{} ", printable::line(question)).and_then(|()| err.flush());
    drop(err);
    let mut answer = String::new();
    let _ = io::stdin().read_line(&mut answer);
    answer
}

/// Words for people on standard output.
pub(super) fn print(text: &str, paint: Paint) {
    print_as_it_is(&shown(text, paint));
}

/// Data for another program on standard output: as it is, but on a terminal.
pub fn print_data(text: &str) {
    if io::stdout().is_terminal() { print(text, Paint::default()) } else { print_as_it_is(text) }
}

/// A value as one line of JSON on standard output.
pub fn print_json(value: &impl serde::Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => print_as_it_is(&format!("{}\n", printable::json(&text))),
        Err(error) => say(&format!("error: could not write JSON: {error}"), Paint::default()),
    }
}

/// A line that a guest said, on the stream that it came on, with `before` in front: as it is, but on a terminal.
pub fn relay(stream: Stream, before: &str, line: &str) {
    let shown = |terminal| if terminal { printable::output(line).into() } else { Cow::Borrowed(line) };
    match stream {
        Stream::Out => print_as_it_is(&format!("{before}{}\n", shown(io::stdout().is_terminal()))),
        Stream::Err => {
            let _ = writeln!(io::stderr().lock(), "{before}{}", shown(io::stderr().is_terminal()));
        }
    }
}

/// A reader that has gone away (`lab status | head -1`) ends the program quietly, as it does any other tool's. What
/// cannot be written otherwise ends it too: half of the data is not the data.
fn print_as_it_is(text: &str) {
    if let Err(error) = write(text) {
        say(&super::error_text(&error, Paint::default()), Paint::default());
        std::process::exit(i32::from(error.kind().exit() as u8));
    }
}

fn write(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(source) if source.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(source) => Err(Error::io("write to", Path::new("standard output"), &source)),
        Ok(()) => Ok(()),
    }
}
