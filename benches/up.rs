//! `lab up` of three demo machines against the floor, in the same run.
//!
//! The floor is what nobody can do without: the same three overlays started side by side with the very
//! same QEMU arguments (taken from the machines that `lab` started), until ssh runs `true` in each, plus
//! the time that the provisioners themselves ran. What `lab up` takes beyond it is `lab`'s own share:
//! looking, making overlays, the lab's key, becoming root, first-boot set-up, a second login.
//!
//! It is measured twice: as far as a machine that is ready, which is what the floor comes to, and with
//! the snapshot `ready` that `up` takes on top unless the Labfile says `ready_snapshot = false`.
//!
//! Run it with `LAB_TEST_BOX=$(boxes/demo/build --kernel small) cargo bench --bench up`. `LAB_BENCH_RUNS`
//! sets how many rounds there are (default 6, in which each comes after each other once).
//!
//! With `LAB_BENCH_CLASS=1` the machines are those of `Labfile.example`, whose web servers come after the database: the floor is
//! then the longest chain of boots and provisioners. `LAB_BENCH_OLD` names the program of another release: its `lab up` is measured in
//! the same rounds, with the snapshot where it takes one.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a program for the maintainers")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use support::{answers, median, ssh_true};

const MACHINES: [&str; 3] = ["web1", "web2", "db1"];
const LABFILE: &str = r#"
[lab]
name = "bench"
box = "demo"
ready_snapshot = SNAPSHOT
provision = [{ name = "work", inline = "for n in 1 2 3 4 5; do hostname >/dev/null; done; echo done" }]
[machine.web1]
[machine.web2]
[machine.db1]
"#;

/// Which machine waits for which in `Labfile.example`.
const CLASS_AFTER: [(&str, &str); 2] = [("web1", "db1"), ("web2", "db1")];

struct Bench {
    dir: tempfile::TempDir,
    image: PathBuf,
    /// The machines are those of `Labfile.example`.
    class: bool,
    /// Another release.
    old: Option<PathBuf>,
}

/// One `lab up`.
struct Up {
    took: Duration,
    /// Seconds in each phase, averaged over the machines.
    phases: BTreeMap<String, f64>,
    /// Seconds that the provisioners themselves ran, by machine.
    provisioners: BTreeMap<String, f64>,
    peak_kib: u64,
    machines: Vec<Machine>,
}

/// What a round consists of.
#[derive(Clone, Copy)]
enum What {
    Floor,
    Plain,
    WithSnapshot,
}

/// Each comes as often after each other: what one leaves to the computer, files that are still to be written
/// out for instance, is not always the same one's burden.
const ORDERS: [[What; 3]; 6] = {
    use What::{Floor, Plain, WithSnapshot};
    [
        [Floor, Plain, WithSnapshot],
        [Plain, Floor, WithSnapshot],
        [WithSnapshot, Floor, Plain],
        [Floor, WithSnapshot, Plain],
        [Plain, WithSnapshot, Floor],
        [WithSnapshot, Plain, Floor],
    ]
};

/// What is compared, in seconds.
struct Round {
    floor: f64,
    plain: f64,
    with_snapshot: f64,
}

/// A machine's QEMU as `lab` started it.
struct Machine {
    name: String,
    dir: PathBuf,
    arguments: Vec<String>,
    port: u16,
    guest_mib: u64,
    peak_kib: u64,
}

