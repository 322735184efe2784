//! Text that a terminal shows and does not obey.
//!
//! A Labfile, a box, a registry, a guest, a file's name: each may hold characters that move the cursor, set the
//! window's title, type for the user, or show text in another order than it stands in ("Trojan Source",
//! CVE-2021-42574). They are written as `\u{…}`, so that a reader sees that they are there. All functions here leave
//! their own results as they are: text may pass several of them.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal, an editor or a reader may take `c` for something else than a character to look at: control
/// characters (C0, DEL, C1), line and paragraph separators, and those of Unicode's format characters (general category
/// Cf) that have no shape: directions, zero widths, tags.
pub fn is_tricky(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// `text` as one line: line ends are written as `\n`, tricky characters as `\u{…}`.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false, escape)
}

/// `text` with its line ends and tabs as they are; tricky characters are written as `\u{…}`.
pub fn text(text: &str) -> Cow<'_, str> {
    escaped(text, is_layout, escape)
}

/// As [`text()`], but colours (`ESC [ … m`) stay: for what lab has painted itself.
pub fn painted(text: &str) -> Cow<'_, str> {
    let mut pieces = text.split('\u{1b}');
    let first = pieces.next().unwrap_or_default();
    let mut done = self::text(first);
    for piece in pieces {
        let done = done.to_mut();
        let end = piece.find(|c: char| !matches!(c, '[' | ';' | '0'..='9')).unwrap_or(piece.len());
        let color =
            piece.starts_with('[') && piece[1..end].find('[').is_none() && piece[end..].starts_with('m');
        done.push_str(if color { "\u{1b}" } else { "\\u{1b}" });
        done.push_str(&self::text(piece));
    }
    done
}

/// JSON text (or TOML: it reads the same escapes) in which tricky characters are escaped, so that it means what it meant.
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, is_layout, |c, into| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String does not fail.
            let _ = write!(into, "\\u{unit:04x}");
        }
    })
}

/// One line of a program's output, without what it says to a terminal: colours, titles, cursor movements are left out
/// with all that belongs to them, tabs are four blanks. What is tricky otherwise is written as `\u{…}`.
pub fn output(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    // ECMA-48: a sequence is introduced by ESC and a character, or by the one of C1 that means the same.
    while let Some(c) = chars.next() {
        let introducer = match c {
            '\u{1b}' => match chars.next() {
                Some(c) => c,
                None => break,
            },
            '\u{9b}' => '[',
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => ']',
            '\t' => {
                clean.push_str("    ");
                continue;
            }
            c if c.is_control() => continue,
            c if is_tricky(c) => {
                escape(c, &mut clean);
                continue;
            }
            c => {
                clean.push(c);
                continue;
            }
        };
        match introducer {
            // Parameters, up to a final character.
            '[' => {
                while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
                chars.next_if(|c| matches!(c, '@'..='~'));
            }
            // A text for the terminal, up to BEL or ST; one that has no end may be a line's whole rest.
            ']' | 'P' | 'X' | '^' | '_' => {
                while let Some(c) = chars.next() {
                    if matches!(c, '\u{7}' | '\u{9c}') || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some())
                    {
                        break;
                    }
                }
            }
            // Intermediate characters, and a final one.
            ' '..='/' => {
                while chars.next_if(|c| matches!(c, ' '..='/')).is_some() {}
                chars.next_if(|c| matches!(c, '0'..='~'));
            }
            _ => {}
        }
    }
    clean
}

fn is_layout(c: char) -> bool {
    matches!(c, '\n' | '\t')
}

fn escape(c: char, into: &mut String) {
    match c {
        '\n' => into.push_str("\\n"),
        '\r' => into.push_str("\\r"),
        '\t' => into.push_str("\\t"),
        c => {
            // Writing to a String does not fail.
            let _ = write!(into, "\\u{{{:x}}}", u32::from(c));
        }
    }
}

