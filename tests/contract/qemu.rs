//! QEMU, without any guest system: the disk is empty, the BIOS finds nothing to boot, and the machine runs on.

use std::path::Path;

use labfile::provider::SharedDir;
use labfile::provider::qemu::Qemu;

use crate::suite::Bed;

/// What a machine's folder may keep.
const LOGS: &[&str] = &["qemu.log", "console.log"];

fn bed() -> Bed {
    let root = tempfile::tempdir().unwrap();
    let (machines, shared) = (root.path().join("lab/.lab/machines"), root.path().join("shared"));
    let qemu = Qemu::new(SharedDir(shared.clone()));
    Bed::new(Box::new(qemu), root, Box::new(move || [files(&machines), files(&shared)].concat()))
}

/// All files in `dir`, locks and logs left out.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else if !LOGS.contains(&name.as_str()) && !name.contains("lock") && !name.contains("version") {
            found.push(name);
        }
    }
    found
}

crate::holds_to_the_contract!(bed(), ignore = "needs qemu-system-x86_64; run by scripts/test");
