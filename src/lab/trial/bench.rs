//! A user's folders, and what can be typed in them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::guests::{Disk, FakeGuests, Ram, disk, in_ram, on_disk, ram};
use crate::boxes::{Source, Store, Task, store};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::lab::disk::Register;
use crate::lab::disk::files::{Home, LabFiles};
use crate::lab::disk::log::LabLog;
use crate::lab::tell::event::{Event, Sink};
use crate::lab::verbs::check::Checked;
use crate::lab::verbs::up::{self, Options};
use crate::lab::{Context, Lab, Place, Report};
use crate::provider::fake::{self, Fake, Machine, Things, World};
use crate::provider::table::Table;

/// The providers that there are here.
static PROVIDERS: Table = Table(&[&fake::ENTRY]);

/// What can be typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verb {
    Up,
    Halt,
    Suspend,
    Reload,
    Reset,
    Save,
    Restore,
    Delete,
    Destroy,
    Provision,
    Check,
}

/// The snapshot that [`Verb::Save`] and its kin are about.
pub(super) const SNAPSHOT: &str = "mine";

/// One machine.
pub(super) const ONE: &str = r#"
[lab]
box = "small"
[machine.db1]
provision = [{ name = "once", inline = "true" }, { name = "often", inline = "true", run = "always" }]
[check.answers]
machine = "db1"
run = "hello"
"#;

/// Five machines that come after each other in a diamond.
pub(super) const FIVE: &str = r#"
[lab]
box = "small"
[machine.db1]
provision = [{ name = "once", inline = "true" }, { name = "often", inline = "true", run = "always" }]
[machine.web1]
after = ["db1"]
provision = [{ name = "once", inline = "true" }]
[machine.web2]
after = ["db1"]
provision = [{ name = "once", inline = "true" }]
[machine.front]
after = ["web1", "web2"]
provision = [{ name = "once", inline = "true" }, { name = "again", inline = "true" }]
[machine.far]
after = ["front"]
[check.answers]
machine = "front"
run = "hello"
"#;

/// A folder in memory, where there is one: nothing of a test is worth waiting for a disk.
pub(super) fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Remembers what was told.
#[derive(Default)]
pub(super) struct Recorder(Mutex<Vec<Event>>);

impl Sink for Recorder {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// A user with one lab.
pub(super) struct Bench {
    /// The lab's folder.
    pub dir: PathBuf,
    pub home: Home,
    pub world: Arc<World>,
    pub told: Recorder,
    pub cancel: Cancel,
    guests: FakeGuests,
    log: LabLog,
}

impl Bench {
    /// What is in `root`.
    pub(super) fn open(root: &Path) -> Self {
        let home = Home::at(root.join("home"));
        let world = World::at(&Fake::file(&home.bases()));
        Bench {
            dir: root.join("lab"),
            home,
            guests: FakeGuests(Arc::clone(&world)),
            world,
            told: Recorder::default(),
            cancel: Cancel::new(),
            log: LabLog::default(),
        }
    }

    /// A new user in `root`, who has the box `small` and a lab of `labfile`.
    pub(super) fn new(root: &Path, labfile: &str) -> Self {
        let bench = Bench::open(root);
        std::fs::create_dir_all(&bench.dir).unwrap();
        bench.write(labfile);
        bench.home.make().unwrap();
        let file = root.join("small.box");
        std::fs::write(&file, small_box()).unwrap();
        let store = Store::open(bench.home.root()).unwrap();
        let mut task = Task { cancel: &bench.cancel, progress: &mut |_| {} };
        store.add(&store::Add::new(Source::File(file)).named("small"), &mut task).unwrap();
        bench
    }

    /// Writes the Labfile.
    pub(super) fn write(&self, labfile: &str) {
        std::fs::write(self.dir.join("Labfile"), labfile).unwrap();
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            home: self.home.clone(),
            cancel: self.cancel.clone(),
            sink: &self.told,
            log: &self.log,
            command: "lab trial".to_owned(),
            providers: &PROVIDERS,
            guests: &self.guests,
        }
    }

    pub(super) fn place(&self) -> Place {
        Place::find(&self.dir).unwrap()
    }

    pub(super) fn files(&self) -> LabFiles {
        LabFiles::beside(&self.dir)
    }

