//! lab is killed: every verb, at every call of the provider and of the guests, before the call has changed anything, when half
//! of it is done, and after it. Then `up` finishes, or `destroy` cleans.
//!
//! To be killed is to be killed: the verb runs in a process of its own (this test program again, told by [`WISH`] what to do),
//! which ends at the call with no destructor and no error handler run. What is on disk stays.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::bench::{Bench, FIVE, ONE, SNAPSHOT, Verb, folder};
use crate::lab::machine::keep::READY;
use crate::provider::PowerState;
use crate::provider::fake::{Act, Call, KILLED, Moment};

/// What a process that is to be killed is told, as JSON.
const WISH: &str = "LAB_TRIAL_KILL";

/// The work of a process that is to be killed.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Wish {
    root: PathBuf,
    verb: Verb,
    call: Call,
    moment: Moment,
}

/// A verb, and in what situation it is typed.
#[derive(Debug, Clone, Copy)]
struct Case {
    before: &'static [Verb],
    verb: Verb,
}

const fn case(before: &'static [Verb], verb: Verb) -> Case {
    Case { before, verb }
}

/// Every verb; `up` from nothing, from off and from saved RAM.
const CASES: &[Case] = &[
    case(&[], Verb::Up),
    case(&[Verb::Up, Verb::Halt], Verb::Up),
    case(&[Verb::Up, Verb::Suspend], Verb::Up),
    case(&[Verb::Up], Verb::Halt),
    case(&[Verb::Up], Verb::Suspend),
    case(&[Verb::Up], Verb::Reload),
    case(&[Verb::Up], Verb::Reset),
    case(&[Verb::Up], Verb::Save),
    case(&[Verb::Up, Verb::Save], Verb::Restore),
    case(&[Verb::Up, Verb::Save], Verb::Delete),
    case(&[Verb::Up], Verb::Provision),
    case(&[Verb::Up], Verb::Check),
    case(&[Verb::Up], Verb::Destroy),
];

/// Verbs in situations that ask for other ways of one machine; side by side there is nothing new in them.
const ODD_CASES: &[Case] = &[
    case(&[Verb::Up], Verb::Up),
    case(&[Verb::Up, Verb::Suspend], Verb::Halt),
    case(&[Verb::Up, Verb::Halt], Verb::Reset),
    case(&[Verb::Up, Verb::Suspend], Verb::Reset),
    case(&[Verb::Up, Verb::Halt], Verb::Save),
    case(&[Verb::Up, Verb::Suspend], Verb::Save),
    case(&[Verb::Up, Verb::Save, Verb::Halt], Verb::Restore),
    case(&[Verb::Up, Verb::Halt, Verb::Save], Verb::Restore),
    case(&[Verb::Up, Verb::Suspend, Verb::Save, Verb::Up], Verb::Restore),
    case(&[Verb::Up, Verb::Suspend], Verb::Destroy),
    case(&[Verb::Up, Verb::Halt], Verb::Destroy),
];

#[test]
fn one_machine_survives_every_kill() {
    survives(ONE, &["db1"], &[CASES, ODD_CASES].concat());
}

#[test]
fn five_machines_survive_every_kill() {
    survives(FIVE, &["db1", "web1", "web2", "front", "far"], CASES);
}

/// The process that is killed.
#[test]
fn victim() {
    let Ok(wish) = std::env::var(WISH) else { return };
    let Wish { root, verb, call, moment } = serde_json::from_str(&wish).unwrap();
    let bench = Bench::open(&root);
    bench.world.plan(call, Act::Die(moment));
    bench.run(verb).unwrap();
}

