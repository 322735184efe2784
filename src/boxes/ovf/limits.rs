//! What an OVF may ask of the XML parser, looked at before it is parsed.
//!
//! roxmltree compares each attribute of an element with all others, and each namespace with all that are in
//! force: 100 kB of either would take it minutes.

use super::xml::bad;
use crate::error::Result;

/// Attributes of one element. VirtualBox writes up to 16.
const MAX_ATTRIBUTES: usize = 100;
/// Declarations of namespaces in all. OVFs have about six.
const MAX_NAMESPACES: usize = 100;
/// Elements inside each other. OVFs have about ten.
const MAX_DEPTH: usize = 100;

/// Refuses a text that is over one of the limits. Whether it is XML at all is for the parser to say.
///
/// # Errors
/// [`crate::error::Kind::BadBox`], naming the limit.
pub(super) fn check(text: &str) -> Result<()> {
    let (mut rest, mut depth, mut namespaces) = (text, 0usize, 0);
    while let Some(at) = rest.find('<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        let skipped = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>"), ("!", ">")];
        if let Some((_, end)) = skipped.iter().find(|(begin, _)| rest.starts_with(begin)) {
            rest = rest.split_once(end).map_or("", |(_, behind)| behind);
            continue;
        }
        let tag = Tag::read(rest);
        rest = rest.get(tag.length..).unwrap_or_default();
        if tag.attributes > MAX_ATTRIBUTES {
            return Err(over("an element has more than", MAX_ATTRIBUTES, "attributes"));
        }
        namespaces += tag.namespaces;
        if namespaces > MAX_NAMESPACES {
            return Err(over("it declares more than", MAX_NAMESPACES, "namespaces"));
        }
        match (tag.closes, tag.is_empty) {
            (true, _) => depth = depth.saturating_sub(1),
            (false, false) => depth += 1,
            (false, true) => {}
        }
        if depth > MAX_DEPTH {
            return Err(over("its elements lie more than", MAX_DEPTH, "deep inside each other"));
        }
    }
    Ok(())
}

fn over(what: &str, limit: usize, of: &str) -> crate::error::Error {
    bad(&format!("{what} {limit} {of}, which is the limit"))
}

/// What stands between `<` and `>`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tag {
    length: usize,
    attributes: usize,
    namespaces: usize,
    closes: bool,
    is_empty: bool,
}

impl Tag {
    /// Reads a tag from behind its `<` on. In a value, `>` and `=` mean nothing.
    fn read(text: &str) -> Self {
        let mut tag = Tag { closes: text.starts_with('/'), length: text.len(), ..Tag::default() };
        let (mut quote, mut before, mut word) = (None, ' ', 0);
        for (at, c) in text.char_indices() {
            match (quote, c) {
                (Some(open), _) if open == c => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(c),
                (None, '=') => {
                    tag.attributes += 1;
                    let name = text.get(word..at).unwrap_or_default();
                    tag.namespaces += usize::from(name.starts_with("xmlns"));
                }
                (None, '>') => {
                    tag.is_empty = before == '/';
                    tag.length = at + 1;
                    break;
                }
                (None, _) if before.is_whitespace() || matches!(before, '"' | '\'') => {
                    if !c.is_whitespace() {
                        word = at;
                    }
                }
                (None, _) => {}
            }
            before = c;
        }
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        check(text).unwrap_err().message().to_owned()
    }

    #[test]
    fn tags_are_counted_as_xml_means_them() {
        let tag = Tag::read("a x = \"1>=2\" xmlns:y='z'  xmlns=\"w\"/> b=\"\"");
        assert_eq!(tag, Tag { length: 37, attributes: 3, namespaces: 2, closes: false, is_empty: true });
        assert!(Tag::read("/a>").closes);
        assert_eq!(Tag::read("a b=\"").length, 5);
    }

    #[test]
    fn each_limit_is_named() {
        let attributes = |count: usize| -> String { (0..count).map(|at| format!(" a{at}=''")).collect() };
        check(&format!("<a{}/>", attributes(100))).unwrap();
        assert!(refused(&format!("<a{}/>", attributes(101))).contains("more than 100 attributes"));
        let spaces: String = (0..101).map(|at| format!("<b xmlns:x{at}='y'/>")).collect();
        assert!(refused(&spaces).contains("more than 100 namespaces"));
        assert!(refused(&"<a>".repeat(101)).contains("more than 100 deep"));
        check(&"<a><b/></a>".repeat(1000)).unwrap();
        check(&format!(
            "<!-- <a{}> --><![CDATA[{}]]><?x {}?>",
            attributes(200),
            "<a>".repeat(200),
            "<a>".repeat(200)
        ))
        .unwrap();
    }

    #[test]
    fn what_would_take_the_parser_minutes_takes_a_moment() {
        let started = std::time::Instant::now();
        for text in [
            format!("<Envelope {}/>", (0..15_000).map(|at| format!("a{at}=\"\" ")).collect::<String>()),
            format!("<E {}/>", (0..10_000).map(|at| format!("xmlns:a{at}=\"b\" ")).collect::<String>()),
            (0..10_000).map(|at| format!("<a xmlns:b{at}=\"c\">")).collect::<String>(),
            "<a>".repeat(80_000),
        ] {
            assert!(super::super::read(&text).is_err());
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
    }
}