fn escaped(text: &str, keep: fn(char) -> bool, escape: fn(char, &mut String)) -> Cow<'_, str> {
    let tricky = |c: char| is_tricky(c) && !keep(c);
    let Some(first) = text.find(tricky) else { return Cow::Borrowed(text) };
    let (before, rest) = text.split_at(first);
    let mut done = before.to_owned();
    for c in rest.chars() {
        if tricky(c) { escape(c, &mut done) } else { done.push(c) }
    }
    Cow::Owned(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind, and the ends of ranges.
    const TRICKY: &str = "\0\u{7}\u{8}\r\u{1b}\u{1f}\u{7f}\u{80}\u{85}\u{90}\u{9b}\u{9d}\u{9f}\u{ad}\u{61c}\u{180e}\
        \u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\
        \u{2064}\u{2066}\u{2067}\u{2068}\u{2069}\u{206f}\u{feff}\u{fff9}\u{fffb}\u{e0001}\u{e0041}\u{e007f}";

    #[test]
    fn nothing_tricky_is_left() {
        for c in TRICKY.chars() {
            let (all, visible) = (format!("a{c}b\u{e9}\u{4e2d}"), format!("\\u{{{:x}}}", u32::from(c)));
            let visible = if c == '\r' { "\\r" } else { &visible };
            assert_eq!(line(&all), format!("a{visible}b\u{e9}\u{4e2d}"));
            assert_eq!(text(&all), line(&all));
            assert!(!output(&all).contains(is_tricky), "{c:?}");
            assert!(!painted(&all).contains(is_tricky), "{c:?}");
            assert!(!json(&all).contains(is_tricky), "{c:?}");
            assert_eq!(line(&line(&all)), line(&all));
        }
        assert_eq!(line("a\nhint: b\tc"), "a\\nhint: b\\tc");
        assert_eq!(text("a\nb\tc"), "a\nb\tc");
    }

    #[test]
    fn what_people_write_stays() {
        for fine in
            ["a b", "Übung 1 → 2 ✓ “x” …", "日本語", "עברית", "हिन्दी", "e\u{301}", "👩 🇩🇪", "a\u{a0}b"]
        {
            assert!(matches!(line(fine), Cow::Borrowed(same) if same == fine), "{fine}");
            assert_eq!((output(fine).as_str(), &*painted(fine), &*json(fine)), (fine, fine, fine));
        }
    }

    #[test]
    fn json_means_the_same() {
        let value = serde_json::json!({ "all": TRICKY, "line": "a\nb" });
        let text = value.to_string();
        assert!(text.contains('\u{9b}') && !json(&text).contains(is_tricky), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json(&text)).unwrap(), value);
    }

    #[test]
    fn of_a_program_only_its_words_are_left() {
        for (said, words) in [
            ("a\u{1b}[2J\u{1b}[1;31mred\u{1b}[0m\u{7}\tend", "ared    end"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            ("a\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\b", "alinkb"),
            ("a\u{9b}2Jb\u{9d}0;title\u{9c}c\u{90}dcs\u{1b}\\d", "abcd"),
            ("a\u{1b}(Bb\u{1b}cc\u{1b}#8d\u{1b}7e", "abcde"),
            ("a\u{1b}[?25lb\u{1b}[>0qc\u{1b}[200~d", "abcd"),
            ("\u{202e}gnp", "\\u{202e}gnp"),
            ("broken \u{1b}[", "broken "),
            ("broken \u{1b}", "broken "),
            ("a\rb\u{8}c", "abc"),
        ] {
            assert_eq!(output(said), words, "{said:?}");
        }
    }

    #[test]
    fn only_colours_pass_as_such() {
        let painted_by_us = "\u{1b}[1m\u{1b}[31merror\u{1b}[0m: x\n\u{1b}[38;5;9mb\u{1b}[m";
        assert_eq!(painted(painted_by_us), painted_by_us);
        for bad in
            ["\u{1b}[2J", "\u{1b}]0;x\u{7}", "\u{1b}", "\u{1b}[", "\u{1b}[1;\u{1b}m", "\u{1b}[[m", "\u{1b}m"]
        {
            assert!(!painted(bad).contains(is_tricky), "{bad:?}");
        }
    }
}
