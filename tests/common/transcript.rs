//! What a user reads of some commands, as one text for a snapshot.

use std::fmt::Write as _;

use regex_lite::Regex;

use super::{Run, TestLab};

/// What differs from run to run, and what stands for it in a snapshot.
const FILTERS: [(&str, &str); 5] = [
    (r"/(?:tmp|run/user/\d+)/lab[-/]\w+(?:/\w+)?/", "<run>/"),
    (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>"),
    (r"\b[0-9a-f]{64}\b", "<digest>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?", "<time>"),
    (r"\b\d+(?:\.\d+)? m?s\b", "<seconds>"),
];

/// Commands with all that they print and their exit codes: `insta::assert_snapshot!(transcript.text())`.
#[derive(Debug, Default)]
pub struct Transcript(String);

impl Transcript {
    /// Runs `lab ARGS` and notes it.
    #[track_caller]
    pub fn lab(&mut self, lab: &TestLab, args: &[&str]) -> Run {
        let run = lab.lab(args);
        self.note(lab, args, &run);
        run
    }

    /// A line between the commands that says what is different from here on.
    pub fn heading(&mut self, words: &str) {
        let _ = writeln!(self.0, "## {words}\n");
    }

    fn note(&mut self, lab: &TestLab, args: &[&str], run: &Run) {
        let words = [run.stderr.as_str(), &run.stdout];
        assert!(
            !words.iter().any(|text| text.contains("panicked") || text.contains("internal error")),
            "{run:?}"
        );
        let shown = |text: &str| {
            let mut text = text.replace(lab.root().to_str().unwrap(), "<root>");
            for (pattern, word) in FILTERS {
                text = Regex::new(pattern).unwrap().replace_all(&text, word).into_owned();
            }
            text
        };
        let _ = writeln!(self.0, "{}", shown(&["$ lab", &args.join(" ")].join(" ")).trim_end());
        self.0 += &shown(&run.stderr);
        if !run.stdout.is_empty() {
            let _ = write!(self.0, "-- on standard output:\n{}", shown(&run.stdout));
        }
        let _ = writeln!(self.0, "-- exit code {}\n", run.code);
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.0
    }
}
