//! Ruby's regular expressions, as far as the crate's are the same.

use regex_lite::{Regex, RegexBuilder};

/// The largest program that a pattern may become, in bytes.
const SIZE_MAX: usize = 64 * 1024;

/// `/…/`
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
}

/// What was found: the whole and the groups, and what they are called.
#[derive(Debug, Clone)]
pub(super) struct Matched {
    pub(super) groups: Vec<Option<String>>,
    pub(super) names: Vec<Option<String>>,
    pub(super) before: String,
    pub(super) after: String,
    /// Where it begins, in letters.
    pub(super) at: usize,
}

impl Pattern {
    /// `None` for what this kind of pattern cannot say: looking around, references back.
    pub(super) fn new(source: &str, options: &str) -> Option<Self> {
        let regex = RegexBuilder::new(&translated(source)?)
            .case_insensitive(options.contains('i'))
            .dot_matches_new_line(options.contains('m'))
            // `^` and `$` are those of lines in Ruby.
            .multi_line(true)
            .ignore_whitespace(options.contains('x'))
            .size_limit(SIZE_MAX)
            .build()
            .ok()?;
        Some(Pattern { regex })
    }

    pub(super) fn find(&self, text: &str) -> Option<Matched> {
        let captures = self.regex.captures(text)?;
        let whole = captures.get(0)?;
        let before = text.get(..whole.start())?.to_owned();
        Some(Matched {
            groups: captures.iter().map(|group| group.map(|group| group.as_str().to_owned())).collect(),
            names: self.regex.capture_names().map(|name| name.map(str::to_owned)).collect(),
            at: before.chars().count(),
            before,
            after: text.get(whole.end()..)?.to_owned(),
        })
    }

    /// All that is found: the groups, or the whole where there are none.
    pub(super) fn scan(&self, text: &str) -> Vec<Matched> {
        let mut found = Vec::new();
        for captures in self.regex.captures_iter(text) {
            found.push(Matched {
                groups: captures.iter().map(|group| group.map(|group| group.as_str().to_owned())).collect(),
                names: self.regex.capture_names().map(|name| name.map(str::to_owned)).collect(),
                at: 0,
                before: String::new(),
                after: String::new(),
            });
        }
        found
    }
}

impl Matched {
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        let place = self.names.iter().position(|known| known.as_deref() == Some(name))?;
        self.groups.get(place)?.as_deref()
    }
}

/// The source in the crate's words.
fn translated(source: &str) -> Option<String> {
    let mut result = String::new();
    // Ruby's `m` is the crate's `s`.
    if source.contains("(?m") {
        return None;
    }
    let mut in_brackets = false;
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            in_brackets = if in_brackets { c != ']' } else { c == '[' };
            result.push(c);
            continue;
        }
        match chars.next()? {
            'Z' => result.push_str("\\n?\\z"),
            'h' if in_brackets => result.push_str("0-9a-fA-F"),
            'h' => result.push_str("[0-9a-fA-F]"),
            '/' => result.push('/'),
            '1'..='9' | 'k' | 'G' => return None,
            c => result.extend(['\\', c]),
        }
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_place_and_name() {
        let pattern = Pattern::new(r"^(.*)\.(?<last>\d+)\Z", "").unwrap();
        let found = pattern.find("10.1.0.10\n").unwrap();
        assert_eq!(found.groups[1].as_deref(), Some("10.1.0"));
        assert_eq!(found.named("last"), Some("10"));
        assert!(Pattern::new("(?=x)", "").is_none());
        assert!(Pattern::new(r"\A[\h:]+\z", "").unwrap().find("08:00:27:aF").is_some());
        assert!(Pattern::new("DARWIN", "i").unwrap().find("x86_64-darwin").is_some());
    }
}
