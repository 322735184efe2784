//! Problems as people read them: file:line:column, the line itself, the marked text, and help.

use std::fmt::Write as _;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use super::lines::{Lines, Span};
use super::problem::{Problem, Report, Severity};

/// So many problems are shown. A file that is no Labfile at all can have thousands, and nobody reads them.
const SHOWN_AT_MOST: usize = 60;

/// Lines longer than this are cut by the renderer, around the marked text.
const WIDTH: usize = 110;

impl Report {
    /// The problems, one after the other, each ending with an empty line.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() }.term_width(WIDTH);
        let lines = Lines::new(&self.source);
        let mut text = String::new();
        for problem in self.problems.iter().take(SHOWN_AT_MOST) {
            let rendered = renderer.render(&[group(&lines, &self.file, problem)]);
            // The renderer ends lines without a label with blanks; a log should have none.
            for line in rendered.lines() {
                let _ = writeln!(text, "{}", line.trim_end());
            }
            text.push('\n');
        }
        if let Some(more @ 1..) = self.problems.len().checked_sub(SHOWN_AT_MOST) {
            let _ = writeln!(text, "… and {more} more");
        }
        text
    }
}

/// Places that are so many lines apart are shown apart: the renderer takes time for every line between them.
const APART: usize = 100;

fn group<'a>(lines: &Lines<'a>, file: &'a str, problem: &'a Problem) -> Group<'a> {
    let own = lines.number(lines.floor(problem.span.start));
    let is_near = |(span, _): &&(Span, String)| lines.number(lines.floor(span.start)).abs_diff(own) <= APART;
    let (near, far): (Vec<_>, Vec<_>) = problem.also.iter().partition(is_near);
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let near = near.iter().map(|(span, text)| (AnnotationKind::Context, span, text.as_str()));
    let main = (AnnotationKind::Primary, &problem.span, problem.label.as_str());
    let snippets = [snippet(lines, file, std::iter::once(main).chain(near).collect())].into_iter().chain(
        far.iter()
            .map(|(span, text)| snippet(lines, file, vec![(AnnotationKind::Context, span, text.as_str())])),
    );
    level
        .primary_title(&problem.message)
        .elements(snippets)
        .elements(problem.hints.iter().map(|hint| Level::HELP.message(hint)))
}

/// The lines with these places in them.
fn snippet<'a>(
    lines: &Lines<'a>,
    file: &'a str,
    places: Vec<(AnnotationKind, &'a Span, &'a str)>,
) -> Snippet<'a, Annotation<'a>> {
    let (shown, first_line) = window(lines, places.iter().map(|(_, span, _)| *span));
    // The renderer shows the `\r` of Windows as a sign. A blank is as long, so every span stays right.
    let text = lines.get(shown.clone()).replace("\r\n", " \n");
    let within = |span: &Span| {
        let start = lines.floor(span.start).saturating_sub(shown.start);
        start..lines.floor(span.end).saturating_sub(shown.start).max(start)
    };
    let label = |text: &'a str| (!text.is_empty()).then_some(text);
    let marks = places.into_iter().map(|(kind, span, text)| kind.span(within(span)).label(label(text)));
    Snippet::source(text).line_start(first_line).path(file).annotations(marks)
}

/// The lines that the places touch and what lies between them, as bytes, and the first one's number.
fn window<'s>(lines: &Lines<'_>, spans: impl Iterator<Item = &'s Span> + Clone) -> (Span, usize) {
    let first = lines.number(lines.floor(spans.clone().map(|span| span.start).min().unwrap_or(0)));
    let last = lines.number(lines.floor(spans.map(|span| span.end).max().unwrap_or(0))).max(first);
    (lines.span(first).start..lines.span(last).end, first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(source: &str, problems: Vec<Problem>) -> Report {
        Report::new("Labfile".into(), source.into(), problems)
    }

    #[test]
    fn it_looks_like_this() {
        let source = "[lab]\nname = \"x\"\n\n[machine.web1]\ncpu = 2\n";
        let problem = Problem::error("unknown-key", 34..37, "no key `cpu` in [machine.web1]")
            .also(1..4, "here")
            .hint("did you mean `cpus`?");
        insta::assert_snapshot!(report(source, vec![problem]).render(false));
    }

    #[test]
    fn its_line_and_column_are_ours() {
        let source = "# ä\n\n\tname = \"äöü\" # \u{1f600} x\nend";
        for (offset, _) in source.char_indices().chain([(source.len(), ' ')]) {
            let text = report(source, vec![Problem::error("x", offset..offset, "m")]).render(false);
            let at = Lines::new(source).place(offset);
            let wanted = format!("Labfile:{}:{}", at.line, at.column);
            assert!(text.lines().any(|line| line.ends_with(&wanted)), "{wanted} is not in\n{text}");
        }
    }

    #[test]
    fn any_span_is_shown_somehow() {
        let source = "äb\r\n\r\n\u{7}\u{1b}[31m";
        for start in 0..source.len() + 2 {
            for end in 0..source.len() + 2 {
                assert!(!report(source, vec![Problem::error("x", start..end, "m")]).render(true).is_empty());
            }
        }
        assert!(report("", vec![Problem::error("x", 0..0, "m")]).render(false).contains("Labfile:1:1"));
    }
}
