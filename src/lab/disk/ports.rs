//! Which ports of this computer belong to which lab.
//!
//! A port is free when no other lab claims it and nothing listens on it. Claims outlive `halt`, so that a machine keeps its
//! ports. The claims of labs that the register of labs does not know are dropped; a lab that is not where it was keeps
//! its own until another one needs them.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::entry::{Entry, FolderId};
use super::files::{Home, LabFiles};
use super::register::{self, Register};
use super::wait::Wait;
use crate::error::{Error, Kind, Result};
use crate::provider::Claims;
use crate::versioned;

/// Where ssh ports are taken from: Vagrant's range first, on to a class's worth of machines.
pub const SSH_RANGE: RangeInclusive<u16> = 2200..=2999;
/// Where the numbers of private networks are taken from. They are UDP ports of multicast groups, and
/// lie below the range that systems give to outgoing connections.
pub const NETWORK_RANGE: RangeInclusive<u16> = 20000..=29999;

/// The format's version. Version 1 named the lab's folder in each claim, which now stands in the register of labs.
const VERSION: u32 = 2;

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A machine's ssh.
    Ssh,
    /// A forward of the Labfile.
    Forward,
    /// A lab's private network.
    Network,
}

/// A port that a lab has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The port.
    pub port: u16,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose it is.
    pub lab_id: String,
    /// Which machine's; `None` where it is for the whole lab.
    pub machine: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    version: u32,
    claims: Vec<Claim>,
}

/// One lab's view of the register of ports.
#[derive(Debug, Clone)]
pub struct Ports<'a> {
    home: Home,
    lab_id: String,
    wait: Wait<'a>,
}

/// The register of ports, while it is changed.
struct Open<'r> {
    claims: &'r mut Vec<Claim>,
    labs: Vec<Entry>,
}

impl<'a> Ports<'a> {
    /// The ports of the lab `lab_id`, which stands in the register of labs.
    pub fn of(home: &Home, lab_id: &str, wait: Wait<'a>) -> Self {
        Ports { home: home.clone(), lab_id: lab_id.to_owned(), wait }
    }

    /// Claims the first free port of `range`.
    ///
    /// # Errors
    /// [`Kind::PortTaken`] where all are taken.
    pub fn claim_one_of(
        &self,
        range: RangeInclusive<u16>,
        purpose: Purpose,
        machine: Option<&str>,
    ) -> Result<u16> {
        self.with_register(|open| {
            let can_be_had = |port: &u16| purpose == Purpose::Network || can_listen(*port);
            let claimed = |port: u16| open.claims.iter().find(move |claim| claim.port == port);
            let free = range.clone().find(|port| claimed(*port).is_none() && can_be_had(port));
            let left = || {
                range.clone().find(|port| {
                    claimed(*port).is_none_or(|claim| self.is_left(&open.labs, claim)) && can_be_had(port)
                })
            };
            let port = free.or_else(left).ok_or_else(|| {
                let (first, last) = (range.start(), range.end());
                Error::new(Kind::PortTaken, format!("all ports from {first} to {last} are taken"))
                    .hint("`lab destroy` in the folders of labs that you do not need any more frees theirs")
            })?;
            open.claims.retain(|claim| claim.port != port);
            open.claims.push(self.claim(port, purpose, machine));
            Ok(port)
        })
    }

    /// Claims `port` for a machine that is not running.
    ///
    /// # Errors
    /// [`Kind::PortTaken`], naming the lab and machine that have it where that is known.
    pub fn claim_exactly(&self, port: u16, purpose: Purpose, machine: &str) -> Result<()> {
        self.with_register(|open| {
            let ours = self.claim(port, purpose, Some(machine));
            // Networks are numbered by UDP ports, which do not get into the way of TCP.
            let collides =
                |claim: &Claim| claim.port == port && claim.purpose != Purpose::Network && *claim != ours;
            let other = open.claims.iter().find(|claim| collides(claim));
            if let Some(claim) = other.filter(|claim| !self.is_left(&open.labs, claim)) {
                return Err(with_port_hints(self.collision(&open.labs, claim)));
            }
            if !can_listen(port) {
                let error = Error::new(
                    Kind::PortTaken,
                    format!("port {port} of this computer is taken by another program"),
                );
                return Err(with_port_hints(error));
            }
            open.claims.retain(|claim| !collides(claim));
            if !open.claims.contains(&ours) {
                open.claims.push(ours);
            }
            Ok(())
        })
    }

    /// Gives up a machine's claims of one purpose.
    pub fn release(&self, machine: &str, purpose: Purpose) -> Result<()> {
        self.with_register(|open| {
            open.claims.retain(|claim| {
                claim.lab_id != self.lab_id
                    || claim.machine.as_deref() != Some(machine)
                    || claim.purpose != purpose
            });
            Ok(())
        })
    }

    /// Gives up everything that the lab claims.
    pub fn release_all(&self) -> Result<()> {
        self.with_register(|open| {
            open.claims.retain(|claim| claim.lab_id != self.lab_id);
            Ok(())
        })
    }

