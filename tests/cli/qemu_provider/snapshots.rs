//! Snapshots. What the guest would write to its disk is written by `qemu-io`, while the machine is off.

use std::time::Duration;

use labfile::cancel::Cancel;
use labfile::provider::{Snapshot, Snapshots};

use super::*;

impl Bench {
    fn take(&self, name: &str) {
        self.qemu.take(self.first(), name, &self.cancel).unwrap();
    }

    fn restore(&self, name: &str) {
        self.qemu.restore(self.first(), name, &self.cancel).unwrap();
    }

    fn delete(&self, name: &str) {
        self.qemu.delete(self.first(), name, &self.cancel).unwrap();
    }

    fn start(&self) {
        self.qemu.start(self.first(), &self.cancel).unwrap();
        assert_eq!(self.state(), PowerState::Running);
    }

    fn suspend(&self) {
        self.qemu.suspend(self.first(), &self.cancel).unwrap();
    }

    fn off(&self) {
        self.qemu.power_off(self.first(), &Cancel::new()).unwrap();
        assert_eq!(self.state(), PowerState::Off);
    }

    fn list(&self) -> Vec<Snapshot> {
        self.qemu.list(self.first()).unwrap()
    }

    /// The names of the snapshots, `+` behind those with RAM.
    fn names(&self) -> Vec<String> {
        let name = |found: Snapshot| found.name + if found.with_ram { "+" } else { "" };
        self.list().into_iter().map(name).collect()
    }

    /// How many snapshots QEMU itself knows in the disk, which somebody may have open.
    fn tags(&self) -> usize {
        let disk = self.first().dir.join("disk.qcow2");
        let listed = Command::new("qemu-img").args(["snapshot", "-l", "-U"]).arg(disk).output().unwrap();
        assert!(listed.status.success(), "{listed:?}");
        String::from_utf8(listed.stdout).unwrap().lines().filter(|line| line.contains("lab.")).count()
    }

    fn io(&self, command: &str) -> bool {
        let disk = self.first().dir.join("disk.qcow2");
        let done = Command::new("qemu-io").args(["-f", "qcow2", "-c", command]).arg(disk).output().unwrap();
        let words = String::from_utf8_lossy(&done.stdout);
        done.status.success() && !words.contains("failed")
    }

    /// Fills the disk of the machine, which is off, with `byte`.
    fn write(&self, byte: u8) {
        assert!(self.io(&format!("write -P {byte} 0 512k")));
    }

