//! From bytes to Ruby's tree.

use lib_ruby_parser::traverse::visitor::{self, Visitor};
use lib_ruby_parser::{Node, Parser, ParserOptions, nodes};

use super::bad;
use crate::error::{Error, Result};

/// The stack of the thread that parses and walks. Only what is used of it takes memory.
const STACK: usize = 256 * 1024 * 1024;

/// Brackets within brackets beyond which a text is not looked at: the parser's own calls nest with them.
const DEPTH_MAX: usize = 500;

/// Runs `work` on a thread of its own with a large stack; a panic of it is an error.
pub(super) fn guarded<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("import".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .map_err(|source| Error::internal(format!("could not start a thread: {source}")))?;
        thread.join().unwrap_or_else(|_| {
            Err(bad("the Ruby parser gave up on this Vagrantfile".to_owned())
                .hint("`ruby -c Vagrantfile` says whether it is Ruby at all"))
        })
    })
}

/// The tree of `bytes`, and its text. The tree stays: taking a deep one apart recurses without a limit, blocks refer to
/// it, and the process is about to end anyway.
pub(super) fn tree(bytes: Vec<u8>, shown: &str) -> Result<(&'static Node, String)> {
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let line = count_lines(error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default());
        bad(format!("{shown}:{line}: the text is not UTF-8 from here on"))
            .hint("save it again as UTF-8: most editors ask for the encoding in \"Save as\"")
    })?;
    // Editors of Windows: a byte order mark, and line ends that Ruby does not see either.
    text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    if let Some(line) = too_deep(&text) {
        return Err(bad(format!("{shown}:{line}: brackets are nested more than {DEPTH_MAX} deep"))
            .hint("a Vagrantfile is not; is it the right file?"));
    }
    let mut result = parsed(text.clone().into_bytes(), shown);
    // The parser takes too much away where `<<~` has a `#{…}`: with `<<-`, which is as long, it leaves the text as it is.
    let mut heredocs = Squiggly { text: &text, places: Vec::new() };
    if let Some(tree) = &result.ast {
        heredocs.visit(tree);
    }
    if !heredocs.places.is_empty() && !result.diagnostics.iter().any(lib_ruby_parser::Diagnostic::is_error) {
        let mut bytes = text.clone().into_bytes();
        for place in heredocs.places {
            if let Some(byte) = bytes.get_mut(place + 2) {
                *byte = b'-';
            }
        }
        std::mem::forget(std::mem::replace(&mut result, parsed(bytes, shown)));
    }
    if let Some(diagnostic) = result.diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
        let line = count_lines(text.as_bytes().get(..diagnostic.loc.begin).unwrap_or(text.as_bytes()));
        let error = bad(format!("{shown}:{line}: Ruby would not understand this"))
            .detail(diagnostic.render_message());
        let error = match text.lines().nth(line - 1).map(str::trim).filter(|line| !line.is_empty()) {
            Some(source) => error.detail(source.chars().take(120).collect::<String>()),
            None => error,
        };
        std::mem::forget(result);
        return Err(error.hint("mend it there, or look whether a quote or an `end` is missing above"));
    }
    match result.ast {
        Some(tree) => Ok((Box::leak(tree), text)),
        None => Err(bad(format!("{shown} is empty")).hint("`lab init` writes a Labfile to start from")),
    }
}

fn parsed(bytes: Vec<u8>, shown: &str) -> lib_ruby_parser::ParserResult {
    // `# encoding:` other than UTF-8 would make the parser ask for a decoder; what is here is UTF-8.
    let options = ParserOptions {
        buffer_name: shown.to_owned(),
        record_tokens: false,
        decoder: Some(lib_ruby_parser::source::Decoder::new(Box::new(|_, input| {
            lib_ruby_parser::source::DecoderResult::Ok(input)
        }))),
    };
    Parser::new(bytes, options).do_parse()
}

/// Where `<<~` stands.
struct Squiggly<'a> {
    text: &'a str,
    places: Vec<usize>,
}

impl Visitor for Squiggly<'_> {
    fn on_heredoc(&mut self, node: &nodes::Heredoc) {
        if is_squiggly(self.text, node) {
            self.places.push(node.expression_l.begin);
        }
        visitor::visit_heredoc(self, node);
    }
}

pub(super) fn is_squiggly(text: &str, node: &nodes::Heredoc) -> bool {
    text.get(node.expression_l.begin..).is_some_and(|rest| rest.starts_with("<<~"))
}

/// How far the lines of a `<<~` are indented, in columns: the least of those that are not empty.
pub(super) fn indentation(body: &str) -> usize {
    let width = |line: &str| {
        line.chars()
            .take_while(|c| matches!(c, ' ' | '\t'))
            .fold(0, |width, c| if c == '\t' { width / 8 * 8 + 8 } else { width + 1 })
    };
    body.lines().filter(|line| !line.trim().is_empty()).map(width).min().unwrap_or(0)
}

/// A part of such a text without `indent` columns at the beginning of its lines. `begins` where its own begins a line.
pub(super) fn outdented(part: &str, indent: usize, begins: bool) -> String {
    let mut result = String::new();
    for (number, line) in part.split_inclusive('\n').enumerate() {
        let mut rest = line;
        let mut width = 0;
        while let Some(c) = rest.chars().next().filter(|c| matches!(c, ' ' | '\t') && (number > 0 || begins))
        {
            width = if c == '\t' { width / 8 * 8 + 8 } else { width + 1 };
            if width > indent {
                break;
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        result += rest;
    }
    result
}

fn count_lines(before: &[u8]) -> usize {
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The line where brackets are nested too deep, counted without regard to quotes: coarse, and before the parser. Operators
/// that can be piled up (`!!!!`, `- - -`, `not not`) count as well.
fn too_deep(text: &str) -> Option<usize> {
    let (mut depth, mut piled, mut line) = (0_usize, 0_usize, 1_usize);
    for byte in text.bytes() {
        match byte {
            b'\n' => line += 1,
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        piled = match byte {
            b'!' | b'~' | b'^' | b'&' | b':' => piled + 1,
            b' ' => piled,
            _ => 0,
        };
        if depth > DEPTH_MAX || piled > DEPTH_MAX {
            return Some(line);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indentation_is_taken_away_at_the_beginning_of_lines_alone() {
        let body = "    one\n\n\ttwo\n      three\n";
        assert_eq!(indentation(body), 4);
        assert_eq!(outdented(body, 4, true), "one\n\n\ttwo\n  three\n");
        assert_eq!(outdented(" machines\n    more", 4, false), " machines\nmore");
    }
}
