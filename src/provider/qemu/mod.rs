//! The QEMU provider: one `qemu-system-*` per machine, driven over QMP.
//!
//! It keeps no notes of what runs: a machine's state is what is there. The disk tells that a machine
//! exists, a lock that its QEMU lives ([`daemon`]), the monitor what it does ([`qmp`]), a marker that it
//! is suspended ([`suspend`]), a small book which snapshots it has ([`snapshots`]). So nothing can disagree with the truth after a kill at any moment.

mod accel;
mod arguments;
mod base;
mod command;
mod daemon;
mod doctor;
mod failure;
mod files;
mod forget;
mod harmless;
mod overlay;
mod qmp;
mod remembered;
mod run;
mod settings;
mod snapshots;
mod socket;
mod suspend;
mod tags;
mod trusted;
mod version;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use self::accel::{Accelerator, Choice, Host};
use self::command::Wake;
use self::files::{Channel, Files};
use self::qmp::{Failure, Qmp};
use self::run::Run;
use self::suspend::Record;
use self::version::{Programs, Version};
use super::entry::Entry;
use super::local::Behind;
use super::{
    Availability, Base, Block, Claims, Console, ConsoleFile, DiskForm, Features, Lost, MachineSpec, Planned,
    PowerState, Provider, Reach, SharedDir, Snapshots, Wish, refusal,
};
use crate::atomic;
use crate::boxes::{Arch, BoxImage, Hardware, Mac};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::nofollow;
use crate::process::{Usage, usage};
use crate::tail;
use crate::unlink;

/// How long a question to a QEMU may take, whole. Some 2 ms are usual; one that hangs must not hold up
/// `lab status`.
const QUESTION: Duration = Duration::from_millis(400);
/// How long QEMU may take for a command that it does at once.
const ANSWER: Duration = Duration::from_secs(10);
/// How long QEMU may take from its start to its first word.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long QEMU may write what it has in memory to its disk when told to quit, before it is killed.
const QUIT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a machine may be between two states before `start` gives up on it.
const UNCLEAR_PATIENCE: Duration = Duration::from_secs(15);
/// How often the power button is pressed: early in its boot, a guest does not hear it.
const PRESS_EVERY: Duration = Duration::from_secs(4);
/// How long a wait for the guest's shutdown lasts before the cancel flag is looked at.
const TICK: Duration = Duration::from_millis(100);

/// QEMU's line in the table of providers.
pub static ENTRY: Entry = Entry {
    name: settings::KEY.name,
    make: |shared| Box::new(Qemu::new(shared)),
    automatic: true,
    files: files::MADE,
    box_settings: false,
    section: settings::KEY,
    look: settings::look,
    examine: doctor::checks,
    host_network: None,
    run_folder: Some(run::choose),
};

/// Runs machines with QEMU.
#[derive(Debug)]
pub struct Qemu {
    shared: SharedDir,
    programs: Programs,
    /// What `LAB_QEMU_ACCEL` says; a mistake in it is reported when it matters.
    wish: Result<Option<Accelerator>>,
    /// The emulators' versions, once asked.
    versions: Mutex<Vec<(Arch, Version)>>,
}

impl Qemu {
    /// A provider that keeps its bases in `shared`. Starts and looks for nothing; reads the
    /// environment variables `LAB_QEMU` (a folder to take QEMU's programs from) and
    /// `LAB_QEMU_ACCEL` (`kvm`, `hvf`, `whpx` or `tcg`).
    pub fn new(shared: SharedDir) -> Self {
        let wish = std::env::var(accel::WISH).ok().filter(|wish| !wish.is_empty());
        Qemu {
            shared,
            programs: Programs::from_environment(),
            wish: wish.as_deref().map(Accelerator::parse).transpose(),
            versions: Mutex::new(Vec::new()),
        }
    }

    fn choice(&self, guest: Arch) -> Result<Choice> {
        Ok(accel::choose(Host::here(), guest, self.wish.clone()?))
    }