fn survives(labfile: &str, machines: &[&str], cases: &[Case]) {
    let begun = Instant::now();
    let failed = Mutex::new(Vec::new());
    let (next, points, missed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let lives = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8);
    std::thread::scope(|scope| {
        for _ in 0..lives {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let trial = Trial::new(labfile, machines, *case);
                    for (call, moment) in &trial.points {
                        let tried = catch_unwind(AssertUnwindSafe(|| trial.run(call, *moment)));
                        let was_met = tried.unwrap_or_else(|_| {
                            let what = format!("{case:?}, killed {moment:?} {call:?}");
                            failed.lock().unwrap().push(what);
                            true
                        });
                        points.fetch_add(1, Ordering::SeqCst);
                        missed.fetch_add(usize::from(!was_met), Ordering::SeqCst);
                    }
                }
            });
        }
    });
    eprintln!(
        "{} machines: {} kills in {} situations, {} of them of calls that were not made again; {:.1} s",
        machines.len(),
        points.load(Ordering::SeqCst),
        cases.len(),
        missed.load(Ordering::SeqCst),
        begun.elapsed().as_secs_f64()
    );
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} kills were not survived:\n{}", failed.len(), failed.join("\n"));
}

/// One case, with its folders.
struct Trial<'a> {
    machines: &'a [&'a str],
    case: Case,
    temp: tempfile::TempDir,
    /// What can happen at it.
    points: Vec<(Call, Moment)>,
}

