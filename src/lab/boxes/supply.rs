//! The boxes that a Labfile asks for, held to what `Labfile.lock` says.

use std::collections::BTreeMap;

use crate::boxes::versions::Constraint;
use crate::boxes::{BoxImage, Hardware, Hold, Pin, Pins, Resolved, Store, Wanted, without_credentials};
use crate::error::{Error, Kind, Result};
use crate::labfile::Labfile;
use crate::labfile::model::Machine;

use crate::lab::disk::lock::Lock;
use crate::lab::disk::state::{self, State};
use crate::lab::opened;
use crate::lab::{Context, Place};

/// What tells the boxes of a Labfile apart: what it calls one, and the version that it asks for.
pub type Key = (String, Option<String>);

/// Boxes, by what a Labfile asks for. While there are any of these, nobody removes them.
#[derive(Debug, Default)]
pub struct Images(BTreeMap<Key, (BoxImage, Hold)>);

impl Images {
    /// The box of a machine.
    pub fn get(&self, machine: &Machine) -> Option<&BoxImage> {
        self.0.get(&key(machine)).map(|(image, _)| image)
    }

    /// The hardware that they were made for, each once.
    pub fn hardware(&self) -> Vec<Hardware> {
        let mut all = Vec::new();
        for (image, _) in self.0.values() {
            if !all.contains(&image.hardware) {
                all.push(image.hardware.clone());
            }
        }
        all
    }
}

/// What a machine asks for.
fn key(machine: &Machine) -> Key {
    (without_credentials(&machine.image), machine.box_version.as_ref().map(ToString::to_string))
}

/// The boxes of the machines that do not exist yet. The lab is locked.
///
/// # Errors
/// Those of [`Store::resolve`], and of reading and writing `Labfile.lock`.
pub fn boxes(
    context: &Context<'_>,
    place: &Place,
    labfile: &Labfile,
    machines: &[&Machine],
    known: Option<&State>,
) -> Result<Images> {
    let path = place.files().pins();
    let mut pins = Pins::read(&path)?;
    let mut images = Images::default();
    for machine in machines {
        let exists = known.is_some_and(|state| state.machines.contains_key(&machine.name));
        let key = key(machine);
        if exists || images.0.contains_key(&key) {
            continue;
        }
        let pin = pins.get(&key.0, key.1.as_deref()).cloned();
        let Resolved { image, pin: now, hold } = get(context, labfile, machine, pin.as_ref(), false)?;
        if pin.is_none() {
            // At once: what was fetched is held to, even if the next box cannot be had.
            pins.set(now);
            pins.write(&path)?;
        }
        images.0.insert(key, (image, hold));
    }
    Ok(images)
}

fn get(
    context: &Context<'_>,
    labfile: &Labfile,
    machine: &Machine,
    pin: Option<&Pin>,
    fresh: bool,
) -> Result<Resolved> {
    let store = Store::open(context.home.root())?;
    let version: Option<&Constraint> = machine.box_version.as_ref();
    let wanted = Wanted {
        version,
        catalogue: labfile.catalogue.as_deref(),
        pin,
        fresh,
        ..Wanted::new(&machine.image, &labfile.dir)
    };
    context.with_box(&machine.image, |task| store.resolve(&wanted, task))
}

/// What an update did to what the lab is held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// What the Labfile calls the box.
    pub name: String,
    /// What it was held to before.
    pub before: Option<Pin>,
    /// What it is held to now; `None` where the Labfile asks for it no more.
    pub now: Option<Pin>,
    /// The machines that were made from another box and stay so.
    pub machines: Vec<String>,
}

impl Moved {
    /// Whether the lab is held to another box than before.
    pub fn is_change(&self) -> bool {
        let sum = |pin: &Option<Pin>| pin.as_ref().map(|pin| pin.sha256.clone());
        sum(&self.before) != sum(&self.now)
    }
}

/// Looks for the newest of the boxes that the Labfile asks for (only that called `name`, where one is given),
/// and holds the lab to them from now on.
///
/// # Errors
/// [`Kind::BoxNotFound`] for a name that the Labfile does not have; those of [`Store::resolve`].
pub fn update(context: &Context<'_>, place: &Place, name: Option<&str>) -> Result<Vec<Moved>> {
    let labfile = place.labfile.clone()?;
    if let Some(name) = name
        && !labfile.machines.iter().any(|machine| machine.image == name)
    {
        let mut names: Vec<String> =
            labfile.machines.iter().map(|machine| without_credentials(&machine.image)).collect();
        names.sort_unstable();
        names.dedup();
        return Err(Error::new(Kind::BoxNotFound, format!("the Labfile asks for no box called {name}"))
            .hint(format!("it asks for {}", names.join(", "))));
    }
    let files = place.files();
    opened::find(context, place)?;
    let existed = files.root().exists();
    let lock = Lock::take(&files, &context.command, context.wait())?;
    let moved = update_locked(context, place, &labfile, name);
    if !existed {
        // A lab without machines has no folder.
        opened::remove_all(context, &files, lock)?;
    }
    moved
}

fn update_locked(
    context: &Context<'_>,
    place: &Place,
    labfile: &Labfile,
    name: Option<&str>,
) -> Result<Vec<Moved>> {
    let (files, mut moved) = (place.files(), Vec::new());
    let path = files.pins();
    let mut pins = Pins::read(&path)?;
    let state = state::read(&files.state())?;
    let mut done: Vec<Key> = Vec::new();
    for machine in &labfile.machines {
        let key = key(machine);
        if done.contains(&key) || name.is_some_and(|name| name != machine.image) {
            continue;
        }
        let before = pins.get(&key.0, key.1.as_deref()).cloned();
        let Resolved { image, pin: now, hold: _hold } = get(context, labfile, machine, None, true)?;
        if before.as_ref() != Some(&now) {
            pins.set(now.clone());
            pins.write(&path)?;
        }
        let others = labfile.machines.iter().filter(|other| self::key(other) == key);
        let record = |name: &str| state.as_ref().and_then(|state| state.machines.get(name));
        let machines = others
            .filter(|other| record(&other.name).is_some_and(|record| record.image.digest != image.digest))
            .map(|other| other.name.clone())
            .collect();
        moved.push(Moved { name: key.0.clone(), before, now: Some(now), machines });
        done.push(key);
    }
    if name.is_none() {
        let gone = pins.retain(|name, wanted| {
            done.iter().any(|(known, version)| known == name && version.as_deref() == wanted)
        });
        if !gone.is_empty() {
            pins.write(&path)?;
        }
        moved.extend(gone.into_iter().map(|pin| Moved {
            name: pin.name.clone(),
            before: Some(pin),
            now: None,
            machines: Vec::new(),
        }));
    }
    Ok(moved)
}
