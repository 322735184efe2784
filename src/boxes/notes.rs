//! Notes about a box: what was not understood of it, or left out, or assumed. They quote what anybody wrote.

/// How many notes are kept.
const MOST: usize = 40;
/// How long a note may be, in characters.
const LONGEST: usize = 300;

/// The notes, no more and no longer than people read, without characters that a terminal would obey.
pub(super) fn tidy(notes: Vec<String>) -> Vec<String> {
    let more = notes.len().saturating_sub(MOST);
    let mut tidy: Vec<String> = notes.into_iter().take(MOST).map(|note| plain(&note)).collect();
    if more > 0 {
        tidy.push(format!("and {more} more notes of this kind"));
    }
    tidy
}

/// A text from outside in one line, at most [`LONGEST`] characters of it; what cannot be seen is written as
/// Rust does: `\u{1b}`.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            plain.push('…');
            break;
        }
        // `escape_debug` also escapes quotes and backslashes, which do no harm.
        match c {
            '"' | '\'' | '\\' => plain.push(c),
            c => plain.extend(c.escape_debug()),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_few_short_and_plain() {
        assert_eq!(plain("a \"b\" \u{1b}[2J\u{9b}\u{202e}\nü"), "a \"b\" \\u{1b}[2J\\u{9b}\\u{202e}\\nü");
        assert_eq!(plain(&"x".repeat(1000)).chars().count(), LONGEST + 1);
        let many = tidy(vec!["note".into(); 1000]);
        assert_eq!((many.len(), many[MOST].as_str()), (MOST + 1, "and 960 more notes of this kind"));
    }
}
