//! The labs of the release before, which had no register of labs: the claims of ports named their folders.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::entry::{Entry, Machine};
use super::files::{Home, LabFiles};
use crate::{nofollow, versioned};

#[derive(Deserialize)]
struct Claims {
    claims: Vec<Claim>,
}

#[derive(Deserialize)]
struct Claim {
    lab_id: String,
    /// Claims of this release have none: those labs stand in the register.
    lab_dir: Option<PathBuf>,
}

/// What of a state in version 1 goes into the register.
#[derive(Deserialize)]
struct State {
    lab_id: String,
    provider: String,
    run_dir: PathBuf,
    network_port: u16,
    machines: BTreeMap<String, Record>,
}

#[derive(Deserialize)]
struct Record {
    id: String,
    image: Image,
}

#[derive(Deserialize)]
struct Image {
    digest: String,
    name: String,
}

/// The labs whose claims stand in the register of ports. One that is not where it was stays known by that place: it may
/// lie on a stick.
pub(super) fn labs(home: &Home) -> Vec<Entry> {
    let Some(Claims { claims }) = json(&home.ports()) else { return Vec::new() };
    let mut places: Vec<(String, PathBuf)> =
        claims.into_iter().filter_map(|claim| Some((claim.lab_id, claim.lab_dir?))).collect();
    places.sort();
    places.dedup();
    places.into_iter().filter_map(|(lab_id, dir)| lab(lab_id, dir)).collect()
}

fn lab(lab_id: String, dir: PathBuf) -> Option<Entry> {
    let files = LabFiles::beside(&dir);
    let mut entry = Entry::new(&lab_id, &dir, "");
    if entry.lab.is_none() {
        return Some(entry);
    }
    let state: State = json(&files.state()).filter(|state: &State| state.lab_id == lab_id)?;
    entry.provider = state.provider;
    entry.own = serde_json::json!({ "run_dir": state.run_dir, "network_port": state.network_port });
    let machine = |(name, record): (String, Record)| {
        let Record { id, image: Image { digest, name: image } } = record;
        (name, Machine { id, digest, image })
    };
    entry.machines = state.machines.into_iter().map(machine).collect();
    Some(entry)
}

fn json<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> Option<T> {
    serde_json::from_slice(&nofollow::read(path, versioned::LIMIT).ok()?).ok()
}
