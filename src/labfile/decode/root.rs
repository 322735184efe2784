//! The whole file: its sections.

use toml::de::DeTable;

use super::reader::Reader;
use super::{check, lab, machine};
use crate::labfile::keys;
use crate::labfile::raw::{Cx, Raw};

/// Reads the whole tree.
pub(in crate::labfile) fn labfile(cx: &mut Cx<'_>, root: &DeTable<'_>) -> Raw {
    let reader = Reader::new(cx, &keys::ROOT, keys::ROOT.title, root);
    let mut raw = Raw::default();
    if let Some(slot) = reader.get("lab") {
        lab::lab(cx, &slot, &mut raw);
    }
    // A box outside of every section has been reported as such.
    raw.defaults.names_a_box |= root.keys().any(|key| key.get_ref() == "box");
    if let Some(slot) = reader.get("network") {
        lab::network(cx, &slot, &mut raw);
    }
    if let Some(slot) = reader.get("machine") {
        (raw.machines, raw.too_many_machines) = machine::machines(cx, &slot);
    }
    if let Some(slot) = reader.get("check") {
        raw.checks = check::checks(cx, &slot);
    }
    raw
}
