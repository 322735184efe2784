//! What is inside machines that are not there: a disk with keys, a name and what has run; RAM with a boot.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::guest::check::{Answer, Probe};
use crate::guest::keys::LabKey;
use crate::guest::restart::After;
use crate::guest::session::{Done, Ended};
use crate::guest::setup::Identity;
use crate::guest::step::{Step, StepEvent};
use crate::guest::{Access, Guests};
use crate::process::Stream;
use crate::provider::fake::{Machine, Things, World};

/// What is on a machine's disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Disk {
    /// Its host key, from its first boot on.
    pub host_key: Option<String>,
    /// Vagrant's insecure key has been taken out.
    pub is_secured: bool,
    /// The public key that it takes.
    pub authorized: Option<String>,
    /// The fingerprint of who it is.
    pub identity: Option<String>,
    /// What has been run, by step id.
    pub steps: BTreeMap<String, Ran>,
    /// What the user has written.
    pub work: String,
}

/// What is in its RAM.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ram {
    /// Which boot of the world it is.
    pub boot: u64,
    /// What the user has open.
    pub work: String,
}

/// How often a step has run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ran {
    /// How often it was begun.
    pub begun: u32,
    /// How often it came to its end.
    pub done: u32,
    /// The guest has noted it as done.
    pub noted: bool,
    /// The boot in which it last came to its end.
    pub boot: u64,
}

/// What is on the disk of `machine`.
pub(super) fn disk(machine: &Machine) -> Disk {
    Disk::deserialize(&machine.disk).unwrap_or_default()
}

/// What is in its RAM; `None` where it has none.
pub(super) fn ram(machine: &Machine) -> Option<Ram> {
    machine.ram.as_ref().map(|ram| Ram::deserialize(ram).unwrap())
}

/// Changes what is on the disk of `machine`.
pub(super) fn on_disk<T>(machine: &mut Machine, change: impl FnOnce(&mut Disk) -> T) -> T {
    let mut disk = disk(machine);
    let result = change(&mut disk);
    machine.disk = serde_json::to_value(disk).unwrap();
    result
}

/// Changes what is in its RAM, where it has any.
pub(super) fn in_ram(machine: &mut Machine, change: impl FnOnce(&mut Ram)) {
    if let Some(mut ram) = ram(machine) {
        change(&mut ram);
        machine.ram = Some(serde_json::to_value(ram).unwrap());
    }
}

/// The way into the machines of a world.
pub(super) struct FakeGuests(pub Arc<World>);

impl FakeGuests {
    /// A call that reaches the guest behind `access`.
    fn inside<T>(
        &self,
        what: &str,
        access: &Access,
        cancel: Option<&Cancel>,
        work: impl FnOnce(&mut Machine) -> Result<T>,
    ) -> Result<T> {
        self.0.call(what, &access.machine, cancel, |things: &mut Things| {
            let machine = World::behind(things, access.address.port())?;
            assert_eq!(machine.name, access.machine, "the port leads into another machine");
            work(machine)
        })
    }

    /// Logs in; tells whether the lab's own key was taken.
    fn login(&self, access: &Access, cancel: &Cancel) -> Result<bool> {
        self.inside("login", access, Some(cancel), |machine| {
            let disk = disk(machine);
            let host_key = disk.host_key.expect("it has booted");
            match std::fs::read_to_string(&access.known_hosts) {
                Ok(known) if known == host_key => {}
                Ok(_) => return Err(Error::new(Kind::HostKeyChanged, "another host key")),
                Err(_) => std::fs::write(&access.known_hosts, &host_key).unwrap(),
            }
            for key in &access.keys {
                let text = std::fs::read_to_string(key).unwrap();
                if disk.authorized.as_deref() == Some(public(&text).as_str()) {
                    return Ok(true);
                }
                if key.ends_with("insecure_key") && !disk.is_secured {
                    return Ok(false);
                }
            }
            Err(Error::new(Kind::SshRefused, format!("{} lets us in with no key", access.machine)))
        })
    }

