//! The register of labs, `LAB_HOME/labs.json`: which labs this user has, where they were last seen, what hangs on them.
//!
//! A lab that is not where it was is not gone: it may lie on a stick, or have been moved. It leaves the register by
//! `lab destroy` alone.

use std::fs::File;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::entry::{Entry, real};
use super::files::Home;
use super::found::{self, Found};
use super::taken_over;
use super::wait::Wait;
use crate::error::{Kind, Result};
use crate::{atomic, versioned};

/// The format's version.
const VERSION: u32 = 1;
/// A lab that is seen again within this many seconds is not written down again for that alone.
const SEEN_LATELY: u64 = 3600;

#[derive(Debug, Serialize, Deserialize)]
struct Labs {
    version: u32,
    labs: Vec<Entry>,
}

/// A machine that was made from a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its lab.
    pub lab_id: String,
    /// The folder of that lab, where it was last seen.
    pub lab: std::path::PathBuf,
    /// The machine's name.
    pub machine: String,
}

/// The labs of a user.
#[derive(Debug, Clone)]
pub struct Register<'a> {
    home: Home,
    wait: Wait<'a>,
}

impl<'a> Register<'a> {
    /// The register in `home`.
    pub fn of(home: &Home, wait: Wait<'a>) -> Self {
        Register { home: home.clone(), wait }
    }

    /// Whose lab stands in `dir`. Changes nothing.
    ///
    /// # Errors
    /// Those of reading the register.
    pub fn find(&self, dir: &Path) -> Result<Found> {
        found::judge(&self.home, &real(dir), || labs(&self.home))
    }

    /// Writes a lab down, in place of what is known of it. A lab enters before it claims a port, and after its `.lab` was
    /// made.
    ///
    /// # Errors
    /// [`Kind::LabLocked`], [`Kind::Interrupted`], [`Kind::Io`], [`Kind::DiskFull`].
    pub fn enter(&self, entry: &Entry) -> Result<()> {
        let is_known = |known: &Entry| {
            let lately = entry.seen.saturating_sub(known.seen) < SEEN_LATELY;
            lately && *entry == Entry { seen: entry.seen, ..known.clone() }
        };
        if labs(&self.home)?.iter().any(is_known) && self.home.labs().exists() {
            return Ok(());
        }
        self.change(|labs| {
            // Another lab in this very `.lab` has lost its state: this lab stands in its place.
            let is_lost =
                |known: &Entry| known.dir == entry.dir && known.lab.is_some() && known.lab == entry.lab;
            labs.retain(|known| known.lab_id != entry.lab_id && !is_lost(known));
            labs.push(entry.clone());
        })
    }

    /// Changes what is known of a lab that has entered; does nothing for another one.
    ///
    /// # Errors
    /// Those of [`Register::enter`].
    pub fn update(&self, lab_id: &str, change: impl FnOnce(&mut Entry)) -> Result<()> {
        self.change(|labs| {
            if let Some(entry) = labs.iter_mut().find(|entry| entry.lab_id == lab_id) {
                change(entry);
            }
        })
    }

    /// Takes a lab out, which has been destroyed.
    ///
    /// # Errors
    /// Those of [`Register::enter`].
    pub fn leave(&self, lab_id: &str) -> Result<()> {
        self.change(|labs| labs.retain(|entry| entry.lab_id != lab_id))
    }

    /// All labs, by their folders.
    ///
    /// # Errors
    /// Those of reading the register.
    pub fn labs(&self) -> Result<Vec<Entry>> {
        labs(&self.home)
    }

    /// The machines that were made from the box `digest`.
    ///
    /// # Errors
    /// Those of reading the register.
    pub fn users_of(&self, digest: &str) -> Result<Vec<User>> {
        let users = |entry: Entry| {
            let Entry { lab_id, dir, machines, .. } = entry;
            let made_from = machines.into_iter().filter(|(_, machine)| machine.digest == digest);
            let user = move |(machine, _)| User { lab_id: lab_id.clone(), lab: dir.clone(), machine };
            made_from.map(user).collect::<Vec<_>>()
        };
        Ok(labs(&self.home)?.into_iter().flat_map(users).collect())
    }

    /// Reads the register, lets `work` change it, and writes it, under its lock.
    fn change(&self, work: impl FnOnce(&mut Vec<Entry>)) -> Result<()> {
        let _lock = lock(&self.home, self.wait)?;
        change_locked(&self.home, work)
    }
}

/// Takes the lock of both registers; it is held until the file is dropped. What killed writers left goes.
///
/// # Errors
/// [`Kind::LabLocked`], [`Kind::Interrupted`], [`Kind::Io`].
pub(super) fn lock(home: &Home, wait: Wait<'_>) -> Result<File> {
    home.make()?;
    let lock = wait.for_register(&home.registers_lock(), "the register of labs and ports")?;
    // Whoever writes a register holds this lock.
    atomic::sweep(home.root());
    Ok(lock)
}

/// Makes the register where there is none, from what the release before left; after that, that is not looked at. The
/// lock is held. Returns all labs.
pub(super) fn begin_locked(home: &Home) -> Result<Vec<Entry>> {
    if !home.labs().exists() {
        change_locked(home, |_| {})?;
    }
    labs(home)
}

fn change_locked(home: &Home, work: impl FnOnce(&mut Vec<Entry>)) -> Result<()> {
    let before = labs(home)?;
    let mut after = before.clone();
    work(&mut after);
    after.sort_by(|a, b| (&a.dir, &a.lab_id).cmp(&(&b.dir, &b.lab_id)));
    if after != before || !home.labs().exists() {
        versioned::write(&home.labs(), &Labs { version: VERSION, labs: after })?;
    }
    Ok(())
}

fn labs(home: &Home) -> Result<Vec<Entry>> {
    if matches!(home.root().metadata(), Ok(seen) if !seen.is_dir()) {
        // Whoever wants to write there hears of it.
        return Ok(Vec::new());
    }
    let known = versioned::read::<Labs>(&home.labs(), VERSION).map_err(|error| match error.kind() {
        Kind::StateDamaged => error
            .hint("remove the file, then run the command again: labs that lab sealed are known again by that")
            .hint("please report it as a bug of lab, with the file"),
        _ => error,
    })?;
    Ok(known.map_or_else(|| taken_over::labs(home), |known| known.labs))
}
