//! The guest room against a real sshd on a loopback port, run as an ordinary process.
// Helpers of tests may stop at the first surprise as tests may; clippy sees them as ordinary code.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use labfile::cancel::Cancel;
use labfile::error::{Kind, Result};
use labfile::guest::keys::{lab_key, write_insecure_key};
use labfile::guest::wait::wait_for_ssh;
use labfile::guest::{Access, check, copy, exec, login};

/// What an OpenSSH 5.3 offers that Debian's sshd still can. (`PubkeyAcceptedAlgorithms` is not narrowed: today's
/// sshd would go on announcing what it then refuses, where 5.3 announces nothing.)
const LIKE_5_3: &str = "HostKeyAlgorithms ssh-rsa\n\
    KexAlgorithms diffie-hellman-group-exchange-sha256,diffie-hellman-group-exchange-sha1,diffie-hellman-group14-sha1,diffie-hellman-group1-sha1\n\
    Ciphers aes128-ctr,aes192-ctr,aes256-ctr,aes128-cbc,3des-cbc\n\
    MACs hmac-sha1,umac-64@openssh.com,hmac-md5\n";

/// A folder with a space and a percent sign in its name, and an sshd that lets the lab's key in.
struct Server {
    dir: tempfile::TempDir,
    address: SocketAddr,
    sshd: Option<Child>,
}

impl Server {
    fn new(config: &str) -> Server {
        let dir = tempfile::Builder::new().prefix("a b 100%").tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut server = Server { dir, address, sshd: None };
        let key = lab_key(&server.path("id_rsa")).unwrap();
        // sshd's file names take no spaces and its keys no open folder.
        fs::write(server.etc("authorized_keys"), key.public + "\n").unwrap();
        server.host_key();
        server.start(config);
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file of sshd's: in a folder whose path is one plain word.
    fn etc(&self, name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("lab-test-sshd-{}", self.address.port()));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        folder.join(name)
    }

    fn host_key(&self) {
        let key = self.etc("host_key");
        let _ = fs::remove_file(&key);
        let made = Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-N", "", "-f"]).arg(&key).status();
        assert!(made.unwrap().success());
    }

