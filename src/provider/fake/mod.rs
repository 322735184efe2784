//! A provider without programs, for tests: machines are a few lines in a file, time is a number.
//!
//! [`world`] has what there is, [`script`] what is to go wrong. It keeps to the contract as strictly as it can be kept to: what
//! runs at it and not at a real provider, or the other way round, is a defect here.

mod script;
mod snapshots;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

pub use self::script::{Act, Call, KILLED, Moment, Seen};
pub use self::world::{Kept, Machine, Things, World};
use super::entry::Entry;
use super::local::Behind;
use super::{
    Availability, Base, Block, Claims, Console, DiskForm, Features, Lost, MachineSpec, Pace, Planned,
    PowerState, Provider, Reach, SharedDir, Snapshots, Wish, refusal,
};
use crate::boxes::{BoxImage, Hardware, Mac};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::process::Usage;
use crate::section::{Key, Section, Type};

/// How many questions a machine stays between two states.
const QUESTIONS: u32 = 2;

/// The line of a table of providers. It is in that of no user.
pub static ENTRY: Entry = Entry {
    name: "fake",
    make: |shared| Box::new(Fake::new(&shared)),
    automatic: true,
    files: &[],
    box_settings: false,
    section: Key {
        name: "fake",
        takes: Type::Section(&Section {
            title: "[machine.NAME.fake]",
            id: "fake",
            doc: "Nothing.",
            keys: &[],
        }),
        doc: "Nothing.",
        default: "nothing",
        example: "[machine.web1.fake]",
        words: &[],
    },
    look: |_| Vec::new(),
    examine: |_| Vec::new(),
    host_network: None,
    run_folder: None,
};

/// Runs machines that are not there.
#[derive(Debug)]
pub struct Fake {
    world: Arc<World>,
}

impl Fake {
    /// The provider of the world in `shared`.
    pub fn new(shared: &SharedDir) -> Self {
        Fake { world: World::at(&Self::file(&shared.0)) }
    }

    /// The file of the world of the folder `shared`.
    pub fn file(shared: &Path) -> PathBuf {
        shared.join("fake").join("world.json")
    }

    /// Its world.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    fn exists(&self, spec: &MachineSpec) -> bool {
        self.world.things().machines.get(&spec.id).is_some_and(|there| !there.half_made)
    }

    /// Starts a machine that listens on `ports` of this computer.
    pub(super) fn start_at(&self, machine: &MachineSpec, ports: Vec<u16>, cancel: &Cancel) -> Result<()> {
        let half = |things: &mut Things| {
            if let Some(machine) = things.machines.get_mut(&machine.id).filter(|machine| !machine.half_made) {
                machine.settle();
                if machine.power == PowerState::Suspended {
                    machine.ports.clone_from(&ports);
                    machine.power = PowerState::Busy;
                    machine.settling = Some((QUESTIONS, PowerState::Running));
                }
            }
        };
        self.world.call_by_halves("start", &machine.name, Some(cancel), Some(&half), |things| {
            let taken = things.taken_ports(&machine.id).find(|port| ports.contains(port));
            let now = things.now;
            let Some(there) = things.machines.get_mut(&machine.id).filter(|there| !there.half_made) else {
                return Err(refusal::absent(machine));
            };
            there.settle();
            if there.power == PowerState::Running {
                return Ok(());
            }
            if let Some(port) = taken.filter(|_| there.power != PowerState::Paused) {
                let message = format!("port {port} of this computer is taken");
                return Err(Error::new(Kind::PortTaken, message).of(&machine.name));
            }
            if there.power == PowerState::Off {
                things.boots += 1;
                there.ram = Some(json!({"boot": things.boots}));
                there.console = format!("boot {}\nlogin:\n", things.boots);
                there.started = now;
            }
            there.ports.clone_from(&ports);
            there.power = PowerState::Running;
            Ok(())
        })
    }

    /// A call for a machine that exists, or half of one.
    fn with<T>(
        &self,
        what: &str,
        spec: &MachineSpec,
        cancel: Option<&Cancel>,
        half: Option<&dyn Fn(&mut Machine)>,
        work: impl FnOnce(&mut Machine) -> Result<T>,
    ) -> Result<T> {
        let on_one = half.map(|half| {
            move |things: &mut Things| {
                if let Some(machine) = things.machines.get_mut(&spec.id) {
                    machine.settle();
                    half(machine);
                }
            }
        });
        let half = on_one.as_ref().map(|half| half as &dyn Fn(&mut Things));
        self.world.call_by_halves(what, &spec.name, cancel, half, |things| {
            match things.machines.get_mut(&spec.id) {
                Some(machine) if !machine.half_made => work(machine),
                _ => Err(refusal::absent(spec)),
            }
        })
    }
}

