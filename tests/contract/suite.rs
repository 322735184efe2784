//! The contract of providers, as tests that each of them passes: [`Bed`] is what a provider's own file supplies, the macro
//! `holds_to_the_contract` makes the tests.

use std::cell::Cell;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use labfile::boxes::BoxImage;
use labfile::cancel::Cancel;
use labfile::error::{Kind, Result};
use labfile::provider::{
    Block, Claims, DiskForm, Lost, MachineSpec, Own, Planned, PowerState, Provider, Snapshots, Wish,
};
use tempfile::TempDir;

use crate::common::spec;

/// A provider, and two machines of a lab that it has planned. What still runs in the end is destroyed.
pub(crate) struct Bed {
    pub(crate) provider: Box<dyn Provider>,
    pub(crate) image: BoxImage,
    pub(crate) machines: Vec<MachineSpec>,
    /// What is there of machines and labs, for people.
    pub(crate) left: Box<dyn Fn() -> Vec<String>>,
    pub(crate) cancel: Cancel,
    own: Block,
    claims: Ports,
    root: TempDir,
}

/// Ports that are free.
struct Ports(Cell<u16>);

impl Ports {
    fn next(&self) -> u16 {
        loop {
            self.0.set(self.0.get() + 1);
            if self.is_free(self.0.get()) {
                return self.0.get();
            }
        }
    }
}

impl Claims for Ports {
    fn ssh_port(&self, _: &str) -> Result<u16> {
        Ok(self.next())
    }

    fn network_number(&self) -> Result<u16> {
        Ok(self.next())
    }

    fn is_free(&self, port: u16) -> bool {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
    }
}

impl Bed {
    /// A bed for a provider. Its box has the file `disk.raw` of the folder `box_dir`, a disk without anything on it.
    pub(crate) fn new(
        provider: Box<dyn Provider>,
        root: TempDir,
        left: Box<dyn Fn() -> Vec<String>>,
    ) -> Self {
        let box_dir = root.path().join("box");
        std::fs::create_dir_all(&box_dir).unwrap();
        std::fs::File::create(box_dir.join("disk.raw")).unwrap().set_len(1 << 20).unwrap();
        // Tests run side by side: each has ports of its own.
        let number = uuid::Uuid::new_v4().as_u128() % 1000;
        let claims = Ports(Cell::new(20_000 + u16::try_from(number).unwrap() * 10));
        let lab_id = uuid::Uuid::new_v4().to_string();
        let own = provider.plan_lab(&lab_id, &Block::default(), &claims).unwrap();
        let machine = |number: u16| {
            let dir = root.path().join("lab/.lab/machines").join(format!("web{number}"));
            std::fs::create_dir_all(&dir).unwrap();
            let mut machine = spec::machine(number, uuid::Uuid::new_v4().to_string(), dir, 1);
            machine.lab_id.clone_from(&lab_id);
            machine.kept_dir = root.path().join("lab/kept-disks").join(&machine.name);
            let wish = Wish { name: &machine.name, base_mac: None };
            let planned = provider.plan_machine(wish, &Block::default(), &claims).unwrap();
            machine.own = Own { lab: own.clone(), machine: planned.own, ..Own::default() };
            machine
        };
        let machines: Vec<_> = (1..=2).map(machine).collect();
        let image = spec::image(&machines[0], &box_dir, "disk.raw", "raw");
        Bed { provider, image, machines, left, cancel: Cancel::new(), own, claims, root }
    }

    fn first(&self) -> &MachineSpec {
        &self.machines[0]
    }

    /// The base made, the lab prepared, the first machine created.
    fn created(self) -> Self {
        self.prepared();
        self.provider.create(self.first(), &self.cancel).unwrap();
        self
    }

    fn prepared(&self) {
        self.provider.prepare_base(&self.image, &self.cancel, &mut |_| {}).unwrap();
        self.provider.prepare_lab(&self.machines, &self.cancel).unwrap();
    }

    /// As [`Bed::created`], and started.
    fn running(self) -> Self {
        let bed = self.created();
        bed.provider.start(bed.first(), &bed.cancel).unwrap();
        bed
    }

    fn state(&self) -> PowerState {
        self.states()[0]
    }

    fn states(&self) -> Vec<PowerState> {
        self.provider.states(&self.machines, &self.cancel).unwrap()
    }

