//! `[lab]` and `[network]`, and what machines share with `[lab]`.

use super::reader::Reader;
use super::slot::Slot;
use super::{files, lists, names, values};
use crate::labfile::keys;
use crate::labfile::model::NetworkKind;
use crate::labfile::raw::{Common, Cx, Raw};

/// `[lab]`.
pub(super) fn lab(cx: &mut Cx<'_>, slot: &Slot<'_, '_>, raw: &mut Raw) {
    let Some(table) = slot.table(cx) else { return };
    let reader = Reader::new(cx, &keys::LAB, keys::LAB.title, table);
    if let Some(slot) = reader.get("name") {
        raw.name = values::text(cx, &slot).filter(|name| names::lab(cx, name));
    }
    if let Some(slot) = reader.get("provider") {
        raw.provider = values::choice(cx, &slot).map(|word| word.value).filter(|word| word != "auto");
    }
    if let Some(slot) = reader.get("catalog") {
        raw.catalogue = values::text(cx, &slot).and_then(|path| files::catalogue(cx, &path));
    }
    raw.ready_snapshot = reader.get("ready_snapshot").and_then(|slot| values::flag(cx, &slot));
    raw.defaults = common(cx, &reader);
}

/// `[network]`.
pub(super) fn network(cx: &mut Cx<'_>, slot: &Slot<'_, '_>, raw: &mut Raw) {
    let Some(table) = slot.table(cx) else { return };
    let reader = Reader::new(cx, &keys::NETWORK, keys::NETWORK.title, table);
    let private = reader.get("private");
    raw.names_a_network = private.is_some() || reader.means("private");
    raw.network = private.and_then(|slot| values::network(cx, &slot));
    let kind = reader.get("kind").and_then(|slot| values::choice(cx, &slot));
    raw.network_kind = match kind {
        Some(word) if word.value == "internal" => NetworkKind::Internal,
        _ => NetworkKind::HostOnly,
    };
}

/// The keys that `[lab]` and `[machine.NAME]` have in common.
pub(super) fn common(cx: &mut Cx<'_>, reader: &Reader<'_, '_>) -> Common {
    let mut common = Common::default();
    let image = reader.get("box");
    common.names_a_box = image.is_some() || reader.means("box");
    common.image = image.and_then(|slot| values::text(cx, &slot));
    if let Some(image) = &common.image {
        files::boxed(cx, image);
    }
    common.box_version = reader.get("box_version").and_then(|slot| values::version(cx, &slot));
    common.memory_mib = reader.get("memory").and_then(|slot| values::memory(cx, &slot));
    common.cpus = reader.get("cpus").and_then(|slot| values::integer(cx, &slot)).map(|cpus| cpus.value);
    common.boot_timeout = reader.get("boot_timeout").and_then(|slot| values::duration(cx, &slot));
    common.halt_timeout = reader.get("halt_timeout").and_then(|slot| values::duration(cx, &slot));
    if let Some(slot) = reader.get("provision") {
        common.provisioners = lists::provisioners(cx, &slot);
    }
    if let Some(slot) = reader.get("copy") {
        common.copies = lists::copies(cx, &slot);
    }
    common
}
