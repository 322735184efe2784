//! A lab of its own for each test: a folder with a Labfile, driven by the real program.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may stop at the first surprise")]

pub mod box_server;
pub mod chapters;
pub mod fake;
pub mod make;
pub mod moments;
pub mod spec;
pub mod transcript;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The reason that tests with real machines carry in their `#[ignore = …]`, for reference:
/// "starts real machines: run by scripts/test".
///
/// The demo box, as built by `boxes/demo/build`; `scripts/test` says where it is.
pub fn demo_box() -> PathBuf {
    file_from("LAB_TEST_BOX", "boxes/demo/build --kernel small")
}

/// A stock Debian guest with ifupdown, as built by `tests/guests/debian12/build`.
pub fn debian_box() -> PathBuf {
    file_from("LAB_TEST_DEBIAN", "tests/guests/debian12/build")
}

/// The same with systemd-networkd.
pub fn debian_networkd_box() -> PathBuf {
    file_from("LAB_TEST_DEBIAN_NETWORKD", "tests/guests/debian12/build networkd")
}

/// What Debian gives to clouds: no user, and cloud-init to make one.
pub fn debian_cloud_box() -> PathBuf {
    file_from("LAB_TEST_DEBIAN_CLOUD", "tests/guests/debian12/build cloud")
}

fn file_from(variable: &str, recipe: &str) -> PathBuf {
    let path = std::env::var_os(variable).unwrap_or_else(|| {
        panic!("{variable} is not set: run scripts/test, or {variable}=$({recipe}) cargo test")
    });
    PathBuf::from(path)
}

/// What a run of `lab` gave.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Run {
    fn of(output: Output, started: Instant) -> Self {
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: started.elapsed(),
        }
    }

    /// Fails the test unless the exit code is `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails the test unless it ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Fails the test unless standard error holds all of `words`.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in\n{}", self.stderr);
        }
        self
    }

    /// Fails the test where standard error holds any of `words`.
    #[track_caller]
    pub fn says_not(self, words: &[&str]) -> Self {
        for word in words {
            assert!(!self.stderr.contains(word), "{word:?} in\n{}", self.stderr);
        }
        self
    }

    /// Standard output's lines as JSON values.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| {
            serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{error} in {line:?}\nstderr:\n{}", self.stderr))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let mut lines = self.json_lines();
        assert_eq!(lines.len(), 1, "{}", self.stdout);
        lines.remove(0)
    }
}

/// A folder with a Labfile. Whatever the test leaves running is destroyed with it.
pub struct TestLab {
    dir: tempfile::TempDir,
    folder: PathBuf,
    home: PathBuf,
    envs: Vec<(String, String)>,
}

impl TestLab {
    /// A lab whose Labfile is `text`, with a home that has no boxes and is gone with the lab.
    pub fn bare(text: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("lab-test-").tempdir().unwrap();
        let home = dir.path().join("home");
        let lab = TestLab { dir, folder: "lab".into(), home, envs: Vec::new() };
        lab.write("lab/Labfile", text);
        lab
    }

    /// A lab whose Labfile is `text`, in which the box `demo` is the demo box. Its home is shared by
    /// all tests: adding the box and making its base image once is enough.
    pub fn with_demo_box(text: &str) -> Self {
        let lab = TestLab::with_shared_home(text);
        // By force: the home may have the box of an earlier recipe. The same file is not read twice.
        lab.lab(&["box", "add", "--force", "demo", demo_box().to_str().unwrap()]).ok();
        lab
    }

    /// A lab whose Labfile is `text`, with the home that all tests share.
    pub fn with_shared_home(text: &str) -> Self {
        let mut lab = TestLab::bare(text);
        lab.home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("home");
        lab
    }

    /// Shares a home with other labs.
    pub fn at_home(mut self, home: &Path) -> Self {
        self.home = home.to_owned();
        self
    }

    /// Sets an environment variable for every later run.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.envs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Moves the lab's folder, before anything of it is made.
    pub fn moved_to(mut self, folder: &str) -> Self {
        let to = self.root().join(folder);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::rename(self.dir(), &to).unwrap();
        self.folder = folder.into();
        self
    }

    /// Writes the Labfile anew.
    pub fn labfile(&self, text: &str) {
        std::fs::write(self.dir().join("Labfile"), text).unwrap();
    }

