//! NIC 2: the lab's private network, and this computer's place on it.
//!
//! A lab gets a host-only adapter of its own, made by us: one that was there before belongs to the user, whatever its
//! address. Which adapters are ours, for which lab and machines, stands in a register that is written around each
//! change, under a lock. An adapter goes with the last machine that uses it.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::answers::{self, Adapter};
use super::files;
use super::manage::{Manage, Program};
use super::ranges;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::flock;
use crate::provider::routes::Range;
use crate::provider::{MachineSpec, PrivateNetwork, SharedDir};
use crate::versioned;

/// The version of the register.
const VERSION: u32 = 1;
/// How long another `lab` may be at work on adapters; Windows takes seconds, and asks the user.
const LOCK_PATIENCE: Duration = Duration::from_secs(300);

/// How often the removal of an adapter is tried, and the pause in between.
const REMOVE_TRIES: usize = 4;
const REMOVE_PAUSE: Duration = Duration::from_secs(1);

/// What NIC 2 is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Nic {
    /// A host-only adapter.
    Adapter(String),
    /// A host-only network of macOS, where there are no such adapters from 7.0 on.
    HostOnlyNet(String),
    /// An internal network: the machines alone.
    Internal(String),
}

impl Nic {
    /// It, for `modifyvm`.
    pub(super) fn arguments(&self) -> [&str; 4] {
        match self {
            Nic::Adapter(name) => ["--nic2", "hostonly", "--hostonlyadapter2", name],
            Nic::HostOnlyNet(name) => ["--nic2", "hostonlynet", "--host-only-net2", name],
            Nic::Internal(name) => ["--nic2", "intnet", "--intnet2", name],
        }
    }
}

/// The register.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Register {
    version: u32,
    adapters: Vec<Owned>,
    /// While one is being made: the names of those that were there before. What is new after a kill is ours.
    begun: Option<Vec<String>>,
}

/// An adapter that is ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Owned {
    name: String,
    lab_id: String,
    address: Ipv4Addr,
    prefix: u8,
    /// It has its address.
    ready: bool,
    /// There was a DHCP server for its name, which was switched off for as long as the adapter is ours.
    dhcp_was_on: bool,
    /// The machines that need it.
    users: Vec<User>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: String,
    /// The machine's folder; where it is gone, so is the machine.
    dir: PathBuf,
}

impl Owned {
    fn range(&self) -> Range {
        Range { address: self.address, prefix: self.prefix }
    }
}

/// The private networks of this user's labs.
#[derive(Debug)]
pub(super) struct Networks {
    folder: PathBuf,
    /// What the network of this lab was found to be.
    joined: Mutex<Option<((String, PrivateNetwork), Nic)>>,
}

impl Networks {
    pub(super) fn new(shared: &SharedDir) -> Self {
        Networks { folder: files::shared(shared), joined: Mutex::new(None) }
    }

    /// Makes sure that a machine's network is there, and notes that the machine needs it. Says what is less than one
    /// may expect.
    ///
    /// # Errors
    /// [`Kind::WrongState`] for a range that cannot be had; nothing has been made then.
    pub(super) fn join(
        &self,
        program: &Program,
        machine: &MachineSpec,
        cancel: &Cancel,
    ) -> Result<(Nic, Option<String>)> {
        let network = &machine.network;
        let internal = Nic::Internal(format!("lab-{}", machine.lab_id));
        if network.internal || network.prefix == 0 {
            return Ok((internal, None));
        }
        if cfg!(target_os = "macos") && program.version()?.is_at_least(7, 0, 0) {
            return host_only_net(program.manage(), machine).map(|nic| (nic, None));
        }
        // One machine at a time: the others then find what the first has made.
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        std::fs::create_dir_all(&machine.dir)
            .map_err(|source| Error::io("create the folder", &machine.dir, &source))?;
        let lock = self.lock(cancel)?;
        let mut open = Open::read(self, program.holding(&lock))?;
        let place = (machine.lab_id.clone(), *network);
        let known = joined.as_ref().filter(|(known, _)| *known == place).map(|(_, nic)| nic.clone());
        if let Some(nic) = known {
            open.add_user(machine)?;
            return Ok((nic, None));
        }
        let (nic, note) = match open.adapter_for(machine, program)? {
            Ok(name) => (Nic::Adapter(name), None),
            Err(why) => (internal, Some(why)),
        };
        *joined = Some((place, nic.clone()));
        Ok((nic, note))
    }

