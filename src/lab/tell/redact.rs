//! Takes out of a text what must not leave this computer: private keys, passwords, and whose computer it is.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::LazyLock;

use regex_lite::Regex;

/// A form that secrets take: what every text has that holds one (in lower case, one of them), the pattern, and what
/// comes in its place.
struct Form {
    signs: &'static [&'static str],
    pattern: Regex,
    instead: &'static str,
}

/// What a name of something secret has in it, and what such a name is as a whole or behind `_`, `-` or `.`.
const NAMES: &str = r"(?:[\w.-]*(?:passw|passphrase|kennwort|secret|token|credential|(?:api|access|account|private|auth|shared|encryption)[_-]?key)[\w-]*|(?:[\w.-]*[_.-])?(?:pass|pwd|pw|psk|cookie|jwt|otp|auth))";
/// A value: quoted, or a word.
const VALUE: &str = r#"(?:"[^"\n]*"|'[^'\n]*'|[^\s,;}\]<]+)"#;

/// The forms, those first that take most. A pattern that is none is a mistake in this file, which its test finds.
static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let named = format!(r#"(?i)(--?{NAMES}[ =]+|{NAMES}["']?[ \t]*(?:=>|:=|[=:])[ \t]*)({VALUE})"#);
    let element = format!(r"(?i)(<(?:[\w-]+:)?{NAMES}>)[^<]*");
    let forms: &[(&[&str], &str, &str)] = &[
        // A private key, to its end or that of the text; or the end of one whose beginning has been cut off.
        (
            &["private key-----"],
            r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*-----|\z)|\A[A-Za-z0-9+/=\s]*-----END [A-Z0-9 ]*PRIVATE KEY-----",
            "(a private key was here)",
        ),
        // `user:password@` of a URL, and without a scheme.
        (&["://"], r#"://[^/\s'"@]*@"#, "://***@"),
        (&["@"], r#"\b[\w.+-]+:[^\s:@/'"]+@([\w-]+[.:/])"#, "***@$1"),
        (
            &["="],
            r#"(?i)([?&](?:[\w-]*(?:token|sig|signature|key|secret|pass\w*|auth|code|credential|session)|x-amz-[\w-]+)=)[^&\s"'#]+"#,
            "$1***",
        ),
        // Headers of HTTP, and what they hold elsewhere.
        (
            &["authorization", "cookie", "x-"],
            r#"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]*(?:token|key|auth|secret)[\w-]*)(["']?[ \t]*[:=][ \t]*["']?)[^\r\n'"]+"#,
            "$1$2***",
        ),
        (&["bearer", "basic"], r"(?i)\b(bearer|basic)[ \t]+[A-Za-z0-9._~+/=-]{6,}", "$1 ***"),
        // What is piped into a program that asks for a password.
        (
            &["|"],
            r"(?i)\b(echo|printf)\b[^|\n]*(\|\s*(?:sudo\s+)?(?:/usr)?(?:/s?bin/)?(?:chpasswd|passwd|smbpasswd|cryptsetup|kinit|docker|gpg|su|sudo|ssh-add|pwgen|htpasswd|mkpasswd|openssl)\b)",
            "$1 *** $2",
        ),
        (&["chpasswd"], r"(?is)(chpasswd[^\n|;&]*<<-?[^<\n][^\n]*\n).*?(\n[A-Z_]+\n|\z)", "$1***$2"),
        (&["<<<"], r"(<<<[ \t]*)[^\n]+", "$1***"),
        // Programs that take a password as one of their arguments.
        (
            &[
                "mysql",
                "mariadb",
                "sshpass",
                "redis-cli",
                "psql",
                "mongo",
                "ldap",
                "smbclient",
                "curl",
                "wget",
                "htpasswd",
                "docker",
                "podman",
                "useradd",
                "usermod",
                "openssl",
                "zip",
                "7z",
                "freerdp",
                "rdesktop",
                "kinit",
                "smbpasswd",
                "sqlcmd",
                "pass",
                "ssh-keygen",
                "mount",
                "net use",
            ],
            r"(?i)\b(mysql\w*|mariadb[\w-]*|sshpass|redis-cli|psql|mongo\w*|ldap\w+|smbclient|curl|wget|htpasswd|docker\s+login|podman\s+login|useradd|usermod|openssl|zip|unzip|7z|xfreerdp|rdesktop|kinit|smbpasswd|sqlcmd|mkpasswd|ssh-keygen|mount(?:\.\w+)?|net\s+use)[ \t]+(?:[^|;&\n]*[ \t])?[-/][^|;&\n]*",
            "$1 ***",
        ),
        (&["wpa_passphrase"], r"(?i)\b(wpa_passphrase)[ \t]+[^|;&\n]+", "$1 ***"),
        (&["pass:"], r"(?i)\b(pass:)\S+", "$1***"),
        // SQL, .netrc, expect; a person's own words.
        (
            &["identified"],
            r#"(?i)(identified\s+(?:with\s+\S+\s+)?(?:by|as)\s+(?:password\s+)?)('[^'\n]*'|"[^"\n]*"|\S+)"#,
            "$1***",
        ),
        (&["password"], r#"(?i)(\bpassword\s*\(?\s*)('[^'\n]*'|"[^"\n]*")"#, "$1***"),
        (&["login"], r"(?i)(\blogin\s+\S+\s+(?:account\s+\S+\s+)?password\s+)\S+", "$1***"),
        (&["send"], r#"(?i)(\bsend\s+(?:--\s+)?")[^"\n]*"#, "$1***"),
        (
            &[" is ", " ist ", " est "],
            r"(?i)\b((?:pass(?:word|wort|phrase)|passwd|kennwort|mot de passe|token|secret|pin)\s+(?:is|ist|est)\s*:?\s+)\S+",
            "$1***",
        ),
        (&["<"], &element, "$1***"),
        // A name of something secret, and its value.
        (
            &[
                "pass",
                "pwd",
                "pw",
                "psk",
                "kennwort",
                "secret",
                "token",
                "credential",
                "key",
                "cookie",
                "jwt",
                "otp",
                "auth",
            ],
            &named,
            "$1***",
        ),
        // What is a secret by its own form: tokens of known makers, JSON web tokens, hashes of passwords.
        (
            &[
                "gh", "glpat-", "xox", "sk-", "sk_", "rk_", "npm_", "pypi-", "hf_", "dop_v1_", "aiza",
                "ya29.", "akia", "asia", "eyj",
            ],
            r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk-|[sr]k_(?:live|test)_|npm_|pypi-|hf_|dop_v1_|AIza|ya29\.|AKIA|ASIA|eyJ[\w-]{6,}\.)[A-Za-z0-9_.-]{10,}",
            "***",
        ),
        (&["$"], r#"\$(?:1|2[abxy]?|5|6|7|y|gy|apr1|argon2\w*|pbkdf2[\w-]*)\$[^\s:'"]{8,}"#, "***"),
    ];
    let made = forms
        .iter()
        .map(|(signs, pattern, instead)| Some(Form { signs, pattern: Regex::new(pattern).ok()?, instead }));
    made.flatten().collect()
});

/// `text` without what looks like a secret: private keys, logins in URLs, values of what is called a password or token,
/// arguments of programs that take a password. It finds the usual forms, and cannot find all.
pub fn secrets(text: &str) -> String {
    // Few texts have any of it, and every line of a log comes by here.
    let lower = text.to_ascii_lowercase();
    let mut text = text.to_owned();
    for form in FORMS.iter().filter(|form| form.signs.iter().any(|sign| lower.contains(sign))) {
        if let Cow::Owned(without) = form.pattern.replace_all(&text, form.instead) {
            text = without;
        }
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
        assert_eq!(FORMS.len(), 21);
    }

    #[test]
    fn the_usual_forms_are_found() {
        for said in [
            "echo root:S3CRET | chpasswd",
            "echo 'root:S3CRET' | sudo chpasswd",
            "chpasswd <<< root:S3CRET",
            "chpasswd <<EOF\nroot:S3CRET\nada:S3CRET\nEOF\n",
            "echo S3CRET | passwd --stdin root",
            "echo S3CRET | sudo -S ls",
            "mysql -u root -pS3CRET db",
            "mysqladmin -u root password 'S3CRET' -h x",
            "curl -u u:S3CRET http://x",
            "curl --user u:S3CRET http://x",
            "sshpass -p S3CRET ssh x",
            "sshpass -pS3CRET ssh x",
            "redis-cli -a S3CRET",
            "psql -v pw=S3CRET",
            "docker login -u x -p S3CRET",
            "useradd -p S3CRET x",
            "htpasswd -b f u S3CRET",
            "ldapsearch -x -w S3CRET",
            "openssl enc -k S3CRET",
            "openssl rsa -passin pass:S3CRET",
            "ssh-keygen -N S3CRET",
            "mount -t cifs -o username=u,password=S3CRET //x /y",
            "wpa_passphrase net S3CRET",
            "7z x -pS3CRET a.7z",
            "Authorization: Bearer S3CRET",
            "authorization: Basic S3CRET==",
            "-H 'Authorization: token S3CRET'",
            "X-Api-Key: S3CRET",
            "X-Auth-Token: S3CRET",
            "Cookie: session=S3CRET; x=S3CRET",
            "Set-Cookie: a=S3CRET",
            "Bearer S3CRET-abc",
            "export DB_PASS=S3CRET",
            "DB_PWD=S3CRET",
            "pwd: S3CRET",
            r#""pwd": "S3CRET""#,
            "PGPASSWORD=S3CRET psql",
            "passwd=S3CRET",
            "PASS='S3CRET S3CRET'",
            "password => S3CRET",
            "my_password := S3CRET",
            "AWS_SECRET_ACCESS_KEY=S3CRET",
            "aws_access_key_id = S3CRET",
            "AccountKey=S3CRET==",
            "api-key: S3CRET",
            "//registry.npmjs.org/:_authToken=S3CRET",
            r#""auth": "S3CRET""#,
            "psk=\"S3CRET\"",
            "--token S3CRET",
            "--password=S3CRET",
            "--pass S3CRET",
            "-pass S3CRET",
            "machine x login y password S3CRET",
            "default login y password S3CRET",
            "https://u:S3CRET@x/y",
            "ftp://S3CRET@x",
            "git clone u:S3CRET@example.org:x",
            "https://x/y?token=S3CRET&z=1",
            "https://x/?X-Amz-Signature=S3CRET",
            "CREATE USER x IDENTIFIED BY 'S3CRET'",
            "IDENTIFIED WITH mysql_native_password BY 'S3CRET'",
            "PASSWORD('S3CRET')",
            "ALTER ROLE x WITH PASSWORD 'S3CRET'",
            "<password>S3CRET</password>",
            "<db:passwd>S3CRET<",
            "send \"S3CRET\\r\"",
            "the password is S3CRET",
            "Das Passwort ist S3CRET",
            "Kennwort: S3CRET",
            "password: S3CRET",
            "root:$6$salt$S3CRETS3CRET:19000:",
            "$2y$10$S3CRETS3CRETS3CRET",
            "ghp_S3CRETS3CRETS3CRET",
            "xoxb-S3CRET-S3CRET",
            "AKIAS3CRETS3CRET",
            "eyJhbGciOi.S3CRETS3CRET.S3CRET",
            "sk-S3CRETS3CRET",
            "glpat-S3CRETS3CRET",
        ] {
            let left = secrets(said);
            assert!(!left.contains("S3CRET"), "{said:?} became {left:?}");
        }
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