    /// The emulator's version, asked at most once.
    fn version(&self, arch: Arch, cancel: &Cancel) -> Result<Version> {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, version)) = versions.iter().find(|(known, _)| *known == arch) {
            return Ok(*version);
        }
        let version = self.programs.version(arch, &self.shared, cancel)?;
        versions.push((arch, version));
        Ok(version)
    }

    /// What the emulator of an architecture says of itself.
    fn of_arch(&self, arch: Arch, cancel: &Cancel) -> Result<Availability> {
        let choice = self.choice(arch)?;
        self.programs.img()?;
        let version = self.version(arch, cancel)?.require()?;
        Ok(Availability {
            version: version.to_string(),
            acceleration: choice.describe(),
            slow: choice.accelerator == Accelerator::Tcg,
            doubt: None,
        })
    }

    /// Off or Suspended → Running.
    fn launch(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        let files = Files::of(machine);
        let name = &machine.name;
        tags::wait_until_free(&files, cancel)?;
        trusted::disk(&self.programs, &self.shared, machine, cancel)?;
        suspend::settle(&self.programs, &files)?;
        let saved = suspend::saved(name, &files)?;
        let (record, wake, limit) = match &saved {
            Some(saved) => {
                trusted::board(machine, &saved.board.board, files.suspended())?;
                (saved.board.clone(), Wake::Load(&saved.tag), tags::RAM_PATIENCE)
            }
            None => {
                let accelerator = self.choice(machine.hardware.arch)?.accelerator;
                let record = Record::new(accelerator, command::board(machine, accelerator)?);
                (record, Wake::Boot, START_PATIENCE)
            }
        };
        record.write(&files)?;
        let version = self.version(machine.hardware.arch, cancel)?;
        let arguments = command::arguments(machine, &record.board, record.accelerator, wake, version)?;
        let command = self.programs.system(machine.hardware.arch)?.args(arguments).dir(files.dir());
        // Made here, for this user alone: QEMU would let everybody read it.
        nofollow::append(&files.console(), true)
            .map_err(|source| nofollow::error("write", &files.console(), &source))?;
        tail::cut_console(&files.console())?;
        let started = daemon::launch(name, &files, &command, limit, cancel);
        let mut qmp = started.inspect_err(|_| remembered::forget(&self.shared))?;
        if saved.is_some() { suspend::wake(name, &files, &mut qmp) } else { Ok(()) }
    }
}

impl Provider for Qemu {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn features(&self) -> Features {
        Features { host_on_private_network: false, suspend: true }
    }

    fn available(&self, cancel: &Cancel) -> Result<Availability> {
        // Its own emulator is the one that a computer is sure to have.
        self.of_arch(Arch::X86_64, cancel)
    }

    fn check(&self, hardware: &Hardware, cancel: &Cancel) -> Result<Availability> {
        command::supports(hardware)?;
        self.of_arch(hardware.arch, cancel)
    }

    fn plan_lab(&self, lab_id: &str, known: &Block, claims: &dyn Claims) -> Result<Block> {
        Run::plan(lab_id, known, claims)
    }

    fn plan_machine(&self, wish: Wish<'_>, known: &Block, claims: &dyn Claims) -> Result<Planned> {
        Behind::plan(wish, known, claims)
    }

    fn prepare_lab(&self, machines: &[MachineSpec], _: &Cancel) -> Result<Vec<String>> {
        let Some(machine) = machines.first() else { return Ok(Vec::new()) };
        run::make(&machine.own.lab.read::<Run>()?.run_dir)?;
        Ok(Vec::new())
    }

    fn remove_lab(&self, own: &Block) -> Result<()> {
        let run_dir = own.read::<Run>()?.run_dir;
        if run_dir.as_os_str().is_empty() { Ok(()) } else { run::remove(&run_dir) }
    }

    fn check_anew(&self, hardware: &Hardware, cancel: &Cancel) -> Result<Availability> {
        remembered::forget(&self.shared);
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.check(hardware, cancel)
    }

    fn prepare_base(&self, image: &BoxImage, cancel: &Cancel, progress: &mut dyn FnMut(f64)) -> Result<()> {
        base::prepare(&self.programs, &self.shared, image, cancel, progress)
    }

    fn remove_base(&self, digest: &str, _: &Cancel) -> Result<()> {
        base::remove(&self.shared, digest)
    }

    fn bases(&self) -> Result<Vec<Base>> {
        base::list(&self.shared)
    }

    fn check_base(&self, image: &BoxImage, cancel: &Cancel) -> Result<Option<bool>> {
        base::check(&self.programs, &self.shared, image, cancel)
    }

