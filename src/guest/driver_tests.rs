//! The session's driver, run on this computer: its archive is fed to a shell as sshd would.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::marks::{Failure, Mark, Marks};
use super::payload::Payload;
use super::step::{Action, Step};

const TOKEN: &str = "0123456789abcdef";

/// A folder for the guest's stamps, and the shell that plays the guest.
struct Guest {
    dir: tempfile::TempDir,
    shell: Vec<&'static str>,
}

/// What a session said.
#[derive(Debug, Default, PartialEq)]
struct Said {
    lines: Vec<String>,
    marks: Vec<Mark>,
    status: Option<i32>,
}

impl Guest {
    fn new(shell: &[&'static str]) -> Guest {
        let guest = Guest { dir: tempfile::tempdir().unwrap(), shell: shell.to_vec() };
        if shell[0] == "busybox" {
            // A guest that has nothing else.
            fs::create_dir(guest.tools()).unwrap();
            let status = Command::new("busybox").args(["--install", "-s"]).arg(guest.tools()).status();
            assert!(status.unwrap().success());
        }
        guest
    }

    fn tools(&self) -> std::path::PathBuf {
        self.dir.path().join("bin")
    }

    /// The shell, about to run `command`.
    fn shell(&self, command: String) -> Command {
        let (program, args) = self.shell.split_first().unwrap();
        let mut shell = Command::new(crate::process::find_on_path(program).unwrap());
        shell.args(args).arg("-c").arg(command).stdin(Stdio::piped()).stdout(Stdio::piped());
        if self.tools().exists() {
            shell.env("PATH", self.tools());
        }
        shell
    }

    fn state(&self) -> &str {
        self.dir.path().to_str().unwrap()
    }

    /// Starts a session; its standard input is still open.
    fn start(&self, steps: &[Step]) -> Child {
        // A user without a home folder: nobody's authorized_keys is touched.
        let payload = Payload::new(None, steps, "nobody", "", TOKEN, self.state()).unwrap();
        let mut child = self.shell(payload.bootstrap(self.state())).spawn().unwrap();
        let stdin = child.stdin.as_mut().unwrap();
        stdin.write_all(b"\n1234\n").unwrap();
        payload.write(stdin).unwrap();
        child
    }

    /// Runs a session to its last word, then hangs up and waits for its end.
    fn run(&self, steps: &[Step]) -> Said {
        let mut child = self.start(steps);
        let said = read_all(&mut child);
        assert!(self.sessions().is_empty(), "the session left its folder: {said:?}");
        said
    }

    fn stamps(&self) -> Vec<String> {
        self.names("steps")
    }

    fn sessions(&self) -> Vec<String> {
        self.names("").into_iter().filter(|name| name.starts_with("session.")).collect()
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let Ok(listed) = fs::read_dir(self.dir.path().join(folder)) else { return Vec::new() };
        let mut names: Vec<_> =
            listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn read_all(child: &mut Child) -> Said {
    let mut said = Said::default();
    let mut marks = Marks::new(TOKEN);
    let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    for line in lines {
        let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
        let mark = marks.read(&line, |line| said.lines.push(line.to_owned()));
        let ended = mark == Some(Mark::Ended);
        // What becomes of the keys, and whether this computer's accounts change meanwhile, are tests of their own.
        let beside = |mark: &Mark| matches!(mark, Mark::In(_) | Mark::Secured(_) | Mark::LoginChanged(_));
        said.marks.extend(mark.filter(|mark| !beside(mark)));
        if ended {
            break;
        }
    }
    drop(child.stdin.take());
    said.status = child.wait().unwrap().code();
    said
}

/// The host goes: what the session still says until it has ended.
fn hang_up(child: &mut Child) -> String {
    drop(child.stdin.take());
    let mut rest = String::new();
    child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    child.wait().unwrap();
    rest
}

fn script(id: &str, text: &str) -> Step {
    let action = Action::Script { text: text.into(), args: Vec::new(), env: Vec::new(), root: true };
    Step { id: id.into(), name: format!("{id}.sh"), action, force: false, timeout: None }
}

fn copy(id: &str, from: &Path, to: &Path) -> Step {
    let action = Action::Copy { from: from.to_owned(), to: to.to_str().unwrap().to_owned() };
    Step { id: id.into(), name: id.into(), action, force: false, timeout: None }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn runs(pid: &str) -> bool {
    // A zombie whose parent has not looked yet does not run.
    fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

fn everything(shell: &[&'static str]) {
    order_and_stamps(shell);
    failure(shell);
    words(shell);
    a_service_left_behind(shell);
    the_life_line(shell);
    the_host_goes_at_the_end(shell);
    copies(shell);
    an_upload_cut_short(shell);
    a_set_up(shell);
    a_users_step(shell);
    no_room(shell);
    a_restart(shell);
}

fn order_and_stamps(shell: &[&'static str]) {
    let guest = Guest::new(shell);
    let steps = [
        script("one", "echo out; echo err >&2; printf 'no end'"),
        script("two", "pwd; echo \"$HOME\"; read x || echo nothing to read; printf '\\n\\n'"),
    ];
    let said = guest.run(&steps);
    assert_eq!(said.lines, ["out", "err", "no end", "/", "/root", "nothing to read", "", ""]);
    use Mark::{Ended, Finished, Skipped, Started};
    assert_eq!(said.marks, [Started(0), Finished(0), Started(1), Finished(1), Ended]);
    assert_eq!(guest.stamps(), ["one", "two"]);

    let again = guest.run(&steps);
    assert_eq!((again.lines.len(), again.marks), (0, vec![Skipped(0), Skipped(1), Ended]));
    let forced = [steps[0].clone(), Step { force: true, ..steps[1].clone() }];
    assert_eq!(guest.run(&forced).marks, [Skipped(0), Started(1), Finished(1), Ended]);
    // A step that is forced and fails is not done any more.
    let failing = Step { force: true, ..script("two", "exit 1") };
    assert_eq!(guest.run(&[failing]).marks, [Started(0), Mark::Failed(0, Failure::Status(1)), Ended]);
    assert_eq!(guest.stamps(), ["one"]);
}

fn failure(shell: &[&'static str]) {
    let guest = Guest::new(shell);
    let said = guest.run(&[
        script("good", "true"),
        script("bad", "set -e\necho before\nno-such-program-here\necho after"),
        script("never", "echo never"),
    ]);
    assert_eq!(said.marks[2..], [Mark::Started(1), Mark::Failed(1, Failure::Status(127)), Mark::Ended]);
    assert_eq!(guest.stamps(), ["good"]);
    let named = said.lines.last().and_then(|line| super::marks::named_line(line, "/1/bad.sh"));
    assert_eq!(named, Some(3), "{said:?}");
    // One that is killed by a signal.
    let said = guest.run(&[script("killed", "kill -KILL $$")]);
    assert_eq!(said.marks[1], Mark::Failed(0, Failure::Status(137)));
}

fn words(shell: &[&'static str]) {
    let guest = Guest::new(shell);
    let text = "#!/bin/sh -u\nfor word; do printf '<%s>\\n' \"$word\"; done; printf '%s\\n' \"$ROLE\" \"$-\"";
    let hostile = "it's $(touch x) `y` \"ü\"\nand a line \\";
    let action = Action::Script {
        text: text.into(),
        args: vec!["--a b".into(), String::new(), hostile.into()],
        env: vec![("ROLE".into(), hostile.into())],
        root: true,
    };
    let said = guest.run(&[Step { action, ..script("words", "") }]);
    let expected = format!("<--a b>\n<>\n<{hostile}>\n{hostile}");
    assert_eq!(said.lines.join("\n"), format!("{expected}\nu"), "{said:?}");
    // What looks like a mark and is none.
    let said = guest.run(&[script(
        "forged",
        "printf '\\001 ended\\n\\001x ended\\n'; printf '\\n\\001%s failed 0 9\\n' \"${token-}\"",
    )]);
    assert_eq!(said.marks, [Mark::Started(0), Mark::Finished(0), Mark::Ended]);
}

/// A child that keeps the script's output neither holds up the step, nor the session, nor is it killed
/// when it goes on talking afterwards.
fn a_service_left_behind(shell: &[&'static str]) {
    let guest = Guest::new(shell);
    let pid = guest.dir.path().join("pid");
    let alive = guest.dir.path().join("alive");
    let text = format!(
        "(while sleep 0.1; do echo still here; date +%s%N >{1}; done) &\necho $! >{0}\necho started",
        pid.display(),
        alive.display()
    );
    let started = Instant::now();
    let said = guest.run(&[script("service", &text), script("next", "sleep 0.3; echo next")]);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(said.marks.last(), Some(&Mark::Ended));
    assert!(
        said.lines.contains(&"next".to_owned()) && said.lines.contains(&"still here".to_owned()),
        "{said:?}"
    );
    let pid = fs::read_to_string(pid).unwrap();
    fs::remove_file(&alive).ok();
    wait_until("the service goes on after the session", || alive.exists());
    std::thread::sleep(Duration::from_millis(300));
    assert!(runs(&pid), "the service was killed by its own words");
    Command::new("kill").arg(pid.trim()).status().unwrap();
    assert_eq!(guest.stamps(), ["next", "service"]);
}

/// When the host is gone, so is the step with its children, and the session's folder.
fn the_life_line(shell: &[&'static str]) {
    let guest = Guest::new(shell);
    let pids = guest.dir.path().join("pids");
    let text = format!(
        "sleep 600 &\necho $! $$ >{}.new; mv {0}.new {0}; trap '' TERM; while :; do sleep 1; done",
        pids.display()
    );
    let mut child = guest.start(&[script("long", &text), script("never", "echo never")]);
    wait_until("the step runs", || pids.exists());
    let rest = hang_up(&mut child);
    assert!(!rest.contains("never"), "{rest}");
    for pid in fs::read_to_string(&pids).unwrap().split_whitespace() {
        wait_until("the step and its child are gone", || !runs(pid));
    }
    assert_eq!((guest.stamps().len(), guest.sessions().len()), (0, 0));
}

/// A step that is ending when the host goes has ended: it is not run again, and the next one is not begun.
fn the_host_goes_at_the_end(shell: &[&'static str]) {
    let guest = Guest::new(shell);
    let begun = guest.dir.path().join("begun");
    for (id, code) in [("well", 0), ("badly", 3)] {
        let text = format!("echo >{}; sleep 0.1; exit {code}", begun.display());
        let mut child = guest.start(&[script(id, &text), script("never", "echo never")]);
        wait_until("the step runs", || begun.exists());
        let rest = hang_up(&mut child);
        assert!(!rest.contains("never"), "{rest}");
        assert_eq!((guest.stamps(), guest.sessions()), (vec!["well".to_owned()], Vec::new()));
        fs::remove_file(&begun).unwrap();
    }
}

#[cfg(unix)]
fn copies(shell: &[&'static str]) {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let guest = Guest::new(shell);
    let (host, there) = (guest.dir.path().join("host"), guest.dir.path().join("there"));
    fs::create_dir_all(host.join("sub/deep")).unwrap();
    fs::write(host.join("run.sh"), "new").unwrap();
    set(&host.join("run.sh"), 0o750);
    set(&host.join("sub"), 0o775);
    fs::write(host.join("sub/deep/x"), "x").unwrap();
    symlink("../run.sh", host.join("sub/link")).unwrap();

    // Into a place that is not there, with a space in its name.
    let new = there.join("a b/site");
    let said = guest.run(&[copy("new", &host, &new)]);
    assert_eq!(said.marks[1], Mark::Finished(0), "{said:?}");
    assert_eq!(fs::read_to_string(new.join("sub/deep/x")).unwrap(), "x");
    assert_eq!((mode(&new.join("run.sh")), mode(&new.join("sub"))), (0o750, 0o775));
    assert_eq!(fs::read_link(new.join("sub/link")).unwrap(), Path::new("../run.sh"));

    // Merged into one that is there: its other files, and the folder's own mode, stay.
    let old = there.join("old");
    fs::create_dir_all(old.join("elsewhere")).unwrap();
    fs::write(old.join("keep"), "kept").unwrap();
    fs::write(old.join("run.sh"), "old").unwrap();
    set(&old, 0o711);
    let said = guest.run(&[copy("merge", &host, &old)]);
    assert_eq!(said.marks[1], Mark::Finished(0), "{said:?}");
    assert_eq!(fs::read_to_string(old.join("run.sh")).unwrap(), "new");
    assert_eq!(fs::read_to_string(old.join("keep")).unwrap(), "kept");
    assert_eq!((mode(&old), mode(&old.join("run.sh"))), (0o711, 0o750));

    // A symlink to a folder stays one, and that folder's mode too, where GNU tar unpacks.
    let mut probe = guest.shell("tar --keep-directory-symlink --version".into());
    if probe.stderr(Stdio::null()).output().unwrap().status.success() {
        let merged = there.join("merged");
        fs::create_dir_all(merged.join("usr")).unwrap();
        set(&merged.join("usr"), 0o700);
        symlink("usr", merged.join("sub")).unwrap();
        let said = guest.run(&[copy("merged", &host, &merged)]);
        assert_eq!(said.marks[1], Mark::Finished(0), "{said:?}");
        assert!(merged.join("sub").is_symlink() && merged.join("usr/deep/x").is_file());
        assert_eq!(mode(&merged.join("usr")), 0o700);
    }

    // A file: under a new name, into a folder, into a folder that is to be made.
    let file = host.join("run.sh");
    let into = there.join("into/");
    let said = guest.run(&[
        copy("f1", &file, &there.join("renamed")),
        copy("f2", &file, &old.join("elsewhere")),
        copy("f3", &file, Path::new(&format!("{}/", into.display()))),
    ]);
    assert_eq!(said.marks.iter().filter(|mark| matches!(mark, Mark::Finished(_))).count(), 3, "{said:?}");
    for path in [there.join("renamed"), old.join("elsewhere/run.sh"), into.join("run.sh")] {
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new", 0o750), "{path:?}");
    }

    // Where it cannot go.
    let said = guest.run(&[copy("f4", &host, &there.join("renamed/below"))]);
    assert!(matches!(said.marks[1], Mark::Failed(0, Failure::Status(_))), "{said:?}");
    assert!(!said.lines.is_empty());
}

/// The set-up comes first, knows the time, may end its own shell, and when it fails nothing else runs.
fn a_set_up(shell: &[&'static str]) {
    let guest = Guest::new(shell);
    let session = |setup: &str| {
        let payload = Payload::new(
            Some(setup.to_owned()),
            &[script("x", "echo step")],
            "nobody",
            "",
            TOKEN,
            guest.state(),
        );
        let payload = payload.unwrap();
        let mut child = guest.shell(payload.bootstrap(guest.state())).spawn().unwrap();
        let stdin = child.stdin.as_mut().unwrap();
        stdin.write_all(b"\n\n1234\n").unwrap();
        payload.write(stdin).unwrap();
        read_all(&mut child)
    };
    let said = session("echo time $epoch; kept=no; exit 0");
    assert_eq!(said.lines, ["time 1234", "step"], "{said:?}");
    assert_eq!(said.marks[..3], [Mark::SettingUp, Mark::SetUp, Mark::Started(0)], "{said:?}");
    let said = session("echo why; exit 3");
    assert_eq!(said.lines, ["why"], "{said:?}");
    assert_eq!(said.marks, [Mark::SettingUp, Mark::SetUpFailed(3), Mark::Ended], "{said:?}");
    assert!(guest.sessions().is_empty());
}

/// A user's step counts by its own word, whatever the login shell makes of it.
fn a_users_step(shell: &[&'static str]) {
    let guest = Guest::new(shell);
    let ran = guest.dir.path().join("ran");
    let step = |id: &str, text: &str| {
        let action = Action::Script { text: text.into(), args: vec![], env: vec![], root: false };
        Step { action, ..script(id, "") }
    };
    let text = |code: u8| format!("pwd; echo ran >{}; exit {code}", ran.display());
    // In place of sudo: a login shell whose profile does this before it runs what it is given.
    for (profile, code, mark) in [
        (":", 0, Mark::Finished(0)),
        (":", 7, Mark::Failed(0, Failure::Status(7))),
        ("exit 0", 7, Mark::Failed(0, Failure::Shell)),
        ("exec sh -c :", 0, Mark::Failed(0, Failure::Shell)),
        ("exit 3", 0, Mark::Failed(0, Failure::Shell)),
        // Its end does not count, and neither does a folder that it goes to.
        ("cd /tmp; trap 'exit 4' 0", 0, Mark::Finished(0)),
    ] {
        let _ = fs::remove_file(&ran);
        let bin = guest.dir.path().join("sudo-bin");
        fs::create_dir_all(&bin).unwrap();
        let sudo = bin.join("sudo");
        fs::write(&sudo, format!("#!/bin/sh\nHOME=/\nshift 4\n{profile}\n\"$@\"\n")).unwrap();
        fs::set_permissions(&sudo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let steps = [Step { force: true, ..step("user", &text(code)) }];
        let payload = Payload::new(None, &steps, "nobody", "", TOKEN, guest.state()).unwrap();
        let mut command = guest.shell(payload.bootstrap(guest.state()));
        let path =
            if guest.tools().exists() { guest.tools().display().to_string() } else { "/usr/bin:/bin".into() };
        let mut child = command.env("PATH", format!("{}:{path}", bin.display())).spawn().unwrap();
        let stdin = child.stdin.as_mut().unwrap();
        stdin.write_all(b"1234\n").unwrap();
        payload.write(stdin).unwrap();
        let said = read_all(&mut child);
        assert_eq!(said.marks[1], mark, "{profile}: {said:?}");
        assert_eq!(ran.exists(), !matches!(mark, Mark::Failed(0, Failure::Shell)), "{profile}");
        assert!(!ran.exists() || said.lines.contains(&"/".to_owned()), "{profile}: {said:?}");
        assert_eq!(guest.stamps().len(), usize::from(mark == Mark::Finished(0)), "{profile}");
    }
}

/// What does not fit is said before anything is unpacked.
fn no_room(shell: &[&'static str]) {
    let guest = Guest::new(shell);
    for (needed, fits) in [(1, true), (u64::MAX / 2048, false)] {
        let text = format!(
            "mark() {{ printf '%s\\n' \"$*\"; }}\n{}\nroom {needed} {}/not/there && echo fits",
            super::shell::ROOM,
            guest.state()
        );
        let output = guest.shell(text).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said == "fits\n", fits, "{said}");
        assert!(fits || said.starts_with(&format!("no-room {needed} ")), "{said}");
    }
}

/// After a script that restarts the system nothing is begun; one that only speaks of it holds nothing up for long.
fn a_restart(shell: &[&'static str]) {
    let guest = Guest::new(shell);
    let begun = guest.dir.path().join("begun");
    let next = format!("echo >{}", begun.display());
    let steps = [script("restarts", "# reboot ;"), script("next", &next)];
    let mut child = guest.start(&steps);
    wait_until("the first step is done", || !guest.stamps().is_empty());
    std::thread::sleep(Duration::from_millis(500));
    assert!(!begun.exists());
    // The restart: the connection breaks.
    hang_up(&mut child);
    assert_eq!(
        (begun.exists(), guest.stamps(), guest.sessions()),
        (false, vec!["restarts".to_owned()], vec![])
    );
    let started = Instant::now();
    assert_eq!(guest.run(&steps).marks.last(), Some(&Mark::Ended));
    assert!(begun.exists() && started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

/// What decides a login, and the lab's key.
#[test]
fn a_changed_login_is_seen_and_a_lost_key_put_back() {
    let key = "ssh-rsa OWNKEY lab";
    let other = "ssh-ed25519 AAAA student@home";
    for (what, does, restored, names) in [
        ("nothing", ":", false, vec![]),
        ("a file in the home folder", "echo >\"$home/notes\"", false, vec![]),
        ("another key", "echo more >>\"$home/.ssh/authorized_keys\"", false, vec![".ssh/authorized_keys"]),
        (
            "a key with another comment",
            "echo ssh-rsa OWNKEY x >\"$home/.ssh/authorized_keys\"",
            false,
            vec![".ssh/authorized_keys"],
        ),
        (
            "the key is gone",
            "printf '%s' \"$other\" >\"$home/.ssh/authorized_keys\"",
            true,
            vec![".ssh/authorized_keys"],
        ),
        (
            "the key is a comment",
            "echo \"# $key\" >\"$home/.ssh/authorized_keys\"",
            true,
            vec![".ssh/authorized_keys"],
        ),
        ("the folder is gone", "rm -rf \"$home/.ssh\"", true, vec![".ssh/authorized_keys"]),
        ("an open home folder", "chmod 777 \"$home\"", false, vec!["home"]),
        (
            "sshd's settings",
            "echo AllowUsers x >>\"$etc/ssh/sshd_config\"",
            false,
            vec!["etc/ssh/sshd_config"],
        ),
        (
            "a drop-in",
            "echo x >\"$etc/ssh/sshd_config.d/x.conf\"",
            false,
            vec!["etc/ssh/sshd_config.d/x.conf"],
        ),
        ("an account", "echo x:x:9:9::/:/bin/sh >>\"$etc/passwd\"", false, vec!["etc/passwd"]),
        ("nologin", "echo >\"$etc/nologin\"", false, vec!["etc/nologin"]),
        ("a start-up file", "echo exit >\"$home/.bashrc\"", false, vec!["home/.bashrc"]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (home, etc) = (dir.path().join("home"), dir.path().join("etc"));
        for folder in [home.join(".ssh"), etc.join("ssh/sshd_config.d")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(home.join(".ssh/authorized_keys"), format!("{other}\n{key}\n")).unwrap();
        for file in ["passwd", "ssh/sshd_config"] {
            fs::write(etc.join(file), "text\n").unwrap();
        }
        let login = include_str!("login.sh")
            .replace("eval \"home=~$user\"", &format!("home='{}'", home.display()))
            .replace("chown \"$user\"", ": ")
            .replace("/etc/", &format!("{}/", etc.display()));
        let text = format!(
            "nl='\n'\nuser=nobody\nkey='{key}'\nother='{other}'\netc='{}'\nmark() {{ echo \"$*\"; }}\n{login}\n\
             note_login\n{does}\ncheck_login\nhas_key && echo has-key\n",
            etc.display()
        );
        let output = Command::new("sh").arg("-c").arg(text).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.stderr.is_empty() && said.ends_with("has-key\n"), "{what}: {output:?}");
        assert_eq!(said.contains("key-restored"), restored, "{what}: {said}");
        let changed = said.lines().find_map(|line| line.strip_prefix("login-changed ")).unwrap_or_default();
        for name in &names {
            assert!(changed.split(' ').any(|path| path.ends_with(name)), "{what}: {said}");
        }
        assert!(!names.is_empty() || changed.is_empty(), "{what}: {said}");
        let kept = fs::read_to_string(home.join(".ssh/authorized_keys")).unwrap();
        assert!(!kept.contains(&format!("{other}{key}")), "{what}: {kept}");
    }
}

/// Which of Vagrant's keys go, and when.
#[test]
fn insecure_keys_go_when_the_labs_own_is_known_to_work() {
    let insecure = super::keys::INSECURE_PUBLIC_KEYS[0];
    let (rsa, other) = (format!("ssh-rsa {insecure} vagrant"), format!("ssh-ed25519 {insecure} vagrant"));
    let own = "ssh-rsa OWN lab";
    for (keys, how, secured, left) in [
        (vec![&*rsa, own], "alike", true, vec![own]),
        (vec![&*rsa, own], "proven", true, vec![own]),
        // Of another type: that the one was taken says nothing of the other.
        (vec![&*other, own], "alike", false, vec![&*other, own]),
        (vec![&*other, own], "proven", true, vec![own]),
        // The last key is never taken away.
        (vec![&*rsa], "proven", false, vec![&*rsa]),
        (vec![own], "alike", true, vec![own]),
    ] {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(".ssh/authorized_keys");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, keys.join("\n") + "\n").unwrap();
        // The function alone, with the home folder put in place of `~user` and nobody to own it.
        let driver = include_str!("driver.sh");
        let start = driver.find("drop_insecure_keys() {").unwrap();
        let end = driver.find("# The last word.").unwrap();
        let functions = driver[start..end]
            .replace("eval \"file=~$user/.ssh/authorized_keys\"", &format!("file='{}'", file.display()))
            .replace("chown \"$user\" \"$file.lab-new\" &&", "");
        let text = format!(
            "nl='\n'\nuser=nobody\ninsecure='{insecure}'\nmark() {{ echo \"$*\"; }}\n{functions}\ndrop_insecure_keys {how}\n"
        );
        let output = Command::new("sh").arg("-c").arg(text).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said.trim(), if secured { "secured" } else { "unsecured" }, "{keys:?} {how}: {output:?}");
        assert_eq!(fs::read_to_string(&file).unwrap().lines().collect::<Vec<_>>(), left, "{keys:?} {how}");
    }
}

fn an_upload_cut_short(shell: &[&'static str]) {
    let guest = Guest::new(shell);
    let payload = Payload::new(None, &[script("x", "echo x")], "nobody", "", TOKEN, guest.state()).unwrap();
    let mut bytes = Vec::new();
    payload.write(&mut bytes).unwrap();
    let mut child = guest.shell(payload.bootstrap(guest.state())).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(b"1234\n").unwrap();
    child.stdin.as_mut().unwrap().write_all(&bytes[..bytes.len() / 2]).unwrap();
    let said = {
        drop(child.stdin.take());
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success());
        output.stdout
    };
    // The mark that we are in, and no other.
    assert_eq!(said.iter().filter(|byte| **byte == 1).count(), 1, "{said:?}");
    assert_eq!((guest.stamps().len(), guest.sessions().len()), (0, 0));
    // A session that was cut off by a power failure: its folder is swept out by the next one.
    fs::create_dir(guest.dir.path().join("session.999999999")).unwrap();
    guest.run(&[script("x", "true")]);
}

#[test]
fn the_driver_is_right_with_the_default_shell() {
    everything(&["sh"]);
}

#[test]
#[ignore = "needs dash, bash and busybox; run by scripts/test"]
fn the_driver_is_right_with_every_shell() {
    for shell in [&["dash"][..], &["bash", "--posix"], &["bash"], &["busybox", "sh"]] {
        everything(shell);
    }
}
