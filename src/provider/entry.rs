//! A line of the table of providers.

use std::path::PathBuf;

use super::{Availability, PrivateNetwork, Provider, SharedDir};
use crate::error::Result;
use crate::finding::Check;
use crate::host::Host;
use crate::section::{Key, Look};

/// One provider.
#[derive(Debug)]
pub struct Entry {
    /// Its name, as in `--provider`.
    pub name: &'static str,
    /// Makes it. Starts and looks for nothing.
    pub make: fn(SharedDir) -> Box<dyn Provider>,
    /// Whether it is taken where nobody asks for a provider.
    pub automatic: bool,
    /// The names of all files that it makes in a machine's folder; `*` stands for any end.
    pub files: &'static [&'static str],
    /// Whether the catalogue may have settings of it for a box.
    pub box_settings: bool,
    /// Its section of a machine in the Labfile. The other words of the key stand for the provider's name, too.
    pub section: Key,
    /// Looks at that section's values, and at its settings in the catalogue.
    pub look: Look,
    /// What `lab doctor` is told of it.
    pub examine: fn(&Examined<'_>) -> Vec<Check>,
    /// Where this computer has a place on the networks of its machines, how that is seen.
    pub host_network: Option<HostNetwork>,
    /// The folder in which the sockets of a lab would lie, by the lab's id.
    pub run_folder: Option<fn(&str) -> PathBuf>,
}

/// The networks of a provider's machines on which this computer has a place.
#[derive(Debug, Clone, Copy)]
pub struct HostNetwork {
    /// How the names of their network cards begin.
    pub cards: &'static str,
    /// Whose they are, for people.
    pub whose: &'static str,
}

/// What a provider sees when `lab doctor` examines a computer.
#[derive(Debug, Clone, Copy)]
pub struct Examined<'a> {
    /// The computer.
    pub host: &'a Host,
    /// What the provider said of itself.
    pub said: &'a Result<Availability>,
    /// The name of the provider that would run the lab.
    pub chosen: Option<&'a str>,
    /// The lab's private network, where there is a lab.
    pub network: Option<PrivateNetwork>,
}
