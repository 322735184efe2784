//! The providers that there are.

use super::{Provider, SharedDir, qemu, virtualbox};
use crate::error::{Error, Kind, Result};

/// One provider.
#[derive(Debug)]
pub struct Entry {
    /// Its name, as in `--provider`.
    pub name: &'static str,
    /// Makes it. Starts and looks for nothing.
    pub make: fn(SharedDir) -> Box<dyn Provider>,
}

/// All providers, the most wanted first: the order in which `auto` tries them.
pub static TABLE: &[Entry] = &[
    Entry { name: "virtualbox", make: |shared| Box::new(virtualbox::VirtualBox::new(shared)) },
    Entry { name: "qemu", make: |shared| Box::new(qemu::Qemu::new(shared)) },
];

/// The provider called `name`.
///
/// # Errors
/// [`Kind::NoProvider`] where there is none of that name.
pub fn named(name: &str) -> Result<&'static Entry> {
    TABLE.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let names: Vec<&str> = TABLE.iter().map(|entry| entry.name).collect();
        Error::new(Kind::NoProvider, format!("there is no provider {name}"))
            .hint(format!("there are: {}", names.join(", ")))
    })
}
