//! Rust source as tokens with their lines: no comments, and nothing that only tests see.

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name, a keyword or a number; `r#box` is `box`.
    Word(String),
    /// The content of a text literal, its escapes as they are written.
    Text(String),
    /// `::`
    Path,
    /// Any other sign.
    Sign(char),
}

impl Token {
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn is(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }
}

/// The tokens of a file, without those of items that are marked `#[cfg(test)]`.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    without_tests(&all(source))
}

fn all(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut index, mut line, mut tokens) = (0, 1, Vec::new());
    while index < chars.len() {
        let start = index;
        let kind = match at(index) {
            '/' if at(index + 1) == '/' => {
                while index < chars.len() && at(index) != '\n' {
                    index += 1;
                }
                None
            }
            '/' if at(index + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (at(index), at(index + 1)) {
                        ('/', '*') => (depth, index) = (depth + 1, index + 2),
                        ('*', '/') => (depth, index) = (depth - 1, index + 2),
                        _ => index += 1,
                    }
                    if depth == 0 || index >= chars.len() {
                        break;
                    }
                }
                None
            }
            '"' => Some(Kind::Text(quoted(&chars, &mut index))),
            'r' | 'b' | 'c' if text_begins(&chars, index) => Some(Kind::Text(prefixed(&chars, &mut index))),
            'r' if at(index + 1) == '#' && is_word(at(index + 2)) => {
                index += 2;
                let begin = index;
                while is_word(at(index)) {
                    index += 1;
                }
                Some(Kind::Word(chars[begin..index].iter().collect()))
            }
            '\'' => {
                // A character, or the name of a lifetime.
                let is_char = at(index + 1) == '\\' || at(index + 2) == '\'';
                index += 1;
                if is_char {
                    while index < chars.len() && at(index) != '\'' {
                        index += if at(index) == '\\' { 2 } else { 1 };
                    }
                    index += 1;
                }
                None
            }
            c if is_word(c) => {
                while is_word(at(index)) {
                    index += 1;
                }
                Some(Kind::Word(chars[start..index].iter().collect()))
            }
            ':' if at(index + 1) == ':' => {
                index += 2;
                Some(Kind::Path)
            }
            c => {
                index += 1;
                (!c.is_whitespace()).then_some(Kind::Sign(c))
            }
        };
        tokens.extend(kind.map(|kind| Token { kind, line }));
        line += chars[start..index.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

/// Whether `r"`, `r#"`, `b"`, `br"` … begins here.
fn text_begins(chars: &[char], index: usize) -> bool {
    let rest: String = chars[index..].iter().take(12).collect();
    let after = rest.trim_start_matches(['b', 'c']);
    let raw = after.strip_prefix('r').map(|after| after.trim_start_matches('#'));
    rest.len() - after.len() < 2 && (after.starts_with('"') || raw.is_some_and(|raw| raw.starts_with('"')))
}

fn prefixed(chars: &[char], index: &mut usize) -> String {
    while matches!(chars[*index], 'b' | 'c') {
        *index += 1;
    }
    if chars[*index] != 'r' {
        return quoted(chars, index);
    }
    *index += 1;
    let hashes = chars[*index..].iter().take_while(|c| **c == '#').count();
    *index += hashes + 1;
    let begin = *index;
    let ends = |at: usize| {
        chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    while *index < chars.len() && !ends(*index) {
        *index += 1;
    }
    let text = chars[begin..*index].iter().collect();
    *index += hashes + 1;
    text
}

fn quoted(chars: &[char], index: &mut usize) -> String {
    *index += 1;
    let begin = *index;
    while *index < chars.len() && chars[*index] != '"' {
        *index += if chars[*index] == '\\' { 2 } else { 1 };
    }
    let text = chars[begin..(*index).min(chars.len())].iter().collect();
    *index += 1;
    text
}

/// Takes out the items after `#[cfg(test)]` and `#[cfg(all(test, …))]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut index = 0;
    while index < tokens.len() {
        let Some(end) = attribute(tokens, index) else {
            kept.push(tokens[index].clone());
            index += 1;
            continue;
        };
        let words: Vec<_> = tokens[index..end].iter().filter_map(Token::word).collect();
        let for_tests = words.first() == Some(&"cfg")
            && words.contains(&"test")
            && !words.contains(&"not")
            && !words.contains(&"any");
        if for_tests {
            index = item_end(tokens, end);
        } else {
            kept.extend_from_slice(&tokens[index..end]);
            index = end;
        }
    }
    kept
}

/// Where the attribute that begins at `index` ends, if one does.
fn attribute(tokens: &[Token], index: usize) -> Option<usize> {
    (tokens.get(index)?.is('#') && tokens.get(index + 1)?.is('[')).then(|| group_end(tokens, index + 1))
}

/// The place behind the bracket that closes the one at `index`.
pub(crate) fn group_end(tokens: &[Token], index: usize) -> usize {
    let mut depth = 0;
    for (offset, token) in tokens[index..].iter().enumerate() {
        match token.kind {
            Kind::Sign('(' | '[' | '{') => depth += 1,
            Kind::Sign(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index + offset + 1;
        }
    }
    tokens.len()
}

/// The place behind the item that begins at `index`: behind its `;`, or behind its block.
fn item_end(tokens: &[Token], mut index: usize) -> usize {
    while let Some(end) = attribute(tokens, index) {
        index = end;
    }
    let word = |index: usize| tokens.get(index).and_then(Token::word);
    let mut first = index;
    while matches!(word(first), Some("pub" | "unsafe" | "async"))
        || tokens.get(first).is_some_and(|t| t.is('('))
    {
        first = if tokens[first].is('(') { group_end(tokens, first) } else { first + 1 };
    }
    // A block ends these only together with their `;`.
    let to_semicolon = matches!(word(first), Some("use" | "static" | "type"))
        || word(first) == Some("const") && word(first + 1) != Some("fn");
    while index < tokens.len() {
        match tokens[index].kind {
            Kind::Sign(';') => return index + 1,
            Kind::Sign('{') if !to_semicolon => return group_end(tokens, index),
            Kind::Sign('(' | '[' | '{') => index = group_end(tokens, index),
            _ => index += 1,
        }
    }
    index
}
