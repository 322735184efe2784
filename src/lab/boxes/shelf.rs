//! Boxes together with what hangs on them: the labs that use them, and the providers' base images.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::boxes::{Entry, Leftover, Removed, Store, Verified};
use crate::error::{Error, Kind, Result};
use crate::provider::Provider;

use crate::lab::Context;
use crate::lab::choose;

/// A machine that was made from a box.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct User {
    /// The folder of its Labfile.
    pub lab: PathBuf,
    /// Its name.
    pub machine: String,
}

/// A box and what hangs on it.
#[derive(Debug)]
pub struct Shelved {
    /// The box.
    pub entry: Entry,
    /// The machines that were made from it.
    pub users: Vec<User>,
    /// The bytes that it takes up on the disk, its base images included.
    pub on_disk: u64,
}

/// What [`Shelf::prune`] removes, or would: each with the bytes that this frees.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The digests of boxes.
    pub boxes: Vec<(String, u64)>,
    /// The digests of boxes that are gone, whose base images were still there.
    pub bases: Vec<(String, u64)>,
    /// Downloads that were begun and given up.
    pub downloads: Vec<Leftover>,
}

impl Pruned {
    /// Whether it is nothing.
    pub fn is_empty(&self) -> bool {
        self.boxes.is_empty() && self.bases.is_empty() && self.downloads.is_empty()
    }

    /// The bytes that all of it frees.
    pub fn freed(&self) -> u64 {
        let images = self.boxes.iter().chain(&self.bases).map(|(_, bytes)| bytes);
        images.chain(self.downloads.iter().map(|download| &download.bytes)).sum()
    }
}

/// All boxes of a home.
pub struct Shelf<'a> {
    context: &'a Context<'a>,
    store: &'a Store,
    providers: Vec<Box<dyn Provider>>,
}

impl<'a> Shelf<'a> {
    /// The shelf over `store`.
    pub fn new(context: &'a Context<'a>, store: &'a Store) -> Result<Self> {
        Ok(Shelf { context, store, providers: choose::all(context) })
    }

    /// All boxes.
    pub fn list(&self) -> Result<Vec<Shelved>> {
        let users = self.users()?;
        let bases = self.bases()?;
        let shelved = |entry: Entry| Shelved {
            users: users
                .iter()
                .filter(|(digest, _)| *digest == entry.digest)
                .map(|(_, user)| user.clone())
                .collect(),
            on_disk: self.store.on_disk(&entry.digest) + base_size(&bases, &entry.digest),
            entry,
        };
        Ok(self.store.list()?.into_iter().map(shelved).collect())
    }

    /// The box that is called `name`, or has a digest that begins so (with 8 digits at least).
    ///
    /// # Errors
    /// [`Kind::BoxNotFound`].
    pub fn get(&self, name: &str) -> Result<Shelved> {
        let is_it = |entry: &Entry| {
            entry.names.iter().any(|known| known == name)
                || (name.len() >= 8 && entry.digest.starts_with(name))
        };
        let mut found: Vec<_> = self.list()?.into_iter().filter(|shelved| is_it(&shelved.entry)).collect();
        match found.len() {
            1 => found.pop().ok_or_else(|| Error::internal("a list of one is empty")),
            0 => Err(Error::new(Kind::BoxNotFound, format!("there is no box {name} here"))
                .hint("`lab box list` shows those that are")),
            _ => Err(Error::new(Kind::Usage, format!("several boxes begin with {name}"))
                .hint("write more of the digest")),
        }
    }

    /// Takes a name away from its box; a box without names goes, with its base images.
    ///
    /// # Errors
    /// [`Kind::BoxNotFound`]; [`Kind::BoxInUse`] where a lab's machine was made from the box, or a command
    /// is about to make one.
    pub fn remove(&self, name: &str) -> Result<Removed> {
        let Shelved { entry, .. } = self.get(name)?;
        let named = entry.names.iter().any(|known| known == name);
        self.remove_from_store(if named { name } else { &entry.digest })
    }

    /// [`Shelf::remove`], for a name or a digest as the store knows it.
    fn remove_from_store(&self, name: &str) -> Result<Removed> {
        let removed = self.store.remove(name, |digest| self.must_be_free(digest, name))?;
        if removed.claim.is_some() {
            self.remove_bases(&removed.digest)?;
        }
        Ok(removed)
    }

    /// That no machine was made from the box of a digest.
    ///
    /// # Errors
    /// [`Kind::BoxInUse`].
    fn must_be_free(&self, digest: &str, name: &str) -> Result<()> {
        let users: Vec<User> =
            self.users()?.into_iter().filter(|(used, _)| used == digest).map(|(_, user)| user).collect();
        let Some(user) = users.first() else { return Ok(()) };
        let (lab, machine) = (user.lab.display(), &user.machine);
        let more = if users.len() > 1 { format!(", and {} more", users.len() - 1) } else { String::new() };
        Err(Error::new(
            Kind::BoxInUse,
            format!("box {name} is in use by {machine} of the lab in {lab}{more}"),
        )
        .hint(format!("`lab destroy -C {lab}` removes that lab")))
    }

