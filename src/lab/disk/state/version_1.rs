//! `state.json` of the first release, whose providers' numbers and paths stood among everything else.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::Error as _;
use serde_json::{Value, json};

use super::model::{AtSnapshot, Login, Record, State, VERSION};
use super::readiness::Readiness;
use crate::boxes::Hardware;
use crate::provider::{Block, BoxRef, PortForward, PrivateNetwork};

#[derive(Deserialize)]
struct Old {
    lab_id: String,
    provider: String,
    run_dir: PathBuf,
    network_port: u16,
    machines: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct OldRecord {
    id: String,
    image: OldImage,
    hardware: Hardware,
    nat_mac: Value,
    private_mac: Value,
    ssh_port: u16,
    forwards: Vec<PortForward>,
    #[serde(default)]
    snapshots: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct OldImage {
    name: String,
    digest: String,
    hardware: Hardware,
    login: Login,
}

#[derive(Deserialize)]
struct OldSnapshot {
    hardware: Hardware,
    known_host: bool,
}

/// The state as this release has it. Its name and network are the Labfile's to say.
pub(super) fn upgrade(value: Value) -> serde_json::Result<State> {
    let old = Old::deserialize(value)?;
    let block = |value: Value| Block::of(&value).map_err(serde_json::Error::custom);
    let machines = old.machines.into_iter().map(|(name, fields)| {
        let record = OldRecord::deserialize(&fields)?;
        let snapshots = record.snapshots.into_iter().map(|(name, fields)| {
            let then = OldSnapshot::deserialize(&fields)?;
            let readiness = Readiness::from_version_1(&fields)?;
            Ok((name, AtSnapshot { hardware: then.hardware, readiness, known_host: then.known_host }))
        });
        let own = json!({
            "ssh_port": record.ssh_port,
            "nat_mac": record.nat_mac,
            "private_mac": record.private_mac,
        });
        let record = Record {
            id: record.id,
            image: BoxRef { name: record.image.name, digest: record.image.digest },
            login: record.image.login,
            box_hardware: record.image.hardware,
            hardware: record.hardware,
            forwards: record.forwards,
            own: block(own)?,
            readiness: Readiness::from_version_1(&fields)?,
            snapshots: snapshots.collect::<serde_json::Result<_>>()?,
        };
        Ok((name, record))
    });
    Ok(State {
        version: VERSION,
        lab_id: old.lab_id,
        provider: old.provider,
        name: String::new(),
        network: PrivateNetwork::UNKNOWN,
        own: block(json!({"run_dir": old.run_dir, "network_port": old.network_port}))?,
        machines: machines.collect::<serde_json::Result<_>>()?,
    })
}
