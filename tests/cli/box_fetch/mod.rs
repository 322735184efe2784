//! Boxes over the network, by the real program: killed, side by side, through proxies, held to Labfile.lock.

mod disk;
mod network;
mod pins;
mod processes;
#[cfg(target_os = "linux")]
mod tls;

use std::path::Path;

use crate::common::make::{self, Packing};

/// A box of about `length` bytes; another `seed`, another box.
fn a_box(seed: u64, length: usize) -> Vec<u8> {
    make::vagrant_box(&make::disk(seed, length), Packing::None)
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that are there of unfinished downloads.
fn partial(home: &Path) -> u64 {
    let folders = std::fs::read_dir(home.join("boxes/partial")).into_iter().flatten().flatten();
    folders.filter_map(|folder| Some(std::fs::metadata(folder.path().join("data")).ok()?.len())).sum()
}

/// What is in the store's folder besides boxes and what always is.
fn strays(home: &Path) -> Vec<String> {
    let known = ["index.json", "locks", "store.lock"];
    let names = std::fs::read_dir(home.join("boxes")).into_iter().flatten().flatten();
    let mut strays: Vec<_> = names
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !known.contains(&name.as_str()) && name.len() != 64)
        .collect();
    for folder in ["tmp", "partial"] {
        let inside = std::fs::read_dir(home.join("boxes").join(folder)).into_iter().flatten().count();
        strays.retain(|name| name != folder || inside > 0);
    }
    strays
}