    /// Puts a program named `ssh` first on the path that notes each call and gives way to the real one.
    pub fn counting_ssh(self) -> Self {
        self.counting("ssh")
    }

    /// Puts a program called `name` first on the path that notes each call and gives way to the real one.
    pub fn counting(mut self, name: &str) -> Self {
        let (bin, calls) = (self.root().join("bin"), self.root().join(format!("{name}-calls")));
        let path = std::env::var("PATH").unwrap();
        // One write for each line: several calls at once do not mix.
        let script = format!(
            "line=$(printf '%s' \"$*\" | tr '\\n' ' ')\nprintf '%s\\n' \"$line\" >>'{0}'\nPATH='{path}' exec {name} \"$@\"",
            calls.display()
        );
        fake::program(&bin, name, &script);
        self.envs.push(("PATH".into(), format!("{}:{path}", bin.display())));
        self
    }

    /// The calls of ssh since the last time this was asked.
    pub fn ssh_calls(&self) -> Vec<String> {
        self.calls("ssh")
    }

    /// The calls of a counted program since the last time this was asked.
    pub fn calls(&self, name: &str) -> Vec<String> {
        let path = self.root().join(format!("{name}-calls"));
        let calls = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(path);
        calls.lines().map(str::to_owned).collect()
    }

    /// The folder of the Labfile.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().join(&self.folder)
    }

    /// The folder around it: nothing but the test's own.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// `LAB_HOME`.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Writes a file; `path` starts at [`TestLab::root`].
    pub fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// `lab ARGS`, not yet started: in the lab's folder, with an empty home folder, no colour.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        command
            .args(args)
            .current_dir(self.dir())
            .env("LAB_HOME", &self.home)
            .env("HOME", self.root().join("user"))
            .env("NO_COLOR", "1")
            .env_remove("LAB_PROVIDER")
            .envs(self.envs.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs `lab ARGS` to its end.
    #[track_caller]
    pub fn lab(&self, args: &[&str]) -> Run {
        let started = Instant::now();
        Run::of(self.command(args).output().unwrap(), started)
    }

    /// Starts `lab ARGS` and lets it run, its output thrown away.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Starts `lab ARGS` and lets it run, its output kept for [`TestLab::finish`].
    pub fn start_piped(&self, args: &[&str]) -> (Child, Instant) {
        (self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(), Instant::now())
    }

    /// Waits for the end of a run.
    pub fn finish(&self, (child, started): (Child, Instant)) -> Run {
        Run::of(child.wait_with_output().unwrap(), started)
    }

    /// Runs a shell line in a machine and returns what it printed.
    #[track_caller]
    pub fn ssh(&self, machine: &str, line: &str) -> String {
        self.lab(&["ssh", machine, "-c", line]).ok().stdout.trim_end().to_owned()
    }

    /// Fails the test where a machine's clock is wrong.
    #[track_caller]
    pub fn clock_is_right(&self, machine: &str) {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (before, there) = (now(), self.ssh(machine, "date +%s").parse::<u64>().unwrap());
        // Seconds of tolerance, because a guest that could not compare its TSC with another clock on a busy computer
        // loses ticks. One that nobody sets is off by more: the suspended one by its sleep.
        if !(before - 7..=now() + 3).contains(&there) {
            let clock = self
                .ssh(machine, "cat /sys/devices/system/clocksource/*/current_clocksource; dmesg | grep tsc:");
            panic!("{there} there, {before} here; its clock:\n{clock}");
        }
    }

    /// Fails the test where Vagrant's insecure key opens a machine.
    #[track_caller]
    pub fn insecure_key_opens_nothing(&self, machine: &str) {
        let key = self.root().join("insecure");
        std::fs::copy("boxes/demo/insecure.key", &key).unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let port = self.lab(&["port", machine, "22"]).ok().stdout;
        let options = "-F none -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
                       -o IdentityAgent=none -o UserKnownHostsFile=/dev/null -o HostKeyAlgorithms=+ssh-rsa \
                       -o PubkeyAcceptedKeyTypes=+ssh-rsa -o KexAlgorithms=+diffie-hellman-group14-sha1";
        let mut ssh = Command::new("ssh");
        ssh.args(options.split_whitespace()).arg("-i").arg(&key);
        let refused = ssh.args(["-p", port.trim(), "vagrant@127.0.0.1", "true"]).output().unwrap();
        let words = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(255) && words.contains("Permission denied"), "{words}");
    }

    /// The status of one machine, as in `lab status --json`.
    #[track_caller]
    pub fn status(&self, machine: &str) -> serde_json::Value {
        let status = self.lab(&["status", "--json"]).ok().json();
        let found = status["machines"].as_array().unwrap().iter().find(|found| found["name"] == machine);
        found.unwrap_or_else(|| panic!("no {machine} in {status}")).clone()
    }

    /// The state file, for what no command shows.
    pub fn state(&self) -> Option<serde_json::Value> {
        let text = std::fs::read_to_string(self.dir().join(".lab/state.json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The processes that work in this lab's folder or have it in their command line: its emulators and
    /// ssh sessions. Zombies have neither.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let needle = self.root().to_str().unwrap().to_owned();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            let works_here =
                std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(self.root()));
            if (works_here || words.contains(&needle)) && pid != std::process::id() as i32 {
                found.push((pid, words));
            }
        }
        found
    }

    /// Fails the test where anything of the lab is left: processes, files, sockets, port claims.
    /// `run_dir` is the lab's folder of sockets, from its state while it had one.
    #[track_caller]
    pub fn nothing_left(&self, run_dir: Option<&str>) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.processes().is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(self.processes(), [], "processes are left");
        assert!(!self.dir().join(".lab").exists(), ".lab is left: {:?}", tree(&self.dir().join(".lab")));
        if let Some(run_dir) = run_dir {
            assert!(!Path::new(run_dir).exists(), "sockets are left: {:?}", tree(Path::new(run_dir)));
        }
        let labs = std::fs::read_to_string(self.home.join("labs.json")).unwrap_or_default();
        let dir = self.dir();
        assert!(!labs.contains(dir.to_str().unwrap()), "the register of labs still has it: {labs}");
        let ports = std::fs::read_to_string(self.home.join("ports.json")).unwrap_or_default();
        let ports: serde_json::Value = serde_json::from_str(&ports).unwrap_or_default();
        let known = |claim: &serde_json::Value| labs.contains(claim["lab_id"].as_str().unwrap());
        let left = ports["claims"].as_array().into_iter().flatten().filter(|claim| !known(claim)).count();
        assert_eq!(left, 0, "port claims are left: {ports}");
    }

    /// The folder of sockets, while the register of labs has the lab.
    pub fn run_dir(&self) -> Option<String> {
        let labs = std::fs::read_to_string(self.home.join("labs.json")).ok()?;
        let labs: serde_json::Value = serde_json::from_str(&labs).unwrap();
        let dir = self.dir().canonicalize().ok()?;
        let lab = labs["labs"].as_array()?.iter().find(|lab| lab["dir"] == dir.to_str().unwrap())?;
        Some(lab["own"]["run_dir"].as_str()?.to_owned())
    }
}

