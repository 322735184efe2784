//! A machine back into a box.

use std::path::Path;

use crate::boxes::manifest::Format;
use crate::boxes::package::{Package, Packed};
use crate::boxes::{Store, Task};
use crate::disk_space::{self, human, used};
use crate::error::{Error, Kind, Result};
use crate::provider::{DiskForm, PowerState};

use crate::lab::Lab;
use crate::lab::tell::event::Event;

/// How much of the space that a machine's disk takes up is needed to package it, at worst: once as it is,
/// once compressed, once in the box.
const COPIES: u64 = 3;

impl Lab<'_> {
    /// Packs a machine that is off into the box file `to`.
    ///
    /// As with Vagrant, the key that opens the machine goes along, where it is not the well-known one.
    ///
    /// # Errors
    /// [`Kind::UnknownMachine`]; [`Kind::WrongState`] when it is not off; [`Kind::DiskFull`], also before
    /// anything is written; [`Kind::Interrupted`].
    pub fn package(&self, name: &str, to: &Path) -> Result<Packed> {
        let name = self.select(&[name.to_owned()])?.pop().unwrap_or_default();
        let state = self.power_states(std::slice::from_ref(&name))?.pop();
        let hint = match state {
            Some(PowerState::Off) => None,
            None | Some(PowerState::Absent) => Some(format!("`lab up {name}` makes it")),
            Some(PowerState::Suspended) => Some(format!("`lab resume {name}`, then `lab halt {name}`")),
            Some(_) => Some(format!("`lab halt {name}` shuts it down")),
        };
        if let Some(hint) = hint {
            let message = format!("{name} is not shut down, which it has to be to become a box");
            return Err(Error::new(Kind::WrongState, message).hint(hint));
        }
        let machine = self.handle(&name);
        let (record, spec) = (machine.record()?, machine.spec()?);
        // Once the lab's own key has replaced the well-known one, no other opens the machine.
        let key = if record.readiness.is_secured() {
            Some(self.files.key())
        } else {
            let image = Store::open(self.context.home.root())?.image_of(&record.image.digest)?;
            image.and_then(|image| image.login.key)
        };
        let package = |mac| Package {
            name: &name,
            hardware: &record.hardware,
            mac,
            user: &record.login.user,
            key: key.as_deref(),
        };
        let (file, form) = match Package::format(&record.hardware)? {
            Format::Virtualbox => ("disk.raw", DiskForm::Raw),
            _ => ("disk.qcow2", DiskForm::Qcow2),
        };
        let workspace = Store::open(self.context.home.root())?.workspace()?;
        self.check_room(&record.image.digest, &spec.dir, workspace.path())?;
        let disk = workspace.path().join(file);
        self.context.log.step(&name, "package", || {
            let what = format!("{name}: reading its disk");
            let mac =
                self.provider.export_disk(&spec, &disk, form, &self.context.cancel, &mut |fraction| {
                    self.context.sink.emit(Event::Progress {
                        what: what.clone(),
                        fraction: Some(fraction),
                        bytes: None,
                    });
                })?;
            self.context.sink.emit(Event::ProgressEnd { what });
            self.context
                .with_box(&name, |task: &mut Task<'_>| package(mac).write(&disk, workspace.path(), to, task))
        })
    }

    /// Refuses to begin what would fill the disk.
    fn check_room(&self, digest: &str, machine: &Path, workspace: &Path) -> Result<()> {
        let bases = self.provider.bases()?;
        let base = bases.iter().find(|base| base.digest == digest).map_or(0, |base| base.on_disk);
        let needed = (used(machine) + base) * COPIES;
        disk_space::check(workspace, needed, "the box").map_err(|error| {
            error.detail(format!("the machine's disk has {} with its base image", human(needed / COPIES)))
        })
    }
}