    /// `call` twice, and the state after each.
    #[track_caller]
    fn twice(&self, what: &str, expected: PowerState, call: impl Fn(&MachineSpec) -> Result<()>) {
        for time in ["once", "twice"] {
            call(self.first()).unwrap_or_else(|error| panic!("{what}, {time}: {error:?}"));
            assert_eq!(self.state(), expected, "{what}, {time}");
        }
    }

    fn snapshots(&self) -> Option<&dyn Snapshots> {
        self.provider.snapshots()
    }

    fn plan(&self, known: &Block) -> Planned {
        let wish = Wish { name: &self.first().name, base_mac: None };
        self.provider.plan_machine(wish, known, &self.claims).unwrap()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let cancel = Cancel::new();
        for machine in &self.machines {
            let _ = self.provider.destroy(machine, &cancel);
        }
        let _ = self.provider.remove_base(&self.image.digest, &cancel);
        let _ = self.provider.remove_lab(&self.own);
    }
}

#[track_caller]
fn is_wrong_state<T: std::fmt::Debug>(result: Result<T>, words: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState, "{error:?}");
    assert!(error.to_string().contains(words), "{error}");
}

pub(crate) fn each_call_does_what_it_says_and_nothing_when_made_again(bed: Bed) {
    assert_eq!(bed.state(), PowerState::Absent);
    bed.prepared();
    bed.prepared();
    let (provider, cancel) = (&bed.provider, &bed.cancel);
    bed.twice("create", PowerState::Off, |machine| provider.create(machine, cancel));
    bed.twice("start", PowerState::Running, |machine| provider.start(machine, cancel));
    provider.alive(bed.first()).unwrap();
    if provider.features().suspend {
        bed.twice("suspend", PowerState::Suspended, |machine| provider.suspend(machine, cancel));
        bed.twice("wake", PowerState::Running, |machine| provider.start(machine, cancel));
    }
    bed.twice("power_off", PowerState::Off, |machine| provider.power_off(machine, cancel));
    bed.twice("start", PowerState::Running, |machine| provider.start(machine, cancel));
    bed.twice("destroy", PowerState::Absent, |machine| provider.destroy(machine, cancel));
}

/// Brings the first machine of a bed into a state.
type Way = fn(&Bed);

pub(crate) fn power_off_and_destroy_work_from_every_state(make: impl Fn() -> Option<Bed>) {
    let ways: [(&str, Way); 4] = [
        ("absent", |_| {}),
        ("off", |bed| bed.provider.create(bed.first(), &bed.cancel).unwrap()),
        ("running", |bed| {
            bed.provider.create(bed.first(), &bed.cancel).unwrap();
            bed.provider.start(bed.first(), &bed.cancel).unwrap();
        }),
        ("suspended", |bed| {
            bed.provider.create(bed.first(), &bed.cancel).unwrap();
            bed.provider.start(bed.first(), &bed.cancel).unwrap();
            if bed.provider.features().suspend {
                bed.provider.suspend(bed.first(), &bed.cancel).unwrap();
            }
        }),
    ];
    for (from, get_there) in ways {
        let Some(bed) = make() else { return };
        bed.prepared();
        get_there(&bed);
        bed.provider.power_off(bed.first(), &bed.cancel).unwrap_or_else(|error| panic!("{from}: {error:?}"));
        let expected = if from == "absent" { PowerState::Absent } else { PowerState::Off };
        assert_eq!(bed.state(), expected, "{from}");
        bed.provider.destroy(bed.first(), &bed.cancel).unwrap();
        get_there(&bed);
        bed.provider.destroy(bed.first(), &bed.cancel).unwrap_or_else(|error| panic!("{from}: {error:?}"));
        assert_eq!(bed.state(), PowerState::Absent, "{from}");
    }
}

pub(crate) fn what_cannot_be_done_is_refused_in_the_same_words(bed: Bed) {
    bed.prepared();
    let (provider, machine, cancel, moment) =
        (&bed.provider, bed.first(), &bed.cancel, Duration::from_millis(300));
    is_wrong_state(provider.start(machine, cancel), "does not exist");
    is_wrong_state(provider.suspend(machine, cancel), "does not run");
    provider.create(machine, cancel).unwrap();
    is_wrong_state(provider.suspend(machine, cancel), "does not run");
    assert!(provider.shut_down(machine, moment, cancel).unwrap(), "it is off");
    provider.start(machine, cancel).unwrap();
    let to = bed.root.path().join("exported");
    let exported = provider.export_disk(machine, &to, DiskForm::Raw, cancel, &mut |_| {});
    assert_eq!(exported.unwrap_err().kind(), Kind::WrongState);
    assert!(!to.exists());
    let heard = provider.shut_down(machine, moment, cancel).unwrap();
    assert_eq!(bed.state(), if heard { PowerState::Off } else { PowerState::Running });
    if provider.features().suspend {
        provider.start(machine, cancel).unwrap();
        provider.suspend(machine, cancel).unwrap();
        is_wrong_state(provider.shut_down(machine, moment, cancel), "is suspended");
    }
}