    fn states(&self, machines: &[MachineSpec], _: &Cancel) -> Result<Vec<PowerState>> {
        // Side by side, so that several that hang take no longer than one.
        thread::scope(|scope| {
            let asked: Vec<_> = machines.iter().map(|machine| scope.spawn(move || state(machine))).collect();
            let answer = |asked: thread::ScopedJoinHandle<'_, Result<PowerState>>| {
                asked.join().unwrap_or_else(|_| Err(Error::internal("asking for a machine's state panicked")))
            };
            asked.into_iter().map(answer).collect()
        })
    }

    fn create(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        let files = Files::of(machine);
        if !files.disk().exists() {
            // Of a disk that somebody has removed.
            suspend::forget(&files)?;
            unlink::file(&files.snapshots())?;
        }
        // Before the disk, with which the machine exists.
        if let Some(seed) = machine.seed_disc()? {
            atomic::write(&files.seed(), &seed)?;
        }
        overlay::create(&self.programs, &self.shared, &machine.image, &files, cancel)
    }

    fn start(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        let until = Instant::now() + UNCLEAR_PATIENCE;
        loop {
            match state(machine)? {
                PowerState::Busy => cancel.sleep(TICK)?,
                PowerState::Running | PowerState::CutOff => return Ok(()),
                PowerState::Off | PowerState::Suspended => return self.launch(machine, cancel),
                PowerState::Paused => {
                    let mut qmp = control(machine, "start it")?;
                    return suspend::wake(&machine.name, &Files::of(machine), &mut qmp);
                }
                PowerState::Absent => return Err(refusal::absent(machine)),
                PowerState::Unclear if Instant::now() < until => cancel.sleep(TICK)?,
                PowerState::Unclear => return Err(Failure::Silent.error(&machine.name, "start it")),
            }
        }
    }

    fn shut_down(&self, machine: &MachineSpec, patience: Duration, cancel: &Cancel) -> Result<bool> {
        let files = Files::of(machine);
        let until = Instant::now() + patience;
        match state(machine)? {
            PowerState::Absent | PowerState::Off => return Ok(true),
            PowerState::Suspended => return Err(refusal::suspended(machine)),
            PowerState::Busy | PowerState::CutOff | PowerState::Unclear => return Ok(false),
            PowerState::Running | PowerState::Paused => {}
        }
        let mut qmp = control(machine, "shut it down")?;
        suspend::wake(&machine.name, &files, &mut qmp)?;
        let mut press_at = Instant::now();
        loop {
            cancel.check()?;
            let now = Instant::now();
            if now >= press_at {
                match qmp.execute("system_powerdown", json!({}), ANSWER) {
                    Ok(_) | Err(Failure::Gone) => {}
                    Err(failure) => return Err(failure.error(&machine.name, "press its power button")),
                }
                press_at = now + PRESS_EVERY;
            }
            match qmp.event(TICK) {
                Ok(_) | Err(Failure::Silent) if now < until => {}
                Err(Failure::Gone) => return daemon::wait_for_end(&files, QUIT_PATIENCE),
                Ok(_) | Err(Failure::Silent) => return Ok(false),
                Err(failure) => return Err(failure.error(&machine.name, "wait for it to go off")),
            }
        }
    }

    fn power_off(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        let files = Files::of(machine);
        if daemon::is_alive(&files)? {
            suspend::forget(&files)?;
            return cut_power(machine);
        }
        if suspend::is_suspended(&files) {
            trusted::disk(&self.programs, &self.shared, machine, cancel)?;
            suspend::give_up(&self.programs, &files)?;
        }
        Ok(())
    }

    fn suspend(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        match state(machine)? {
            PowerState::Suspended => Ok(()),
            PowerState::Running | PowerState::Paused => suspend::save(&machine.name, &Files::of(machine)),
            PowerState::CutOff => Err(refusal::cut_off(machine)),
            PowerState::Busy | PowerState::Unclear => Err(Failure::Silent.error(&machine.name, "suspend it")),
            PowerState::Off | PowerState::Absent => Err(refusal::not_running(machine)),
        }
    }

    fn destroy(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        let files = Files::of(machine);
        if daemon::is_alive(&files)? {
            cut_power(machine)?;
        }
        files.remove_all()
    }

    fn strays(&self, lost: Lost<'_>, _: &Cancel) -> Result<Vec<String>> {
        forget::strays(&self::forget::of(lost)?)
    }

    fn forget(&self, lost: Lost<'_>, _: &Cancel) -> Result<()> {
        forget::all(&self::forget::of(lost)?)
    }

    fn export_disk(
        &self,
        machine: &MachineSpec,
        to: &Path,
        form: DiskForm,
        cancel: &Cancel,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Mac> {
        match state(machine)? {
            PowerState::Off => {
                let files = Files::of(machine);
                trusted::disk(&self.programs, &self.shared, machine, cancel)?;
                suspend::settle(&self.programs, &files)?;
                base::export(&self.programs, &files, to, form, cancel, progress)?;
                Ok(Behind::of(machine)?.nat_mac)
            }
            _ => Err(refusal::not_off(machine)),
        }
    }

    fn snapshots(&self) -> Option<&dyn Snapshots> {
        Some(self)
    }

    fn reach(&self, machine: &MachineSpec) -> Result<Reach> {
        Behind::reach(machine)
    }

    fn console(&self, machine: &MachineSpec) -> Result<Box<dyn Console>> {
        Ok(Box::new(ConsoleFile::at(Files::of(machine).console())))
    }

    fn alive(&self, machine: &MachineSpec) -> Result<()> {
        let files = Files::of(machine);
        if !daemon::is_alive(&files)? {
            return Err(daemon::crashed(&machine.name, &files));
        }
        // QEMU stops a machine whose disk cannot be written; it would never answer.
        match status(machine) {
            Ok(status) if status == "io-error" => {
                Err(Error::new(Kind::DiskFull, "stopped, since its disk could not be written")
                    .of(&machine.name)
                    .hint("free some space on this computer; `lab up` then lets it run on"))
            }
            _ => Ok(()),
        }
    }

    fn usage(&self, machine: &MachineSpec) -> Option<Usage> {
        usage(daemon::process(&Files::of(machine)).ok()??)
    }

    fn log(&self, machine: &MachineSpec) -> Option<PathBuf> {
        Some(Files::of(machine).log())
    }
}

