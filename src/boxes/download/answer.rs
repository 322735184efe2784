//! What an answer means for the bytes that are here already: RFC 9110, sections 13.1.5 (If-Range), 14 (ranges) and
//! 15.5.17 (416).

use super::failure::Failure;
use super::http::Head;

/// The facts by which a changed file on a server is noticed.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::boxes) struct Facts {
    /// Its entity tag, as the server wrote it.
    pub(super) etag: Option<String>,
    /// When it was changed last, as the server wrote it.
    pub(super) last_modified: Option<String>,
    /// Its size, where the server told it.
    pub(super) total: Option<u64>,
}

impl Facts {
    /// The facts in an answer with the whole file.
    pub(super) fn of(head: &Head) -> Self {
        let (etag, last_modified) = (head.etag.clone(), head.last_modified.clone());
        Facts { etag, last_modified, total: head.length }
    }

    /// What to send as `If-Range`. A weak tag will not do: it stands for equal meaning, not for equal bytes.
    pub(super) fn if_range(&self) -> Option<String> {
        let strong = self.etag.clone().filter(|etag| !etag.starts_with("W/"));
        strong.or_else(|| self.last_modified.clone())
    }

    /// Whether an answer to a request for "the file, unless it is this one" says that it is this one.
    pub(super) fn is_of(&self, head: &Head) -> bool {
        // Servers that know nothing of the condition send the file, with its facts in front.
        head.status == 304 || (head.status == 200 && self.can_tell() && *self == Facts::of(head))
    }

    /// Whether there is anything by which another state of the file would be noticed.
    pub(super) fn can_tell(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// Whether the rest of the same file is what a `206` brings.
    fn agrees(&self, head: &Head, total: Option<u64>) -> bool {
        fn same<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
            a.is_none() || b.is_none() || a == b
        }
        same(self.etag.as_ref(), head.etag.as_ref())
            && same(self.last_modified.as_ref(), head.last_modified.as_ref())
            && same(self.total.as_ref(), total.as_ref())
    }
}

/// How an answer is used.
#[derive(Debug)]
pub(super) enum Plan {
    /// Append its bytes to those that are here.
    Continue {
        /// The size of the whole file, where it is known.
        total: Option<u64>,
    },
    /// Its bytes are the whole file: remove those that are here.
    Whole,
    /// Nothing is missing.
    Complete,
    /// The bytes that are here are not a part of the file: remove them, and ask for the whole file.
    Afresh,
    /// The answer has no file.
    Fail(Failure),
}

/// What the answer to a request for everything from byte `have` on means.
pub(super) fn plan(head: &Head, have: u64, known: &Facts) -> Plan {
    match head.status {
        200 => Plan::Whole,
        206 if have > 0 => match head.content_range.as_deref().and_then(satisfied) {
            Some((from, total)) if from == have && known.agrees(head, total) => {
                Plan::Continue { total: total.or(known.total) }
            }
            _ => Plan::Afresh,
        },
        416 if have > 0 => match head.content_range.as_deref().and_then(unsatisfied) {
            Some(total) if total == have && known.total.is_none_or(|known| known == total) => Plan::Complete,
            _ => Plan::Afresh,
        },
        status => Plan::Fail(Failure::status(status, head.retry_after)),
    }
}

/// `bytes 100-199/300`: where the part begins, and how large the whole is if that is said.
fn satisfied(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let from = range.split_once('-')?.0.trim().parse().ok()?;
    let total = if total.trim() == "*" { None } else { Some(total.trim().parse().ok()?) };
    Some((from, total))
}

/// `bytes */300`: how large the whole is.
fn unsatisfied(text: &str) -> Option<u64> {
    text.trim().strip_prefix("bytes */")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, range: &str, etag: &str) -> Head {
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Head { status, content_range: said(range), etag: said(etag), ..Head::default() }
    }

    #[test]
    fn only_the_rest_of_the_same_file_goes_behind_what_is_there() {
        let known = Facts { etag: Some("\"a\"".into()), last_modified: None, total: Some(300) };
        let plan = |head: Head| plan(&head, 100, &known);
        assert!(matches!(plan(head(206, "bytes 100-299/300", "\"a\"")), Plan::Continue { total: Some(300) }));
        assert!(matches!(plan(head(206, "bytes 100-299/*", "")), Plan::Continue { total: Some(300) }));
        for (range, etag) in [
            ("bytes 100-299/300", "\"b\""),
            ("bytes 100-400/401", "\"a\""),
            ("bytes 0-299/300", "\"a\""),
            ("bytes 101-299/300", "\"a\""),
            ("", "\"a\""),
            ("nonsense", "\"a\""),
        ] {
            assert!(matches!(plan(head(206, range, etag)), Plan::Afresh), "{range} {etag}");
        }
        assert!(matches!(plan(head(200, "", "\"b\"")), Plan::Whole));
    }

    #[test]
    fn a_416_may_mean_that_all_is_there() {
        let known = Facts::default();
        assert!(matches!(plan(&head(416, "bytes */100", ""), 100, &known), Plan::Complete));
        assert!(matches!(plan(&head(416, "bytes */99", ""), 100, &known), Plan::Afresh));
        assert!(matches!(plan(&head(416, "", ""), 100, &known), Plan::Afresh));
        assert!(matches!(plan(&head(416, "bytes */0", ""), 0, &known), Plan::Fail(_)));
        assert!(matches!(plan(&head(206, "bytes 0-1/2", ""), 0, &known), Plan::Fail(_)));
        let shorter = Facts { total: Some(50), ..known };
        assert!(matches!(plan(&head(416, "bytes */100", ""), 100, &shorter), Plan::Afresh));
    }

    #[test]
    fn a_weak_tag_is_no_condition() {
        let facts = |etag: &str, date: Option<&str>| Facts {
            etag: Some(etag.to_owned()),
            last_modified: date.map(str::to_owned),
            total: None,
        };
        assert_eq!(facts("\"x\"", Some("Sat")).if_range().as_deref(), Some("\"x\""));
        assert_eq!(facts("W/\"x\"", Some("Sat")).if_range().as_deref(), Some("Sat"));
        assert_eq!(facts("W/\"x\"", None).if_range(), None);
    }
}