    /// Whether a claim is another lab's that is not where it was: it finds itself another port, should it come back.
    fn is_left(&self, labs: &[Entry], claim: &Claim) -> bool {
        let entry = labs.iter().find(|entry| entry.lab_id == claim.lab_id);
        claim.lab_id != self.lab_id
            && entry.is_none_or(|entry| FolderId::of(LabFiles::beside(&entry.dir).root()).is_none())
    }

    fn collision(&self, labs: &[Entry], claim: &Claim) -> Error {
        let (port, machine) = (claim.port, claim.machine.as_deref().unwrap_or("?"));
        if claim.lab_id == self.lab_id {
            let what = if claim.purpose == Purpose::Ssh { "ssh" } else { "a forward" };
            return Error::new(
                Kind::PortTaken,
                format!("port {port} is in use for {what} of {machine} in this lab"),
            );
        }
        let error = Error::new(
            Kind::PortTaken,
            format!("port {port} belongs to the machine {machine} of another lab"),
        );
        match labs.iter().find(|entry| entry.lab_id == claim.lab_id) {
            Some(entry) => error.detail(format!("that lab is in {}", entry.dir.display())),
            None => error,
        }
    }

    fn claim(&self, port: u16, purpose: Purpose, machine: Option<&str>) -> Claim {
        Claim { port, purpose, lab_id: self.lab_id.clone(), machine: machine.map(str::to_owned) }
    }

    /// Reads the register, lets `work` change it, and writes it, under its lock, which is held for milliseconds.
    fn with_register<T>(&self, work: impl FnOnce(&mut Open<'_>) -> Result<T>) -> Result<T> {
        let _lock = register::lock(&self.home, self.wait)?;
        // Before the claims of the release before are written anew, without what they say of labs.
        let labs = register::begin_locked(&self.home)?;
        let path = self.home.ports();
        let (version, before) = read(&path)?;
        let mut claims = before.clone();
        let is_known = |claim: &Claim| labs.iter().any(|entry| entry.lab_id == claim.lab_id);
        claims.retain(|claim| claim.lab_id == self.lab_id || is_known(claim));
        let result = work(&mut Open { claims: &mut claims, labs });
        if claims != before || version != VERSION {
            versioned::write(&path, &Listed { version: VERSION, claims })?;
        }
        result
    }
}

impl Claims for Ports<'_> {
    fn ssh_port(&self, machine: &str) -> Result<u16> {
        // Of a command that was killed before it could write down what it had claimed, or taken by another program.
        self.release(machine, Purpose::Ssh)?;
        self.claim_one_of(SSH_RANGE, Purpose::Ssh, Some(machine))
    }

    fn network_number(&self) -> Result<u16> {
        self.with_register(|open| {
            open.claims.retain(|claim| claim.lab_id != self.lab_id || claim.purpose != Purpose::Network);
            Ok(())
        })?;
        self.claim_one_of(NETWORK_RANGE, Purpose::Network, None)
    }

    fn is_free(&self, port: u16) -> bool {
        can_listen(port)
    }
}

/// The hints for a taken forward.
fn with_port_hints(error: Error) -> Error {
    error
        .hint("write another `host` port into the Labfile, or add `auto = true` to let lab pick one")
        .hint("or stop what uses the port, then run `lab up` again")
}

fn read(path: &Path) -> Result<(u32, Vec<Claim>)> {
    let claims = versioned::read::<Listed>(path, VERSION).map_err(|error| match error.kind() {
        Kind::StateDamaged => {
            error.hint("no lab depends on it alone: remove the file, then run the command again")
        }
        _ => error,
    })?;
    Ok(claims.map_or((VERSION, Vec::new()), |register| (register.version, register.claims)))
}

/// The ports on which other labs than `lab_id` are reached, each with the folder of its lab where that is known.
///
/// # Errors
/// Those of reading the registers.
pub fn of_others(register: &Register<'_>, home: &Home, lab_id: Option<&str>) -> Result<Vec<(u16, PathBuf)>> {
    let (_, claims) = read(&home.ports())?;
    let labs = register.labs()?;
    let others = claims
        .into_iter()
        .filter(|claim| claim.purpose != Purpose::Network && Some(claim.lab_id.as_str()) != lab_id);
    Ok(others
        .filter_map(|claim| {
            let entry = labs.iter().find(|entry| entry.lab_id == claim.lab_id)?;
            Some((claim.port, entry.dir.clone()))
        })
        .collect())
}

/// The ports on which the lab `lab_id` is reached.
///
/// # Errors
/// Those of reading the register.
pub fn of_lab(home: &Home, lab_id: &str) -> Result<Vec<u16>> {
    let (_, claims) = read(&home.ports())?;
    let own = claims.iter().filter(|claim| claim.purpose != Purpose::Network && claim.lab_id == lab_id);
    Ok(own.map(|claim| claim.port).collect())
}

