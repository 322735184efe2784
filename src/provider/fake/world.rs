//! What there is: machines, their disks and RAM, bases. It lies in one file, so that it outlives a process that is killed as
//! real machines do, and is the same for all who open it within a process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::script::{Act, Call, KILLED, Moment, Script, Seen};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::provider::PowerState;

/// All that there is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Things {
    /// The world's own clock.
    pub now: Duration,
    /// Digests of the boxes that have a base.
    pub bases: BTreeSet<String>,
    /// The ids of labs that have a network.
    pub networks: BTreeSet<String>,
    /// Machines by their ids.
    pub machines: BTreeMap<String, Machine>,
    /// Ports that somebody else listens on.
    pub taken: BTreeSet<u16>,
    /// This world has no snapshots.
    pub without_snapshots: bool,
    /// This world cannot suspend.
    pub without_suspend: bool,
    /// How many machines have been booted.
    pub boots: u64,
}

/// A machine. What its guest has is the guest's: nobody here reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Its lab.
    pub lab_id: String,
    /// Its folder.
    pub dir: PathBuf,
    /// What it does.
    pub power: PowerState,
    /// What it will do, and after how many questions, where it is between two states.
    pub settling: Option<(u32, PowerState)>,
    /// A call that was cut short has left it so: it does not exist yet, or not any more.
    pub half_made: bool,
    /// The guest does not hear the power button.
    pub is_deaf: bool,
    /// What is on its disk.
    pub disk: Value,
    /// What is in its RAM, where it has any.
    pub ram: Option<Value>,
    /// Its snapshots, the oldest first.
    pub snapshots: Vec<Kept>,
    /// The port of this computer that leads to its ssh, and those that are forwarded.
    pub ports: Vec<u16>,
    /// What it said on its console.
    pub console: String,
    /// When it was started.
    pub started: Duration,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// The disk then.
    pub disk: Value,
    /// The RAM then.
    pub ram: Option<Value>,
    /// When, by the world's own clock.
    pub taken: Duration,
}

impl Things {
    /// The ports that others than the machine `id` listen on.
    pub(super) fn taken_ports(&self, id: &str) -> impl Iterator<Item = u16> {
        let others = self.machines.iter().filter(move |(other, _)| *other != id);
        let on = others.filter(|(_, other)| other.ram.is_some() && other.power != PowerState::Suspended);
        on.flat_map(|(_, other)| &other.ports).chain(&self.taken).copied()
    }
}

impl Machine {
    /// What it does; to be asked is what lets it get on where it is between two states.
    pub(super) fn ask(&mut self) -> PowerState {
        if self.half_made {
            return PowerState::Absent;
        }
        match &mut self.settling {
            Some((0, power)) => {
                self.power = *power;
                self.settling = None;
                if self.power == PowerState::Off {
                    self.ram = None;
                }
            }
            Some((left, _)) => *left -= 1,
            None => {}
        }
        self.power
    }

    /// Lets it get to where it is going.
    pub(super) fn settle(&mut self) {
        while self.settling.is_some() {
            self.ask();
        }
    }
}

/// What is done to things when a call is cut short in its middle.
pub(super) type Half<'a> = &'a dyn Fn(&mut Things);

/// A world in a file.
#[derive(Debug)]
pub struct World {
    path: PathBuf,
    /// As they are, and as they were last written down.
    things: Mutex<(Things, Things)>,
    script: Mutex<Script>,
}