pub(crate) fn snapshots_bring_back_what_was(bed: Bed) {
    let bed = bed.created();
    let Some(snapshots) = bed.snapshots() else { return };
    let (provider, machine, cancel) = (&bed.provider, bed.first(), &bed.cancel);
    is_wrong_state(snapshots.restore(machine, "none", cancel), "has no snapshot none");
    is_wrong_state(snapshots.delete(machine, "none", cancel), "has no snapshot none");
    snapshots.take(machine, "cold", cancel).unwrap();
    assert_eq!(bed.state(), PowerState::Off);
    provider.start(machine, cancel).unwrap();
    snapshots.take(machine, "warm", cancel).unwrap();
    assert_eq!(bed.state(), PowerState::Running);
    is_wrong_state(snapshots.take(machine, "warm", cancel), "has a snapshot warm already");
    let listed = || -> Vec<(String, bool)> {
        snapshots.list(machine).unwrap().into_iter().map(|found| (found.name, found.with_ram)).collect()
    };
    let both = [("cold".to_owned(), false), ("warm".to_owned(), true)];
    assert_eq!(listed(), both);
    for (name, expected) in [("cold", PowerState::Off), ("warm", PowerState::Suspended)] {
        for from in [PowerState::Running, PowerState::Off] {
            provider.start(machine, cancel).unwrap();
            if from == PowerState::Off {
                provider.power_off(machine, cancel).unwrap();
            }
            snapshots.restore(machine, name, cancel).unwrap();
            assert_eq!(bed.state(), expected, "{name} from {from:?}");
        }
    }
    provider.start(machine, cancel).unwrap();
    assert_eq!(bed.state(), PowerState::Running);
    assert_eq!(listed(), both);
    snapshots.delete(machine, "warm", cancel).unwrap();
    assert_eq!((bed.state(), listed()), (PowerState::Running, both[..1].to_vec()));
    is_wrong_state(snapshots.delete(machine, "warm", cancel), "has no snapshot warm");
    provider.destroy(machine, cancel).unwrap();
    provider.create(machine, cancel).unwrap();
    assert_eq!(listed(), [], "a new machine has none");
}

pub(crate) fn who_is_stopped_changes_nothing(bed: Bed) {
    let bed = bed.running();
    let stopped = Cancel::new();
    stopped.cancel();
    let is_interrupted = |what: &str, result: Result<()>| {
        assert_eq!(result.map_err(|error| error.kind()), Err(Kind::Interrupted), "{what}");
        assert_eq!(bed.state(), PowerState::Running, "{what}");
    };
    let machine = bed.first();
    is_interrupted("power_off", bed.provider.power_off(machine, &stopped));
    is_interrupted("suspend", bed.provider.suspend(machine, &stopped));
    is_interrupted("destroy", bed.provider.destroy(machine, &stopped));
    let patience = Duration::from_secs(60);
    is_interrupted("shut_down", bed.provider.shut_down(machine, patience, &stopped).map(drop));
}

pub(crate) fn two_machines_go_side_by_side(bed: Bed) {
    bed.prepared();
    let (provider, cancel) = (&*bed.provider, &bed.cancel);
    std::thread::scope(|scope| {
        for machine in &bed.machines {
            scope.spawn(move || {
                provider.create(machine, cancel).unwrap();
                provider.start(machine, cancel).unwrap();
            });
        }
    });
    assert_eq!(bed.states(), [PowerState::Running; 2]);
    provider.power_off(bed.first(), cancel).unwrap();
    assert_eq!(bed.states(), [PowerState::Off, PowerState::Running]);
    provider.alive(&bed.machines[1]).unwrap();
    assert!(provider.alive(bed.first()).is_err());
    provider.destroy(bed.first(), cancel).unwrap();
    assert_eq!(bed.states(), [PowerState::Absent, PowerState::Running]);
    let reversed: Vec<_> = bed.machines.iter().rev().cloned().collect();
    let states = provider.states(&reversed, cancel).unwrap();
    assert_eq!(states, [PowerState::Running, PowerState::Absent], "in the order in which it was asked");
}

