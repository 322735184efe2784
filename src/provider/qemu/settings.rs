//! The Labfile's section `[machine.NAME.qemu]`.

use serde::{Deserialize, Serialize};

/// What it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    /// Arguments added at the end of QEMU's command line.
    #[serde(default)]
    pub(super) args: Vec<String>,
    /// `-cpu`.
    pub(super) cpu: Option<String>,
    /// `-machine`.
    pub(super) machine: Option<String>,
}