/// Those that are open in this process.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<World>>> = Mutex::new(BTreeMap::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// The world in the file `path`, an empty one where that is not there.
    pub fn at(path: &Path) -> Arc<World> {
        let mut open = lock(&OPEN);
        open.retain(|_, world| world.strong_count() > 0);
        if let Some(world) = open.get(path).and_then(Weak::upgrade) {
            return world;
        }
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let things: Things = serde_json::from_str(&text).unwrap_or_default();
        let world = Arc::new(World {
            path: path.to_owned(),
            things: Mutex::new((things.clone(), things)),
            script: Mutex::default(),
        });
        open.insert(path.to_owned(), Arc::downgrade(&world));
        world
    }

    /// All that there is, as it is now.
    pub fn things(&self) -> Things {
        lock(&self.things).0.clone()
    }

    /// Changes things by no call: as a user in a guest does, or another program.
    pub fn meddle<T>(&self, change: impl FnOnce(&mut Things) -> T) -> T {
        let mut things = lock(&self.things);
        let result = change(&mut things.0);
        self.save(&mut things);
        result
    }

    /// Time passes: every machine that is between two states gets to the second.
    pub fn settle(&self) {
        self.meddle(|things| things.machines.values_mut().for_each(Machine::settle));
    }

    /// From now on, `act` happens at `call`. Calls are counted anew.
    pub fn plan(&self, call: Call, act: Act) {
        lock(&self.script).add(call, act);
    }

    /// Nothing more happens by plan. Calls are counted anew.
    pub fn plan_nothing(&self) {
        lock(&self.script).clear();
    }

    /// The calls since they were last counted anew.
    pub fn calls(&self) -> Vec<Seen> {
        lock(&self.script).seen().to_vec()
    }

    /// A call: `work`, unless something else is planned.
    ///
    /// # Errors
    /// Those of `work`, and those that are planned.
    pub fn call<T>(
        &self,
        what: &str,
        machine: &str,
        cancel: Option<&Cancel>,
        work: impl FnOnce(&mut Things) -> Result<T>,
    ) -> Result<T> {
        self.call_by_halves(what, machine, cancel, None, work)
    }

    /// As [`World::call`], for a call that leaves a half of its work behind when it is cut short.
    pub(super) fn call_by_halves<T>(
        &self,
        what: &str,
        machine: &str,
        cancel: Option<&Cancel>,
        half: Option<Half<'_>>,
        work: impl FnOnce(&mut Things) -> Result<T>,
    ) -> Result<T> {
        cancel.map_or(Ok(()), Cancel::check)?;
        let mut then = None;
        let (call, acts) = lock(&self.script).enter(what, machine, half.is_some());
        for act in acts {
            match act {
                Act::Fail(kind) => return Err(Error::new(kind, format!("{what} was told to fail"))),
                Act::Take(time) => self.meddle(|things| things.now += time),
                Act::Hang => loop {
                    cancel.unwrap_or(&Cancel::new()).sleep(Duration::from_secs(3600))?;
                },
                Act::Die(moment) => then = Some(moment),
            }
        }
        // Whoever dies does so with this lock: nobody else is in the middle of writing then.
        let mut things = lock(&self.things);
        if then == Some(Moment::Before) {
            std::process::exit(KILLED);
        }
        if let (Some(Moment::Midway), Some(half)) = (then, half) {
            half(&mut things.0);
            self.save(&mut things);
            std::process::exit(KILLED);
        }
        let result = work(&mut things.0);
        let changed = self.save(&mut things);
        if then.is_some() {
            std::process::exit(KILLED);
        }
        drop(things);
        if changed {
            lock(&self.script).changed(&call);
        }
        result
    }

    /// What a machine's port leads to.
    ///
    /// # Errors
    /// [`Kind::NoSsh`] where nothing that runs has it.
    pub fn behind(things: &mut Things, port: u16) -> Result<&mut Machine> {
        let runs = |machine: &&mut Machine| {
            machine.power == PowerState::Running && !machine.half_made && machine.ports.first() == Some(&port)
        };
        let found = things.machines.values_mut().find(runs);
        found.ok_or_else(|| Error::new(Kind::NoSsh, format!("nothing answers at port {port}")))
    }

    /// Writes things down; tells whether they have changed.
    fn save(&self, things: &mut (Things, Things)) -> bool {
        if things.0 == things.1 {
            return false;
        }
        let text = serde_json::to_string(&things.0).unwrap_or_default();
        if let Some(dir) = self.path.parent() {
            let _ = std::fs::create_dir_all(dir);
        }
        // Without the file, the next process finds an empty world, and a test fails.
        let _ = std::fs::write(&self.path, &text);
        things.1.clone_from(&things.0);
        true
    }
}
