//! The VirtualBox provider: linked clones of one base per box, driven through VBoxManage.
//!
//! VirtualBox keeps the truth on what there is; the provider's own notes only save calls ([`machine::Given`]), say
//! what was begun ([`base::Base`]), and what belongs to whom ([`network`]). A machine is ours when VirtualBox knows it
//! by the id in the lab's state *and* its settings lie in the lab's folder.
//!
//! Nothing is ever deleted by VirtualBox: `unregistervm --delete` takes disks with it that a user attached, and with
//! the last clone the base. Machines are taken out of its list, and then the lab's own folder is removed ([`remove`]).

mod answers;
mod base;
mod disks;
mod doctor;
mod export;
mod failure;
mod files;
mod hardware;
mod harmless;
mod keep;
mod machine;
mod manage;
mod network;
mod ranges;
mod registry;
mod remove;
mod settings;
mod snapshots;
mod vdi;
mod version;
mod watch;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::answers::Machine;
use self::files::{Files, GROUP};
use self::machine::Given;
use self::manage::{Manage, Program};
use self::network::Networks;
use self::remove::Before;
use self::watch::{Process, Sign};
use super::entry::{Entry, HostNetwork};
use super::local::Behind;
use super::{
    Availability, Base, Block, Claims, Console, ConsoleFile, DiskForm, Features, Lost, MachineSpec, Pace,
    Planned, PowerState, Provider, Reach, SharedDir, Snapshots, Wish, refusal,
};
use crate::atomic;
use crate::boxes::{BoxImage, Hardware, Mac};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::process::{Usage, usage};
use crate::tail::{cut_console, last_lines};
use crate::unlink;

/// The device of VirtualBox's kernel module on Linux.
const DRIVER: &str = "/dev/vboxdrv";
/// How long a machine may be between two states before `start` gives up on it.
const BUSY_PATIENCE: Duration = Duration::from_secs(120);
/// Pause between two looks at a machine between two states.
const GLANCE: Duration = Duration::from_secs(1);
/// How long a machine's process may take to end when its power has been cut, before it is killed.
const END_PATIENCE: Duration = Duration::from_secs(30);
/// How often the power button is pressed: early in its boot, a guest does not hear it.
const PRESS_EVERY: Duration = Duration::from_secs(10);
/// How many of VirtualBox's own last words an error shows.
const LAST_WORDS: usize = 5;

/// VirtualBox's line in the table of providers.
pub static ENTRY: Entry = Entry {
    name: settings::KEY.name,
    make: |shared| Box::new(VirtualBox::new(shared)),
    automatic: true,
    files: files::MADE,
    box_settings: true,
    section: settings::KEY,
    look: settings::look,
    examine: doctor::checks,
    host_network: Some(HostNetwork { cards: "vboxnet", whose: "VirtualBox" }),
    run_folder: None,
};

/// Runs machines with VirtualBox.
#[derive(Debug)]
pub struct VirtualBox {
    shared: SharedDir,
    program: Program,
    networks: Networks,
}

impl VirtualBox {
    /// A provider that keeps its bases in `shared`. Starts and looks for nothing.
    pub fn new(shared: SharedDir) -> Self {
        VirtualBox { networks: Networks::new(&shared), program: Program::default(), shared }
    }

    /// Clones the base, unless the machine is there; tells whether it has done so.
    fn clone_base(&self, manage: Manage<'_>, machine: &MachineSpec) -> Result<bool> {
        let files = Files::of(machine);
        let folder = files.folder();
        if folder.exists() && remove::look_after(manage, machine)? == Before::Machine {
            return Ok(false);
        }
        let (base, snapshot) = base::of(&self.shared, &machine.image)?;
        let title = files.title();
        let clone = || {
            std::fs::create_dir_all(&folder)
                .map_err(|source| Error::io("create the folder", &folder, &source))?;
            manage.call([
                "clonevm",
                &base,
                "--snapshot",
                &snapshot,
                "--options",
                "link",
                "--name",
                &title,
                "--uuid",
                &machine.id,
                "--groups",
                GROUP,
                "--basefolder",
                &folder.to_string_lossy(),
                "--register",
            ])
        };
        let Err(failure) = clone()? else { return Ok(true) };
        if !failure.says("already exists") {
            return Err(failure.into());
        }
        // VirtualBox has a machine of this id or in this place, whose files are gone.
        unlink::folder(&folder)?;
        match remove::look_after(manage, machine)? {
            Before::Machine => Ok(false),
            Before::Nothing => Ok(clone()?.map(|_| true)?),
        }
    }