impl Provider for Fake {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn features(&self) -> Features {
        Features { host_on_private_network: false, suspend: !self.world.things().without_suspend }
    }

    fn pace(&self) -> Pace {
        Pace { settle: Duration::from_millis(1), alive: Duration::from_secs(3600) }
    }

    fn available(&self, cancel: &Cancel) -> Result<Availability> {
        self.world.call("available", "", Some(cancel), |_| Ok(available()))
    }

    fn check(&self, _: &Hardware, cancel: &Cancel) -> Result<Availability> {
        self.world.call("check", "", Some(cancel), |_| Ok(available()))
    }

    fn plan_lab(&self, lab_id: &str, known: &Block, claims: &dyn Claims) -> Result<Block> {
        self.world.call("plan_lab", "", None, |_| {
            if !known.is_empty() {
                return Ok(known.clone());
            }
            Block::of(&json!({"lab": lab_id, "number": claims.network_number()?}))
        })
    }

    fn plan_machine(&self, wish: Wish<'_>, known: &Block, claims: &dyn Claims) -> Result<Planned> {
        self.world.call("plan_machine", wish.name, None, |things| {
            Behind::plan(wish, known, &Here { claims, taken: things.taken_ports("").collect() })
        })
    }

    fn prepare_base(&self, image: &BoxImage, cancel: &Cancel, progress: &mut dyn FnMut(f64)) -> Result<()> {
        self.world.call("prepare_base", "", Some(cancel), |things| {
            progress(0.5);
            things.bases.insert(image.digest.clone());
            progress(1.0);
            Ok(())
        })
    }

    fn remove_base(&self, digest: &str, cancel: &Cancel) -> Result<()> {
        self.world.call("remove_base", "", Some(cancel), |things| {
            things.bases.remove(digest);
            Ok(())
        })
    }

    fn bases(&self) -> Result<Vec<Base>> {
        let things = self.world.things();
        Ok(things.bases.into_iter().map(|digest| Base { digest, on_disk: 1 }).collect())
    }

    fn prepare_lab(&self, machines: &[MachineSpec], cancel: &Cancel) -> Result<Vec<String>> {
        self.world.call("prepare_lab", "", Some(cancel), |things| {
            things.networks.extend(machines.iter().map(|machine| machine.lab_id.clone()));
            Ok(Vec::new())
        })
    }

    fn remove_lab(&self, own: &Block) -> Result<()> {
        self.world.call("remove_lab", "", None, |things| {
            let own: Value = own.read()?;
            things.networks.retain(|lab| own["lab"] != lab.as_str());
            Ok(())
        })
    }

    fn states(&self, machines: &[MachineSpec], cancel: &Cancel) -> Result<Vec<PowerState>> {
        let of = |things: &mut Things, spec: &MachineSpec| {
            things.machines.get_mut(&spec.id).map_or(PowerState::Absent, Machine::ask)
        };
        let name = if let [machine] = machines { machine.name.as_str() } else { "" };
        self.world.call("states", name, Some(cancel), |things| {
            Ok(machines.iter().map(|spec| of(things, spec)).collect())
        })
    }

