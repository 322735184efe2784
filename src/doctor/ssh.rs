//! The ssh client: there, new enough, and able to talk to old guests.

use std::time::Duration;

use super::{Check, Host, Outcome};
use crate::cancel::Cancel;
use crate::process::Cmd;

const NAME: &str = "ssh";
/// The oldest client that lab works with: `StrictHostKeyChecking=accept-new` came with it.
const OLDEST: (u32, u32) = (7, 6);
/// How long ssh may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a guest of 2010 (OpenSSH 5.3) talks, by the words of `ssh -Q`; one of each line is enough.
const LEGACY: [(&str, &[&str]); 4] = [
    ("key", &["ssh-rsa"]),
    ("kex", &["diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha1"]),
    ("cipher", &["aes128-ctr", "aes256-ctr"]),
    ("mac", &["hmac-sha1"]),
];

/// The client; `legacy` says whether the Labfile has a guest that knows nothing newer than SHA-1.
pub(super) fn checks(host: &Host, legacy: Option<bool>, cancel: &Cancel) -> Vec<Check> {
    let install = "install the OpenSSH client: `sudo apt install openssh-client` on Debian and Ubuntu";
    let Some(ssh) = host.program("ssh") else {
        return vec![Check::failure(NAME, "ssh is not installed", "no machine can be set up").todo(install)];
    };
    let ask = |arguments: &[&str]| Cmd::new(&ssh).args(arguments).timeout(PATIENCE).output(cancel);
    let said = match ask(&["-V"]) {
        Ok(said) => format!("{}{}", said.stderr, said.stdout),
        Err(error) => {
            return vec![
                Check::of_error(NAME, Outcome::Failure, &error, "no machine can be set up").todo(install),
            ];
        }
    };
    let line = said.lines().find(|line| line.contains("OpenSSH")).unwrap_or_default().trim();
    let mut checks = vec![match version(line) {
        Some(version) if version >= OLDEST => Check::pass(NAME, line, "new enough"),
        Some((major, minor)) => Check::failure(
            NAME,
            format!("OpenSSH {major}.{minor}"),
            "it lacks an option that lab needs; 7.6 (2017) is the oldest that works",
        )
        .todo("install a newer OpenSSH"),
        None => Check::warning(
            NAME,
            "this ssh does not say that it is OpenSSH",
            "it may lack options that lab needs",
        )
        .todo(install),
    }];
    // What is a failure for a lab with such a guest is worth knowing for the others.
    let bad = if legacy == Some(true) { Outcome::Failure } else { Outcome::Warning };
    checks.push(algorithms(bad, |what| ask(&["-Q", what]).map(|said| said.stdout).unwrap_or_default()));
    checks.extend(policy(host, bad));
    checks
}