    /// Holds a box to its sums, and its base images to the box. A base image that does not hold and is of
    /// no machine is removed: the next `lab up` makes it anew.
    ///
    /// # Errors
    /// What [`Store::verify`] has; what is wrong with the box is no error.
    pub fn verify(&self, shelved: &Shelved) -> Result<Verified> {
        let digest = &shelved.entry.digest;
        let name = shelved.entry.names.first().map_or(digest.as_str(), String::as_str);
        let mut verified = self.context.with_box(name, |task| self.store.verify(digest, task))?;
        let Some(image) = self.store.image_of(digest).ok().flatten() else { return Ok(verified) };
        for provider in &self.providers {
            let what = format!("the base image for {}", provider.name());
            self.context.sink.note(format!("box {name}: checking {what}"));
            if provider.check_base(&image, &self.context.cancel)? == Some(false) {
                // Looked at again: a command may be about to make a machine of it.
                let claim = self.store.claim(digest);
                let then = if claim.is_ok() && self.must_be_free(digest, name).is_ok() {
                    provider.remove_base(digest, &self.context.cancel)?;
                    "it is removed, and made anew by the next `lab up`"
                } else {
                    "machines use it: destroy them, then verify again"
                };
                verified.problems.push(format!("{what} is not what it was made from; {then}"));
            }
        }
        Ok(verified)
    }

    /// What nothing needs: boxes without a name that no lab uses (an older version, or one that a Labfile
    /// named by path or address), base images of boxes that are gone, and downloads that were given up.
    /// With `all`, also boxes with a name that no lab uses, and every download that nobody is working on.
    pub fn unneeded(&self, all: bool) -> Result<Pruned> {
        let (shelved, users) = (self.list()?, self.users()?);
        let mut pruned = Pruned::default();
        for Shelved { entry, users, on_disk } in &shelved {
            if users.is_empty() && (all || entry.names.is_empty()) {
                pruned.boxes.push((entry.digest.clone(), *on_disk));
            }
        }
        let there: BTreeSet<&str> = shelved.iter().map(|shelved| shelved.entry.digest.as_str()).collect();
        for (digest, size) in self.bases()? {
            let is_used = users.iter().any(|(used, _)| *used == digest);
            if !there.contains(digest.as_str()) && !is_used {
                pruned.bases.push((digest, size));
            }
        }
        pruned.downloads = self.store.leftovers()?;
        pruned.downloads.retain(|download| all || !download.is_fresh);
        Ok(pruned)
    }

    /// Removes what [`Shelf::unneeded`] found; what a lab has begun to use since then stays. Returns what
    /// was removed.
    pub fn prune(&self, unneeded: &Pruned) -> Result<Pruned> {
        let mut gone = Pruned::default();
        for of_box in &unneeded.boxes {
            match self.remove_from_store(&of_box.0) {
                Ok(_) => gone.boxes.push(of_box.clone()),
                // Somebody else has removed it, or has begun to use it.
                Err(error) if matches!(error.kind(), Kind::BoxInUse | Kind::BoxNotFound) => {}
                Err(error) => return Err(error),
            }
        }
        for base in &unneeded.bases {
            if let Ok(_claim) = self.store.claim(&base.0)
                && self.must_be_free(&base.0, &base.0).is_ok()
            {
                self.remove_bases(&base.0)?;
                gone.bases.push(base.clone());
            }
        }
        for download in &unneeded.downloads {
            if self.store.discard(download)? {
                gone.downloads.push(download.clone());
            }
        }
        Ok(gone)
    }

    fn remove_bases(&self, digest: &str) -> Result<()> {
        self.providers.iter().try_for_each(|provider| provider.remove_base(digest, &self.context.cancel))
    }

    /// The machines of all labs of this home, by the digest of their box.
    fn users(&self) -> Result<Vec<(String, User)>> {
        let mut users = Vec::new();
        for lab in self.context.register().labs()? {
            for (machine, made) in lab.machines {
                users.push((made.digest, User { lab: lab.dir.clone(), machine }));
            }
        }
        Ok(users)
    }

    /// All base images: the box's digest, and the bytes on the disk.
    fn bases(&self) -> Result<Vec<(String, u64)>> {
        let mut bases = Vec::new();
        for provider in &self.providers {
            bases.extend(provider.bases()?.into_iter().map(|base| (base.digest, base.on_disk)));
        }
        Ok(bases)
    }
}

fn base_size(bases: &[(String, u64)], digest: &str) -> u64 {
    bases.iter().filter(|(known, _)| known == digest).map(|(_, size)| size).sum()
}
