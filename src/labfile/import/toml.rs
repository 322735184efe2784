//! The few forms of TOML that an imported Labfile has.

/// The width that a list may take on one line.
const WIDTH: usize = 100;

/// A section's lines.
pub(super) struct Lines(String);

impl Lines {
    pub(super) fn new(header: &str) -> Self {
        Lines(format!("{header}\n"))
    }

    pub(super) fn section(&mut self, header: &str) {
        self.0 += &format!("\n{header}\n");
    }

    pub(super) fn key(&mut self, name: &str, value: &str) {
        self.0 += &format!("{name} = {value}\n");
    }

    /// The same where there is a value.
    pub(super) fn key_if(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.key(name, &value);
        }
    }

    /// A list on one line, or with a line for each item; nothing where it is empty.
    pub(super) fn list(&mut self, name: &str, items: &[String]) {
        let line = format!("[{}]", items.join(", "));
        match items {
            [] => {}
            _ if line.len() <= WIDTH && !line.contains('\n') => self.key(name, &line),
            items => self.key(name, &format!("[\n    {},\n]", items.join(",\n    "))),
        }
    }

    /// The section's text; that of a section without keys is left out with `or_nothing`.
    pub(super) fn finish(self, or_nothing: bool) -> String {
        let has_keys = self.0.trim_end().contains('\n');
        if has_keys || !or_nothing { self.0 } else { String::new() }
    }
}

/// A text: plainly quoted, or over several lines, in whichever way needs the fewest escapes.
pub(super) fn text(text: &str) -> String {
    let odd = |c: char| c.is_control() && c != '\n' && c != '\t';
    let lines = text.contains('\n');
    if !text.contains(odd) {
        match lines {
            // The line end behind the opening quotes is none of the text's.
            true if !text.contains("'''") && !text.ends_with('\'') => return format!("'''\n{text}'''"),
            false if text.contains(['"', '\\']) && !text.contains(['\'', '\t']) => {
                return format!("'{text}'");
            }
            _ => {}
        }
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted += "\\n",
            '\t' => quoted += "\\t",
            c if c.is_control() => quoted += &format!("\\u{:04X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back() {
        for original in
            ["", "a", "a\"b", "a\\b'c\"", "\nx", "x\ny\n", "''' \n", "a\n'", "\u{7f}\t\u{1}é", "'\"\n\\"]
        {
            let table: toml::Table = format!("a = {}", text(original)).parse().unwrap();
            assert_eq!(table["a"].as_str(), Some(original), "{}", text(original));
        }
    }
}