/// The version in `OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL …`, or `OpenSSH_for_Windows_8.1p1, LibreSSL …`.
fn version(line: &str) -> Option<(u32, u32)> {
    let (_, rest) = line.split_once("OpenSSH")?;
    let digits = rest.get(rest.find(|c: char| c.is_ascii_digit())?..)?;
    let mut numbers = digits.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn algorithms(bad: Outcome, ask: impl Fn(&str) -> String) -> Check {
    const NAME: &str = "ssh-legacy";
    let lacks = |(what, wanted): &&(&str, &[&str])| {
        let has = ask(what);
        !has.lines().any(|line| wanted.contains(&line.trim()))
    };
    let missing: Vec<String> =
        LEGACY.iter().filter(lacks).map(|(what, wanted)| format!("{what} {}", wanted.join(" or "))).collect();
    if missing.is_empty() {
        return Check::pass(
            NAME,
            "ssh has the old algorithms",
            "guests as old as Ubuntu 10.04 can be reached",
        );
    }
    let what = format!("ssh was built without: {}", missing.join("; "));
    Check::new(NAME, bad, what, "guests as old as Ubuntu 10.04 (lucid32, lucid64) cannot be reached")
        .todo("use the OpenSSH of another distribution, or a newer box")
}

/// Red Hat's system-wide policy: its OpenSSL refuses SHA-1 signatures, from RHEL 9 on, where
/// `rh-allow-sha1-signatures` is not `yes`.
fn policy(host: &Host, bad: Outcome) -> Option<Check> {
    const NAME: &str = "ssh-policy";
    let policy = host.line("/etc/crypto-policies/state/current")?;
    let openssl = host.read("/etc/crypto-policies/back-ends/opensslcnf.config").unwrap_or_default();
    let setting = openssl.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "rh-allow-sha1-signatures").then(|| value.trim() == "yes")
    });
    // Older ones do not know the setting, and take SHA-1 as long as nothing stricter than DEFAULT is set.
    let names = policy.to_uppercase();
    let allows = setting.unwrap_or(!names.starts_with("FUTURE") && !names.contains("NO-SHA1"));
    Some(if allows {
        Check::pass(
            NAME,
            format!("the crypto policy {policy} allows SHA-1 signatures"),
            "guests as old as Ubuntu 10.04 can be reached",
        )
    } else {
        Check::new(
            NAME,
            bad,
            format!("the crypto policy {policy} forbids SHA-1 signatures"),
            "guests as old as Ubuntu 10.04 (lucid32, lucid64) cannot be reached",
        )
        .todo("sudo update-crypto-policies --set DEFAULT:SHA1")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Fake;

    #[test]
    fn versions_are_read() {
        for (line, expected) in [
            ("OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15 3 Sep 2024", Some((9, 2))),
            ("OpenSSH_for_Windows_8.1p1, LibreSSL 3.0.2", Some((8, 1))),
            ("OpenSSH_10.0p2, OpenSSL 3.5.1", Some((10, 0))),
            ("Dropbear v2022.83", None),
            ("OpenSSH", None),
        ] {
            assert_eq!(version(line), expected, "{line}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn clients_that_are_missing_or_old_are_failures() {
        let of = |fake: Fake| checks(&fake.host, None, &Cancel::new());
        let with = |script: &str| of(Fake::new(&[]).program("ssh", script));
        assert!(of(Fake::new(&[]))[0].what.contains("ssh is not installed"));
        let old = with("echo OpenSSH_6.6p1 Ubuntu-2, OpenSSL 1.0.1f >&2");
        assert_eq!((old[0].outcome, old[1].outcome), (Outcome::Failure, Outcome::Warning), "{old:?}");
        let new = "[ \"$1\" = -V ] && echo OpenSSH_9.2p1 >&2 && exit\n\
                   echo ssh-rsa; echo diffie-hellman-group14-sha1; echo aes128-ctr; echo hmac-sha1";
        assert!(with(new).iter().all(|check| check.outcome == Outcome::Pass));
        assert_eq!(with("echo something else")[0].outcome, Outcome::Warning);
    }

    #[test]
    fn a_policy_without_sha1_is_a_failure_for_old_guests() {
        let of = |policy: &str, openssl: &str| {
            let fake = Fake::new(&[
                ("/etc/crypto-policies/state/current", policy),
                ("/etc/crypto-policies/back-ends/opensslcnf.config", openssl),
            ]);
            policy_outcome(&fake)
        };
        assert_eq!(of("DEFAULT\n", "[evp]\nrh-allow-sha1-signatures = no\n"), Some(Outcome::Failure));
        assert_eq!(of("DEFAULT:SHA1\n", "rh-allow-sha1-signatures = yes\n"), Some(Outcome::Pass));
        assert_eq!(of("DEFAULT\n", ""), Some(Outcome::Pass));
        assert_eq!(of("FUTURE\n", ""), Some(Outcome::Failure));
        assert_eq!(policy_outcome(&Fake::new(&[])), None);
    }

    fn policy_outcome(fake: &Fake) -> Option<Outcome> {
        policy(&fake.host, Outcome::Failure).map(|check| check.outcome)
    }
}
