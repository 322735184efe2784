//! How to reach a machine by ssh: the options, in one place.
//!
//! What OpenSSH understands since when is from its release notes and `ssh_config(5)`:
//! `+` before an algorithm list since 7.0, `StrictHostKeyChecking=accept-new` since 7.6 (2017),
//! which is therefore the oldest client that `lab` works with. `PubkeyAcceptedKeyTypes` is the name
//! before 8.5 of what is `PubkeyAcceptedAlgorithms` now; newer clients take both.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::process::{Cmd, find_on_path};

/// What to tell a user who has no ssh.
pub(super) const MISSING: &str =
    "install the OpenSSH client: `sudo apt install openssh-client` on Debian and Ubuntu";

/// Key exchanges of old servers that today's clients no longer offer by themselves. They go to the
/// end of the list, so that a guest that can do better does better.
const OLD_KEX: &str = "+diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha256";

/// The key exchanges of our own sessions, those first that cost the guest least. They stay on this
/// computer, and an emulated guest feels what ssh would choose: Lucid-like ones agree on
/// `diffie-hellman-group-exchange-sha256` with 3072 bits, which takes 50 ms more of a processor than
/// `diffie-hellman-group14-sha1` (measured under TCG), and today's on a post-quantum exchange.
/// `diffie-hellman-group14-sha256`, since 7.3, is the youngest.
const QUICK_KEX: &str = "KexAlgorithms=curve25519-sha256@libssh.org,ecdh-sha2-nistp256,\
                         diffie-hellman-group14-sha256,diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha256";

/// Makes sure that OpenSSH's client is there, before a machine is made that nobody could get into.
///
/// # Errors
/// [`Kind::ProgramMissing`].
pub fn check_installed() -> Result<()> {
    if find_on_path("ssh").is_none() {
        return Err(Error::new(Kind::ProgramMissing, "ssh is not installed")
            .detail("looked for ssh on PATH")
            .hint(MISSING));
    }
    Ok(())
}

/// Everything that `ssh` needs to get into one machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// The machine's name: what its host key is filed under, and the alias in `ssh-config`.
    pub machine: String,
    /// Where its sshd is reached from this computer.
    pub address: SocketAddr,
    /// The user and address of a host to go through, where this computer has no way of its own. It takes the same keys.
    pub jump: Option<(String, SocketAddr)>,
    /// The user to log in as.
    pub user: String,
    /// Private keys, tried in this order.
    pub keys: Vec<PathBuf>,
    /// The file that its host key is learnt into, and held to from then on.
    pub known_hosts: PathBuf,
}

impl Access {
    /// `ssh` with all options and the host, batch mode, no pseudo-terminal: for our own sessions, whose standard error
    /// nobody sees as it is. ssh says there why it failed, which it keeps to itself at its `LogLevel=ERROR` (seen
    /// with 9.2: all of "no matching key exchange method", "Connection closed"). The remote command is to be added
    /// as a further argument.
    pub(super) fn session(&self) -> Cmd {
        // The first value is the one that counts.
        self.ssh(&["LogLevel=INFO", "BatchMode=yes", "RequestTTY=no", QUICK_KEX])
    }

    /// Like [`Access::session`], with a pseudo-terminal in the guest although there is none here.
    pub(super) fn with_terminal(&self) -> Cmd {
        self.ssh(&["LogLevel=INFO", "BatchMode=yes", "RequestTTY=force", QUICK_KEX])
    }

    /// `ssh` for a person, who gives it `own` options: a terminal where there is one.
    pub fn interactive(&self, own: &[OsString]) -> Cmd {
        let mut cmd = Self::program().args(own);
        if own.iter().any(|option| option == "-A") {
            // Without this ssh forgets where the agent is (`IdentityAgent none`), and has none to lend.
            cmd = cmd.args(["-o", "IdentityAgent=SSH_AUTH_SOCK"]);
        }
        self.with_options(cmd, &[])
    }

    /// A `Host` block for `~/.ssh/config`, for the ssh of version `client` (major, minor).
    pub fn config_block(&self, client: Option<(u32, u32)>) -> String {
        let mut block = format!("Host {}\n", self.machine);
        for (name, value) in self.options().into_iter().chain(self.shield(client)) {
            block.push_str(&format!("  {name} {value}\n"));
        }
        block
    }

    /// `ssh` with `more` options, the common ones, and the machine as the destination.
    fn ssh(&self, more: &[&str]) -> Cmd {
        self.with_options(Self::program(), more)
    }

    fn program() -> Cmd {
        // The user's own configuration is for the user's own hosts: a `Host *` block with a proxy or a
        // multiplexing socket would get between us and the machine.
        Cmd::new("ssh").missing_hint(MISSING).args(["-F", "none"])
    }

