//! A mistake in a Labfile, and where it stands.

use serde_json::{Value, json};

use super::lines::{Lines, Place, Span};
use crate::error::{Error, Kind};

/// How much a problem weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The Labfile cannot be used like this.
    Error,
    /// The Labfile can be used, but does something that its author probably did not expect.
    Warning,
}

impl Severity {
    /// The word for it, in the rendered text and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// Something wrong with a Labfile: what, where, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How much it weighs.
    pub severity: Severity,
    /// A stable word for it, such as `unknown-key`.
    pub code: &'static str,
    /// The text it is about.
    pub span: Span,
    /// One sentence without a final full stop.
    pub message: String,
    /// A few words beside the marked text; may be empty.
    pub label: String,
    /// Other places in the file that explain it, each with a few words.
    pub also: Vec<(Span, String)>,
    /// What to write or do.
    pub hints: Vec<String>,
    /// Whether it says that something is missing. Such a problem is dropped where TOML mistakes hid a part of the file:
    /// the missing piece may stand in that part.
    pub(super) absence: bool,
}

/// The longest message, label or hint, in characters. They quote the Labfile, where a text may be as long as it likes.
const TEXT_MAX: usize = 600;

/// `text`, without its end where it is too long.
fn cut(text: impl Into<String>) -> String {
    let mut text = text.into();
    if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}

impl Problem {
    /// A mistake.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Problem {
            severity: Severity::Error,
            code,
            span,
            message: cut(message),
            label: String::new(),
            also: Vec::new(),
            hints: Vec::new(),
            absence: false,
        }
    }

    /// A warning.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Problem { severity: Severity::Warning, ..Problem::error(code, span, message) }
    }

    /// Puts a few words beside the marked text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = cut(label);
        self
    }

    /// Marks another place too.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.also.push((span, cut(label)));
        self
    }

    /// Adds what to write or do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(cut(hint));
        self
    }

    /// See [`Problem::absence`].
    pub(super) fn of_absence(mut self) -> Self {
        self.absence = true;
        self
    }
}

/// All problems of one Labfile, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The file's path as it is shown.
    pub file: String,
    /// The file's text.
    pub source: String,
    /// The problems, in the order of their places.
    pub problems: Vec<Problem>,
}

impl Report {
    pub(super) fn new(file: String, source: String, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.span.start, problem.severity));
        Report { file, source, problems }
    }

    /// The number of mistakes, warnings not counted.
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// The number of warnings.
    pub fn warnings(&self) -> usize {
        self.problems.len() - self.errors()
    }

    /// The counts in words: `3 mistakes and 1 warning`, `1 warning`, `no mistakes`.
    pub fn summary(&self) -> String {
        let counted = |count: usize, what: &str| match count {
            0 => None,
            1 => Some(format!("1 {what}")),
            _ => Some(format!("{count} {what}s")),
        };
        let parts: Vec<_> = [counted(self.errors(), "mistake"), counted(self.warnings(), "warning")]
            .into_iter()
            .flatten()
            .collect();
        if parts.is_empty() { "no mistakes".to_owned() } else { parts.join(" and ") }
    }

    /// The problems for programs: one object each, with `severity`, `code`, `file`, `line`, `column`, `start` and `end`
    /// (bytes), `text` (what is marked), `message`, `label`, `hints`, and `also` (further places).
    pub fn to_json(&self) -> Value {
        let lines = Lines::new(&self.source);
        self.problems.iter().map(|problem| self.problem_to_json(&lines, problem)).collect()
    }

    fn problem_to_json(&self, lines: &Lines<'_>, problem: &Problem) -> Value {
        let located = |span: &Span, label: &str| {
            let (start, end) = (lines.floor(span.start), lines.floor(span.end));
            let Place { line, column } = lines.place(start);
            json!({
                "line": line,
                "column": column,
                "start": start,
                "end": end,
                "text": cut(lines.get(start..end)),
                "label": label,
            })
        };
        let mut value = json!({
            "severity": problem.severity.word(),
            "code": problem.code,
            "file": self.file,
            "message": problem.message,
        });
        if let (Value::Object(value), Value::Object(primary)) =
            (&mut value, located(&problem.span, &problem.label))
        {
            value.extend(primary);
            value.insert("hints".to_owned(), json!(problem.hints));
            let also: Vec<_> = problem.also.iter().map(|(span, label)| located(span, label)).collect();
            value.insert("also".to_owned(), json!(also));
        }
        value
    }
}

impl From<Report> for Error {
    /// One error for all the mistakes; its detail is the rendered text, without colour.
    fn from(report: Report) -> Error {
        Error::new(Kind::BadLabfile, format!("{} has {}", report.file, report.summary()))
            .detail(report.render(false).trim_end())
            .hint("correct the Labfile, then check it with: lab validate")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts() {
        let error = Problem::error("x", 3..4, "late");
        let warning = Problem::warning("y", 0..1, "early");
        let report = Report::new("Labfile".into(), "abcdef".into(), vec![error, warning]);
        assert_eq!(report.summary(), "1 mistake and 1 warning");
        assert_eq!(report.problems[0].message, "early");
        assert_eq!(report.to_json()[1]["text"], "d");
    }
}
