//! A machine's settings: what it is to have, and what it was last given. Where both agree, no call is made.

use serde::{Deserialize, Serialize};

use super::answers;
use super::files::Files;
use super::hardware::nic_type;
use super::manage::Manage;
use super::network::Nic;
use super::settings;
use crate::boxes::Mac;
use crate::error::{Error, Kind, Result};
use crate::provider::MachineSpec;
use crate::provider::local::Behind;
use crate::unlink;
use crate::versioned;

/// The version of `virtualbox.json`.
const VERSION: u32 = 1;

/// `virtualbox.json`: what the machine was last given. Written when it has all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Given {
    version: u32,
    /// The options of `modifyvm`.
    options: Vec<String>,
    /// Its forwards, by name.
    forwards: Vec<Forward>,
    /// The Labfile's own calls.
    customize: Vec<Vec<String>>,
}

/// A NAT forward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Forward {
    name: String,
    rule: String,
}

impl Given {
    /// What `machine` is to have, with NIC 2 connected to `nic`.
    ///
    /// # Errors
    /// Those of reading what this provider keeps.
    pub(super) fn wanted(machine: &MachineSpec, nic: &Nic) -> Result<Self> {
        let cards = Behind::of(machine)?;
        let hardware = &machine.hardware;
        let model = nic_type(hardware.nic);
        let description = format!(
            "The machine {} of the lab {}. `lab` made it and manages it, from {}",
            machine.name,
            machine.lab,
            machine.dir.display()
        );
        let text = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let mut options = text(&["--description", &description]);
        options.extend(text(&[
            "--memory",
            &hardware.memory_mib.to_string(),
            "--cpus",
            &hardware.cpus.to_string(),
        ]));
        options.extend(text(&["--nic1", "nat", "--nictype1", model, "--macaddress1", &mac(cards.nat_mac)]));
        let dns = if host_resolver_is_local() { "on" } else { "off" };
        options.extend(text(&["--cableconnected1", "on", "--natdnshostresolver1", dns]));
        options.extend(text(&nic.arguments()));
        options.extend(text(&[
            "--nictype2",
            model,
            "--macaddress2",
            &mac(cards.private_mac),
            "--cableconnected2",
            "on",
        ]));
        let console = Files::of(machine).console();
        options.extend(text(&["--uart1", "0x3F8", "4", "--uartmode1", "file", &console.to_string_lossy()]));
        let with_id = |word: &String| word.replace("{id}", &machine.id);
        let (for_box, settings) = settings::of(machine)?;
        let customize = for_box.customize.iter().chain(&settings.customize);
        Ok(Given {
            version: VERSION,
            options,
            forwards: wanted_forwards(machine)?,
            customize: customize.map(|call| call.iter().map(with_id).collect()).collect(),
        })
    }

    /// What the machine was last given; `None` where that is not known.
    pub(super) fn read(files: Files<'_>) -> Result<Option<Self>> {
        versioned::read(&files.given(), VERSION)
    }

    /// Gives it to a machine that is off. `fresh`: it has no forwards yet.
    ///
    /// # Errors
    /// Those of VBoxManage, for the Labfile's own calls too.
    pub(super) fn give(&self, manage: Manage<'_>, machine: &MachineSpec, fresh: bool) -> Result<()> {
        let files = Files::of(machine);
        let had = if fresh { Vec::new() } else { forwards(manage, machine)? };
        // Until all is given, it is not known what the machine has.
        unlink::file(&files.given())?;
        let mut call = vec!["modifyvm".to_owned(), machine.id.clone()];
        call.extend(self.options.iter().cloned());
        call.extend(had.into_iter().flat_map(|name| ["--natpf1".to_owned(), "delete".to_owned(), name]));
        call.extend(self.forwards.iter().flat_map(|forward| ["--natpf1".to_owned(), forward.rule.clone()]));
        manage.ask(call)?;
        for call in &self.customize {
            manage.ask(call).map_err(|error| {
                error.hint(format!(
                    "this call stands in the Labfile (`customize` in [machine.{}.virtualbox]), or in the catalogue's entry of its box",
                    machine.name
                ))
            })?;
        }
        versioned::write(&files.given(), self)
    }

    /// Gives a machine that runs its forwards, in the place of those that it has. The rest can only be given to one that is off.
    pub(super) fn forward_anew(manage: Manage<'_>, machine: &MachineSpec) -> Result<()> {
        let had = forwards(manage, machine)?;
        for name in &had {
            manage.ask(["controlvm", &machine.id, "natpf1", "delete", name])?;
        }
        for forward in wanted_forwards(machine)? {
            manage.ask(["controlvm", &machine.id, "natpf1", &forward.rule])?;
        }
        Ok(())
    }
}

/// What `machine` is to have.
fn wanted_forwards(machine: &MachineSpec) -> Result<Vec<Forward>> {
    let forward = |name: String, host: u16, guest: u16| Forward {
        rule: format!("{name},tcp,127.0.0.1,{host},,{guest}"),
        name,
    };
    let ssh = std::iter::once(forward("lab-ssh".to_owned(), Behind::of(machine)?.ssh_port, 22));
    let others =
        machine.forwards.iter().map(|port| forward(format!("lab-{}", port.host), port.host, port.guest));
    Ok(ssh.chain(others).collect())
}

/// The forwards that it has now and that are ours: those that a user added stay.
fn forwards(manage: Manage<'_>, machine: &MachineSpec) -> Result<Vec<String>> {
    let said = manage.ask(["showvminfo", &machine.id, "--machinereadable"])?;
    let seen = answers::machine(&said).ok_or_else(|| {
        Error::new(Kind::ProgramFailed, "VBoxManage did not say what the machine has").detail(said.trim_end())
    })?;
    Ok(seen.forwards.into_iter().filter(|name| name.starts_with("lab-")).collect())
}

/// As VirtualBox writes it.
fn mac(mac: Mac) -> String {
    mac.0.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Whether this computer asks a name server of its own (systemd-resolved, dnsmasq): its address means the guest itself
/// to a guest, so VirtualBox has to ask in its place.
fn host_resolver_is_local() -> bool {
    let is_local = |line: &str| {
        let server = line.trim().strip_prefix("nameserver").unwrap_or_default().trim();
        server.starts_with("127.") || server == "::1"
    };
    std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default().lines().any(is_local)
}
