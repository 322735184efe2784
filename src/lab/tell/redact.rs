//! Takes out of a text what must not leave this computer: private keys, passwords, and whose computer it is.

use std::path::PathBuf;
use std::sync::LazyLock;

use regex_lite::Regex;

/// A private key, to its end or that of the text; or the end of one whose beginning has been cut off.
static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let whole = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(-----END [A-Z0-9 ]*-----|\z)";
    let end = r"\A[A-Za-z0-9+/=\s]*-----END [A-Z0-9 ]*PRIVATE KEY-----";
    pattern(&format!("(?s){whole}|{end}"))
});
/// `user:password@` of a URL.
static LOGIN: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r#"://[^/\s'"@]*@"#));
/// What a name of something secret has in it.
static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(&format!("(?i){SECRET}")));
const SECRET: &str = "(?:passw|passphrase|secret|token|api[_-]?key)";
/// `DB_PASSWORD=x`, `"token": "x"`, `password = 'x'`, `--password x`.
static VALUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = format!(r"[\w-]*{SECRET}[\w-]*");
    let value = r#""[^"\n]*"|'[^'\n]*'|[^\s,;}\]]+"#;
    pattern(&format!(r#"(?i)(--{name}[ =]+|{name}["']?[ \t]*[=:][ \t]*)({value})"#))
});

/// One that is no pattern is a mistake in this file, which its test finds.
fn pattern(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

/// `text` without private keys, logins in URLs, and values of what is called a password, secret or token.
pub fn secrets(text: &str) -> String {
    let replace = |text: &str, pattern: &Option<Regex>, with: &str| match pattern {
        Some(pattern) => pattern.replace_all(text, with).into_owned(),
        None => text.to_owned(),
    };
    let mut text = text.to_owned();
    // Few texts have any of it, and every line of a log comes by here.
    if text.contains("PRIVATE KEY-----") {
        text = replace(&text, &KEY, "(a private key was here)");
    }
    if text.contains("://") {
        text = replace(&text, &LOGIN, "://***@");
    }
    if WORDS.as_ref().is_none_or(|words| words.is_match(&text)) {
        text = replace(&text, &VALUE, "$1***");
    }
    text
}

/// Whose computer this is, as far as a path or a log may say it.
#[derive(Debug, Default)]
pub struct Person {
    homes: Vec<String>,
    names: Vec<String>,
}

impl Person {
    /// The one who runs us.
    pub fn here() -> Self {
        let home = etcetera::home_dir().ok();
        let real = home.as_ref().and_then(|home| home.canonicalize().ok());
        let names = ["USER", "LOGNAME", "USERNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
        Self::of(home.into_iter().chain(real).collect(), names.collect())
    }

    fn of(homes: Vec<PathBuf>, mut names: Vec<String>) -> Self {
        names.extend(homes.iter().filter_map(|home| Some(home.file_name()?.to_str()?.to_owned())));
        names.sort();
        names.dedup();
        // Every computer has it.
        names.retain(|name| !name.is_empty() && name != "root");
        let mut homes: Vec<String> = homes
            .iter()
            .filter_map(|home| home.to_str())
            .filter(|home| home.len() > 1)
            .map(str::to_owned)
            .collect();
        homes.sort_by_key(|home| std::cmp::Reverse(home.len()));
        homes.dedup();
        Person { homes, names }
    }

    /// `text` with `~` for the home folder, and `USER` for the user's name wherever it is a word.
    pub fn taken_out_of(&self, text: &str) -> String {
        let homes = self.homes.iter().map(|home| (home, "~"));
        let names = self.names.iter().map(|name| (name, "USER"));
        homes.chain(names).fold(text.to_owned(), |text, (word, instead)| replace_word(&text, word, instead))
    }
}

/// `text` with `instead` for `word`, where that is not a part of a longer word.
pub fn replace_word(text: &str, word: &str, instead: &str) -> String {
    let part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let (mut done, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(word) {
        let whole =
            !part(before.chars().next_back().or(done.chars().next_back())) && !part(after.chars().next());
        done.push_str(before);
        done.push_str(if whole { instead } else { word });
        rest = after;
    }
    done.push_str(rest);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_are_patterns() {
        assert!([&KEY, &LOGIN, &WORDS, &VALUE].iter().all(|pattern| pattern.is_some()));
    }

    #[test]
    fn secrets_are_taken_out_and_the_rest_stays() {
        let key = "a\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\nz";
        assert_eq!(secrets(key), "a\n(a private key was here)\nz");
        assert_eq!(secrets("-----BEGIN RSA PRIVATE KEY-----\ncut off"), "(a private key was here)");
        assert_eq!(secrets("b3Bl\ncut==\n-----END RSA PRIVATE KEY-----\nz"), "(a private key was here)\nz");
        for (said, kept) in [
            ("get https://ada:pw@host/x.box now", "get https://***@host/x.box now"),
            (
                "env = { DB_PASSWORD = \"a b\", ROLE = \"web\" }",
                "env = { DB_PASSWORD = ***, ROLE = \"web\" }",
            ),
            ("{\"token\": \"x\"}", "{\"token\": ***}"),
            ("VBoxManage x --password geheim --user y", "VBoxManage x --password *** --user y"),
            ("MYSQL_ROOT_PASSWD=x; next", "MYSQL_ROOT_PASSWD=***; next"),
            ("no password was asked, -i /lab/.lab/id_rsa", "no password was asked, -i /lab/.lab/id_rsa"),
            ("ssh-ed25519 AAAA ada@web1", "ssh-ed25519 AAAA ada@web1"),
        ] {
            assert_eq!(secrets(said), kept);
        }
    }

    #[test]
    fn a_person_is_not_named() {
        let person = Person::of(vec!["/home/ada".into()], vec!["ada".into()]);
        assert_eq!(
            person.taken_out_of("/home/ada/lab/.lab: owned by ada, see adapter and /data/ada/x, ada@host"),
            "~/lab/.lab: owned by USER, see adapter and /data/USER/x, USER@host"
        );
        assert_eq!(person.taken_out_of("/home/adam/x, ada_x"), "/home/adam/x, USER_x");
        let root = Person::of(vec!["/root".into()], vec!["root".into()]);
        assert_eq!(root.taken_out_of("as root in /root/x"), "as root in ~/x");
    }
}
