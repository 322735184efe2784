//! VirtualBox's own list of machines, as it lies on disk: the only place that tells where the settings of a machine should be
//! when they are not there any more.
//!
//! Where it lies and what it looks like: the manual's "Where VirtualBox stores its files", and `VirtualBox-settings.xsd`
//! in its sources. It is only read.

use std::path::{Path, PathBuf};

use super::disks::lies_in;

/// The ids of the machines whose settings file lies, or lay, somewhere in `folder`.
pub(super) fn machines_in(folder: &Path) -> Vec<String> {
    let Some(home) = homes().into_iter().find(|home| home.join(FILE).is_file()) else { return Vec::new() };
    let text = std::fs::read_to_string(home.join(FILE)).unwrap_or_default();
    entries(&text)
        .into_iter()
        .filter(|(_, settings)| lies_in(&home.join(settings), folder))
        .map(|(id, _)| id)
        .collect()
}

const FILE: &str = "VirtualBox.xml";

/// Where VirtualBox keeps its list, the first that holds.
fn homes() -> Vec<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(home) = folder("VBOX_USER_HOME") {
        return vec![home];
    }
    let home = folder("HOME").or_else(|| folder("USERPROFILE"));
    let config = folder("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
    let old = home.as_ref().map(|home| home.join(".VirtualBox"));
    let library = home.map(|home| home.join("Library"));
    // One of a version before 4.3 stays in use.
    old.into_iter()
        .chain([library, config].into_iter().flatten().map(|folder| folder.join("VirtualBox")))
        .collect()
}

/// `<MachineEntry uuid="{…}" src="…"/>`, as pairs.
fn entries(text: &str) -> Vec<(String, PathBuf)> {
    let Ok(document) = roxmltree::Document::parse(text) else { return Vec::new() };
    let entries =
        document.descendants().filter(|node| node.is_element() && node.tag_name().name() == "MachineEntry");
    entries
        .filter_map(|entry| {
            let id = entry.attribute("uuid")?.trim_matches(['{', '}']).to_owned();
            Some((id, PathBuf::from(entry.attribute("src")?)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_found_by_where_their_settings_should_be() {
        // As VirtualBox 7.2.22 wrote it, shortened.
        let text = r#"<?xml version="1.0"?>
            <VirtualBox xmlns="http://www.virtualbox.org/" version="1.12-linux">
              <Global><MachineRegistry>
                <MachineEntry uuid="{31111111-1111-4111-8111-111111111111}" src="/home/anna/class/.lab/machines/web1/virtualbox/lab/c-web1/c-web1.vbox"/>
                <MachineEntry uuid="{32222222-2222-4222-8222-222222222222}" src="Machines/old/old.vbox"/>
              </MachineRegistry></Global>
            </VirtualBox>"#;
        let found = entries(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].0, "31111111-1111-4111-8111-111111111111");
        assert!(found[0].1.starts_with("/home/anna/class/.lab/machines"));
        assert!(entries("<VirtualBox").is_empty());
    }
}