    fn start(&mut self, config: &str) {
        self.stop();
        // Where sshd runs as root it wants this folder; it is made by the service as a rule.
        let _ = fs::create_dir_all("/run/sshd");
        let text = format!(
            "ListenAddress 127.0.0.1\nPort {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n{config}",
            self.address.port(),
            self.etc("host_key").display(),
            self.etc("authorized_keys").display(),
        );
        fs::write(self.etc("sshd_config"), text).unwrap();
        let sshd = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(self.etc("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.etc("log")).unwrap())
            .spawn()
            .expect("sshd is needed: apt install openssh-server");
        self.sshd = Some(sshd);
    }

    fn stop(&mut self) {
        if std::thread::panicking() {
            eprintln!("sshd said:\n{}", fs::read_to_string(self.etc("log")).unwrap_or_default());
        }
        if let Some(mut sshd) = self.sshd.take() {
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
    }

    fn access(&self) -> Access {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        Access {
            machine: "web1".into(),
            address: self.address,
            jump: None,
            user: String::from_utf8(user).unwrap().trim().to_owned(),
            keys: vec![self.path("id_rsa")],
            known_hosts: self.path("known hosts"),
        }
    }

    /// Waits for sshd, then copies a small file in: what needs ssh and tells what ssh said.
    fn talk(&self, access: &Access) -> Result<()> {
        wait_for_ssh(self.address, Duration::from_secs(10), &Cancel::new(), &mut || Ok(()), &mut || 0)?;
        fs::write(self.path("note"), "text").unwrap();
        copy::to_guest(access, &self.path("note"), self.path("copied").to_str().unwrap(), &Cancel::new())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(self.etc(""));
    }
}

fn kind(result: Result<()>) -> Kind {
    result.expect_err("it should fail").kind()
}

#[test]
#[ignore = "needs sshd; run by scripts/test"]
fn a_host_key_is_learnt_and_then_held_to() {
    let mut server = Server::new("");
    let access = server.access();
    server.talk(&access).unwrap();
    assert_eq!(fs::read_to_string(server.path("copied")).unwrap(), "text");
    let known = fs::read_to_string(server.path("known hosts")).unwrap();
    assert!(known.lines().all(|line| line.starts_with("web1 ssh-rsa ")), "{known}");
    // Under another port it is the same machine.
    server.talk(&access).unwrap();

    server.host_key();
    server.start("");
    let error = server.talk(&access).unwrap_err();
    assert_eq!(error.kind(), Kind::HostKeyChanged, "{error:?}");
    assert!(error.hints().iter().any(|hint| hint.contains("known hosts'")), "{error:?}");
}

#[test]
#[ignore = "needs sshd; run by scripts/test"]
fn a_server_with_the_algorithms_of_openssh_5_3_is_understood() {
    let server = Server::new(LIKE_5_3);
    server.talk(&server.access()).unwrap();
    let only_group14 = LIKE_5_3.replace(
        "diffie-hellman-group-exchange-sha256,diffie-hellman-group-exchange-sha1,diffie-hellman-group14-sha1,diffie-hellman-group1-sha1",
        "diffie-hellman-group14-sha1",
    );
    let server = Server::new(&only_group14);
    server.talk(&server.access()).unwrap();
}

#[test]
#[ignore = "needs sshd; run by scripts/test"]
fn refusals_are_told_apart() {
    let mut server = Server::new("");
    // Another key than the lab's.
    let stranger = server.path("insecure");
    write_insecure_key(&stranger).unwrap();
    assert_eq!(kind(server.talk(&Access { keys: vec![stranger], ..server.access() })), Kind::SshRefused);
    // Nothing in common.
    server.start("KexAlgorithms diffie-hellman-group1-sha1\n");
    let error = server.talk(&server.access()).unwrap_err();
    assert_eq!(error.kind(), Kind::SshRefused, "{error:?}");
    assert!(error.message().contains("no algorithm in common"), "{error}");
    // Nobody there.
    server.stop();
    let result = copy::to_guest(&server.access(), &server.path("id_rsa"), "x", &Cancel::new());
    assert_eq!(kind(result), Kind::NoSsh);
}

#[test]
#[ignore = "needs sshd; run by scripts/test"]
fn the_block_for_ssh_config_works() {
    let server = Server::new("");
    server.talk(&server.access()).unwrap();
    let config = server.path("ssh config");
    fs::write(&config, server.access().config_block(labfile::guest::access::client_version(&Cancel::new())))
        .unwrap();
    let output = Command::new("ssh").arg("-F").arg(&config).args(["web1", "echo", "hello"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n", "{output:?}");
}

#[test]
#[ignore = "needs sshd; run by scripts/test"]
fn the_wait_notices_an_sshd_soon() {
    let mut server = Server::new("");
    server.stop();
    let address = server.address;
    let (waited, listening) = std::thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            wait_for_ssh(address, Duration::from_secs(20), &Cancel::new(), &mut || Ok(()), &mut || 0)
                .unwrap();
            Instant::now()
        });
        std::thread::sleep(Duration::from_millis(1300));
        server.start("");
        let log = server.etc("log");
        while !fs::read_to_string(&log).unwrap_or_default().contains("listening") {
            std::thread::sleep(Duration::from_millis(2));
        }
        let listening = Instant::now();
        (waiter.join().unwrap(), listening)
    });
    let late = waited.saturating_duration_since(listening);
    assert!(late < Duration::from_secs(2), "{late:?}");
}

#[test]
#[ignore = "needs sshd; run by scripts/test"]
fn files_and_folders_go_both_ways() {
    let server = Server::new("");
    let (access, cancel) = (server.access(), Cancel::new());
    server.talk(&access).unwrap();
    let there = server.path("there it's");
    fs::create_dir(&there).unwrap();
    let site = server.path("site");
    fs::create_dir_all(site.join("sub")).unwrap();
    fs::write(site.join("sub/ü x"), vec![7; 300_000]).unwrap();
    fs::set_permissions(site.join("sub/ü x"), fs::Permissions::from_mode(0o750)).unwrap();
    std::os::unix::fs::symlink("sub", site.join("link")).unwrap();
    let guest = |path: &str| there.join(path).to_str().unwrap().to_owned();
    let to_guest = |from: &Path, to: &str| copy::to_guest(&access, from, to, &cancel);

    to_guest(&site, &guest("")).unwrap(); // into a folder
    to_guest(&site, &guest("new")).unwrap(); // under a new name
    to_guest(&site, &guest("new")).unwrap(); // and now into it
    to_guest(&site.join("sub/ü x"), &guest("file")).unwrap();
    for path in ["site/sub/ü x", "new/sub/ü x", "new/site/sub/ü x", "file"] {
        let meta = there.join(path).metadata().unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!((meta.len(), meta.permissions().mode() & 0o777), (300_000, 0o750), "{path}");
    }
    assert!(there.join("new/link").is_symlink());
    assert_eq!(kind(to_guest(&site, &guest("file"))), Kind::CopyFailed);
    assert_eq!(kind(to_guest(&site, &guest("no/such/folder"))), Kind::CopyFailed);
    assert_eq!(kind(to_guest(&server.path("missing"), &guest(""))), Kind::CopyFailed);
    assert_eq!(kind(to_guest(&server.path("note"), &guest("nowhere/"))), Kind::CopyFailed);

    let back = server.path("back");
    fs::create_dir(&back).unwrap();
    let to_host = |from: &str, to: &Path| copy::to_host(&access, from, to, &cancel);
    to_host(&guest("new"), &back).unwrap(); // into a folder
    to_host(&guest("new"), &back.join("other")).unwrap(); // under a new name
    to_host(&guest("file"), &back.join("f")).unwrap();
    to_host(&format!("{}/.", guest("new")), &back.join("dot")).unwrap();
    for path in ["new/sub/ü x", "other/site/sub/ü x", "f", "dot/sub/ü x"] {
        assert_eq!(
            back.join(path).metadata().unwrap_or_else(|e| panic!("{path}: {e}")).len(),
            300_000,
            "{path}"
        );
    }
    let error = to_host(&guest("missing"), &back).unwrap_err();
    assert_eq!(error.kind(), Kind::CopyFailed);
    assert!(error.details().iter().any(|detail| detail.contains("missing")), "{error:?}");
    // Nothing of ours is left beside what was copied.
    let left: Vec<_> = fs::read_dir(&there).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");
}

/// A login shell, its start-up file in the home folder, and what that says and does.
const LOGIN_SHELLS: &[(&str, &str, &str)] = &[
    ("bash", ".bashrc", "printf Welcome; cd /; echo careful >&2"),
    ("zsh", ".zshenv", "printf Welcome; cd /; echo careful >&2"),
    ("fish", ".config/fish/config.fish", "printf Welcome; cd /; echo careful >&2"),
    ("tcsh", ".tcshrc", "printf Welcome; cd /"),
    ("bsd-csh", ".cshrc", "printf Welcome; cd /"),
    ("rc", "", ""),
    ("dash", "", ""),
    ("mksh", "", ""),
];

/// What puts `shell` in the place of the login shell, with a home folder of its own.
fn with_shell(home: &Path, shell: &str) -> String {
    format!(
        "ForceCommand exec env HOME={0} XDG_CONFIG_HOME={0}/.config SHELL=/usr/bin/{shell} {shell} -c \"$SSH_ORIGINAL_COMMAND\"\n",
        home.display()
    )
}

#[test]
#[ignore = "needs sshd and the shells of scripts/packages-test; run by scripts/test"]
fn no_login_shell_stands_in_the_way() {
    let mut server = Server::new("");
    server.talk(&server.access()).unwrap();
    let cancel = Cancel::new();
    for (shell, file, text) in LOGIN_SHELLS {
        let home = server.etc(&format!("home-{shell}"));
        fs::create_dir(&home).unwrap();
        if !file.is_empty() {
            let file = home.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, format!("{text}\n")).unwrap();
        }
        server.start(&with_shell(&home, shell));
        server.talk(&server.access()).unwrap();
        let access = server.access();
        login::prove(&access, &cancel).unwrap_or_else(|error| panic!("{shell}: {error:?}"));

        // Both ways, and relative to the home folder.
        fs::write(server.path("it's $HOME!"), "text").unwrap();
        copy::to_guest(&access, &server.path("it's $HOME!"), "", &cancel).unwrap();
        assert_eq!(fs::read_to_string(home.join("it's $HOME!")).unwrap(), "text", "{shell}");
        let back = server.path(&format!("back-{shell}"));
        copy::to_host(&access, "it's $HOME!", &back, &cancel)
            .unwrap_or_else(|error| panic!("{shell}: {error:?}"));
        assert_eq!(fs::read_to_string(&back).unwrap(), "text", "{shell}");

        // Words arrive as they are, a line is one of sh, and nothing else is heard.
        let mut said = Vec::new();
        let mut run = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            said.clear();
            let status =
                exec::run(&access, &words, &cancel, &mut |_, line| said.push(line.to_owned())).unwrap();
            (status, said.join("\n"))
        };
        assert_eq!(
            run(&["printf", "<%s>", "it's", "$x !y \\"]),
            (0, "<it's><$x !y \\>".to_owned()),
            "{shell}"
        );
        let line = "x=1; for i in a b; do echo $i$x; done; echo no >&2; pwd; exit 7";
        let (status, text) = run(&[line]);
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        let mut expected = ["a1", "b1", "no", home.to_str().unwrap()];
        expected.sort_unstable();
        assert_eq!((status, lines), (7, expected.to_vec()), "{shell}");

