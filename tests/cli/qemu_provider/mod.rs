//! The QEMU provider against real QEMUs, without any guest system: the disk is empty, the BIOS finds
//! nothing to boot, and the machine runs on. Network use is on the loopback interface alone.
//!
//! Every test is ignored by default, since it needs `qemu-system-x86_64` and `qemu-img`; run them with
//! `cargo test --test cli qemu_provider -- --include-ignored`.
// The helpers of tests, too, may stop at the first surprise.

mod snapshots;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use labfile::boxes::{BoxImage, DiskController, NicModel};
use labfile::cancel::Cancel;
use labfile::error::Kind;
use labfile::provider::qemu::Qemu;
use labfile::provider::{Block, MachineSpec, PowerState, Provider, SharedDir};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::common::{fake, spec};

/// A provider and machines in folders of their own. Whatever still runs in the end is killed.
struct Bench {
    root: PathBuf,
    run_dir: PathBuf,
    /// Between the root and everything else, to make paths odd.
    inside: PathBuf,
    qemu: Qemu,
    machines: Vec<MachineSpec>,
    image: BoxImage,
    cancel: Cancel,
    _gone_in_the_end: Option<(TempDir, TempDir)>,
}

impl Bench {
    fn new(machines: u16) -> Self {
        Bench::inside("lab", machines)
    }

    fn inside(folder: &str, machines: u16) -> Self {
        let root = tempfile::tempdir().unwrap();
        let run_dir = tempfile::Builder::new().prefix("lab").tempdir().unwrap();
        let mut bench = Bench::at(root.path(), run_dir.path(), folder, machines, &mut free_port);
        bench._gone_in_the_end = Some((root, run_dir));
        bench
    }

    fn at(root: &Path, run_dir: &Path, folder: &str, machines: u16, port: &mut dyn FnMut() -> u16) -> Self {
        let inside = root.join(folder);
        let machines: Vec<_> =
            (1..=machines).map(|number| machine(number, &inside, run_dir, port(), port())).collect();
        Bench {
            image: spec::image(&machines[0], &inside.join("box"), "disk.raw", "raw"),
            machines,
            root: root.to_owned(),
            run_dir: run_dir.to_owned(),
            qemu: Qemu::new(SharedDir(inside.join("shared"))),
            inside,
            cancel: Cancel::new(),
            _gone_in_the_end: None,
        }
    }

    fn first(&self) -> &MachineSpec {
        &self.machines[0]
    }

    fn base(&self) {
        self.qemu.prepare_base(&self.image, &self.cancel, &mut |_| {}).unwrap();
    }

    /// Base made, all machines made and started.
    fn up(self) -> Self {
        self.base();
        for machine in &self.machines {
            self.qemu.create(machine, &self.cancel).unwrap();
            self.qemu.start(machine, &self.cancel).unwrap();
        }
        self
    }

    fn state(&self) -> PowerState {
        self.qemu.states(&self.machines[..1], &self.cancel).unwrap()[0]
    }

    fn signal(&self, signal: Signal) {
        let pid = fs::read_to_string(self.first().dir.join("qemu.pid")).unwrap();
        kill_process(Pid::from_raw(pid.trim().parse().unwrap()).unwrap(), signal).unwrap();
    }

    /// Kills the QEMU from outside and waits until that is seen.
    fn crash(&self) {
        self.signal(Signal::KILL);
        let until = Instant::now() + Duration::from_secs(10);
        while self.qemu.alive(self.first()).is_ok() {
            assert!(Instant::now() < until, "a killed QEMU is still taken for alive");
        }
    }

    /// All files of machines, and all sockets, by their paths.
    fn leftovers(&self) -> Vec<PathBuf> {
        let dirs = self.machines.iter().map(|machine| machine.dir.as_path());
        dirs.chain([self.run_dir.as_path()]).flat_map(entries).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for machine in &self.machines {
            let _ = self.qemu.destroy(machine, &Cancel::new());
        }
    }
}

