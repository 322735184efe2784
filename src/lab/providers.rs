//! Which provider runs a lab.

use crate::boxes::Hardware;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::provider::qemu::Qemu;
use crate::provider::{Availability, Provider, SharedDir};

use super::files::Home;

/// The names of all providers, the most wanted first: the order in which `auto` tries them.
pub const NAMES: &[&str] = &["qemu"];

/// The provider called `name`.
///
/// # Errors
/// [`Kind::NoProvider`] where there is none of that name.
pub fn by_name(name: &str, home: &Home) -> Result<Box<dyn Provider>> {
    let shared = SharedDir(home.bases());
    match name {
        "qemu" => Ok(Box::new(Qemu::new(shared))),
        "virtualbox" => {
            Err(Error::new(Kind::NoProvider, "this release of lab has no VirtualBox provider yet")
                .hint("use QEMU: `--provider qemu`, or `provider = \"auto\"` in the Labfile"))
        }
        _ => Err(Error::new(Kind::NoProvider, format!("there is no provider {name}"))
            .hint(format!("there are: {}", NAMES.join(", ")))),
    }
}

/// The provider to make a lab with: the one asked for, or the first that can run `hardware` here.
///
/// # Errors
/// Why the one asked for cannot; or why none can.
pub fn choose(
    asked: Option<&str>,
    hardware: &Hardware,
    home: &Home,
    cancel: &Cancel,
) -> Result<(Box<dyn Provider>, Availability)> {
    if let Some(name) = asked.filter(|name| *name != "auto") {
        let provider = by_name(name, home)?;
        let availability = provider.check(hardware, cancel)?;
        return Ok((provider, availability));
    }
    let mut last = None;
    for name in NAMES {
        let provider = by_name(name, home)?;
        match provider.check(hardware, cancel) {
            Ok(availability) => return Ok((provider, availability)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| Error::internal("there are no providers")))
}