    fn step(&self, access: &Access, step: &Step, cancel: &Cancel) -> Result<()> {
        // Begun: whoever is killed after this has it run again.
        self.inside("step_begun", access, Some(cancel), |machine| {
            on_disk(machine, |disk| {
                let ran = disk.steps.entry(step.id.clone()).or_default();
                ran.begun += 1;
                ran.noted = false;
            });
            Ok(())
        })?;
        // Its end and the guest's note are one: the guest sees to that.
        self.inside("step_done", access, Some(cancel), |machine| {
            let boot = ram(machine).unwrap_or_default().boot;
            on_disk(machine, |disk| {
                let ran = disk.steps.entry(step.id.clone()).or_default();
                ran.done += 1;
                ran.noted = true;
                ran.boot = boot;
            });
            Ok(())
        })
    }
}

/// The public half of a key.
fn public(private: &str) -> String {
    format!("ssh-rsa {private} fake")
}

impl Guests for FakeGuests {
    fn check_installed(&self) -> Result<()> {
        self.0.call("check_installed", "", None, |_| Ok(()))
    }

    fn lab_key(&self, path: &Path) -> Result<LabKey> {
        self.0.call("lab_key", "", None, |_| {
            if !path.exists() {
                atomic::write(path, uuid::Uuid::new_v4().to_string().as_bytes())?;
            }
            let text = std::fs::read_to_string(path).map_err(|source| Error::io("read", path, &source))?;
            Ok(LabKey { private: path.to_owned(), public: public(&text) })
        })
    }

    fn wait(
        &self,
        access: &Access,
        limit: Duration,
        cancel: &Cancel,
        alive: &mut dyn FnMut() -> Result<()>,
        said: &mut dyn FnMut() -> u64,
    ) -> Result<Duration> {
        alive()?;
        let before = said();
        let answers = self.inside("wait", access, Some(cancel), |machine| {
            on_disk(machine, |disk| {
                disk.host_key.get_or_insert_with(|| uuid::Uuid::new_v4().to_string());
            });
            Ok(Duration::from_secs(1))
        });
        if answers.is_err() {
            self.0.meddle(|things| things.now += limit);
            alive()?;
        }
        assert!(said() >= before, "a console takes back what it said");
        answers
    }

    fn session(
        &self,
        access: &Access,
        identity: Option<&Identity>,
        steps: &[Step],
        cancel: &Cancel,
        on_event: &mut dyn FnMut(StepEvent<'_>),
    ) -> Result<Ended> {
        let by_own_key = self.login(access, cancel)?;
        on_event(StepEvent::Entered { boot: "fake" });
        if let Some(identity) = identity {
            on_event(StepEvent::SettingUp);
            self.inside("set_up", access, Some(cancel), |machine| {
                on_disk(machine, |disk| {
                    disk.identity = Some(identity.fingerprint());
                    disk.authorized = Some(identity.authorized_key.clone());
                });
                Ok(())
            })?;
            on_event(StepEvent::SetUp);
        }
        if by_own_key {
            self.inside("secure", access, Some(cancel), |machine| {
                on_disk(machine, |disk| disk.is_secured = true);
                Ok(())
            })?;
        }
        for (index, step) in steps.iter().enumerate() {
            let noted = self.inside("step", access, Some(cancel), |machine| {
                Ok(disk(machine).steps.get(&step.id).is_some_and(|ran| ran.noted))
            })?;
            if noted && !step.force {
                on_event(StepEvent::Skipped { index });
                continue;
            }
            on_event(StepEvent::Started { index });
            on_event(StepEvent::Line { index, stream: Stream::Out, text: "running" });
            self.step(access, step, cancel)?;
            on_event(StepEvent::Finished { index, took: Duration::from_secs(1) });
        }
        Ok(Ended::Well(Done { secured: by_own_key, login: None }))
    }

    fn prove_login(&self, access: &Access, cancel: &Cancel) -> Result<()> {
        self.login(access, cancel).map(drop)
    }

    fn after_break(
        &self,
        _: &Access,
        _: &str,
        _: Option<&str>,
        _: Duration,
        _: &Cancel,
        _: &mut dyn FnMut() -> Result<()>,
    ) -> Result<After> {
        unreachable!("no session with these guests breaks")
    }

    fn answers(&self, access: &Access, probes: &[Probe<'_>], cancel: &Cancel) -> Result<Vec<Option<Answer>>> {
        self.login(access, cancel)?;
        self.inside("answers", access, Some(cancel), |_| {
            let answer = Answer { status: Some(0), stdout: "hello".to_owned(), stderr: String::new() };
            Ok(probes.iter().map(|_| Some(answer.clone())).collect())
        })
    }
}