pub(crate) fn what_is_known_of_a_machine_is_there_for_the_asking(bed: Bed) {
    let bed = bed.running();
    let reaches: Vec<_> = bed.machines.iter().map(|machine| bed.provider.reach(machine).unwrap()).collect();
    assert_ne!(reaches[0].ssh, reaches[1].ssh);
    assert_ne!(reaches[0].private_mac, reaches[1].private_mac);
    assert_eq!(bed.provider.reach(bed.first()).unwrap(), reaches[0]);
    let mut console = bed.provider.console(bed.first()).unwrap();
    let said = console.said();
    assert!(console.read(said + (1 << 30)).unwrap().is_empty());
    if let Some(usage) = bed.provider.usage(bed.first()) {
        assert!(usage.uptime < Duration::from_secs(3600), "{usage:?}");
    }
    assert_eq!(bed.provider.usage(&bed.machines[1]), None, "it does not exist");
    bed.provider.available(&bed.cancel).unwrap();
    bed.provider.check(&bed.first().hardware, &bed.cancel).unwrap();
}

pub(crate) fn what_is_decided_stays_so(bed: Bed) {
    let known = &bed.first().own.machine;
    let again = bed.plan(known);
    assert_eq!((&again.own, again.notes.as_slice()), (known, &[][..]));
    let own = bed.provider.plan_lab(&bed.first().lab_id, &bed.own, &bed.claims).unwrap();
    assert_eq!(own, bed.own);
    let ssh = bed.provider.reach(bed.first()).unwrap().ssh;
    if ssh.ip().is_loopback() {
        let _taken = TcpListener::bind(ssh).unwrap();
        let moved = bed.plan(known);
        assert_ne!(&moved.own, known);
        assert_eq!(moved.notes.len(), 1, "{:?}", moved.notes);
    }
}

pub(crate) fn nothing_is_left_of_a_lab(bed: Bed) {
    let before = (bed.left)();
    let bed = bed.running();
    assert_ne!((bed.left)(), before, "the bed sees nothing");
    let (provider, cancel) = (&bed.provider, &bed.cancel);
    for machine in &bed.machines {
        provider.destroy(machine, cancel).unwrap();
    }
    for _ in 0..2 {
        provider.remove_lab(&bed.own).unwrap();
        provider.remove_base(&bed.image.digest, cancel).unwrap();
    }
    assert_eq!((bed.left)(), before);
}

pub(crate) fn a_lab_whose_state_is_lost_is_found_and_ended(bed: Bed) {
    let bed = bed.running();
    let machines: PathBuf = bed.first().dir.parent().unwrap().to_owned();
    let kept = bed.root.path().join("lab/kept-disks");
    let lost = Lost { machines: &machines, kept: &kept, own: Some(&bed.own) };
    let strays = bed.provider.strays(lost, &bed.cancel).unwrap();
    assert_eq!(strays.len(), 1, "{strays:?}");
    for _ in 0..2 {
        bed.provider.forget(lost, &bed.cancel).unwrap();
        assert_eq!(bed.provider.strays(lost, &bed.cancel).unwrap(), Vec::<String>::new());
    }
    assert_ne!(bed.state(), PowerState::Running);
}

/// The tests of one provider, whose bed is `$bed`: a [`Bed`], or an `Option` of one where it cannot always be made.
#[macro_export]
macro_rules! holds_to_the_contract {
    ($bed:expr $(, $attribute:meta)*) => {
        $crate::holds_to_the_contract!(@each $bed, [$($attribute),*],
            each_call_does_what_it_says_and_nothing_when_made_again
            what_cannot_be_done_is_refused_in_the_same_words
            snapshots_bring_back_what_was
            who_is_stopped_changes_nothing
            two_machines_go_side_by_side
            what_is_known_of_a_machine_is_there_for_the_asking
            what_is_decided_stays_so
            nothing_is_left_of_a_lab
            a_lab_whose_state_is_lost_is_found_and_ended
        );
        #[test]
        $(#[$attribute])*
        fn power_off_and_destroy_work_from_every_state() {
            $crate::suite::power_off_and_destroy_work_from_every_state(|| $bed.into());
        }
    };
    (@each $bed:expr, $attributes:tt, $($name:ident)*) => {
        $($crate::holds_to_the_contract!(@one $bed, $attributes, $name);)*
    };
    (@one $bed:expr, [$($attribute:meta),*], $name:ident) => {
        #[test]
        $(#[$attribute])*
        fn $name() {
            if let Some(bed) = $bed.into() {
                $crate::suite::$name(bed);
            }
        }
    };
}