impl Drop for TestLab {
    fn drop(&mut self) {
        if self.dir().join(".lab").exists() {
            let output = self.command(&["destroy", "--yes"]).env("LAB_LOCK_TIMEOUT", "20").output();
            if let (Ok(output), true) = (output, std::thread::panicking()) {
                eprintln!("cleaning up: {}", String::from_utf8_lossy(&output.stderr));
            }
        }
    }
}

/// The greatest memory in MiB that a running process has had so far; asked until it ends.
pub fn peak_memory(pid: u32) -> u64 {
    let mut peak: u64 = 0;
    while let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
        // A zombie has no memory any more.
        let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { break };
        peak = peak.max(line.trim().trim_end_matches(" kB").parse().unwrap_or(0));
        std::thread::sleep(Duration::from_millis(20));
    }
    peak.div_ceil(1024)
}

/// The files below `dir`.
pub fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(tree(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

/// The `lab` commands of a text's console blocks, without what a shell does around them.
pub fn commands(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix("$ lab "));
    lines
        .map(|line| {
            let own = line.split([';', '|', '>', '#', '&']).next().unwrap();
            own.split_whitespace().map(str::to_owned).collect()
        })
        .collect()
}

/// Waits until `found` gives something, for `limit` at most.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal to a process that the test started.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    let _ = rustix::process::kill_process(pid, signal);
}
