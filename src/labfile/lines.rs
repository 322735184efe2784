//! A text by its lines.

use std::ops::Range;

/// Bytes of the source, from start to (not including) end.
pub type Span = Range<usize>;

/// A place for people: line and column from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The line.
    pub(super) line: usize,
    /// The character in it.
    pub(super) column: usize,
}

/// A text, and where each of its lines begins. A place is found without reading the text again.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let starts =
            [0].into_iter().chain(text.match_indices('\n').map(|(newline, _)| newline + 1)).collect();
        Lines { text, starts }
    }

    /// The whole text.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// How many lines there are; at least one.
    pub(super) fn count(&self) -> usize {
        self.starts.len()
    }

    /// The number of the line that `offset` is in, from 0.
    pub(super) fn number(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// The bytes of line `number`, without its line end.
    pub(super) fn span(&self, number: usize) -> Span {
        let start = self.starts.get(number).copied().unwrap_or(self.text.len());
        let end = self.starts.get(number + 1).copied().unwrap_or(self.text.len());
        let line = self.get(start..end);
        start..start + line.trim_end_matches(['\n', '\r']).len()
    }

    /// The text at `span`; empty where `span` is outside of the text.
    pub(super) fn get(&self, span: Span) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }

    /// The nearest character boundary at or before `offset`.
    pub(super) fn floor(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }

    /// Where the byte `offset` stands. An offset beyond the end is the end.
    pub(super) fn place(&self, offset: usize) -> Place {
        let offset = self.floor(offset);
        let number = self.number(offset);
        let start = self.span(number).start;
        Place { line: number + 1, column: self.get(start..offset).chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters() {
        let source = "a\nü = é\n";
        let lines = Lines::new(source);
        assert_eq!(lines.place(0), Place { line: 1, column: 1 });
        assert_eq!(lines.place(2), Place { line: 2, column: 1 });
        let offset = source.find('é').unwrap();
        assert_eq!(lines.place(offset), Place { line: 2, column: 5 });
        assert_eq!(lines.place(offset + 1), Place { line: 2, column: 5 }, "inside a character");
        assert_eq!(lines.place(999), Place { line: 3, column: 1 });
    }

    #[test]
    fn lines_have_no_end() {
        let lines = Lines::new("a\r\n\nb");
        let spans: Vec<_> = (0..4).map(|number| lines.span(number)).collect();
        assert_eq!(spans, [0..1, 3..3, 4..5, 5..5]);
        assert_eq!((lines.number(2), lines.number(3), lines.number(99)), (0, 1, 2));
    }
}