fn main() {
    // `cargo test --benches` and the like pass arguments of their own; a benchmark is no test.
    if std::env::args().any(|word| word == "--test") {
        return;
    }
    let Some(image) = std::env::var_os("LAB_TEST_BOX") else {
        println!(
            "LAB_TEST_BOX is not set: LAB_TEST_BOX=$(boxes/demo/build --kernel small) cargo bench --bench up"
        );
        return;
    };
    let runs = std::env::var("LAB_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(6);
    let bench = Bench {
        dir: tempfile::tempdir().unwrap(),
        image: image.into(),
        class: std::env::var_os("LAB_BENCH_CLASS").is_some(),
        old: std::env::var_os("LAB_BENCH_OLD").map(PathBuf::from),
    };
    let (ssh_calls, machines) = bench.prepare();

    let (mut ups, mut rounds, mut olds) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs {
        let (mut plain, mut with_snapshot, mut boots) = (None, None, None);
        for what in ORDERS[run % ORDERS.len()] {
            // What was just ended is still being tidied up.
            std::thread::sleep(Duration::from_millis(300));
            match what {
                What::Floor => boots = Some(bench.floor(&machines)),
                What::Plain => plain = Some(bench.up(false)),
                What::WithSnapshot => with_snapshot = Some(bench.up(true)),
            }
        }
        let (boots, plain, with_snapshot) = (boots.unwrap(), plain.unwrap(), with_snapshot.unwrap());
        let round = Round {
            plain: plain.took.as_secs_f64(),
            with_snapshot: with_snapshot.took.as_secs_f64(),
            floor: bench.chain(&boots, &plain.provisioners),
        };
        if let Some(old) = bench.old() {
            println!("run {}: the other release {old:.2} s ({:.3})", run + 1, old / round.floor);
            olds.push(old / round.floor);
        }
        println!(
            "run {}: floor {:.2} s, lab up {:.2} s ({:.3}), with the snapshot {:.2} s ({:.3})",
            run + 1,
            round.floor,
            round.plain,
            round.plain / round.floor,
            round.with_snapshot,
            round.with_snapshot / round.floor
        );
        rounds.push(round);
        ups.push(with_snapshot);
    }
    let middle = |what: fn(&Round) -> f64| median(rounds.iter().map(what));
    println!("\nmedian of {runs}:          seconds  ratio");
    println!("  floor               {:5.2}", middle(|round| round.floor));
    println!(
        "  lab up              {:5.2}    {:.3}",
        middle(|round| round.plain),
        middle(|round| round.plain / round.floor)
    );
    println!(
        "  with the snapshot   {:5.2}    {:.3}",
        middle(|round| round.with_snapshot),
        middle(|round| round.with_snapshot / round.floor)
    );
    if !olds.is_empty() {
        println!("  the other release            {:.3}", median(olds.into_iter()));
    }
    let last = ups.last().unwrap();
    println!(
        "\nlab up, where the time goes (seconds a machine, last run; its provisioners ran {:.2} s):",
        last.provisioners.values().sum::<f64>() / 3.0
    );
    for (phase, seconds) in &last.phases {
        println!("  {phase:<14} {seconds:.2}");
    }
    println!("  ssh executions {ssh_calls} for {} machines", MACHINES.len());
    println!(
        "  peak memory of lab: {:.1} MB",
        ups.iter().map(|up| up.peak_kib).max().unwrap() as f64 / 1024.0
    );
    for machine in &last.machines {
        let peak = machine.peak_kib / 1024;
        println!(
            "  peak memory of qemu for {}: {peak} MB, guest memory + {} MB",
            machine.name,
            peak.saturating_sub(machine.guest_mib)
        );
    }
    bench.quick_commands();
}

impl Bench {
    fn lab_dir(&self) -> PathBuf {
        self.dir.path().join("lab")
    }

    fn command(&self, args: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_lab")), "home", args)
    }

    fn command_of(&self, program: &Path, home: &str, args: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.lab_dir())
            .env("LAB_HOME", self.dir.path().join(home))
            .env("LAB_PROVIDER", "qemu")
            .env("PATH", format!("{}:{path}", self.dir.path().join("bin").display()))
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn lab(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A folder with the Labfile, the box and its base image. One `up` makes the last, as it is once per
    /// computer and box; in it, the executions of ssh are counted. Returns their number, and the machines.
    fn prepare(&self) -> (usize, Vec<Machine>) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::create_dir_all(self.lab_dir()).unwrap();
        let bin = self.dir.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let real = labfile::process::find_on_path("ssh").unwrap();
        let calls = self.dir.path().join("ssh-calls");
        let counter = format!("#!/bin/sh\necho >>{}\nexec {} \"$@\"\n", calls.display(), real.display());
        std::fs::write(bin.join("ssh"), counter).unwrap();
        std::fs::set_permissions(bin.join("ssh"), PermissionsExt::from_mode(0o755)).unwrap();
        self.lab(&["box", "add", "demo", self.image.to_str().unwrap()]);
        let machines = self.up(true).machines;
        std::fs::remove_file(bin.join("ssh")).unwrap();
        (std::fs::read_to_string(calls).unwrap().lines().count(), machines)
    }

    /// When the last machine has done all it is to do: each does its own as soon as it has booted and those it comes after are done.
    fn chain(&self, boots: &BTreeMap<String, f64>, provisioners: &BTreeMap<String, f64>) -> f64 {
        let own = |name: &str| provisioners.get(name).copied().unwrap_or(0.0);
        let first = |name: &str| boots[name] + own(name);
        let done = |name: &str| {
            let before = CLASS_AFTER.iter().filter(|(after, _)| self.class && *after == name);
            before.map(|(_, before)| first(before)).fold(boots[name], f64::max) + own(name)
        };
        MACHINES.map(done).into_iter().fold(0.0, f64::max)
    }

    /// Seconds of the other release's `lab up`.
    fn old(&self) -> Option<f64> {
        let program = self.old.as_deref()?;
        let run = |args: &[&str]| {
            let output = self.command_of(program, "old", args).output().unwrap();
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        if !self.dir.path().join("old/boxes").exists() {
            run(&["box", "add", "demo", self.image.to_str().unwrap()]);
            // Its base image is made once, too.
            run(&["up"]);
            run(&["destroy", "--yes"]);
        }
        std::thread::sleep(Duration::from_millis(300));
        let started = Instant::now();
        run(&["up"]);
        let took = started.elapsed().as_secs_f64();
        run(&["destroy", "--yes"]);
        Some(took)
    }

    /// The Labfile, and what it names.
    fn write_labfile(&self, snapshot: bool) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = if self.class {
            let copied = Command::new("cp").arg("-r").arg(root.join("examples")).arg(self.lab_dir()).status();
            assert!(copied.unwrap().success());
            let text = std::fs::read_to_string(root.join("Labfile.example")).unwrap();
            text.replacen("[lab]\n", "[lab]\nready_snapshot = SNAPSHOT\n", 1)
        } else {
            LABFILE.to_owned()
        };
        let text = text.replace("SNAPSHOT", &snapshot.to_string());
        std::fs::write(self.lab_dir().join("Labfile"), text).unwrap();
    }

    /// `lab up`, and then `lab destroy`.
    fn up(&self, snapshot: bool) -> Up {
        self.write_labfile(snapshot);
        let started = Instant::now();
        let mut child = self.command(&["up", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let peak = std::thread::spawn(move || {
            let mut peak = 0;
            while let Some(now) = kib(pid, "VmHWM") {
                peak = now.max(peak);
                std::thread::sleep(Duration::from_millis(20));
            }
            peak
        });
        let mut phases = BTreeMap::new();
        let mut since: BTreeMap<String, (String, Instant)> = BTreeMap::new();
        let mut provisioners = BTreeMap::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let machine = event["machine"].as_str().unwrap_or_default().to_owned();
            let mut enter = |phase: Option<&str>| {
                let before = match phase {
                    Some(phase) => since.insert(machine.clone(), (phase.to_owned(), Instant::now())),
                    None => since.remove(&machine),
                };
                if let Some((phase, at)) = before {
                    *phases.entry(phase).or_insert(0.0) += at.elapsed().as_secs_f64() / MACHINES.len() as f64;
                }
            };
            match event["event"].as_str().unwrap() {
                "phase" => enter(event["phase"].as_str()),
                "done" => enter(None),
                "step_done" => {
                    *provisioners.entry(machine).or_insert(0.0) += event["seconds"].as_f64().unwrap();
                }
                _ => {}
            }
        }
        assert!(child.wait().unwrap().success());
        let took = started.elapsed();
        let machines = self.machines();
        self.lab(&["destroy", "--yes"]);
        Up { took, phases, provisioners, peak_kib: peak.join().unwrap(), machines }
    }

    /// The emulators of the lab that is up.
    fn machines(&self) -> Vec<Machine> {
        let status: Value = serde_json::from_str(&self.lab(&["status", "--json"])).unwrap();
        let find = |name: &str| {
            let found = status["machines"].as_array().unwrap().iter().find(|machine| machine["name"] == name);
            let found = found.unwrap();
            let dir = self.lab_dir().join(".lab/machines").join(name);
            let (pid, arguments) = emulator_in(&dir);
            let ssh = found["ssh"].as_str().unwrap();
            Machine {
                name: name.to_owned(),
                dir,
                arguments,
                port: ssh.rsplit(':').next().unwrap().parse().unwrap(),
                guest_mib: found["memory_mib"].as_u64().unwrap(),
                peak_kib: kib(pid, "VmHWM").unwrap(),
            }
        };
        MACHINES.map(find).into()
    }

    /// The same machines by hand: seconds from the start of all to `ssh true` of each.
    fn floor(&self, machines: &[Machine]) -> BTreeMap<String, f64> {
        let key = self.dir.path().join("insecure_key");
        labfile::guest::keys::write_insecure_key(&key).unwrap();
        let base = only_file(&self.dir.path().join("home/bases/qemu"));
        let started = Instant::now();
        let boots = std::thread::scope(|scope| {
            let threads: Vec<_> = machines
                .iter()
                .map(|machine| {
                    let (key, base) = (&key, &base);
                    scope.spawn(move || {
                        let mut qemu = by_hand(machine, base);
                        while !answers(machine.port) {
                            std::thread::sleep(Duration::from_millis(100));
                        }
                        while !ssh_true(machine.port, key) {}
                        (machine.name.clone(), started.elapsed().as_secs_f64(), move || {
                            qemu.kill().unwrap();
                            qemu.wait().unwrap();
                        })
                    })
                })
                .collect();
            let boots: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            boots
                .into_iter()
                .map(|(name, took, mut end)| {
                    end();
                    (name, took)
                })
                .collect()
        });
        std::fs::remove_dir_all(self.lab_dir().join(".lab")).unwrap();
        boots
    }

    /// The commands that must not be waited for: the best of twenty, in milliseconds.
    fn quick_commands(&self) {
        self.lab(&["up"]);
        println!("\nquick commands, best and median of 20 (ms):");
        for args in [&["--version"] as &[&str], &["validate"], &["status"], &["up"]] {
            let times: Vec<f64> = (0..20)
                .map(|_| {
                    let started = Instant::now();
                    self.lab(args);
                    started.elapsed().as_secs_f64() * 1000.0
                })
                .collect();
            let best = times.iter().copied().fold(f64::MAX, f64::min);
            println!("  lab {:<10} {best:6.1} {:6.1}", args.join(" "), median(times.into_iter()));
        }
        self.lab(&["destroy", "--yes"]);
    }
}

/// Starts a machine as a plain script would: an overlay, then the same command line.
fn by_hand(machine: &Machine, base: &Path) -> Child {
    let dir = &machine.dir;
    std::fs::create_dir_all(dir).unwrap();
    // Sockets stand in a folder that went with the lab.
    for word in &machine.arguments {
        for part in word.split(',') {
            if let Some(path) = part.strip_prefix("path=").or_else(|| part.strip_prefix("unix:")) {
                std::fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
            }
        }
    }
    let made = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"])
        .arg(base)
        .arg(dir.join("disk.qcow2"))
        .status();
    assert!(made.unwrap().success());
    let (program, arguments) = machine.arguments.split_first().unwrap();
    Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn only_file(dir: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    files.find(|path| path.extension().is_some_and(|end| end == "qcow2")).unwrap()
}

/// The emulator that works in `dir`, and its command line.
fn emulator_in(dir: &Path) -> (u32, Vec<String>) {
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == dir) {
            let words = std::fs::read_to_string(entry.path().join("cmdline")).unwrap();
            return (pid, words.trim_end_matches('\0').split('\0').map(str::to_owned).collect());
        }
    }
    panic!("no emulator in {}", dir.display());
}

/// A line of `/proc/PID/status`, in KiB; `None` once the process has no memory any more.
fn kib(pid: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
