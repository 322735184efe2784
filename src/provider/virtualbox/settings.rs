//! The Labfile's section `[machine.NAME.virtualbox]`, and what the catalogue says for a box.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::provider::MachineSpec;

/// What it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    /// VBoxManage calls before the first start; `{id}` stands for the machine.
    #[serde(default)]
    pub(super) customize: Vec<Vec<String>>,
    /// A window is shown.
    #[serde(default)]
    pub(super) gui: bool,
}

/// The settings for the machine's box, and those of the Labfile.
///
/// # Errors
/// Where they are not what this provider reads.
pub(super) fn of(machine: &MachineSpec) -> Result<(Settings, Settings)> {
    Ok((machine.own.for_box.read()?, machine.own.settings.read()?))
}