    /// Attaches the disc that tells a machine its user, to one that is to have it.
    fn insert_seed(&self, manage: Manage<'_>, machine: &MachineSpec) -> Result<()> {
        let Some(image) = machine.seed_disc()? else { return Ok(()) };
        let seed = Files::of(machine).seed();
        // What is not yet told all it needs has never run, so that nothing reads it now.
        atomic::write(&seed, &image)?;
        for call in hardware::insert(&machine.hardware, &machine.id, &seed) {
            match manage.call(call)? {
                // The controller, of a command that was killed.
                Err(failure) if !failure.says("already exists") => return Err(failure.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Off or Suspended → Running.
    fn launch(
        &self,
        manage: Manage<'_>,
        machine: &MachineSpec,
        suspended: bool,
        cancel: &Cancel,
    ) -> Result<()> {
        let files = Files::of(machine);
        let ports = Behind::of(machine)?.ports(machine);
        let is_taken = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err();
        if let Some(port) = ports.into_iter().map(|(host, _)| host).find(is_taken) {
            return Err(port_taken(port));
        }
        // It has to be there for a suspended machine too, though that keeps the settings that it has.
        let (nic, _) = self.networks.join(&self.program, machine, cancel)?;
        if !suspended {
            let wanted = Given::wanted(machine, &nic)?;
            if Given::read(files)?.as_ref() != Some(&wanted) {
                wanted.give(manage, machine, false)?;
            }
        }
        cut_console(&files.console())?;
        let kind = if settings::of(machine)?.1.gui { "gui" } else { "headless" };
        manage.ask(["startvm", &machine.id, "--type", kind]).map_err(as_start_failure)?;
        // VirtualBox starts a machine whose port was taken in this instant, and only notes it.
        match watch::refused_port(&files.log()) {
            Some(port) => {
                manage.ask(["controlvm", &machine.id, "poweroff"])?;
                end(&files.log(), &machine.id)?;
                Err(port_taken(port))
            }
            // After a snapshot with RAM was restored, it has the forwards of then.
            None if suspended && Given::read(files)?.is_none() => Given::forward_anew(manage, machine),
            None => Ok(()),
        }
    }

    /// What VirtualBox says of the machine; `None` where it does not have it, or has it in another folder.
    fn look(&self, manage: Manage<'_>, machine: &MachineSpec) -> Result<Option<Machine>> {
        let ask = || manage.call(["showvminfo", &machine.id, "--machinereadable"]);
        let mut said = ask()?;
        if let Err(failure) = said {
            if failure.is_not_found() {
                return Ok(None);
            }
            if !failure.is_inaccessible() {
                return Err(failure.into());
            }
            remove::take_in_again(manage, machine, failure)?;
            said = ask()?;
        }
        let seen = answers::machine(&said.map_err(Error::from)?.out);
        Ok(seen.filter(|seen| Files::of(machine).has(&seen.config)))
    }

    /// Waits while the machine is between two states.
    fn settled(&self, manage: Manage<'_>, machine: &MachineSpec, cancel: &Cancel) -> Result<PowerState> {
        let until = Instant::now() + BUSY_PATIENCE;
        loop {
            match self.look(manage, machine)?.map_or(PowerState::Absent, |seen| seen.state) {
                PowerState::Busy if Instant::now() < until => cancel.sleep(GLANCE)?,
                state => return Ok(state),
            }
        }
    }
}

impl Provider for VirtualBox {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn features(&self) -> Features {
        Features { host_on_private_network: true, suspend: true }
    }

    fn pace(&self) -> Pace {
        // A question is a call of VBoxManage.
        Pace { settle: GLANCE, ..Pace::default() }
    }

    fn check(&self, hardware: &Hardware, cancel: &Cancel) -> Result<Availability> {
        let version = self.program.version_unless(cancel)?;
        hardware::supports(hardware, version, std::env::consts::ARCH)?;
        self.available(cancel)
    }

    fn plan_lab(&self, _: &str, known: &Block, _: &dyn Claims) -> Result<Block> {
        Ok(known.clone())
    }

    fn plan_machine(&self, wish: Wish<'_>, known: &Block, claims: &dyn Claims) -> Result<Planned> {
        Behind::plan(wish, known, claims)
    }

    fn available(&self, cancel: &Cancel) -> Result<Availability> {
        let version = self.program.version_unless(cancel)?;
        let no_driver = cfg!(target_os = "linux") && !Path::new(DRIVER).exists();
        let mut acceleration =
            if no_driver { "without its kernel module, as it seems" } else { "hardware virtualisation" }
                .to_owned();
        if version.is_unknown() {
            acceleration.push_str("; newer than the versions that lab was tried with, up to 7.2");
        }
        Ok(Availability {
            version: version.to_string(),
            acceleration,
            slow: false,
            doubt: no_driver.then(|| format!("its kernel module is not loaded ({DRIVER} is not there)")),
        })
    }

    fn prepare_base(&self, image: &BoxImage, cancel: &Cancel, progress: &mut dyn FnMut(f64)) -> Result<()> {
        base::prepare(&self.program, &self.shared, image, cancel, progress)
    }

    fn remove_base(&self, digest: &str, cancel: &Cancel) -> Result<()> {
        base::remove(&self.program, &self.shared, digest, cancel)
    }

    fn prepare_lab(&self, machines: &[MachineSpec], cancel: &Cancel) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        for machine in machines {
            notes.extend(self.networks.join(&self.program, machine, cancel)?.1);
        }
        Ok(notes)
    }

    fn states(&self, machines: &[MachineSpec], cancel: &Cancel) -> Result<Vec<PowerState>> {
        cancel.check()?;
        let seen = answers::machines(&self.program.manage().list(&["--long", "vms"])?);
        let state = |machine: &MachineSpec| {
            let is_it = |seen: &&Machine| {
                seen.id == machine.id && Files::of(machine).has(&seen.config) && seen.config.exists()
            };
            seen.iter().find(is_it).map_or(PowerState::Absent, |seen| seen.state)
        };
        Ok(machines.iter().map(state).collect())
    }

    fn create(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        let named = |error: Error| error.of(&machine.name);
        let (nic, _) = self.networks.join(&self.program, machine, cancel).map_err(named)?;
        let lock = Files::of(machine).lock(cancel)?;
        let manage = self.program.holding(&lock);
        let fresh = self.clone_base(manage, machine).map_err(named)?;
        let wanted = Given::wanted(machine, &nic)?;
        if Given::read(Files::of(machine))?.as_ref() == Some(&wanted) {
            return Ok(());
        }
        self.insert_seed(manage, machine).map_err(named)?;
        wanted.give(manage, machine, fresh).map_err(named)
    }

    fn start(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        let named = |error: Error| error.of(&machine.name);
        let lock = Files::of(machine).lock(cancel)?;
        let manage = self.program.holding(&lock);
        let started = match self.settled(manage, machine, cancel).map_err(named)? {
            PowerState::Running => return Ok(()),
            PowerState::Off => self.launch(manage, machine, false, cancel),
            PowerState::Suspended => self.launch(manage, machine, true, cancel),
            PowerState::Paused => manage.ask(["controlvm", &machine.id, "resume"]).map(drop),
            PowerState::Absent => Err(refusal::absent(machine)),
            PowerState::Busy | PowerState::CutOff | PowerState::Unclear => Err(unclear(machine)),
        };
        started.map_err(named)
    }

    fn shut_down(&self, machine: &MachineSpec, patience: Duration, cancel: &Cancel) -> Result<bool> {
        let until = Instant::now() + patience;
        let lock = Files::of(machine).lock(cancel)?;
        let manage = self.program.holding(&lock);
        match self.settled(manage, machine, cancel)? {
            PowerState::Absent | PowerState::Off => return Ok(true),
            PowerState::Suspended => return Err(refusal::suspended(machine)),
            PowerState::Busy | PowerState::CutOff | PowerState::Unclear => return Ok(false),
            PowerState::Paused => {
                manage.ask(["controlvm", &machine.id, "resume"])?;
            }
            PowerState::Running => {}
        }
        loop {
            match manage.call(["controlvm", &machine.id, "acpipowerbutton"])? {
                Err(failure) if !failure.is_not_running() => {
                    return Err(Error::from(failure).of(&machine.name));
                }
                _ => {}
            }
            let left = until.saturating_duration_since(Instant::now());
            let ended = match Process::of(&Files::of(machine).log()) {
                Some(process) => process.wait(left.min(PRESS_EVERY), cancel)?,
                None => None,
            };
            if ended == Some(true) {
                return Ok(true);
            }
            if ended.is_none() {
                cancel.sleep(left.min(PRESS_EVERY))?;
                if self.settled(manage, machine, cancel)? == PowerState::Off {
                    return Ok(true);
                }
            }
            if Instant::now() >= until {
                return Ok(false);
            }
        }
    }

    fn power_off(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        let lock = Files::of(machine).lock(cancel)?;
        let manage = self.program.holding(&lock);
        match self.look(manage, machine)? {
            Some(seen) => power_off(manage, &seen).map_err(|error| error.of(&machine.name)),
            None => Ok(()),
        }
    }

    fn suspend(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        let lock = Files::of(machine).lock(cancel)?;
        let manage = self.program.holding(&lock);
        match self.settled(manage, machine, cancel)? {
            PowerState::Suspended => Ok(()),
            PowerState::Running | PowerState::Paused => {
                let saved =
                    manage.work(["controlvm", &machine.id, "savestate"], &Cancel::new(), &mut |_| {})?;
                saved.map_err(|failure| Error::from(failure).of(&machine.name))?;
                end(&Files::of(machine).log(), &machine.id)
            }
            PowerState::Busy | PowerState::CutOff | PowerState::Unclear => Err(unclear(machine)),
            PowerState::Off | PowerState::Absent => Err(refusal::not_running(machine)),
        }
    }

    fn bases(&self) -> Result<Vec<Base>> {
        base::list(&self.shared)
    }

    fn export_disk(
        &self,
        machine: &MachineSpec,
        to: &Path,
        form: DiskForm,
        cancel: &Cancel,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Mac> {
        let lock = Files::of(machine).lock(cancel)?;
        let manage = self.program.holding(&lock);
        if form != DiskForm::Raw {
            // Of a box with a virtio-blk disk, which no machine here has.
            let message = "cannot be packaged with VirtualBox for libvirt";
            return Err(Error::new(Kind::WrongState, message).of(&machine.name));
        }
        match self.settled(manage, machine, cancel)? {
            PowerState::Off => {
                export::disk(manage, machine, to, cancel, progress)
                    .map_err(|error| error.of(&machine.name))?;
                Ok(Behind::of(machine)?.nat_mac)
            }
            _ => Err(refusal::not_off(machine)),
        }
    }

    fn destroy(&self, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        let lock = Files::of(machine).lock(cancel)?;
        remove::machine(self.program.holding(&lock), machine).map_err(|error| error.of(&machine.name))?;
        self.networks.leave(&self.program, machine, cancel)
    }

    fn strays(&self, lost: Lost<'_>, _: &Cancel) -> Result<Vec<String>> {
        remove::running(self.program.manage(), lost.machines)
    }

    fn forget(&self, lost: Lost<'_>, cancel: &Cancel) -> Result<()> {
        remove::forget(self.program.manage(), lost.machines, lost.kept)?;
        self.networks.forget(&self.program, lost.machines, cancel)
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
        let log = Files::of(machine).log();
        let name = &machine.name;
        let last_words = |error: Error| match last_lines(&log, 0, LAST_WORDS) {
            lines if lines.is_empty() => error,
            lines => error.detail(format!("VirtualBox's last words:\n{}", lines.join("\n"))),
        };
        if Process::of(&log).and_then(Process::lives) == Some(false) {
            return Err(last_words(Error::new(Kind::Crashed, "it has gone off, or VirtualBox has ended")));
        }
        match watch::sign(&log) {
            Sign::Fine => Ok(()),
            Sign::DiskFull => Err(Error::new(Kind::DiskFull, "stopped, since its disk could not be written")
                .hint("free some space on this computer; `lab up` then lets it run on")),
            Sign::Lost => {
                Err(last_words(Error::new(Kind::Crashed, "VirtualBox has lost it (a \"guru meditation\")"))
                    .hint(format!("`lab halt --force {name}`, then `lab up`")))
            }
        }
    }

    fn usage(&self, machine: &MachineSpec) -> Option<Usage> {
        usage(Process::of(&Files::of(machine).log())?.number())
    }

    fn log(&self, machine: &MachineSpec) -> Option<PathBuf> {
        Some(Files::of(machine).log())
    }
}

/// Any state → Off.
fn power_off(manage: Manage<'_>, machine: &Machine) -> Result<()> {
    match machine.state {
        PowerState::Absent | PowerState::Off => return Ok(()),
        PowerState::Suspended => return manage.ask(["discardstate", &machine.id]).map(drop),
        PowerState::Running
        | PowerState::Paused
        | PowerState::Busy
        | PowerState::CutOff
        | PowerState::Unclear => {}
    }
    match manage.call(["controlvm", &machine.id, "poweroff"])? {
        // It is between two states, or its process does not answer: that is ended below.
        Err(failure) if !failure.is_not_running() && machine.state == PowerState::Running => {
            return Err(failure.into());
        }
        _ => {}
    }
    let log = machine.config.parent().map(|home| home.join("Logs").join("VBox.log"));
    log.map_or(Ok(()), |log| end(&log, &machine.id))
}

/// Waits for the end of a machine's process, which has been told to, and ends it if it does not come.
fn end(log: &Path, id: &str) -> Result<()> {
    let Some(process) = Process::of(log) else { return Ok(()) };
    if process.wait(END_PATIENCE, &Cancel::new())? == Some(false) {
        process.kill(id);
        process.wait(END_PATIENCE, &Cancel::new())?;
    }
    Ok(())
}

fn port_taken(port: u16) -> Error {
    Error::new(Kind::PortTaken, format!("port {port} of this computer is taken"))
        .hint("`lab up` finds another one for ssh; a port of the Labfile has to be free, or be changed there")
}

/// A failure that nobody foresaw, of a start.
fn as_start_failure(error: Error) -> Error {
    if error.kind() != Kind::ProgramFailed {
        return error;
    }
    let message = error.message().replacen("VBoxManage failed", "VirtualBox could not start it", 1);
    let failed =
        error.details().iter().fold(Error::new(Kind::StartFailed, message), |error, line| error.detail(line));
    error.hints().iter().fold(failed, |failed, hint| failed.hint(hint))
}

fn unclear(machine: &MachineSpec) -> Error {
    let name = &machine.name;
    Error::new(
        Kind::WrongState,
        format!("{name} is in no state to do this: VirtualBox is at work on it, or has lost it"),
    )
    .hint(format!("`lab halt --force {name}` cuts its power"))
}