fn machine(number: u16, inside: &Path, run_dir: &Path, ssh_port: u16, network_port: u16) -> MachineSpec {
    let (dir, box_dir) = (inside.join(format!("web{number}")), inside.join("box"));
    fs::create_dir_all(&dir).unwrap();
    fs::create_dir_all(&box_dir).unwrap();
    fs::File::create(box_dir.join("disk.raw")).unwrap().set_len(1 << 20).unwrap();
    let id = format!("00000000-0000-4000-8000-{ssh_port:012}");
    let mut machine = spec::machine(number, id, dir, ssh_port);
    spec::put_on_qemu(&mut machine, run_dir, network_port);
    machine
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// A port of the loopback interface that is free; below the range that the system hands out itself.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 100).unwrap() * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn a_life_with_every_step_done_twice() {
    let bench = Bench::new(1);
    let (qemu, machine, cancel) = (&bench.qemu, bench.first(), &bench.cancel);
    assert_eq!(bench.state(), PowerState::Absent);
    assert_eq!(qemu.create(machine, cancel).unwrap_err().kind(), Kind::WrongState, "there is no base yet");
    bench.base();
    bench.base();
    for _ in 0..2 {
        qemu.create(machine, cancel).unwrap();
        assert_eq!(bench.state(), PowerState::Off);
    }
    for _ in 0..2 {
        qemu.start(machine, cancel).unwrap();
        assert_eq!(bench.state(), PowerState::Running);
    }
    qemu.alive(machine).unwrap();
    for _ in 0..2 {
        qemu.suspend(machine, cancel).unwrap();
        assert_eq!(bench.state(), PowerState::Suspended);
    }
    for _ in 0..2 {
        qemu.start(machine, cancel).unwrap();
        assert_eq!(bench.state(), PowerState::Running);
    }
    for _ in 0..2 {
        qemu.power_off(machine, &Cancel::new()).unwrap();
        assert_eq!(bench.state(), PowerState::Off);
    }
    qemu.start(machine, cancel).unwrap();
    for _ in 0..2 {
        qemu.destroy(machine, &Cancel::new()).unwrap();
        assert_eq!(bench.state(), PowerState::Absent);
        assert_eq!(bench.leftovers(), Vec::<PathBuf>::new());
    }
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn every_kind_of_hardware_starts_and_keeps_its_ram() {
    let controllers = [
        (DiskController::Ide, NicModel::Pcnet),
        (DiskController::Sata, NicModel::E1000),
        (DiskController::LsiLogic, NicModel::E1000),
        (DiskController::LsiLogicSas, NicModel::E1000),
        (DiskController::VirtioBlk, NicModel::Virtio),
        (DiskController::VirtioScsi, NicModel::Virtio),
    ];
    for (disk_controller, nic) in controllers {
        let mut bench = Bench::new(1);
        bench.machines[0].hardware.disk_controller = disk_controller;
        bench.machines[0].hardware.nic = nic;
        let bench = bench.up();
        bench.qemu.suspend(bench.first(), &bench.cancel).unwrap();
        bench.qemu.start(bench.first(), &bench.cancel).unwrap();
        assert_eq!(bench.state(), PowerState::Running, "{disk_controller:?}");
    }
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn a_suspended_machine_keeps_its_hardware_whatever_the_labfile_says() {
    let mut bench = Bench::new(1).up();
    bench.qemu.suspend(bench.first(), &bench.cancel).unwrap();
    bench.machines[0].hardware.memory_mib = 96;
    bench.machines[0].hardware.cpus = 2;
    spec::set_ssh_port(&mut bench.machines[0], free_port());
    bench.qemu.start(bench.first(), &bench.cancel).unwrap();
    assert_eq!(bench.state(), PowerState::Running);
    let log = fs::read_to_string(bench.first().dir.join("qemu.log")).unwrap();
    let last = log.lines().last().unwrap();
    assert!(last.contains("-m 64M") && last.contains(&spec::ssh_port(bench.first()).to_string()), "{last}");
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn saved_ram_is_given_up_by_cutting_the_power() {
    let bench = Bench::new(1).up();
    bench.qemu.suspend(bench.first(), &bench.cancel).unwrap();
    let refused = bench.qemu.shut_down(bench.first(), Duration::from_secs(1), &bench.cancel);
    assert_eq!(refused.unwrap_err().kind(), Kind::WrongState);
    bench.qemu.power_off(bench.first(), &Cancel::new()).unwrap();
    assert_eq!(bench.state(), PowerState::Off);
    bench.qemu.start(bench.first(), &bench.cancel).unwrap();
    assert_eq!(bench.state(), PowerState::Running);
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn a_guest_that_does_not_hear_the_power_button_is_not_waited_for_for_ever() {
    let bench = Bench::new(1).up();
    let started = Instant::now();
    let off = bench.qemu.shut_down(bench.first(), Duration::from_millis(600), &bench.cancel).unwrap();
    assert!(!off);
    assert!((600..3000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    assert_eq!(bench.state(), PowerState::Running);
    bench.cancel.cancel();
    let stopped = bench.qemu.shut_down(bench.first(), Duration::from_secs(60), &bench.cancel);
    assert_eq!(stopped.unwrap_err().kind(), Kind::Interrupted);
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn a_killed_qemu_is_noticed_and_started_again() {
    let bench = Bench::new(1).up();
    bench.crash();
    assert_eq!(bench.state(), PowerState::Off);
    let error = bench.qemu.alive(bench.first()).unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::Crashed, "its QEMU has ended"));
    bench.qemu.start(bench.first(), &bench.cancel).unwrap();
    assert_eq!(bench.state(), PowerState::Running);
    bench.crash();
    bench.qemu.destroy(bench.first(), &Cancel::new()).unwrap();
    assert_eq!(bench.leftovers(), Vec::<PathBuf>::new());
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn a_killed_qemu_that_had_been_resumed_boots_from_its_disk() {
    let bench = Bench::new(1).up();
    bench.qemu.suspend(bench.first(), &bench.cancel).unwrap();
    bench.qemu.start(bench.first(), &bench.cancel).unwrap();
    bench.crash();
    assert_eq!(bench.state(), PowerState::Off);
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn a_taken_port_is_named() {
    let bench = Bench::new(1).up();
    bench.qemu.power_off(bench.first(), &Cancel::new()).unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, spec::ssh_port(bench.first()))).unwrap();
    let error = bench.qemu.start(bench.first(), &bench.cancel).unwrap_err();
    let message = format!("port {} of this computer is taken", spec::ssh_port(bench.first()));
    assert_eq!((error.kind(), error.message()), (Kind::PortTaken, message.as_str()));
    assert_eq!(bench.state(), PowerState::Off);
    drop(taken);
    bench.qemu.start(bench.first(), &bench.cancel).unwrap();
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn what_qemu_says_of_bad_arguments_is_passed_on() {
    let mut bench = Bench::new(1);
    bench.machines[0].own.settings =
        Block::of(&serde_json::json!({"args": ["-device", "nonsense"]})).unwrap();
    bench.base();
    bench.qemu.create(bench.first(), &bench.cancel).unwrap();
    let error = bench.qemu.start(bench.first(), &bench.cancel).unwrap_err();
    assert_eq!(error.kind(), Kind::StartFailed);
    assert!(
        error.details()[0].contains("'nonsense' is not a valid device model name"),
        "{:?}",
        error.details()
    );
    assert!(error.hints()[0].contains("[machine.web1.qemu]"), "{:?}", error.hints());
    assert_eq!(bench.state(), PowerState::Off);
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn odd_and_deep_folders_work() {
    let deep = format!("Ada's lab, \"größer\" %s $HOME: {0}/{0}/{0}", "x".repeat(90));
    let bench = Bench::inside(&deep, 1).up();
    assert!(bench.first().dir.as_os_str().len() > 300);
    bench.qemu.suspend(bench.first(), &bench.cancel).unwrap();
    bench.qemu.start(bench.first(), &bench.cancel).unwrap();
    assert_eq!(bench.state(), PowerState::Running);
    assert!(bench.first().dir.join("console.log").exists());
    bench.qemu.console(bench.first()).unwrap();
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn a_qemu_that_hangs_holds_up_nobody_and_can_be_switched_off() {
    let bench = Bench::new(1).up();
    bench.signal(Signal::STOP);
    // More often than its queues have places.
    for _ in 0..4 {
        let started = Instant::now();
        assert_eq!(bench.state(), PowerState::Unclear);
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
    bench.qemu.alive(bench.first()).unwrap();
    let started = Instant::now();
    bench.qemu.power_off(bench.first(), &Cancel::new()).unwrap();
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    assert_eq!(bench.state(), PowerState::Off);
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn several_machines_are_told_apart() {
    let bench = Bench::new(3).up();
    bench.qemu.power_off(&bench.machines[1], &Cancel::new()).unwrap();
    let expected = [PowerState::Running, PowerState::Off, PowerState::Running];
    assert_eq!(bench.qemu.states(&bench.machines, &Cancel::new()).unwrap(), expected);
    bench.qemu.start(&bench.machines[1], &bench.cancel).unwrap();
    for _ in 0..15 {
        assert_eq!(bench.qemu.states(&bench.machines, &Cancel::new()).unwrap(), [PowerState::Running; 3]);
    }
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn half_a_machine_is_destroyed_whole() {
    for missing in ["qemu.pid", "qemu.json", "console.log", "disk.qcow2"] {
        let bench = Bench::new(1).up();
        bench.qemu.suspend(bench.first(), &bench.cancel).unwrap();
        let _ = fs::remove_file(bench.first().dir.join(missing));
        let part = bench.first().dir.join(".qemu-left-by-a-kill");
        fs::create_dir(&part).unwrap();
        fs::write(part.join("disk.qcow2"), "").unwrap();
        bench.qemu.destroy(bench.first(), &Cancel::new()).unwrap();
        assert_eq!(bench.leftovers(), Vec::<PathBuf>::new(), "without {missing}");
    }
    let bench = Bench::new(1).up();
    fs::remove_file(bench.first().dir.join("disk.qcow2")).unwrap();
    for socket in entries(&bench.run_dir) {
        fs::remove_file(socket).unwrap();
    }
    assert_eq!(bench.state(), PowerState::Unclear);
    bench.qemu.destroy(bench.first(), &Cancel::new()).unwrap();
    assert_eq!(bench.leftovers(), Vec::<PathBuf>::new());
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn a_disk_that_points_out_of_its_box_is_refused() {
    let mut bench = Bench::new(1);
    let secret = bench.root.join("secret");
    fs::write(&secret, "secret").unwrap();
    let disk = bench.image.dir.join("disk.qcow2");
    let made = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
        .args([&secret, &disk])
        .status();
    assert!(made.unwrap().success());
    bench.image.disk = disk;
    bench.image.disk_format = "qcow2".to_owned();
    let error = bench.qemu.prepare_base(&bench.image, &bench.cancel, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), Kind::HostileBox);
    fs::write(&bench.image.disk, "no image").unwrap();
    let error = bench.qemu.prepare_base(&bench.image, &bench.cancel, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), Kind::BadBox);
    assert_eq!(entries(&bench.inside.join("shared/qemu")).len(), 1, "only the lock is left");
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn a_base_is_made_once_by_many_and_is_not_written_to() {
    let bench = Bench::new(1);
    let folder = bench.inside.join("shared/qemu");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{}.part-left-by-a-kill", "e".repeat(64))), "").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| bench.base());
        }
    });
    let mut names: Vec<_> = entries(&folder);
    names.sort();
    let base = folder.join(format!("{}.qcow2", "e".repeat(64)));
    assert_eq!(names, [folder.join(format!("{}.lock", "e".repeat(64))), base.clone()]);
    assert!(fs::metadata(&base).unwrap().permissions().readonly());
}

/// Where the helper of the next test finds its folders and ports: `root|run_dir|port|port`.
const KILLED: &str = "LAB_TEST_KILLED";

/// The bench of whoever started this process.
fn bench_of_the_killed() -> Option<Bench> {
    let place = std::env::var(KILLED).ok()?;
    let words: Vec<_> = place.split('|').collect();
    let mut ports = words[2..].iter().map(|port| port.parse().unwrap());
    Some(Bench::at(words[0].as_ref(), words[1].as_ref(), "lab", 1, &mut || ports.next().unwrap()))
}

/// Not a test of its own: the process that the next one kills.
#[test]
#[ignore = "a helper of the next test"]
fn one_that_is_killed() {
    let Some(bench) = bench_of_the_killed() else { return };
    let (qemu, machine, cancel) = (&bench.qemu, bench.first(), &bench.cancel);
    loop {
        bench.base();
        qemu.create(machine, cancel).unwrap();
        qemu.start(machine, cancel).unwrap();
        qemu.suspend(machine, cancel).unwrap();
        qemu.start(machine, cancel).unwrap();
        qemu.power_off(machine, &Cancel::new()).unwrap();
        qemu.destroy(machine, &Cancel::new()).unwrap();
    }
}

/// The process to be killed, on the machine of `bench`: the test called `test`.
fn helper(bench: &Bench, test: &str) -> Command {
    let (root, run_dir, machine) = (bench.root.display(), bench.run_dir.display(), bench.first());
    let place = format!(
        "{root}|{run_dir}|{}|{}",
        spec::ssh_port(machine),
        machine.own.lab.as_value()["network_port"]
    );
    let mut helper = Command::new(std::env::current_exe().unwrap());
    helper.args(["--exact", test, "--include-ignored"]).env(KILLED, place);
    helper.stdout(std::process::Stdio::null());
    helper
}

/// A `qemu-img` outlives the one that started it, and makes its file when that is long undone.
#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn an_orphan_leaves_nothing() {
    let bench = Bench::new(1);
    let programs = tempfile::tempdir().unwrap();
    let (started, ended) = (programs.path().join("started"), programs.path().join("ended"));
    let script = format!(
        "[ $1 != create ] || {{ touch {}; sleep 1; }}\n\"$(PATH=${{PATH#*:}} command -v qemu-img)\" \"$@\"\n\
         status=$?\n[ $1 != create ] || touch {}\nexit $status",
        started.display(),
        ended.display()
    );
    fake::program(programs.path(), "qemu-img", &script);
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let mut helper = helper(&bench, "qemu_provider::one_that_is_killed").env("PATH", path).spawn().unwrap();
    let wait_for = |path: &Path| {
        let until = Instant::now() + Duration::from_secs(30);
        while !path.exists() {
            assert!(Instant::now() < until, "{} never came", path.display());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for(&started);
    helper.kill().unwrap();
    helper.wait().unwrap();
    bench.qemu.destroy(bench.first(), &Cancel::new()).unwrap();
    wait_for(&ended);
    assert_eq!(bench.leftovers(), Vec::<PathBuf>::new());
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn whoever_is_killed_at_any_moment_leaves_a_machine_that_can_be_started_or_destroyed() {
    let bench = Bench::new(1);
    let machine = bench.first();
    let mut seen = Vec::new();
    for turn in 0..40_u64 {
        let mut helper = helper(&bench, "qemu_provider::one_that_is_killed").spawn().unwrap();
        // From before its first step to some rounds later, at uneven moments.
        std::thread::sleep(Duration::from_millis(5 + turn * 37 % 700));
        assert_eq!(helper.try_wait().unwrap(), None, "it ended by itself");
        helper.kill().unwrap();
        helper.wait().unwrap();
        let state = bench.state();
        seen.push(state);
        if turn % 2 == 0 {
            bench.base();
            bench.qemu.create(machine, &bench.cancel).unwrap();
            bench.qemu.start(machine, &bench.cancel).unwrap_or_else(|error| panic!("{state:?}: {error:?}"));
            assert_eq!(bench.state(), PowerState::Running, "after {state:?}");
        }
        bench.qemu.destroy(machine, &Cancel::new()).unwrap_or_else(|error| panic!("{state:?}: {error:?}"));
        assert_eq!(bench.leftovers(), Vec::<PathBuf>::new(), "after {state:?}");
    }
    seen.dedup();
    assert!(seen.len() > 3, "all kills met the same state: {seen:?}");
    println!("{seen:?}");
}
