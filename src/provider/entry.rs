//! A line of the table of providers.

use super::{Provider, SharedDir};
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
}