impl<'a> Trial<'a> {
    /// Makes the situation, and looks once what calls there are.
    fn new(labfile: &str, machines: &'a [&'a str], case: Case) -> Self {
        let mut trial = Trial { machines, case, temp: folder(), points: Vec::new() };
        let bench = Bench::new(&trial.root(), labfile);
        for verb in case.before {
            if *verb == Verb::Save {
                bench.work("kept");
            }
            bench.run(*verb).unwrap();
            // A machine that was woken, or saved, is to have its user's work still.
            if matches!(verb, Verb::Up | Verb::Save) {
                bench.work("work");
            }
        }
        drop(bench);
        trial.save("situation");
        let bench = Bench::open(&trial.root());
        bench.world.plan_nothing();
        bench.run(case.verb).unwrap();
        let mut points = BTreeSet::new();
        for seen in bench.world.calls() {
            points.insert((seen.call.clone(), Moment::Before));
            if seen.has_half {
                points.insert((seen.call.clone(), Moment::Midway));
            }
            if seen.changed {
                points.insert((seen.call, Moment::After));
            }
        }
        trial.points = points.into_iter().collect();
        trial
    }

    fn root(&self) -> PathBuf {
        self.temp.path().join("user")
    }

    /// One kill, and both ways on; tells whether its call was made: machines side by side do not always take the same way.
    fn run(&self, call: &Call, moment: Moment) -> bool {
        let why = format!("{:?} after {:?}, killed {moment:?} {call:?}", self.case.verb, self.case.before);
        let was_met = self.kill(call, moment, &why);
        // Where no state tells which lab it is, its folder does, which a copy is not.
        let has_state = self.root().join("lab/.lab/state.json").exists();
        if has_state {
            self.save("killed");
        }
        self.finish(&why);
        if has_state {
            self.bring_back("killed");
        } else {
            self.kill(call, moment, &why);
        }
        let bench = Bench::open(&self.root());
        bench
            .run(Verb::Destroy)
            .unwrap_or_else(|error| panic!("{why}: destroy: {error:?} {:?}", bench.said()));
        bench.assert_nothing_left(&why);
        was_met
    }

    /// Types the verb in the situation, and kills it; tells whether it got there.
    fn kill(&self, call: &Call, moment: Moment, why: &str) -> bool {
        self.bring_back("situation");
        let wish = Wish { root: self.root(), verb: self.case.verb, call: call.clone(), moment };
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lab::trial::kills::victim"])
            .env(WISH, serde_json::to_string(&wish).unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success() || status.code() == Some(KILLED), "{why}: {status}");
        !status.success()
    }

    /// `lab up` makes it whole, and nothing is lost.
    fn finish(&self, why: &str) {
        let bench = Bench::open(&self.root());
        bench.run(Verb::Up).unwrap_or_else(|error| panic!("{why}: up: {error:?} {:?}", bench.said()));
        // What was said to be ready stays so, whatever was under way when lab was killed.
        bench.world.settle();
        let status = bench.with(|lab| lab.status(&lab.names())).unwrap();
        assert_eq!(status.machines.len(), self.machines.len(), "{why}");
        for machine in &status.machines {
            assert!(machine.ready, "{why}: {machine:?}");
            let (there, disk) = (bench.machine(&machine.name), bench.disk(&machine.name));
            let ram = bench.ram(&machine.name).unwrap();
            assert_eq!(there.power, PowerState::Running, "{why}");
            assert!(disk.is_secured && disk.identity.is_some(), "{why}: {disk:?}");
            for (id, step) in &disk.steps {
                assert!(step.noted, "{why}: {id} of {}: {step:?}", machine.name);
                let most = if self.case.verb == Verb::Provision { 2 } else { 1 };
                if id == "run-often" {
                    assert_eq!(step.boot, ram.boot, "{why}: {id} of {}", machine.name);
                } else {
                    assert!((1..=most).contains(&step.done), "{why}: {id} of {}: {step:?}", machine.name);
                }
            }
            let steps = match machine.name.as_str() {
                "db1" | "front" => 2,
                "far" => 0,
                _ => 1,
            };
            assert_eq!(disk.steps.len(), steps, "{why}: {}: {disk:?}", machine.name);
            self.nothing_is_lost(&machine.name, &bench, why);
        }
    }

    fn nothing_is_lost(&self, name: &str, bench: &Bench, why: &str) {
        let Case { before, verb } = self.case;
        if !before.contains(&Verb::Up) {
            return;
        }
        let (there, disk) = (bench.machine(name), bench.disk(name));
        let ram = bench.ram(name).unwrap();
        let on_disk: &[&str] = match verb {
            Verb::Destroy | Verb::Reset => &["work", ""],
            Verb::Restore => &["work", "kept"],
            _ => &["work"],
        };
        assert!(on_disk.contains(&disk.work.as_str()), "{why}: {name}: on the disk is {:?}", disk.work);
        let in_ram: &[&str] = match verb {
            _ if before.contains(&Verb::Halt) => &["work", "kept", ""],
            Verb::Destroy | Verb::Reset | Verb::Halt | Verb::Reload => &["work", ""],
            Verb::Restore => &["work", "kept"],
            _ => &["work"],
        };
        assert!(in_ram.contains(&ram.work.as_str()), "{why}: {name}: in RAM is {:?}", ram.work);
        let has = |snapshot: &str| there.snapshots.iter().any(|kept| kept.name == snapshot);
        assert!(has(READY), "{why}: {name} has no snapshot {READY}");
        if before.contains(&Verb::Save) && verb != Verb::Delete {
            assert!(has(SNAPSHOT), "{why}: {name} has lost its snapshot");
        }
    }

    /// Puts what the user has aside, as `name`.
    fn save(&self, name: &str) {
        let to = self.temp.path().join(name);
        let _ = fs::remove_dir_all(&to);
        copy(&self.root(), &to);
    }

    /// Brings it back, into the same folders.
    fn bring_back(&self, name: &str) {
        for part in ["home/labs.json", "home/ports.json", "lab/Labfile.lock"] {
            let _ = fs::remove_file(self.root().join(part));
        }
        for part in ["lab/.lab", "home/bases"] {
            let _ = fs::remove_dir_all(self.root().join(part));
        }
        copy(&self.temp.path().join(name), &self.root());
    }
}

/// `cp -a`, for folders and files. The boxes, which nobody changes, are not copied over those that are there.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to).unwrap();
        } else if !(entry.file_name() == "boxes" && to.exists()) {
            copy(&entry.path(), &to);
        }
    }
}