/// What a machine is doing.
fn state(machine: &MachineSpec) -> Result<PowerState> {
    let files = Files::of(machine);
    if daemon::is_alive(&files)? {
        return Ok(match status(machine).as_deref() {
            // A guest that sleeps by its own wish is on.
            Ok("running" | "suspended") => PowerState::Running,
            Ok("paused" | "prelaunch" | "io-error") => PowerState::Paused,
            Ok("save-vm" | "restore-vm" | "finish-migrate" | "inmigrate") => PowerState::Busy,
            // Gone: it ended just now.
            Err(Failure::Gone) if daemon::wait_for_end(&files, QUESTION)? => PowerState::Off,
            Err(Failure::NotThere(_)) if daemon::is_cut_off(&files) => PowerState::CutOff,
            _ => PowerState::Unclear,
        });
    }
    Ok(match (files.disk().exists(), suspend::is_suspended(&files)) {
        (false, _) => PowerState::Absent,
        (true, true) => PowerState::Suspended,
        (true, false) => PowerState::Off,
    })
}

/// QEMU's own word for what it does.
fn status(machine: &MachineSpec) -> Result<String, Failure> {
    let mut qmp = Qmp::connect(&Files::of(machine).socket(Channel::Query), QUESTION)?;
    let answer = qmp.execute("query-status", json!({}), QUESTION)?;
    answer["status"].as_str().map(str::to_owned).ok_or_else(|| Failure::Garbled(answer.to_string()))
}

/// A connection for commands that change something.
fn control(machine: &MachineSpec, doing: &str) -> Result<Qmp> {
    let socket = Files::of(machine).socket(Channel::Control);
    Qmp::connect(&socket, ANSWER).map_err(|failure| failure.error(&machine.name, doing))
}

