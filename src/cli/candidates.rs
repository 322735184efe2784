//! The names that a shell completes. They are read from files alone: no provider and no server is asked. A failure here
//! gives no names, and prints nothing.

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use crate::boxes::Store;
use crate::boxes::catalogue::Catalogue;
use crate::lab::Place;
use crate::lab::disk::files::Home;
use crate::lab::disk::state;
use crate::printable::is_tricky;

/// The machines of the lab in the current folder.
pub(super) fn machines() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let Some(place) = here() else { return Vec::new() };
        let mut names: Vec<String> = match &place.labfile {
            Ok(labfile) => labfile.machines.iter().map(|machine| machine.name.clone()).collect(),
            Err(_) => Vec::new(),
        };
        // A machine that only the state still has can be destroyed.
        let state = state::read(&place.files().state()).ok().flatten();
        names.extend(state.into_iter().flat_map(|state| state.machines.into_keys()));
        candidates(names)
    })
}

/// The snapshots of the machines of the lab in the current folder.
pub(super) fn snapshots() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let state = here().and_then(|place| state::read(&place.files().state()).ok().flatten());
        let records = state.into_iter().flat_map(|state| state.machines.into_values());
        candidates(records.flat_map(|record| record.snapshots.into_keys()))
    })
}

/// The checks of the lab in the current folder.
pub(super) fn checks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let labfile = here().and_then(|place| place.labfile.ok());
        candidates(labfile.into_iter().flat_map(|labfile| labfile.checks).map(|check| check.name))
    })
}

/// The boxes in the store, and the boxes of the catalogue.
pub(super) fn boxes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let store = Home::find().and_then(|home| Store::open(home.root())).and_then(|store| store.list());
        let here = store.unwrap_or_default().into_iter().flat_map(|entry| entry.names);
        let catalogue = Catalogue::load(None).unwrap_or_default();
        candidates(here.chain(catalogue.names().map(str::to_owned)))
    })
}

fn here() -> Option<Place> {
    Place::find(&std::env::current_dir().ok()?).ok()
}

/// `names` in their order, each once, without names that a terminal would obey.
fn candidates(names: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    let mut once: Vec<String> = Vec::new();
    for name in names {
        if !once.contains(&name) && !name.contains(is_tricky) {
            once.push(name);
        }
    }
    once.into_iter().map(CompletionCandidate::new).collect()
}
