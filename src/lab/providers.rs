//! Which provider runs a lab.

use crate::boxes::Hardware;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::provider::qemu::{self, Qemu};
use crate::provider::virtualbox::{self, VirtualBox};
use crate::provider::{Availability, Provider, SharedDir};

use super::files::{Home, LabFiles};

/// The names of all providers, the most wanted first: the order in which `auto` tries them.
pub const NAMES: &[&str] = &["virtualbox", "qemu"];

/// All that providers make in a machine's folder; `*` stands for any end.
pub fn made() -> Vec<&'static str> {
    [qemu::MADE, virtualbox::MADE].concat()
}

/// The provider called `name`.
///
/// # Errors
/// [`Kind::NoProvider`] where there is none of that name.
pub fn by_name(name: &str, home: &Home) -> Result<Box<dyn Provider>> {
    let shared = SharedDir(home.bases());
    match name {
        "virtualbox" => Ok(Box::new(VirtualBox::new(shared))),
        "qemu" => Ok(Box::new(Qemu::new(shared))),
        _ => Err(Error::new(Kind::NoProvider, format!("there is no provider {name}"))
            .hint(format!("there are: {}", NAMES.join(", ")))),
    }
}

/// A provider to make a lab with.
pub struct Chosen {
    /// It.
    pub provider: Box<dyn Provider>,
    /// What it says of itself.
    pub availability: Availability,
    /// Why it is not the most wanted one, in one line for people.
    pub why: Option<String>,
}

/// The provider to make a lab with: the one asked for, or the first that can run `hardware` here.
///
/// # Errors
/// Why the one asked for cannot; or why none can.
pub fn choose(asked: Option<&str>, hardware: &Hardware, home: &Home, cancel: &Cancel) -> Result<Chosen> {
    if let Some(name) = asked.filter(|name| *name != "auto") {
        let provider = by_name(name, home)?;
        let availability = provider.check(hardware, cancel)?;
        return Ok(Chosen { provider, availability, why: None });
    }
    let mut passed_over = Vec::new();
    let mut last = None;
    for name in NAMES {
        let provider = by_name(name, home)?;
        match provider.check(hardware, cancel) {
            Ok(Availability { doubt: Some(doubt), .. }) => passed_over.push(format!("not {name}: {doubt}")),
            Ok(availability) => {
                let why = (!passed_over.is_empty()).then(|| format!("{name}, {}", passed_over.join("; ")));
                return Ok(Chosen { provider, availability, why });
            }
            Err(error) => {
                passed_over.push(format!("not {name}: {}", error.message()));
                last = Some(error);
            }
        }
    }
    let error = last.unwrap_or_else(|| Error::new(Kind::NoProvider, "no provider can run this box here"));
    Err(passed_over.iter().fold(error, |error, line| error.detail(line)))
}

/// Has no provider keep machines of the lab of `files`, which is without a state.
///
/// # Errors
/// Those of a provider that has such machines and cannot let go of them.
pub fn forget(files: &LabFiles, home: &Home) -> Result<()> {
    NAMES.iter().try_for_each(|name| by_name(name, home)?.forget(&files.machines(), &files.kept()))
}
