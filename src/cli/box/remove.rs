//! `lab box remove`

use crate::error::{Error, Kind, Result};
use crate::lab::{ports, providers};

use super::Place;

/// Remove a box that no lab uses
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The box
    name: String,
}

impl Args {
    pub(super) fn run(self, place: &Place<'_>) -> Result<()> {
        let (name, home) = (&self.name, &place.context.home);
        place.refuse_used(name)?;
        let removed = place.store.remove(name)?;
        if removed.left.is_empty() {
            for provider in providers::NAMES {
                providers::by_name(provider, home)?.remove_base(&removed.digest)?;
            }
        }
        place.app.ui.tell(&format!("box {name} is removed"));
        Ok(())
    }
}

impl Place<'_> {
    /// # Errors
    /// [`Kind::BoxInUse`] where a lab's machine was made from the box.
    fn refuse_used(&self, name: &str) -> Result<()> {
        let Some(entry) = self.look_up(name)? else { return Ok(()) };
        for (dir, state) in ports::labs(&self.context.home)? {
            let user = state.machines.iter().find(|(_, record)| record.image.digest == entry.digest);
            if let Some((machine, _)) = user {
                let message = format!("box {name} is in use by {machine} of the lab in {}", dir.display());
                return Err(Error::new(Kind::BoxInUse, message)
                    .hint(format!("`lab destroy -C {}` removes that lab", dir.display())));
            }
        }
        Ok(())
    }
}
