//! Which names a lab and its machines can have.

use std::path::Path;

/// The longest label that DNS and /etc/hostname take.
const LONGEST: usize = 63;

/// Names that every guest has for itself, or that its resolver treats in a way of its own.
pub(super) const TAKEN: &[&str] = &["localhost", "ip6-localhost", "ip6-loopback", "broadcasthost"];

/// Whether a machine can have this name: it becomes a host name, and a part of paths.
pub fn is_machine(name: &str) -> bool {
    fault(name).is_none() && !TAKEN.contains(&name)
}

/// What keeps `name` from being a host name label (RFC 952 and 1123, lower case).
pub(super) fn fault(name: &str) -> Option<&'static str> {
    let rules: &[(bool, &str)] = &[
        (name.is_empty(), "it is empty"),
        (name.contains('.'), "it has a dot"),
        (name.contains('_'), "host names have no `_`"),
        (name.contains(char::is_whitespace), "it has a blank"),
        (!name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "only a-z, 0-9 and `-` are allowed"),
        (name.bytes().any(|b| b.is_ascii_uppercase()), "it must be in lower case"),
        (name.starts_with('-'), "it begins with `-`"),
        (name.ends_with('-'), "it ends with `-`"),
        (name.len() > LONGEST, "it is longer than 63 characters"),
        (name.bytes().all(|b| b.is_ascii_digit()), "a name of digits alone is taken for an address"),
    ];
    rules.iter().find(|(broken, _)| *broken).map(|(_, why)| *why)
}

/// `name` with as few changes as make it allowed. `prefix` goes before a name of digits alone.
pub(super) fn corrected(name: &str, prefix: &str) -> Option<String> {
    let mut meant = String::new();
    for c in name.to_lowercase().chars() {
        match c {
            'ä' => meant.push_str("ae"),
            'ö' => meant.push_str("oe"),
            'ü' => meant.push_str("ue"),
            'ß' => meant.push_str("ss"),
            'à' | 'á' | 'â' | 'ã' | 'å' => meant.push('a'),
            'è' | 'é' | 'ê' | 'ë' => meant.push('e'),
            'ç' => meant.push('c'),
            'ñ' => meant.push('n'),
            c if c.is_ascii_alphanumeric() => meant.push(c),
            _ if meant.ends_with('-') => {}
            _ => meant.push('-'),
        }
    }
    let meant: String = meant.trim_matches('-').chars().take(LONGEST).collect();
    let meant = meant.trim_end_matches('-');
    match meant {
        "" => None,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => Some(format!("{prefix}{digits}")),
        meant => Some(meant.to_owned()),
    }
}

/// The lab's name where none is given: the folder's, made into an allowed one.
pub(super) fn from_folder(dir: &Path) -> String {
    let folder = dir.file_name().unwrap_or_default().to_string_lossy();
    corrected(&folder, "lab").unwrap_or_else(|| "lab".to_owned())
}

/// A name for a message. One that is longer than any name may be is cut: it may stand in many messages.
pub(super) fn shown(name: &str) -> std::borrow::Cow<'_, str> {
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()).into(),
        None => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrected_names_have_no_fault() {
        for name in ["Web_1", "-a-", "über.lab", "web 1", &"x-".repeat(80), "1", "a--b", "São Paulo"] {
            let meant = corrected(name, "m").unwrap();
            assert_eq!(fault(&meant), None, "{name} → {meant}");
        }
        assert_eq!(corrected("Web_1", "m").unwrap(), "web-1");
        assert_eq!(corrected("___", "m"), None);
    }

    #[test]
    fn a_folder_gives_a_name() {
        assert_eq!(from_folder(Path::new("/home/me/Deploy Workshop (2)")), "deploy-workshop-2");
        assert_eq!(from_folder(Path::new("/")), "lab");
        assert_eq!(from_folder(Path::new("/2011")), "lab2011");
    }
}