    fn create(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        let new = |half_made| Machine {
            name: machine.name.clone(),
            lab_id: machine.lab_id.clone(),
            dir: machine.dir.clone(),
            power: PowerState::Off,
            settling: None,
            half_made,
            is_deaf: false,
            disk: Value::Null,
            ram: None,
            snapshots: Vec::new(),
            ports: Vec::new(),
            console: String::new(),
            started: Duration::ZERO,
        };
        let half = |things: &mut Things| {
            things.machines.entry(machine.id.clone()).or_insert_with(|| new(true));
        };
        self.world.call_by_halves("create", &machine.name, Some(cancel), Some(&half), |things| {
            if things.machines.get(&machine.id).is_some_and(|machine| !machine.half_made) {
                return Ok(());
            }
            if !things.bases.contains(&machine.image.digest) {
                let name = &machine.image.name;
                return Err(Error::new(Kind::WrongState, format!("the box {name} has not been prepared")));
            }
            things.machines.insert(machine.id.clone(), new(false));
            Ok(())
        })
    }

    fn start(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        let ports = Behind::of(machine)?.ports(machine);
        self.start_at(machine, ports.into_iter().map(|(host, _)| host).collect(), cancel)
    }

    fn shut_down(&self, machine: &MachineSpec, patience: Duration, cancel: &Cancel) -> Result<bool> {
        let half = |machine: &mut Machine| {
            if machine.power == PowerState::Running && !machine.is_deaf {
                machine.settling = Some((QUESTIONS, PowerState::Off));
            }
        };
        let down = self.with("shut_down", machine, Some(cancel), Some(&half), |there| {
            there.settle();
            match there.power {
                PowerState::Off => Ok(true),
                PowerState::Suspended => Err(refusal::suspended(machine)),
                _ if there.is_deaf => Ok(false),
                _ => {
                    there.power = PowerState::Off;
                    there.ram = None;
                    Ok(true)
                }
            }
        });
        match down {
            Ok(false) => {
                self.world.meddle(|things| things.now += patience);
                Ok(false)
            }
            Err(error) if error.kind() == Kind::WrongState && !self.exists(machine) => Ok(true),
            down => down,
        }
    }

    fn power_off(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        self.world.call("power_off", &machine.name, Some(cancel), |things| {
            if let Some(there) = things.machines.get_mut(&machine.id) {
                there.settling = None;
                there.power = PowerState::Off;
                there.ram = None;
            }
            Ok(())
        })
    }

    fn suspend(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        let half = |machine: &mut Machine| {
            if machine.power == PowerState::Running {
                machine.power = PowerState::Busy;
                machine.settling = Some((QUESTIONS, PowerState::Suspended));
            }
        };
        let suspended = self.with("suspend", machine, Some(cancel), Some(&half), |there| {
            there.settle();
            match there.power {
                PowerState::Running | PowerState::Paused => there.power = PowerState::Suspended,
                PowerState::Suspended => {}
                _ => return Err(refusal::not_running(machine)),
            }
            Ok(())
        });
        suspended.map_err(|error| match error.kind() {
            Kind::WrongState => refusal::not_running(machine),
            _ => error,
        })
    }

    fn destroy(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        let half = |things: &mut Things| {
            if let Some(there) = things.machines.get_mut(&machine.id) {
                there.settling = None;
                (there.power, there.ram, there.half_made) = (PowerState::Off, None, true);
            }
        };
        self.world.call_by_halves("destroy", &machine.name, Some(cancel), Some(&half), |things| {
            things.machines.remove(&machine.id);
            Ok(())
        })
    }