/// Ends a machine's QEMU: asked first, so that it writes its disk's tables, killed if it does not.
fn cut_power(machine: &MachineSpec) -> Result<()> {
    let files = Files::of(machine);
    let told = Qmp::connect(&files.socket(Channel::Control), QUESTION)
        .and_then(|mut qmp| qmp.execute("quit", json!({}), QUESTION));
    let ended = match told {
        Ok(_) | Err(Failure::Gone) => daemon::wait_for_end(&files, QUIT_PATIENCE)?,
        Err(_) => false,
    };
    if ended { Ok(()) } else { daemon::kill(&machine.name, &files, |process| process.mentions(&machine.id)) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::boxes::{DiskController, Firmware, NicModel};
    use crate::provider::{BoxRef, Own, PortForward, PrivateNetwork};

    #[test]
    #[cfg(unix)]
    fn a_program_that_broke_under_the_same_name_is_found_by_asking_anew() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
        };
        let provider = || {
            let mut qemu = Qemu::new(SharedDir(dir.path().join("bases")));
            qemu.programs = Programs::in_folder(dir.path());
            qemu
        };
        let hardware = machine_in(dir.path()).hardware;
        put("qemu-img", "");
        put("qemu-system-x86_64", "echo QEMU emulator version 7.2.22");
        provider().check(&hardware, &Cancel::new()).unwrap();
        assert!(!dir.path().join("bases").exists(), "who only asks leaves nothing");
        std::fs::create_dir_all(files::base_dir(&provider().shared)).unwrap();
        provider().check(&hardware, &Cancel::new()).unwrap();
        // As long, and as old: a library that it needs has gone, say.
        put("qemu-system-x86_64", "exit 127                         ");
        let qemu = provider();
        assert_eq!(qemu.check(&hardware, &Cancel::new()).unwrap().version, "7.2.22");
        assert_eq!(qemu.check_anew(&hardware, &Cancel::new()).unwrap_err().kind(), Kind::ProgramFailed);
        assert!(provider().check(&hardware, &Cancel::new()).is_err());
    }

    /// A machine like those of the demo, in `dir`.
    pub(in crate::provider) fn machine_in(dir: &Path) -> MachineSpec {
        let hardware = Hardware {
            arch: Arch::X86_64,
            memory_mib: 256,
            cpus: 1,
            firmware: Firmware::Bios,
            disk_controller: DiskController::Sata,
            nic: NicModel::E1000,
            base_mac: None,
        };
        let run = Run { run_dir: dir.to_owned(), network_port: 5601 };
        let cards = Behind {
            ssh_port: 2222,
            nat_mac: Mac([0x08, 0x00, 0x27, 0xaa, 0xbb, 0x01]),
            private_mac: Mac([0x08, 0x00, 0x27, 0xaa, 0xbb, 0x02]),
        };
        MachineSpec {
            name: "web1".to_owned(),
            lab: "demo".to_owned(),
            lab_id: "5d0c".to_owned(),
            id: "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0".to_owned(),
            dir: dir.to_owned(),
            kept_dir: "kept".into(),
            image: BoxRef { name: "demo".to_owned(), digest: "d".repeat(64) },
            hardware,
            network: PrivateNetwork { address: [192, 168, 56, 0].into(), prefix: 24, internal: false },
            forwards: vec![PortForward { host: 8080, guest: 80 }],
            seed: None,
            own: Own { lab: Block::of(&run).unwrap(), machine: Block::of(&cards).unwrap(), ..Own::default() },
        }
    }

    /// The same with a short path for sockets.
    pub(super) fn machine() -> MachineSpec {
        let mut machine = machine_in(Path::new("/home/ada/class/.lab/web1"));
        machine.own.lab = Block::of(&Run { run_dir: "/run/lab".into(), network_port: 5601 }).unwrap();
        machine
    }

    #[test]
    fn a_machine_without_files_is_absent_and_can_be_destroyed() {
        let dir = tempfile::tempdir().unwrap();
        let qemu = Qemu::new(SharedDir(dir.path().join("shared")));
        let machine = machine_in(dir.path());
        assert_eq!(
            qemu.states(std::slice::from_ref(&machine), &Cancel::new()).unwrap(),
            [PowerState::Absent]
        );
        qemu.power_off(&machine, &Cancel::new()).unwrap();
        qemu.destroy(&machine, &Cancel::new()).unwrap();
        assert_eq!(qemu.start(&machine, &Cancel::new()).unwrap_err().kind(), Kind::WrongState);
        assert_eq!(qemu.suspend(&machine, &Cancel::new()).unwrap_err().kind(), Kind::WrongState);
        assert_eq!(qemu.alive(&machine).unwrap_err().kind(), Kind::Crashed);
        assert!(qemu.shut_down(&machine, Duration::ZERO, &Cancel::new()).unwrap());
    }

    #[test]
    fn the_disk_and_the_marker_tell_off_from_suspended() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine_in(dir.path());
        std::fs::write(Files::of(&machine).suspended(), "{}").unwrap();
        assert_eq!(state(&machine).unwrap(), PowerState::Absent);
        std::fs::write(Files::of(&machine).disk(), "").unwrap();
        assert_eq!(state(&machine).unwrap(), PowerState::Suspended);
        suspend::forget(&Files::of(&machine)).unwrap();
        assert_eq!(state(&machine).unwrap(), PowerState::Off);
    }
}
