//! The examination as one text that a student can send to the teacher.

use std::fmt::Write;

use super::{Check, Host, Outcome};
use crate::lab::tell::redact::replace_word;
use crate::provider::table::TABLE;

/// Words that are nobody's name, though somebody may be called so on a computer.
const NOBODY: [&str; 7] = ["root", "lab", "user", "admin", "student", "vagrant", "home"];

/// The text: what the computer is, and every check in full. The home folder is `~`; the names of the user and of the
/// computer are left out.
pub fn text(host: &Host, checks: &[Check]) -> String {
    let mut text = format!("lab doctor, lab {}\n", env!("CARGO_PKG_VERSION"));
    let kernel = host.line("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = host.read("/etc/os-release").unwrap_or_default();
    let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let system = system.map_or(host.os, |system| system.trim_matches('"'));
    let words = [system, &kernel, host.arch];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    // A text always has room for one more line.
    let _ = writeln!(text, "{}", words.join(", "));
    for check in checks {
        let word = match check.outcome {
            Outcome::Skipped => "left out",
            Outcome::Pass => "pass",
            Outcome::Warning => "WARNING",
            Outcome::Failure => "FAILURE",
        };
        let _ = write!(text, "\n{word:<8}  {}: {}\n", check.name, check.what);
        if !check.means.is_empty() {
            let _ = writeln!(text, "          means: {}", check.means);
        }
        if let Some(todo) = &check.todo {
            let _ = writeln!(text, "          to do: {todo}");
        }
    }
    without_names(&text, host)
}

fn without_names(text: &str, host: &Host) -> String {
    let home = ["HOME", "USERPROFILE"].into_iter().find_map(|name| host.var(name));
    let home = home.as_deref().map(|home| home.trim_end_matches(['/', '\\'])).filter(|home| home.len() > 1);
    let mut text = home.map_or_else(|| text.to_owned(), |home| replace_word(text, home, "~"));
    let last = home.and_then(|home| home.rsplit(['/', '\\']).next()).map(str::to_owned);
    let users = ["USER", "LOGNAME", "USERNAME", "SUDO_USER"].into_iter().filter_map(|name| host.var(name));
    let full = host
        .line("/proc/sys/kernel/hostname")
        .into_iter()
        .chain(host.line("/etc/hostname"))
        .chain(["HOSTNAME", "COMPUTERNAME"].into_iter().filter_map(|name| host.var(name)));
    let computers = full.flat_map(|name| {
        let short = name.split('.').next().unwrap_or_default().to_owned();
        [name, short]
    });
    let mut names: Vec<(String, &str)> = users.chain(last).map(|name| (name, "(user)")).collect();
    names.extend(computers.map(|name| (name, "(computer)")));
    for (name, instead) in names {
        let lower = name.to_lowercase();
        let is_nobodys = NOBODY.contains(&lower.as_str()) || TABLE.names().contains(&lower.as_str());
        if name.len() > 1 && !is_nobodys && name != "localhost" {
            text = replace_word(&text, &name, instead);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Fake;

    #[test]
    fn names_are_left_out() {
        let fake = Fake::new(&[
            ("/proc/sys/kernel/hostname", "aurora\n"),
            ("/etc/os-release", "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"),
        ]);
        let fake = fake.var("HOME", "/home/ada").var("USER", "ada");
        let checks = [
            Check::failure("disk", "/home/ada/labs is full", "the lab does not fit")
                .todo("ask ada on aurora.example"),
            Check::warning("paths", "/srv/ada/x and /home/adam", "Canada is no name"),
            Check::skipped("labfile", "no Labfile here"),
        ];
        let text = text(&fake.host, &checks);
        for word in [
            "~/labs",
            "/srv/(user)/x",
            "/home/adam",
            "Canada",
            "(computer).example",
            "Debian GNU/Linux 12, x86_64",
        ] {
            assert!(text.contains(word), "no {word} in {text}");
        }
        assert!(!text.contains("/home/ada/") && !text.contains("aurora"), "{text}");
        assert!(text.contains("FAILURE   disk: ") && text.contains("left out  labfile: "), "{text}");
    }

    #[test]
    fn common_words_stay() {
        let fake = Fake::new(&[]).var("HOME", "/root").var("USER", "lab");
        let text = text(&fake.host, &[Check::pass("provider", "lab up; root", "/root/x")]);
        assert!(text.contains("lab up; root") && text.contains("~/x"), "{text}");
    }
}
