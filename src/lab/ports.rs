//! Which ports of this computer belong to which lab.
//!
//! A port is free when no other lab claims it and nothing listens on it. Claims outlive `halt`, so
//! that a machine keeps its ports; the claims of labs whose folder is gone are dropped.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

use super::files::{Home, LabFiles};
use super::state;
use crate::{atomic, versioned};

/// Where ssh ports are taken from: Vagrant's range first, on to a class's worth of machines.
pub const SSH_RANGE: RangeInclusive<u16> = 2200..=2999;
/// Where the numbers of private networks are taken from. They are UDP ports of multicast groups, and
/// lie below the range that systems give to outgoing connections.
pub const NETWORK_RANGE: RangeInclusive<u16> = 20000..=29999;

/// The format's version.
const VERSION: u32 = 1;

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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    port: u16,
    purpose: Purpose,
    lab_id: String,
    lab_dir: PathBuf,
    machine: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Register {
    version: u32,
    claims: Vec<Claim>,
}

/// One lab's view of the register of ports.
#[derive(Debug, Clone)]
pub struct Ports {
    home: Home,
    lab_id: String,
    lab_dir: PathBuf,
}

impl Ports {
    /// The ports of the lab `lab_id`, whose Labfile stands in `lab_dir`.
    pub fn of(home: &Home, lab_id: &str, lab_dir: &Path) -> Self {
        Ports { home: home.clone(), lab_id: lab_id.to_owned(), lab_dir: lab_dir.to_owned() }
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
        self.with_register(|claims| {
            let free = |port: &u16| {
                !claims.iter().any(|claim| claim.port == *port)
                    && (purpose == Purpose::Network || can_listen(*port))
            };
            let port = range.clone().find(free).ok_or_else(|| {
                let (first, last) = (range.start(), range.end());
                Error::new(Kind::PortTaken, format!("all ports from {first} to {last} are taken"))
                    .hint("`lab destroy` in the folders of labs that you do not need any more frees theirs")
            })?;
            claims.push(self.claim(port, purpose, machine));
            Ok(port)
        })
    }

    /// Claims `port` for a machine that is not running.
    ///
    /// # Errors
    /// [`Kind::PortTaken`], naming the lab and machine that have it where that is known.
    pub fn claim_exactly(&self, port: u16, purpose: Purpose, machine: &str) -> Result<()> {
        self.with_register(|claims| {
            let ours = self.claim(port, purpose, Some(machine));
            // Networks are numbered by UDP ports, which do not get into the way of TCP.
            let collides =
                |claim: &&Claim| claim.port == port && claim.purpose != Purpose::Network && **claim != ours;
            if let Some(claim) = claims.iter().find(collides) {
                return Err(with_port_hints(self.collision(claim)));
            }
            if !can_listen(port) {
                let error = Error::new(
                    Kind::PortTaken,
                    format!("port {port} of this computer is taken by another program"),
                );
                return Err(with_port_hints(error));
            }
            if !claims.contains(&ours) {
                claims.push(ours);
            }
            Ok(())
        })
    }

    /// Gives up a machine's claims of one purpose.
    pub fn release(&self, machine: &str, purpose: Purpose) -> Result<()> {
        self.with_register(|claims| {
            claims.retain(|claim| {
                claim.lab_id != self.lab_id
                    || claim.machine.as_deref() != Some(machine)
                    || claim.purpose != purpose
            });
            Ok(())
        })
    }

    /// Gives up everything that the lab claims.
    pub fn release_all(&self) -> Result<()> {
        self.with_register(|claims| {
            claims.retain(|claim| claim.lab_id != self.lab_id);
            Ok(())
        })
    }

    fn collision(&self, claim: &Claim) -> Error {
        let (port, machine) = (claim.port, claim.machine.as_deref().unwrap_or("?"));
        if claim.lab_id == self.lab_id {
            let what = if claim.purpose == Purpose::Ssh { "ssh" } else { "a forward" };
            Error::new(Kind::PortTaken, format!("port {port} is in use for {what} of {machine} in this lab"))
        } else {
            Error::new(
                Kind::PortTaken,
                format!("port {port} belongs to the machine {machine} of another lab"),
            )
            .detail(format!("that lab is in {}", claim.lab_dir.display()))
        }
    }

    fn claim(&self, port: u16, purpose: Purpose, machine: Option<&str>) -> Claim {
        Claim {
            port,
            purpose,
            lab_id: self.lab_id.clone(),
            lab_dir: self.lab_dir.clone(),
            machine: machine.map(str::to_owned),
        }
    }

