//! The providers that there are.

use super::entry::Entry;
use super::{qemu, virtualbox};
use crate::error::{Error, Kind, Result};

/// A list of providers, the most wanted first: the order in which `auto` tries them.
#[derive(Debug, Clone, Copy)]
pub struct Table(pub &'static [&'static Entry]);

/// All providers.
pub static TABLE: Table = Table(&[&virtualbox::ENTRY, &qemu::ENTRY]);

impl Table {
    /// Its entries.
    pub fn entries(&self) -> impl Iterator<Item = &'static Entry> {
        self.0.iter().copied()
    }

    /// Those that are taken where nobody asks for one.
    pub fn automatic(&self) -> impl Iterator<Item = &'static Entry> {
        self.entries().filter(|entry| entry.automatic)
    }

    /// The names of all.
    pub fn names(&self) -> Vec<&'static str> {
        self.entries().map(|entry| entry.name).collect()
    }

    /// The provider called `name`.
    ///
    /// # Errors
    /// [`Kind::NoProvider`] where there is none of that name.
    pub fn named(&self, name: &str) -> Result<&'static Entry> {
        self.entries().find(|entry| entry.name == name).ok_or_else(|| {
            Error::new(Kind::NoProvider, format!("there is no provider {name}"))
                .hint(format!("there are: {}", self.names().join(", ")))
        })
    }

    /// The names of all files that providers make in a machine's folder.
    pub fn files(&self) -> Vec<&'static str> {
        self.entries().flat_map(|entry| entry.files).copied().collect()
    }

    /// Whether the catalogue may have settings of the provider called `name` for a box.
    pub fn reads_box_settings(&self, name: &str) -> bool {
        self.named(name).is_ok_and(|entry| entry.box_settings)
    }
}