    /// `cmd` with `more` options, the common ones, and the machine as the destination. Of a setting that is given
    /// twice, ssh takes the first.
    fn with_options(&self, mut cmd: Cmd, more: &[&str]) -> Cmd {
        for option in more {
            cmd = cmd.arg("-o").arg(option);
        }
        for (name, value) in self.options() {
            cmd = cmd.arg("-o").arg(format!("{name}={value}"));
        }
        cmd.arg(&self.machine)
    }

    /// The options, in the words of `ssh_config(5)`; values are quoted where they need it.
    pub fn options(&self) -> Vec<(&'static str, String)> {
        let mut options = vec![
            ("HostName", self.address.ip().to_string()),
            ("Port", self.address.port().to_string()),
            ("User", quoted(&self.user)),
            ("IdentitiesOnly", "yes".into()),
            ("IdentityAgent", "none".into()),
            ("PasswordAuthentication", "no".into()),
            ("KbdInteractiveAuthentication", "no".into()),
            ("UserKnownHostsFile", quoted_path(&self.known_hosts)),
            ("GlobalKnownHostsFile", "/dev/null".into()),
            // All machines are at one address, on ports that change: the key is filed under the name.
            ("HostKeyAlias", self.machine.clone()),
            ("CheckHostIP", "no".into()),
            // Learns the key of a machine that it knows nothing of, refuses another one from then on.
            ("StrictHostKeyChecking", "accept-new".into()),
            ("UpdateHostKeys", "no".into()),
            ("HostKeyAlgorithms", "+ssh-rsa".into()),
            ("PubkeyAcceptedKeyTypes", "+ssh-rsa".into()),
            ("KexAlgorithms", OLD_KEX.into()),
            // An emulated guest under load takes its time; a user network answers for a guest that is
            // not there yet. Covers the connection up to the server's banner.
            ("ConnectTimeout", "60".into()),
            ("ServerAliveInterval", "15".into()),
            ("ServerAliveCountMax", "8".into()),
            ("ForwardAgent", "no".into()),
            ("ControlMaster", "no".into()),
            ("ControlPath", "none".into()),
            ("LogLevel", "ERROR".into()),
        ];
        options.extend(self.keys.iter().map(|key| ("IdentityFile", quoted_path(key))));
        options
    }

    /// Settings as ssh has them by itself, for where the user's own configuration is read too: whatever a `Host *` in it
    /// sets would else come between ssh and the machine. Those that ssh adds up cannot be taken back (`IdentityFile`,
    /// `CertificateFile`, `SendEnv`, `LocalForward` and its kind): they come after ours and do no harm.
    /// Those of GSSAPI are left out: where ssh was built without it, it complains of them on every start, and
    /// `PreferredAuthentications` keeps it from trying.
    pub fn shield(&self, client: Option<(u32, u32)>) -> Vec<(&'static str, String)> {
        // Goes before `BindInterface` too, which 7.6 does not know.
        let anywhere = if self.address.is_ipv4() { "0.0.0.0" } else { "::" };
        let newer = NEWER.iter().filter(|(since, ..)| client.is_some_and(|client| client >= *since));
        let newer = newer.map(|(_, name, value)| (*name, (*value).to_owned()));
        let all = SHIELD.iter().map(|(name, value)| (*name, (*value).to_owned()));
        all.chain([("BindAddress", anywhere.to_owned())]).chain(newer).collect()
    }
}

/// What OpenSSH 7.6 knows. An older cipher or MAC is added at the end of its own list.
const SHIELD: &[(&str, &str)] = &[
    // The way to the machine.
    ("ProxyCommand", "none"),
    ("ProxyJump", "none"),
    ("AddressFamily", "any"),
    ("CanonicalizeHostname", "no"),
    ("ConnectionAttempts", "1"),
    ("TCPKeepAlive", "yes"),
    ("ControlPersist", "no"),
    ("Compression", "no"),
    ("Ciphers", "+aes128-ctr,aes192-ctr,aes256-ctr"),
    ("MACs", "+hmac-sha2-256,hmac-sha1"),
    // Who is who.
    ("PubkeyAuthentication", "yes"),
    ("PreferredAuthentications", "publickey"),
    ("HostbasedAuthentication", "no"),
    ("AddKeysToAgent", "no"),
    ("NoHostAuthenticationForLocalhost", "no"),
    ("VerifyHostKeyDNS", "no"),
    ("RevokedHostKeys", "none"),
    ("HashKnownHosts", "no"),
    ("VisualHostKey", "no"),
    // What is done there, and here.
    ("RemoteCommand", "none"),
    ("RequestTTY", "auto"),
    ("BatchMode", "no"),
    ("EscapeChar", "~"),
    ("PermitLocalCommand", "no"),
    ("ClearAllForwardings", "no"),
    ("ExitOnForwardFailure", "no"),
    ("GatewayPorts", "no"),
    ("StreamLocalBindUnlink", "no"),
    ("ForwardX11", "no"),
    ("ForwardX11Trusted", "no"),
    ("Tunnel", "no"),
];