    /// Reads the register, lets `work` change it, and writes it, under its lock, which is held for
    /// milliseconds only and therefore waited for without a word.
    fn with_register<T>(&self, work: impl FnOnce(&mut Vec<Claim>) -> Result<T>) -> Result<T> {
        let dir = self.home.root();
        std::fs::create_dir_all(dir).map_err(|source| Error::io("create the folder", dir, &source))?;
        let lock_path = self.home.ports_lock();
        let lock = File::options().write(true).create(true).truncate(false).open(&lock_path);
        let lock = lock.map_err(|source| Error::io("open", &lock_path, &source))?;
        lock.lock().map_err(|source| Error::io("lock", &lock_path, &source))?;
        // Whoever writes the register holds this lock.
        atomic::sweep(dir);
        let path = self.home.ports();
        let before = read(&path)?;
        let mut claims = before.clone();
        claims.retain(|claim| claim.lab_id == self.lab_id || is_alive(claim));
        let result = work(&mut claims);
        if claims != before {
            versioned::write(&path, &Register { version: VERSION, claims })?;
        }
        result
    }
}

/// The hints for a taken forward.
fn with_port_hints(error: Error) -> Error {
    error
        .hint("write another `host` port into the Labfile, or add `auto = true` to let lab pick one")
        .hint("or stop what uses the port, then run `lab up` again")
}

fn read(path: &Path) -> Result<Vec<Claim>> {
    let register = versioned::read::<Register>(path, VERSION).map_err(|error| match error.kind() {
        Kind::StateDamaged => {
            error.hint("no lab depends on it alone: remove the file, then run the command again")
        }
        _ => error,
    })?;
    Ok(register.map(|register| register.claims).unwrap_or_default())
}

/// The labs of this home that exist, by their folders: each claims at least its network.
pub fn labs(home: &Home) -> Result<Vec<(PathBuf, state::State)>> {
    let mut dirs: Vec<PathBuf> = read(&home.ports())?.into_iter().map(|claim| claim.lab_dir).collect();
    dirs.sort();
    dirs.dedup();
    let state = |dir: PathBuf| Some((state::read(&LabFiles::beside(&dir).state()).ok()??, dir));
    Ok(dirs.into_iter().filter_map(state).map(|(state, dir)| (dir, state)).collect())
}

/// Whether the lab that made a claim still exists.
fn is_alive(claim: &Claim) -> bool {
    let state = state::read(&LabFiles::beside(&claim.lab_dir).state());
    match state {
        Ok(Some(state)) => state.lab_id == claim.lab_id,
        Ok(None) => false,
        // Not readable for us does not mean gone.
        Err(_) => true,
    }
}

/// Whether nothing listens on `port` of 127.0.0.1.
pub fn can_listen(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(home: &Home, root: &Path, id: &str) -> Ports {
        let dir = root.join(id);
        std::fs::create_dir_all(LabFiles::beside(&dir).root()).unwrap();
        let state = state::State {
            version: state::VERSION,
            lab_id: id.to_owned(),
            provider: "qemu".to_owned(),
            run_dir: dir.clone(),
            network_port: 20000,
            machines: Default::default(),
        };
        state::Store::create(LabFiles::beside(&dir).state(), state).unwrap();
        Ports::of(home, id, &dir)
    }

    #[test]
    fn two_labs_never_share_a_port() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path().join("home"));
        let (a, b) = (lab(&home, root.path(), "a"), lab(&home, root.path(), "b"));
        let first = a.claim_one_of(NETWORK_RANGE, Purpose::Network, None).unwrap();
        let second = b.claim_one_of(NETWORK_RANGE, Purpose::Network, None).unwrap();
        assert_ne!(first, second);
        a.release_all().unwrap();
        assert_eq!(b.claim_one_of(NETWORK_RANGE, Purpose::Network, None).unwrap(), first);
    }

    #[test]
    fn a_claimed_forward_names_the_other_lab() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path().join("home"));
        let (a, b) = (lab(&home, root.path(), "a"), lab(&home, root.path(), "b"));
        let port = a.claim_one_of(38000..=38999, Purpose::Ssh, Some("web1")).unwrap();
        let error = b.claim_exactly(port, Purpose::Forward, "web2").unwrap_err();
        assert_eq!(error.kind(), Kind::PortTaken);
        assert!(error.message().contains("web1"), "{error}");
        assert!(error.details()[0].contains(&root.path().join("a").display().to_string()));
    }

    #[test]
    fn a_listening_program_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path().join("home"));
        let a = lab(&home, root.path(), "a");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = a.claim_exactly(port, Purpose::Forward, "web1").unwrap_err();
        assert!(error.message().contains("another program"), "{error}");
    }

    #[test]
    fn the_claims_of_a_lab_that_is_gone_are_dropped() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path().join("home"));
        let (a, b) = (lab(&home, root.path(), "a"), lab(&home, root.path(), "b"));
        let port = a.claim_one_of(39000..=39999, Purpose::Forward, Some("web1")).unwrap();
        std::fs::remove_dir_all(root.path().join("a")).unwrap();
        b.claim_exactly(port, Purpose::Forward, "web1").unwrap();
    }
}