    fn export_disk(
        &self,
        machine: &MachineSpec,
        to: &Path,
        _: DiskForm,
        cancel: &Cancel,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Mac> {
        let mac = Behind::of(machine)?.nat_mac;
        self.with("export_disk", machine, Some(cancel), None, |there| {
            if there.ask() != PowerState::Off {
                return Err(refusal::not_off(machine));
            }
            let written = std::fs::write(to, there.disk.to_string());
            progress(1.0);
            written.map(|()| mac).map_err(|source| Error::io("write", to, &source))
        })
    }

    fn strays(&self, lost: Lost<'_>, cancel: &Cancel) -> Result<Vec<String>> {
        self.world.call("strays", "", Some(cancel), |things| {
            let there = things.machines.values().filter(|machine| machine.dir.starts_with(lost.machines));
            Ok(there.filter(|machine| machine.ram.is_some()).map(|machine| machine.name.clone()).collect())
        })
    }

    fn forget(&self, lost: Lost<'_>, cancel: &Cancel) -> Result<()> {
        self.world.call("forget", "", Some(cancel), |things| {
            let gone = |machine: &Machine| machine.dir.starts_with(lost.machines);
            let labs: Vec<_> = things.machines.values().filter(|machine| gone(machine)).collect();
            let labs: Vec<_> = labs.into_iter().map(|machine| machine.lab_id.clone()).collect();
            let own: Value = lost.own.map(Block::read).transpose()?.unwrap_or_default();
            things.networks.retain(|lab| !labs.contains(lab) && own["lab"] != lab.as_str());
            things.machines.retain(|_, machine| !gone(machine));
            Ok(())
        })
    }

    fn snapshots(&self) -> Option<&dyn Snapshots> {
        if self.world.things().without_snapshots { None } else { Some(self) }
    }

    fn reach(&self, machine: &MachineSpec) -> Result<Reach> {
        self.world.call("reach", &machine.name, None, |_| Behind::reach(machine))
    }

    fn console(&self, machine: &MachineSpec) -> Result<Box<dyn Console>> {
        let said = self.world.call("console", &machine.name, None, |things| {
            Ok(things.machines.get(&machine.id).map_or_else(String::new, |there| there.console.clone()))
        })?;
        Ok(Box::new(Said(said.into_bytes())))
    }

    fn alive(&self, machine: &MachineSpec) -> Result<()> {
        self.world.call("alive", &machine.name, None, |things| {
            let there = things.machines.get(&machine.id);
            if there.is_some_and(|there| there.ram.is_some() && there.power != PowerState::Suspended) {
                return Ok(());
            }
            Err(Error::new(Kind::Crashed, "it does not run any more").of(&machine.name))
        })
    }

    fn usage(&self, machine: &MachineSpec) -> Option<Usage> {
        let things = self.world.things();
        let there = things.machines.get(&machine.id)?;
        let runs = there.power == PowerState::Running;
        runs.then(|| Usage { uptime: things.now.saturating_sub(there.started), memory: 1 << 20 })
    }

    fn log(&self, _: &MachineSpec) -> Option<PathBuf> {
        None
    }
}

/// Claims of ports that are free on this computer and in this world.
struct Here<'a> {
    claims: &'a dyn Claims,
    taken: Vec<u16>,
}

impl Claims for Here<'_> {
    fn ssh_port(&self, machine: &str) -> Result<u16> {
        self.claims.ssh_port(machine)
    }

    fn network_number(&self) -> Result<u16> {
        self.claims.network_number()
    }

    fn is_free(&self, port: u16) -> bool {
        !self.taken.contains(&port) && self.claims.is_free(port)
    }
}

fn available() -> Availability {
    Availability { version: "1".to_owned(), acceleration: "none".to_owned(), slow: false, doubt: None }
}

/// What a console has said.
struct Said(Vec<u8>);

impl Console for Said {
    fn said(&mut self) -> u64 {
        self.0.len() as u64
    }

    fn read(&mut self, from: u64) -> Result<Vec<u8>> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(self.0.get(from..).unwrap_or_default().to_vec())
    }
}
