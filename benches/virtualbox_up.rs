//! `lab up` of three demo machines on VirtualBox against the floor, in the same run.
//!
//! The floor is what a plain script would do with VBoxManage: the same three linked clones of the same base, side by side, each given
//! in one call what `lab` gave it, started, and tried until ssh runs `true`, plus the time that the provisioners themselves ran.
//!
//! Run it with `scripts/bench-virtualbox`, which takes it into a bed where this computer's own VirtualBox cannot start machines.
//! `LAB_BENCH_RUNS` sets how many pairs of runs there are (default 3).
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    dead_code,
    missing_docs,
    reason = "a program for the maintainers, with more of the tests' tools than it uses"
)]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/virtualbox/installation.rs"]
mod installation;
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use common::TestLab;
use installation::VirtualBox;
use serde_json::Value;
use support::{answers, median, ssh_true};

const MACHINES: [&str; 3] = ["web1", "web2", "db1"];
const LABFILE: &str = r#"
[lab]
name = "bench"
box = "demo"
memory = "128 MiB"
boot_timeout = "15 min"
provision = [{ name = "work", inline = "for n in 1 2 3 4 5; do hostname >/dev/null; done; echo done" }]
[machine.web1]
[machine.web2]
[machine.db1]
"#;

/// A machine as `lab` made it.
struct Machine {
    name: &'static str,
    port: u16,
    /// What `modifyvm` gave it.
    options: Vec<String>,
}

fn main() {
    // `cargo test --benches` and the like pass arguments of their own; a benchmark is no test.
    if std::env::args().any(|word| word == "--test") {
        return;
    }
    if std::env::var_os("LAB_TEST_BOX").is_none() {
        println!("LAB_TEST_BOX is not set: scripts/bench-virtualbox sets it");
        return;
    }
    let runs: usize = std::env::var("LAB_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(3);
    let virtualbox = VirtualBox::new();
    let lab = virtualbox.lab(LABFILE).counting("VBoxManage");
    // The base is made once per computer and box, not once per `up`.
    lab.lab(&["up"]).ok();
    lab.lab(&["destroy", "--yes"]).ok();
    let base = virtualbox.find("demo");

    let (mut ups, mut floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=runs {
        lab.calls("VBoxManage");
        let up = lab.lab(&["up", "--json"]).ok();
        let calls = lab.calls("VBoxManage").len();
        let machines = MACHINES.map(|name| made(&lab, name));
        let adapter = adapter_of(&machines);
        lab.lab(&["destroy", "--yes"]).ok();
        let boots = floor(&virtualbox, &base, &machines, &adapter);
        let floor = MACHINES.iter().zip(boots).map(|(name, boot)| boot + provisioned(&up.json_lines(), name));
        let floor = floor.fold(0.0, f64::max);
        let took = up.took.as_secs_f64();
        println!(
            "run {run}: lab up {took:.1} s, floor {floor:.1} s, ratio {:.3}, {calls} calls of VBoxManage",
            took / floor
        );
        ratios.push(took / floor);
        floors.push(floor);
        ups.push(took);
    }
    println!("\nmedian of {runs}: lab up {:.1} s", median(ups.into_iter()));
    println!("               floor  {:.1} s", median(floors.into_iter()));
    println!("               ratio  {:.3}", median(ratios.into_iter()));
    lab.lab(&["box", "remove", "demo"]).ok();
}

/// What `lab` gave the machine.
fn made(lab: &TestLab, name: &'static str) -> Machine {
    let path = lab.dir().join(".lab/machines").join(name).join("virtualbox.json");
    let given: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let strings = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let mut options = strings(&given["options"]);
    for forward in given["forwards"].as_array().unwrap() {
        options.extend(["--natpf1".to_owned(), forward["rule"].as_str().unwrap().to_owned()]);
    }
    // The console's log stands in a folder that goes with the lab.
    let at = options.iter().position(|option| option == "--uartmode1").unwrap();
    options[at + 2] = lab.root().join(format!("{name}.log")).to_str().unwrap().to_owned();
    let ssh = lab.status(name)["ssh"].as_str().unwrap().to_owned();
    Machine { name, port: ssh.rsplit(':').next().unwrap().parse().unwrap(), options }
}

/// The host-only adapter of the lab's network.
fn adapter_of(machines: &[Machine]) -> String {
    let options = &machines.first().unwrap().options;
    let at = options.iter().position(|option| option == "--hostonlyadapter2").unwrap();
    options[at + 1].clone()
}

/// Seconds that the machine's provisioners ran.
fn provisioned(events: &[Value], machine: &str) -> f64 {
    let own = events.iter().filter(|event| event["event"] == "step_done" && event["machine"] == machine);
    own.map(|event| event["seconds"].as_f64().unwrap()).sum()
}

/// The same machines by hand: seconds from nothing to `ssh true` of each.
fn floor(virtualbox: &VirtualBox, base: &str, machines: &[Machine], adapter: &str) -> Vec<f64> {
    let folder = virtualbox.dir().join("by hand");
    let key = virtualbox.dir().join("insecure_key");
    labfile::guest::keys::write_insecure_key(&key).unwrap();
    let snapshot = virtualbox.info(base, "CurrentSnapshotName");
    let started = Instant::now();
    let said = virtualbox.manage(&["hostonlyif", "create"]);
    assert!(said.contains(&format!("'{adapter}'")), "another adapter than before: {said}");
    virtualbox.manage(&["hostonlyif", "ipconfig", adapter, "--ip", "192.168.56.1"]);
    let times = std::thread::scope(|scope| {
        let threads: Vec<_> = machines
            .iter()
            .map(|machine| {
                let (folder, key, snapshot) = (&folder, &key, &snapshot);
                scope.spawn(move || {
                    by_hand(virtualbox, base, snapshot, folder, machine);
                    while !answers(machine.port) {
                        std::thread::sleep(Duration::from_millis(500));
                    }
                    while !ssh_true(machine.port, key) {}
                    started.elapsed().as_secs_f64()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for machine in machines {
        virtualbox.power_off(&virtualbox.find(machine.name));
        virtualbox.manage(&["unregistervm", machine.name, "--delete"]);
    }
    virtualbox.manage(&["hostonlyif", "remove", adapter]);
    times
}

/// Makes and starts a machine as a plain script would.
fn by_hand(virtualbox: &VirtualBox, base: &str, snapshot: &str, folder: &Path, machine: &Machine) {
    let folder = folder.to_str().unwrap();
    virtualbox.manage(&[
        "clonevm",
        base,
        "--snapshot",
        snapshot,
        "--options",
        "link",
        "--name",
        machine.name,
        "--basefolder",
        folder,
        "--register",
    ]);
    let mut call = vec!["modifyvm", machine.name];
    call.extend(machine.options.iter().map(String::as_str));
    virtualbox.manage(&call);
    virtualbox.manage(&["startvm", machine.name, "--type", "headless"]);
}
