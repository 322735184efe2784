//! VirtualBox is held to the contract of providers. Its tests run in a process of their own, since VirtualBox's registry comes from
//! the environment.

use std::path::Path;
use std::process::{Command, Stdio};

use labfile::provider::SharedDir;
use labfile::provider::virtualbox::VirtualBox as VirtualBoxProvider;

use crate::installation::VirtualBox;
use crate::suite::Bed;

/// Set in the process whose environment is the bed's.
const INSIDE: &str = "LAB_TEST_CONTRACT";

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn virtualbox_holds_to_the_contract() {
    let virtualbox = VirtualBox::new();
    let before = virtualbox.inventory();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["contract::held::", "--include-ignored", "--test-threads", "1"]);
    command.envs(virtualbox.environment()).env(INSIDE, "1").stdin(Stdio::null());
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{words}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(words.contains("10 passed"), "{words}");
    assert_eq!(virtualbox.inventory(), before);
}

/// The tests themselves, which do nothing outside of that process.
mod held {
    use super::*;

    fn bed() -> Option<Bed> {
        std::env::var_os(INSIDE)?;
        let root = tempfile::tempdir().unwrap();
        // The folder must be called as in a LAB_HOME: that is how VirtualBox's bases are known.
        let (machines, shared) = (root.path().join("lab/.lab/machines"), root.path().join("bases"));
        let provider = VirtualBoxProvider::new(SharedDir(shared.clone()));
        let left = move || [disks(&machines), disks(&shared)].concat();
        Some(Bed::new(Box::new(provider), root, Box::new(left)))
    }

    /// All disks and machines in `dir`.
    fn disks(dir: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                found.extend(disks(&entry.path()));
            } else if [".vdi", ".vmdk", ".vbox", ".sav"].iter().any(|end| name.ends_with(end)) {
                found.push(name);
            }
        }
        found
    }

    crate::holds_to_the_contract!(bed(), ignore = "drives the real VirtualBox: run by scripts/test");
}