/// What came later, with the version that it came with. An ssh that does not know a setting refuses the whole file, for
/// every host; and `IgnoreUnknown` would take the place of the user's own, since the first one counts.
const NEWER: &[((u32, u32), &str, &str)] = &[
    ((8, 2), "PKCS11Provider", "none"),
    ((8, 5), "KnownHostsCommand", "none"),
    ((8, 7), "ForkAfterAuthentication", "no"),
    ((8, 7), "SessionType", "default"),
    ((8, 7), "StdinNull", "no"),
    ((9, 1), "RequiredRSASize", "1024"),
];

/// The version of the ssh on `PATH`: major, minor. `None` where it does not say.
pub fn client_version(cancel: &Cancel) -> Option<(u32, u32)> {
    let output = Cmd::new("ssh").arg("-V").timeout(Duration::from_secs(10)).output(cancel).ok()?;
    version_in(&(output.stderr + &output.stdout))
}

/// `OpenSSH_9.2p1 Debian-2`, `OpenSSH_for_Windows_8.6p1, LibreSSL`.
fn version_in(text: &str) -> Option<(u32, u32)> {
    let word = text.split_whitespace().find(|word| word.starts_with("OpenSSH"))?;
    let (major, rest) = word.rsplit('_').next()?.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// A path as a value: ssh expands `%` in it.
fn quoted_path(path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%%");
    // Windows' ssh takes both, and a backslash is ssh's escape character.
    quoted(&if cfg!(windows) { path.replace('\\', "/") } else { path })
}

/// A value in double quotes where it would not be one word without them.
fn quoted(value: &str) -> String {
    // A line end would end the setting, and begin another one. No value of ours has one that ssh could use.
    let value = value.replace(char::is_control, "\u{fffd}");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,+@%~".contains(c) || !c.is_ascii();
    if !value.is_empty() && value.chars().all(plain) {
        value
    } else {
        format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access {
            machine: "web1".into(),
            address: "127.0.0.1:2222".parse().unwrap(),
            jump: None,
            user: "vagrant".into(),
            keys: vec!["/home/a b/.lab/id_rsa".into(), "/k/100%/insecure".into()],
            known_hosts: "/home/a b/.lab/known_hosts".into(),
        }
    }

    #[test]
    fn paths_with_spaces_and_percent_signs_are_one_value() {
        let options = access().options();
        let value =
            |name| options.iter().filter(|(n, _)| *n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
        assert_eq!(value("UserKnownHostsFile"), ["\"/home/a b/.lab/known_hosts\""]);
        assert_eq!(value("IdentityFile"), ["\"/home/a b/.lab/id_rsa\"", "/k/100%%/insecure"]);
    }

    /// What ssh makes of the settings in `config` for the machine, without what it adds up.
    fn made_of(dir: &Path, config: &str) -> Vec<String> {
        const ADDED_UP: &[&str] = &["identityfile", "certificatefile", "sendenv", "setenv"];
        let path = dir.join("config");
        std::fs::write(&path, config).unwrap();
        let output =
            std::process::Command::new("ssh").arg("-F").arg(&path).args(["-G", "web1"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let own = |line: &&str| !ADDED_UP.contains(&line.split(' ').next().unwrap());
        text.lines().filter(own).map(str::to_owned).collect()
    }

    #[test]
    fn nothing_that_a_user_sets_for_all_hosts_comes_between() {
        const HOSTILE: &str = "ProxyCommand /bin/false|ProxyJump bastion|AddressFamily inet6|BindAddress 192.0.2.1|\
            BindInterface nowhere0|CanonicalizeHostname always|Hostname other|HostKeyAlias other|Port 1|User other|\
            ConnectTimeout 1|ConnectionAttempts 9|TCPKeepAlive no|ServerAliveInterval 1|ServerAliveCountMax 1|\
            ControlMaster auto|ControlPath /tmp/x|ControlPersist yes|Compression yes|Ciphers aes256-gcm@openssh.com|\
            MACs hmac-sha2-512|KexAlgorithms ecdh-sha2-nistp521|HostKeyAlgorithms ssh-ed25519|\
            PubkeyAcceptedAlgorithms ssh-ed25519|PubkeyAuthentication no|PasswordAuthentication yes|\
            KbdInteractiveAuthentication yes|PreferredAuthentications password|HostbasedAuthentication yes|\
            IdentitiesOnly no|IdentityAgent /tmp/agent|AddKeysToAgent yes|StrictHostKeyChecking yes|\
            UserKnownHostsFile /x|GlobalKnownHostsFile /x|NoHostAuthenticationForLocalhost yes|VerifyHostKeyDNS yes|\
            RevokedHostKeys /x|HashKnownHosts yes|UpdateHostKeys yes|CheckHostIP yes|VisualHostKey yes|\
            RemoteCommand tmux attach|RequestTTY force|BatchMode yes|EscapeChar none|PermitLocalCommand yes|\
            ClearAllForwardings yes|ExitOnForwardFailure yes|GatewayPorts yes|StreamLocalBindUnlink yes|\
            ForwardAgent yes|ForwardX11 yes|ForwardX11Trusted yes|Tunnel yes|LogLevel DEBUG3|PKCS11Provider /x.so|\
            KnownHostsCommand /bin/false|ForkAfterAuthentication yes|SessionType none|StdinNull yes|\
            RequiredRSASize 8192|SetEnv TERM=x|SendEnv LC_*|CertificateFile /x|IdentityFile /x";
        let dir = tempfile::tempdir().unwrap();
        let client = client_version(&Cancel::new());
        assert!(client >= Some((7, 6)), "{client:?}");
        let block = access().config_block(client);
        let alone = made_of(dir.path(), &block);
        for line in HOSTILE.split('|') {
            let name = line.split(' ').next().unwrap();
            let newer = [((7, 7), "BindInterface"), ((8, 5), "PubkeyAcceptedAlgorithms")];
            let known = newer
                .iter()
                .map(|(since, name)| (*since, *name))
                .chain(NEWER.iter().map(|(since, name, _)| (*since, *name)));
            if known.into_iter().any(|(since, newer)| newer == name && client < Some(since)) {
                continue;
            }
            let mut with = made_of(dir.path(), &format!("{block}\nHost *\n  {line}\n"));
            // Without effect beside `BindAddress`.
            with.retain(|line| !line.starts_with("bindinterface"));
            assert_eq!(with, alone, "with `{line}`");
        }
    }

    #[test]
    fn a_version_is_read() {
        assert_eq!(version_in("OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19"), Some((9, 2)));
        assert_eq!(version_in("OpenSSH_for_Windows_8.6p1, LibreSSL 3.4.3"), Some((8, 6)));
        assert_eq!(version_in("OpenSSH_10.0p2"), Some((10, 0)));
        assert_eq!(version_in("Dropbear v2022.83"), None);
        assert!(access().config_block(Some((7, 6))).contains("ProxyJump none"));
        assert!(!access().config_block(Some((8, 6))).contains("SessionType"));
    }

    #[test]
    fn a_persons_own_options_come_first() {
        let own = ["-L", "8080:localhost:80", "-A"].map(OsString::from);
        let person = access().interactive(&own).display();
        assert!(
            person.starts_with("ssh -F none -L 8080:localhost:80 -A -o IdentityAgent=SSH_AUTH_SOCK -o "),
            "{person}"
        );
    }

    #[test]
    fn a_value_is_one_line() {
        assert_eq!(quoted("a\n  ProxyCommand evil"), "\"a\u{fffd}  ProxyCommand evil\"");
    }

    #[test]
    fn quotes_in_a_path_are_escaped() {
        assert_eq!(quoted(r#"/a"b\c"#), r#""/a\"b\\c""#);
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("/Übung/x"), "/Übung/x");
    }

    #[test]
    fn our_own_sessions_ask_nothing_and_a_person_gets_a_terminal() {
        let (batch, person) = (access().session().display(), access().interactive(&[]).display());
        assert!(batch.starts_with("ssh -F none ") && batch.ends_with(" web1"), "{batch}");
        assert!(batch.contains("BatchMode=yes") && batch.contains("RequestTTY=no"), "{batch}");
        assert!(!person.contains("BatchMode") && !person.contains("RequestTTY"), "{person}");
    }

    #[test]
    fn the_block_reads_like_ssh_config() {
        let block = access().config_block(None);
        assert!(
            block.starts_with("Host web1\n  HostName 127.0.0.1\n  Port 2222\n  User vagrant\n"),
            "{block}"
        );
        assert!(block.contains("\n  IdentityFile \"/home/a b/.lab/id_rsa\"\n"), "{block}");
    }
}