    /// Notes that a machine needs its network no more, and removes what nobody needs.
    pub(super) fn leave(&self, program: &Program, machine: &MachineSpec, cancel: &Cancel) -> Result<()> {
        if cfg!(target_os = "macos") && program.version()?.is_at_least(7, 0, 0) {
            // Refused while another machine is connected to it: then the last one removes it.
            let name = host_only_net_name(&machine.lab_id);
            return program.manage().call(["hostonlynet", "remove", &format!("--name={name}")]).map(drop);
        }
        if !self.path().exists() {
            return Ok(());
        }
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        *joined = None;
        let lock = self.lock(cancel)?;
        let mut open = Open::read(self, program.holding(&lock))?;
        for owned in &mut open.register.adapters {
            owned.users.retain(|user| user.id != machine.id);
        }
        open.write()?;
        // What writes of the register that were killed have left: nobody else writes here while we hold its lock.
        crate::atomic::sweep(&self.folder);
        open.sweep()
    }

    /// Notes that the machines in `folder` are no more, and removes what nobody needs.
    pub(super) fn forget(&self, program: &Program, folder: &Path, cancel: &Cancel) -> Result<()> {
        if !self.path().exists() {
            return Ok(());
        }
        let lock = self.lock(cancel)?;
        let mut open = Open::read(self, program.holding(&lock))?;
        let before: usize = open.register.adapters.iter().map(|owned| owned.users.len()).sum();
        for owned in &mut open.register.adapters {
            owned.users.retain(|user| !user.dir.starts_with(folder));
        }
        if open.register.adapters.iter().map(|owned| owned.users.len()).sum::<usize>() == before {
            return Ok(());
        }
        open.write()?;
        open.sweep()
    }

    fn path(&self) -> PathBuf {
        self.folder.join("networks.json")
    }

    fn lock(&self, cancel: &Cancel) -> Result<File> {
        let folder = &self.folder;
        std::fs::create_dir_all(folder).map_err(|source| Error::io("create the folder", folder, &source))?;
        flock::wait(&folder.join("networks.lock"), LOCK_PATIENCE, cancel, || {})?.ok_or_else(|| {
            Error::new(
                Kind::WrongState,
                "another lab has been working on VirtualBox's networks for five minutes",
            )
            .hint("stop it, then run the same command again")
        })
    }
}

/// The register, open for changes under its lock.
struct Open<'a> {
    path: PathBuf,
    register: Register,
    manage: Manage<'a>,
}

impl<'a> Open<'a> {
    fn read(networks: &Networks, manage: Manage<'a>) -> Result<Self> {
        let path = networks.path();
        let register = versioned::read(&path, VERSION)?;
        let register = register.unwrap_or(Register { version: VERSION, ..Register::default() });
        Ok(Open { path, register, manage })
    }

    fn write(&self) -> Result<()> {
        versioned::write(&self.path, &self.register)
    }

    fn list(&self) -> Result<Vec<Adapter>> {
        Ok(answers::adapters(&self.manage.list(&["hostonlyifs"])?))
    }

    /// Takes on an adapter that a killed command had just made.
    fn finish_begun(&mut self, there: &[Adapter]) -> Result<()> {
        let Some(before) = self.register.begun.take() else { return Ok(()) };
        let known = |name: &str| before.iter().any(|other| other == name);
        let mut new =
            there.iter().filter(|adapter| !known(&adapter.name) && self.owned(&adapter.name).is_none());
        if let (Some(adapter), None) = (new.next(), new.next()) {
            let orphan = Owned {
                name: adapter.name.clone(),
                lab_id: String::new(),
                address: Ipv4Addr::UNSPECIFIED,
                prefix: 32,
                ready: false,
                dhcp_was_on: false,
                users: Vec::new(),
            };
            self.register.adapters.push(orphan);
        }
        self.write()
    }

    fn owned(&self, name: &str) -> Option<&Owned> {
        self.register.adapters.iter().find(|owned| owned.name == name)
    }