    /// Fails the test unless the disk of the machine, which is off, is full of `byte`.
    #[track_caller]
    fn holds(&self, byte: u8) {
        assert!(self.io(&format!("read -P {byte} 0 512k")), "the disk does not hold {byte}");
        let disk = self.first().dir.join("disk.qcow2");
        let check = Command::new("qemu-img").args(["check", "-q"]).arg(disk).output().unwrap();
        // 3: clusters that are taken and not used.
        assert!(matches!(check.status.code(), Some(0 | 3)), "{check:?}");
    }
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn a_machine_that_is_off_keeps_its_disk() {
    let bench = Bench::new(1);
    bench.base();
    bench.qemu.create(bench.first(), &bench.cancel).unwrap();
    bench.write(1);
    bench.take("one");
    bench.write(2);
    bench.take("two");
    assert_eq!(bench.names(), ["one", "two"]);
    assert!(bench.list()[0].taken.unwrap().elapsed().unwrap() < Duration::from_secs(60));
    let again = bench.qemu.take(bench.first(), "one", &bench.cancel).unwrap_err();
    assert_eq!((again.kind(), again.message()), (Kind::WrongState, "web1 has a snapshot one already"));
    for (name, byte) in [("one", 1), ("two", 2), ("one", 1)] {
        bench.restore(name);
        assert_eq!(bench.state(), PowerState::Off);
        bench.holds(byte);
    }
    // Also from a machine that runs, and one that is suspended.
    bench.start();
    bench.restore("two");
    assert_eq!(bench.state(), PowerState::Off);
    bench.holds(2);
    bench.start();
    bench.suspend();
    bench.restore("one");
    assert_eq!(bench.state(), PowerState::Off);
    bench.holds(1);
    bench.delete("one");
    assert_eq!((bench.names(), bench.tags()), (vec!["two".to_owned()], 1));
    bench.holds(1);
    bench.qemu.destroy(bench.first(), &Cancel::new()).unwrap();
    assert_eq!(bench.leftovers(), Vec::<PathBuf>::new());
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn a_machine_that_runs_keeps_its_ram_and_goes_on() {
    let bench = Bench::new(1).up();
    let pid = fs::read_to_string(bench.first().dir.join("qemu.pid")).unwrap();
    bench.take("a");
    assert_eq!(bench.state(), PowerState::Running);
    assert_eq!(fs::read_to_string(bench.first().dir.join("qemu.pid")).unwrap(), pid);
    // It survives being loaded, more than once, and being suspended in between.
    for _ in 0..2 {
        bench.restore("a");
        assert_eq!(bench.state(), PowerState::Suspended);
        bench.start();
        bench.suspend();
        bench.start();
        assert_eq!((bench.names(), bench.tags()), (vec!["a+".to_owned()], 1));
    }
    // One of a suspended machine costs nothing.
    bench.suspend();
    assert_eq!(bench.tags(), 2);
    bench.take("b");
    assert_eq!((bench.names(), bench.tags()), (vec!["a+".to_owned(), "b+".to_owned()], 2));
    bench.start();
    bench.off();
    bench.restore("b");
    // Given up while the machine is about to go on with it.
    bench.delete("b");
    assert_eq!((bench.names(), bench.tags()), (vec!["a+".to_owned()], 2));
    bench.start();
    assert_eq!(bench.tags(), 1);
    bench.delete("a");
    assert_eq!((bench.names(), bench.tags()), (vec![], 0));
    assert_eq!(bench.state(), PowerState::Running);
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn the_disk_goes_back_with_the_ram_even_if_that_is_given_up() {
    let mut bench = Bench::new(1);
    bench.base();
    bench.qemu.create(bench.first(), &bench.cancel).unwrap();
    bench.write(1);
    bench.start();
    bench.take("a");
    bench.off();
    bench.write(2);
    bench.restore("a");
    assert_eq!(bench.state(), PowerState::Suspended);
    bench.off();
    bench.holds(1);
    bench.write(3);
    bench.restore("a");
    // The board is that of the snapshot, whatever the Labfile says now.
    bench.machines[0].hardware.memory_mib = 96;
    bench.start();
    let log = fs::read_to_string(bench.first().dir.join("qemu.log")).unwrap();
    assert!(log.lines().last().unwrap().contains("-m 64M"), "{log}");
    bench.suspend();
    bench.start();
    bench.off();
    bench.holds(1);
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn a_restore_that_was_broken_off_before_its_end_changes_nothing() {
    let bench = Bench::new(1).up();
    bench.take("a");
    bench.off();
    bench.write(2);
    bench.take("b");
    bench.write(3);
    bench.start();
    let dir = &bench.first().dir;
    let book = fs::read_to_string(dir.join("snapshots.json")).unwrap();
    let book: serde_json::Value = serde_json::from_str(&book).unwrap();
    let (a, b) = (&book["snapshots"][0], &book["snapshots"][1]);
    let suspended = serde_json::json!({
        "version": 2, "snapshot": a["tag"], "board": a["board"], "restored": true,
    });
    let rewind = serde_json::json!({ "version": 1, "snapshot": b["tag"] });
    for (name, marker) in [("suspended.json", suspended), ("rewind.json", rewind.clone())] {
        // Killed between the marker and the end of QEMU: the machine is stopped.
        monitor(&bench, "stop");
        assert_eq!(bench.state(), PowerState::Paused);
        fs::write(dir.join(name), marker.to_string()).unwrap();
        bench.start();
        assert!(!dir.join(name).exists(), "{name}");
        bench.off();
        bench.holds(3);
        bench.start();
    }
    // Killed after it: it is brought to its end by whatever comes next.
    bench.off();
    fs::write(dir.join("rewind.json"), rewind.to_string()).unwrap();
    bench.start();
    bench.off();
    bench.holds(2);
}

/// Has QEMU do something without an answer.
fn monitor(bench: &Bench, command: &str) {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;
    let socket = entries(&bench.run_dir).into_iter().find(|path| path.extension().unwrap() == "c").unwrap();
    let mut stream = UnixStream::connect(socket).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    lines.next();
    for command in ["qmp_capabilities", command] {
        writeln!(stream, "{}", serde_json::json!({ "execute": command })).unwrap();
        while !lines.next().unwrap().unwrap().contains("return") {}
    }
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn a_disk_that_is_made_anew_has_no_snapshots() {
    let bench = Bench::new(1).up();
    bench.take("a");
    bench.suspend();
    fs::remove_file(bench.first().dir.join("disk.qcow2")).unwrap();
    bench.qemu.create(bench.first(), &bench.cancel).unwrap();
    assert_eq!((bench.state(), bench.names()), (PowerState::Off, vec![]));
    bench.start();
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn a_snapshot_waits_for_a_qemu_img_that_outlived_its_lab() {
    let bench = Bench::new(1);
    bench.base();
    bench.qemu.create(bench.first(), &bench.cancel).unwrap();
    bench.take("a");
    let lock = fs::File::create(bench.first().dir.join("disk.lock")).unwrap();
    lock.lock().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(500));
            drop(lock);
        });
        let started = Instant::now();
        bench.start();
        assert!(started.elapsed() > Duration::from_millis(400));
    });
}

#[test]
#[ignore = "mounts a small disk, as root: run by scripts/test"]
fn a_snapshot_for_which_there_is_no_room_leaves_the_machine_as_it_is() {
    let bench = Bench::new(1);
    bench.base();
    let dir = bench.first().dir.clone();
    let mount = |options: &str| {
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", options, "lab-test"]).arg(&dir).status().unwrap();
        assert!(mount.success(), "mounting a tmpfs needs root: run the tests as root");
    };
    mount("size=100m");
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        bench.qemu.create(bench.first(), &bench.cancel).unwrap();
        bench.start();
        let error = bench.qemu.take(bench.first(), "a", &bench.cancel).unwrap_err();
        assert_eq!(error.kind(), Kind::DiskFull, "{error:?}");
        assert_eq!((bench.state(), bench.names(), bench.tags()), (PowerState::Running, vec![], 0));
        // The room that there was goes to somebody else in the same moment.
        mount("remount,size=300m");
        let fill = Command::new("sh")
            .args(["-c", "cat /dev/urandom | head -c 128M >filler; while [ ! -e stop ]; do cat /dev/zero >>filler; done"])
            .current_dir(&dir)
            .stderr(std::process::Stdio::null())
            .spawn();
        let mut fill = fill.unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let full = (0..).find_map(|turn| {
            assert!(Instant::now() < until, "the disk never became full");
            let taken = bench.qemu.take(bench.first(), &format!("t{turn}"), &bench.cancel);
            assert_eq!(bench.state(), PowerState::Running);
            taken.err()
        });
        assert_eq!(full.unwrap().kind(), Kind::DiskFull);
        fill.kill().unwrap();
        fill.wait().unwrap();
        fs::remove_file(dir.join("filler")).unwrap();
        mount("remount,size=900m");
        bench.take("now");
        bench.restore("now");
        bench.start();
        bench.qemu.destroy(bench.first(), &Cancel::new()).unwrap();
    }));
    let _ = bench.qemu.destroy(bench.first(), &Cancel::new());
    let _ = Command::new("umount").arg("-l").arg(&dir).status();
    result.unwrap();
}