/// Whether nothing listens on `port` of 127.0.0.1.
pub fn can_listen(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Cancel;
    use crate::lab::tell::event::Silent;

    /// A home, and as many labs in it as are asked for.
    struct Class {
        root: tempfile::TempDir,
        home: Home,
        cancel: Cancel,
    }

    impl Class {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            Class { home: Home::at(root.path().join("home")), root, cancel: Cancel::new() }
        }

        fn wait(&self) -> Wait<'_> {
            Wait { cancel: &self.cancel, sink: &Silent }
        }

        fn lab(&self, id: &str) -> Ports<'_> {
            let dir = self.root.path().join(id);
            std::fs::create_dir(&dir).unwrap();
            LabFiles::beside(&dir).make().unwrap();
            Register::of(&self.home, self.wait()).enter(&Entry::new(id, &dir, "qemu")).unwrap();
            Ports::of(&self.home, id, self.wait())
        }
    }

    #[test]
    fn two_labs_never_share_a_port() {
        let class = Class::new();
        let (a, b) = (class.lab("a"), class.lab("b"));
        let first = a.claim_one_of(NETWORK_RANGE, Purpose::Network, None).unwrap();
        let second = b.claim_one_of(NETWORK_RANGE, Purpose::Network, None).unwrap();
        assert_ne!(first, second);
        a.release_all().unwrap();
        assert_eq!(b.claim_one_of(NETWORK_RANGE, Purpose::Network, None).unwrap(), first);
    }

    #[test]
    fn a_claimed_forward_names_the_other_lab() {
        let class = Class::new();
        let (a, b) = (class.lab("a"), class.lab("b"));
        let port = a.claim_one_of(38000..=38999, Purpose::Ssh, Some("web1")).unwrap();
        let error = b.claim_exactly(port, Purpose::Forward, "web2").unwrap_err();
        assert_eq!(error.kind(), Kind::PortTaken);
        assert!(error.message().contains("web1"), "{error}");
        assert!(error.details()[0].ends_with("/a"), "{:?}", error.details());
        let register = Register::of(&class.home, class.wait());
        assert_eq!(of_others(&register, &class.home, Some("b")).unwrap()[0].0, port);
        assert!(of_others(&register, &class.home, Some("a")).unwrap().is_empty());
    }

    #[test]
    fn a_listening_program_is_noticed() {
        let class = Class::new();
        let a = class.lab("a");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = a.claim_exactly(port, Purpose::Forward, "web1").unwrap_err();
        assert!(error.message().contains("another program"), "{error}");
    }

    #[test]
    fn a_lab_that_is_elsewhere_keeps_its_port_until_another_needs_it() {
        let class = Class::new();
        let (a, b) = (class.lab("a"), class.lab("b"));
        let port = a.claim_one_of(39000..=39001, Purpose::Forward, Some("web1")).unwrap();
        std::fs::rename(class.root.path().join("a"), class.root.path().join("moved")).unwrap();
        let other = b.claim_one_of(39000..=39001, Purpose::Ssh, Some("web1")).unwrap();
        assert_ne!(port, other);
        b.claim_exactly(port, Purpose::Forward, "web1").unwrap();
    }

    #[test]
    fn the_claims_of_a_lab_that_nobody_knows_are_dropped_and_version_1_is_read() {
        let class = Class::new();
        let a = class.lab("a");
        let old = r#"{"version":1,"claims":[
            {"port":39100,"purpose":"ssh","lab_id":"a","lab_dir":"/x","machine":"web1"},
            {"port":39101,"purpose":"ssh","lab_id":"nobody","lab_dir":"/y","machine":"web1"}]}"#;
        std::fs::write(class.home.ports(), old).unwrap();
        assert!(a.claim_exactly(39100, Purpose::Forward, "web1").is_err());
        a.claim_exactly(39101, Purpose::Forward, "web1").unwrap();
        let (version, claims) = read(&class.home.ports()).unwrap();
        assert_eq!((version, claims.len()), (VERSION, 2), "{claims:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_that_another_holds_is_waited_for_with_a_word_and_ends_with_a_wish_to_stop() {
        struct Heard(std::sync::Mutex<Vec<String>>, Cancel);
        impl crate::lab::tell::event::Sink for Heard {
            fn emit(&self, event: crate::lab::tell::event::Event) {
                if let crate::lab::tell::event::Event::Note { text, .. } = event {
                    self.0.lock().unwrap().push(text);
                    self.1.cancel();
                }
            }
        }
        let class = Class::new();
        class.lab("a");
        let lock = crate::flock::open(&class.home.registers_lock()).unwrap();
        lock.lock().unwrap();
        let heard = Heard(Default::default(), class.cancel.clone());
        let wait = Wait { cancel: &class.cancel, sink: &heard };
        let error = Ports::of(&class.home, "a", wait).release_all().unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted);
        let heard = heard.0.into_inner().unwrap();
        assert_eq!(
            heard,
            ["another program has the register of labs and ports locked; waiting for it to end"]
        );
    }
}