    /// The lab's adapter, by name; or why there is none.
    fn adapter_for(&mut self, machine: &MachineSpec, program: &Program) -> Result<Result<String, String>> {
        let network = &machine.network;
        let range = Range::of(network);
        let there = self.list()?;
        self.finish_begun(&there)?;
        // A machine of another id that had this folder is no more.
        for owned in &mut self.register.adapters {
            owned.users.retain(|user| user.dir != machine.dir || user.id == machine.id);
        }
        let ours = self.register.adapters.iter().position(|owned| owned.lab_id == machine.lab_id);
        let own_name = ours.and_then(|at| self.register.adapters.get(at)).map(|owned| owned.name.clone());
        let exists = |name: &str| there.iter().any(|adapter| adapter.name == name);
        let other = self.register.adapters.iter().find(|owned| {
            owned.lab_id != machine.lab_id
                && exists(&owned.name)
                && owned.range().overlaps(range)
                && owned.users.iter().any(|user| user.dir.exists())
        });
        if other.is_some() {
            self.sweep()?;
            return Ok(Err(format!(
                "another lab has the private network {range}, so this computer does not reach this lab's machines at \
                 their private addresses; forwards work, and a range of its own ([network] private) changes that"
            )));
        }
        ranges::check(range, program.version()?, own_name.as_deref())?;
        self.check_strangers(range, &there)?;
        let name = match own_name.filter(|name| exists(name)) {
            Some(name) => name,
            None => match self.create(machine, &there, ours)? {
                Ok(name) => name,
                Err(why) => return Ok(Err(why)),
            },
        };
        self.add_user(machine)?;
        self.configure(&name, network, &there)?;
        self.sweep()?;
        Ok(Ok(name))
    }

    /// Refuses a range that an adapter of the user's has, though it may be down.
    fn check_strangers(&self, range: Range, there: &[Adapter]) -> Result<()> {
        let strangers = there.iter().filter(|adapter| self.owned(&adapter.name).is_none());
        for adapter in strangers {
            if let (Some(address), Some(netmask)) = (adapter.address, adapter.netmask) {
                let theirs = Range::around(address, netmask);
                if theirs.overlaps(range) {
                    let how = format!("is the range of VirtualBox's host-only adapter {}", adapter.name);
                    let hint = format!(
                        "or remove that adapter, if nothing needs it: VBoxManage hostonlyif remove \"{}\"",
                        adapter.name
                    );
                    return Err(ranges::taken(range, theirs, &how).hint(hint));
                }
            }
        }
        Ok(())
    }

    /// Makes an adapter for the lab, in the place of the one at `lost` that is there no more.
    fn create(
        &mut self,
        machine: &MachineSpec,
        there: &[Adapter],
        lost: Option<usize>,
    ) -> Result<Result<String, String>> {
        let network = &machine.network;
        self.register.begun = Some(there.iter().map(|adapter| adapter.name.clone()).collect());
        self.write()?;
        let made = self.manage.call(["hostonlyif", "create"])?;
        let name = match made.map(|answer| answers::created_adapter(&answer.out)) {
            Ok(Some(name)) => name,
            Ok(None) => {
                return Err(Error::new(
                    Kind::ProgramFailed,
                    "VBoxManage did not name the adapter that it made",
                ));
            }
            Err(failure) => {
                self.register.begun = None;
                self.write()?;
                return Ok(Err(format!(
                    "VirtualBox could not make a host-only adapter ({}), so this computer does not reach the machines \
                     at their private addresses; forwards work",
                    failure.message()
                )));
            }
        };
        let users = lost.map(|at| self.register.adapters.remove(at).users).unwrap_or_default();
        self.register.begun = None;
        self.register.adapters.push(Owned {
            name: name.clone(),
            lab_id: machine.lab_id.clone(),
            address: network.address,
            prefix: network.prefix,
            ready: false,
            dhcp_was_on: false,
            users,
        });
        self.write()?;
        Ok(Ok(name))
    }

    /// Gives the adapter this computer's address, and no DHCP server.
    fn configure(&mut self, name: &str, network: &PrivateNetwork, there: &[Adapter]) -> Result<()> {
        let address = network.host_address();
        let has_address =
            there.iter().any(|adapter| adapter.name == name && adapter.address == Some(address));
        let (path, manage) = (self.path.clone(), self.manage);
        let position = self.register.adapters.iter().position(|owned| owned.name == name);
        let Some(at) = position else { return Ok(()) };
        let done = self.register.adapters.get(at).is_some_and(|owned| owned.ready && has_address);
        if done {
            return Ok(());
        }
        let network_name = format!("HostInterfaceNetworking-{name}");
        let dhcp = answers::dhcp_networks(&manage.list(&["dhcpservers"])?);
        let dhcp_is_on = dhcp.contains(&network_name);
        if let Some(owned) = self.register.adapters.get_mut(at) {
            owned.dhcp_was_on |= dhcp_is_on;
            (owned.address, owned.prefix) = (network.address, network.prefix);
        }
        versioned::write(&path, &self.register)?;
        if dhcp_is_on {
            manage.ask(["dhcpserver", "modify", "--netname", &network_name, "--disable"])?;
        }
        let (address, netmask) = (address.to_string(), network.netmask().to_string());
        manage.ask(["hostonlyif", "ipconfig", name, "--ip", &address, "--netmask", &netmask])?;
        if let Some(owned) = self.register.adapters.get_mut(at) {
            owned.ready = true;
        }
        versioned::write(&path, &self.register)
    }

