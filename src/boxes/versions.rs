//! Versions of boxes, and the constraints on them, as Vagrant has them: those of RubyGems.
//!
//! <https://docs.ruby-lang.org/en/master/Gem/Version.html> and `Gem/Requirement.html` say how they compare.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A version: `2.2.3`, `202407.23.0`, `1.0.0.beta2`.
#[derive(Debug, Clone)]
pub struct Version {
    text: String,
    segments: Vec<Segment>,
}

/// What stands between the dots; a change from digits to letters counts as a dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// Letters, which make it a version before the one without them: they come before any number.
    Word(String),
    /// A number.
    Number(u64),
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || format!("`{text}` is no version");
        // A hyphen begins a version before the release: `1.0-rc1` is `1.0.pre.rc1`.
        let spelled = text.replace('-', ".pre.");
        let mut segments = Vec::new();
        for part in spelled.split('.') {
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(wrong());
            }
            let mut rest = part;
            while let Some(first) = rest.chars().next() {
                let is_digit = first.is_ascii_digit();
                let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
                let (run, tail) = rest.split_at(end);
                segments.push(match is_digit {
                    true => Segment::Number(run.parse().map_err(|_| wrong())?),
                    false => Segment::Word(run.to_owned()),
                });
                rest = tail;
            }
        }
        match segments.first() {
            Some(Segment::Number(_)) => Ok(Version { text: text.to_owned(), segments }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        // What is missing counts as 0: 1.0 and 1 are the same version.
        let (a, b) = (&self.segments, &other.segments);
        let zero = Segment::Number(0);
        (0..a.len().max(b.len()))
            .map(|at| a.get(at).unwrap_or(&zero).cmp(b.get(at).unwrap_or(&zero)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl Version {
    /// Itself without what makes it one before the release.
    fn release(&self) -> Vec<u64> {
        let numbers = self.segments.iter().map_while(|segment| match segment {
            Segment::Number(number) => Some(*number),
            Segment::Word(_) => None,
        });
        numbers.collect()
    }

    /// Whether it is one that `~> base` allows: not below, and the same but for the last number.
    fn is_about(&self, base: &Version) -> bool {
        let mut prefix = base.release();
        if prefix.len() > 1 {
            prefix.pop();
        }
        let own = self.release();
        let same = (0..prefix.len()).all(|at| prefix.get(at) == Some(own.get(at).unwrap_or(&0)));
        // `~> 2` leaves the one number that there is free to stay only: 2.9 is about 2, 3 is not.
        self >= base && same
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Above,
    Below,
    AtLeast,
    AtMost,
    About,
}

/// The longer ones first: `>=` is no `>`.
const OPERATORS: [(&str, Operator); 7] = [
    ("~>", Operator::About),
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("!=", Operator::NotEqual),
    ("=", Operator::Equal),
    (">", Operator::Above),
    ("<", Operator::Below),
];

/// What a version must be: `2.2.3`, `~> 2.2`, `>= 1.0, < 3`.
#[derive(Clone, PartialEq, Eq)]
pub struct Constraint {
    text: String,
    parts: Vec<(Operator, Version)>,
}

impl FromStr for Constraint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part = |part: &str| {
            let part = part.trim();
            let known =
                OPERATORS.iter().find_map(|(sign, operator)| Some((part.strip_prefix(sign)?, *operator)));
            let (version, operator) = known.unwrap_or((part, Operator::Equal));
            Ok((operator, version.parse::<Version>()?))
        };
        let parts = text.split(',').map(part).collect::<Result<Vec<_>, String>>()?;
        Ok(Constraint { text: text.trim().to_owned(), parts })
    }
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Constraint({:?})", self.text)
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Constraint {
    /// Whether `version` is one of those meant.
    pub fn allows(&self, version: &Version) -> bool {
        self.parts.iter().all(|(operator, wanted)| match operator {
            Operator::Equal => version == wanted,
            Operator::NotEqual => version != wanted,
            Operator::Above => version > wanted,
            Operator::Below => version < wanted,
            Operator::AtLeast => version >= wanted,
            Operator::AtMost => version <= wanted,
            Operator::About => version.is_about(wanted),
        })
    }
}

/// Whether a version, as text, is one that may be wanted. One that cannot be read is, only where all are.
pub fn allows(constraint: Option<&Constraint>, version: &str) -> bool {
    constraint.is_none_or(|constraint| version.parse().is_ok_and(|version| constraint.allows(&version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_compare_as_those_of_gems_do() {
        let ordered = [
            "0.9",
            "1.0.a",
            "1.0.b1",
            "1.0.b10",
            "1.0.rc1",
            "1.0",
            "1.0.1",
            "1.9",
            "1.10",
            "2",
            "202407.23.0",
        ];
        for pair in ordered.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        assert_eq!(version("1.0.0"), version("1"));
        assert_eq!(version("1.0-rc1"), version("1.0.pre.rc1"));
        assert_eq!(version(" 2.2.3 ").to_string(), "2.2.3");
        for wrong in ["", "v1", "1..2", "1.", "1 2", "latest", "1.ä", "99999999999999999999"] {
            assert!(wrong.parse::<Version>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn constraints_mean_what_they_mean_in_a_vagrantfile() {
        for (constraint, good, bad) in [
            ("2.2.3", &["2.2.3", "2.2.3.0"][..], &["2.2.4", "2.2"][..]),
            ("= 1.0", &["1.0", "1"], &["1.0.1"]),
            ("!= 1.0", &["1.0.1"], &["1"]),
            ("> 1.0", &["1.0.1", "2"], &["1.0", "0.9"]),
            ("< 1.0", &["0.9", "1.0.beta"], &["1.0"]),
            (">= 1.0", &["1.0", "2"], &["0.9", "1.0.rc1"]),
            ("<=1.0", &["1.0", "0.1"], &["1.0.1"]),
            ("~> 2.2", &["2.2", "2.2.9", "2.10"], &["2.1.9", "3.0", "3"]),
            ("~> 2.2.3", &["2.2.3", "2.2.10"], &["2.2.2", "2.3"]),
            ("~> 2", &["2", "2.9"], &["1.9", "3"]),
            ("~> 1.0.rc1", &["1.0.rc1", "1.0", "1.9"], &["1.0.beta", "2.0"]),
            (">= 1.0, < 2, != 1.5", &["1.0", "1.9"], &["2", "1.5", "0.9"]),
        ] {
            let parsed: Constraint = constraint.parse().unwrap();
            assert_eq!(parsed.to_string(), constraint);
            for text in good {
                assert!(parsed.allows(&version(text)), "{constraint} allows {text}");
            }
            for text in bad {
                assert!(!parsed.allows(&version(text)), "{constraint} allows no {text}");
            }
        }
        for wrong in ["", "~>", ">= 1,", "=> 1", "== 1", "about 2"] {
            assert!(wrong.parse::<Constraint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_version_is_allowed_only_where_all_are() {
        let constraint: Constraint = ">= 0".parse().unwrap();
        assert!(allows(None, "latest"));
        assert!(!allows(Some(&constraint), "latest"));
    }
}