        let probe = check::Probe { script: "echo here; pwd", root: false, timeout: Duration::from_secs(20) };
        let answers = check::run(&access, &[probe], &cancel).unwrap();
        let answer = answers[0].clone().unwrap_or_else(|| panic!("{shell}: no answer"));
        assert_eq!(answer.stdout, format!("here\n{}", home.display()), "{shell}");
    }
}

#[test]
#[ignore = "needs sshd; run by scripts/test"]
fn a_login_shell_that_runs_nothing_is_named() {
    let mut server = Server::new("");
    server.talk(&server.access()).unwrap();
    let cancel = Cancel::new();
    let home = server.etc("home");
    fs::create_dir(&home).unwrap();
    for startup in ["echo bye; exit 0", "exit 3", "exec sh"] {
        fs::write(home.join(".bashrc"), format!("{startup}\n")).unwrap();
        server.start(&with_shell(&home, "bash"));
        wait_for_ssh(server.address, Duration::from_secs(10), &cancel, &mut || Ok(()), &mut || 0).unwrap();
        let access = server.access();
        fs::write(server.path("note"), "text").unwrap();
        let results = [
            login::prove(&access, &cancel),
            copy::to_host(&access, "/etc/hostname", &server.path("x"), &cancel),
            exec::run(&access, &["true".to_owned()], &cancel, &mut |_, _| {}).map(|_| ()),
        ];
        for result in results {
            let error = result.expect_err(startup);
            assert_eq!(error.kind(), Kind::SetupFailed, "{startup}: {error:?}");
            assert!(error.hints().iter().any(|hint| hint.contains("~/.bashrc")), "{startup}: {error:?}");
        }
    }
}