/// Not a test of its own: the process that the next one kills.
#[test]
#[ignore = "a helper of the next test"]
fn one_that_is_killed() {
    let Some(bench) = bench_of_the_killed() else { return };
    let (qemu, machine, cancel) = (&bench.qemu, bench.first(), &bench.cancel);
    for turn in 0.. {
        let names = [format!("ram{turn}"), format!("disk{turn}")];
        qemu.start(machine, cancel).unwrap();
        qemu.take(machine, &names[0], cancel).unwrap();
        qemu.power_off(machine, &Cancel::new()).unwrap();
        qemu.take(machine, &names[1], cancel).unwrap();
        qemu.restore(machine, &names[0], cancel).unwrap();
        qemu.start(machine, cancel).unwrap();
        qemu.restore(machine, &names[1], cancel).unwrap();
        qemu.restore(machine, &names[0], cancel).unwrap();
        qemu.start(machine, cancel).unwrap();
        for name in &names {
            qemu.delete(machine, name, cancel).unwrap();
        }
        qemu.suspend(machine, cancel).unwrap();
    }
}

#[test]
#[ignore = "needs qemu-system-x86_64; run by scripts/test"]
fn whoever_is_killed_over_snapshots_leaves_those_that_are_listed_whole() {
    let bench = Bench::new(1);
    bench.base();
    let machine = bench.first();
    bench.qemu.create(machine, &bench.cancel).unwrap();
    bench.write(7);
    bench.take("first");
    bench.start();
    let mut seen = Vec::new();
    for turn in 0..30_u64 {
        let mut helper = helper(&bench, "qemu_provider::snapshots::one_that_is_killed").spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 + turn * 97 % 1500));
        assert_eq!(helper.try_wait().unwrap(), None, "it ended by itself");
        helper.kill().unwrap();
        helper.wait().unwrap();
        // What QEMU does without it comes to its end.
        let until = Instant::now() + Duration::from_secs(20);
        while matches!(bench.state(), PowerState::Busy | PowerState::Unclear) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        let listed = bench.list();
        seen.push((bench.state(), bench.names()));
        for snapshot in &listed {
            bench.restore(&snapshot.name);
            let expected = if snapshot.with_ram { PowerState::Suspended } else { PowerState::Off };
            assert_eq!(bench.state(), expected, "{snapshot:?}, {seen:?}");
            bench.start();
        }
        for snapshot in listed.iter().filter(|snapshot| snapshot.name != "first") {
            bench.delete(&snapshot.name);
        }
        bench.restore("first");
        assert_eq!((bench.names(), bench.tags()), (vec!["first".to_owned()], 1), "{seen:?}");
        bench.holds(7);
        if turn % 2 == 0 {
            bench.start();
        }
    }
    seen.dedup();
    assert!(seen.len() > 3, "all kills met the same state: {seen:?}");
    println!("{seen:?}");
    bench.qemu.destroy(machine, &Cancel::new()).unwrap();
    assert_eq!(bench.leftovers(), Vec::<PathBuf>::new());
}