    /// Does `work` with the lab, locked.
    pub(super) fn with<T>(&self, work: impl FnOnce(Lab<'_>) -> Result<T>) -> Result<T> {
        let context = self.context();
        let none = || Error::new(Kind::WrongState, "this lab has no machines yet");
        work(Lab::open(&context, self.place(), true)?.ok_or_else(none)?)
    }

    /// `lab up` with `options`.
    pub(super) fn up_with(&self, options: &Options) -> Result<Report> {
        up::up(&self.context(), self.place(), options).map(|(_, report)| report)
    }

    /// What is typed; whether it was well.
    pub(super) fn run(&self, verb: Verb) -> Result<()> {
        let all = &[][..];
        match verb {
            Verb::Up => self.up_with(&Options::default())?.into_result(),
            Verb::Reload => {
                self.run(Verb::Halt)?;
                self.run(Verb::Up)
            }
            Verb::Halt => self.with(|lab| lab.halt(&lab.select(all)?, false))?.into_result(),
            Verb::Suspend => self.with(|lab| lab.suspend(&lab.select(all)?))?.into_result(),
            Verb::Reset => self.with(|lab| lab.reset(&lab.resettable(all)?))?.into_result(),
            Verb::Save => self.with(|lab| lab.save_snapshot(&lab.select(all)?, SNAPSHOT))?.into_result(),
            Verb::Restore => self
                .with(|lab| lab.restore_snapshot(&lab.with_snapshot(all, SNAPSHOT)?, SNAPSHOT, true))?
                .into_result(),
            Verb::Delete => self
                .with(|lab| lab.delete_snapshot(&lab.with_snapshot(all, SNAPSHOT)?, SNAPSHOT))?
                .into_result(),
            Verb::Provision => self.with(|lab| lab.provision(&lab.select(all)?, all, None))?.into_result(),
            Verb::Check => self.check().map(drop),
            Verb::Destroy => {
                let context = self.context();
                let Some(lab) = Lab::open(&context, self.place(), true)? else { return Ok(()) };
                let names = lab.select(all)?;
                lab.destroy(&names)?.into_result()
            }
        }
    }

    /// `lab check`.
    pub(super) fn check(&self) -> Result<Vec<Checked>> {
        let context = self.context();
        let none = || Error::new(Kind::WrongState, "this lab has no machines yet");
        Lab::open(&context, self.place(), false)?.ok_or_else(none)?.check(&[])
    }

    /// What is told in words, since this was last asked.
    pub(super) fn said(&self) -> Vec<Event> {
        std::mem::take(&mut *self.told.0.lock().unwrap())
    }

    /// The machine called `name` as it is.
    pub(super) fn machine(&self, name: &str) -> Machine {
        let things = self.world.things();
        things
            .machines
            .into_values()
            .find(|machine| machine.name == name)
            .unwrap_or_else(|| panic!("no {name}"))
    }

    pub(super) fn disk(&self, name: &str) -> Disk {
        disk(&self.machine(name))
    }

    pub(super) fn ram(&self, name: &str) -> Option<Ram> {
        ram(&self.machine(name))
    }

    /// The user writes `text` on the disk of all machines, and has it open in those that run.
    pub(super) fn work(&self, text: &str) {
        self.world.meddle(|things: &mut Things| {
            for machine in things.machines.values_mut() {
                on_disk(machine, |disk| text.clone_into(&mut disk.work));
                in_ram(machine, |ram| text.clone_into(&mut ram.work));
            }
        });
    }

    /// Everything that lab knows is gone.
    pub(super) fn assert_nothing_left(&self, why: &str) {
        let things = self.world.things();
        assert!(things.machines.is_empty(), "{why}: machines are left: {:?}", things.machines);
        assert!(things.networks.is_empty(), "{why}: networks are left: {:?}", things.networks);
        assert!(!self.files().root().exists(), "{why}: .lab is left: {:?}", entries(self.files().root()));
        let labs = Register::of(&self.home, self.context().wait()).labs().unwrap();
        assert!(labs.is_empty(), "{why}: the register knows {labs:?}");
        let ports = std::fs::read_to_string(self.home.ports()).unwrap_or_default();
        let ports: serde_json::Value = serde_json::from_str(&ports).unwrap_or_default();
        let claims = ports["claims"].as_array().map_or(0, Vec::len);
        assert_eq!(claims, 0, "{why}: ports are claimed: {ports}");
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).map(|dir| dir.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

/// A Vagrant box with a disk of a few sectors.
fn small_box() -> Vec<u8> {
    let mut disk = vec![0; 1024];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    let metadata = br#"{"provider":"libvirt","format":"raw","virtual_size":1}"#;
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in [("metadata.json", &metadata[..]), ("box.img", &disk)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes).unwrap();
    }
    builder.into_inner().unwrap()
}