    /// Notes that `machine` needs the adapter of its lab.
    fn add_user(&mut self, machine: &MachineSpec) -> Result<()> {
        let lab_id = &machine.lab_id;
        let Some(owned) = self.register.adapters.iter_mut().find(|owned| owned.lab_id == *lab_id) else {
            return Ok(());
        };
        if owned.users.iter().any(|user| user.id == machine.id && user.dir == machine.dir) {
            return Ok(());
        }
        owned.users.retain(|user| user.id != machine.id);
        owned.users.push(User { id: machine.id.clone(), dir: machine.dir.clone() });
        self.write()
    }

    /// Removes an adapter. The machine that was its last user may still be letting go of it.
    fn remove(&self, name: &str) -> Result<()> {
        let mut tries = 1;
        loop {
            match self.manage.call(["hostonlyif", "remove", name])? {
                Ok(_) => return Ok(()),
                Err(failure) if tries == REMOVE_TRIES => {
                    let message = format!("the lab's host-only adapter {name} could not be removed");
                    return Err(Error::new(Kind::WrongState, message).detail(failure.words()).hint(format!(
                        "end what uses it, then run the command again; or: VBoxManage hostonlyif remove \"{name}\""
                    )));
                }
                Err(_) => std::thread::sleep(REMOVE_PAUSE),
            }
            tries += 1;
        }
    }

    /// Removes adapters that no machine needs any more.
    fn sweep(&mut self) -> Result<()> {
        for owned in &mut self.register.adapters {
            owned.users.retain(|user| user.dir.exists());
        }
        if self.register.begun.is_none() && self.register.adapters.iter().all(|owned| !owned.users.is_empty())
        {
            return Ok(());
        }
        let there = self.list()?;
        self.finish_begun(&there)?;
        let unused: Vec<Owned> =
            self.register.adapters.iter().filter(|owned| owned.users.is_empty()).cloned().collect();
        for owned in unused {
            // A name comes back after a restart of the computer: an adapter with another address is another one.
            let host = PrivateNetwork::first_address(owned.address);
            let is_ours = |adapter: &&Adapter| {
                adapter.name == owned.name && (!owned.ready || adapter.address == Some(host))
            };
            if there.iter().any(|adapter| is_ours(&adapter)) {
                if owned.dhcp_was_on {
                    let network_name = format!("HostInterfaceNetworking-{}", owned.name);
                    self.manage.call(["dhcpserver", "modify", "--netname", &network_name, "--enable"])?.ok();
                }
                self.remove(&owned.name)?;
            }
            self.register.adapters.retain(|other| other.name != owned.name);
            self.write()?;
        }
        Ok(())
    }
}

fn host_only_net_name(lab_id: &str) -> String {
    format!("lab-{lab_id}")
}

/// macOS, from VirtualBox 7.0 on: a network that the system itself provides. Written from the manual; never run.
fn host_only_net(manage: Manage<'_>, machine: &MachineSpec) -> Result<Nic> {
    let (name, network) = (host_only_net_name(&machine.lab_id), &machine.network);
    let there = manage.list(&["hostonlynets"])?;
    let is_there = there
        .lines()
        .any(|line| line.split_once(':').is_some_and(|(key, value)| key == "Name" && value.trim() == name));
    if !is_there {
        let last =
            Ipv4Addr::from_bits((network.address.to_bits() | !network.netmask().to_bits()).saturating_sub(1));
        manage.ask([
            "hostonlynet".to_owned(),
            "add".to_owned(),
            format!("--name={name}"),
            format!("--netmask={}", network.netmask()),
            format!("--lower-ip={}", network.host_address()),
            format!("--upper-ip={last}"),
            "--enable".to_owned(),
        ])?;
    }
    Ok(Nic::HostOnlyNet(name))
}
