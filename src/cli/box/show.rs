//! `lab box show`

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::boxes::manifest::Manifest;
use crate::disk_space::human;
use crate::error::{Error, Kind, Result};
use crate::lab::boxes::shelf::Shelved;
use crate::printable;
use crate::ui;

use super::{Place, called};

/// Show all that is known of a box
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The box
    #[arg(add = crate::cli::candidates::boxes())]
    name: String,
}

impl Args {
    pub(super) fn run(self, place: &Place<'_>) -> Result<()> {
        let shelved = place.shelf()?.get(&self.name)?;
        let Shelved { entry, users, on_disk } = &shelved;
        let manifest = entry.manifest.as_ref().map_err(|damage| {
            Error::new(Kind::BadBox, damage.clone()).hint("add it again from where it came from")
        })?;
        if place.app.ui.json {
            ui::print_json(&json!({
                "names": entry.names, "manifest": manifest, "used_by": users, "on_disk": on_disk,
            }));
        } else {
            place.app.ui.print(&describe(&shelved, manifest));
        }
        Ok(())
    }
}

fn describe(Shelved { entry, users, on_disk }: &Shelved, manifest: &Manifest) -> String {
    let Manifest { hardware, .. } = manifest;
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{key:<10} {}", printable::line(value));
    };
    line("box", &called(entry));
    line("sha256", &manifest.sha256);
    line("source", &manifest.source);
    line("added", &ago(manifest.added));
    line("kind", manifest.format.describe());
    let sizes = format!("{} the box file, {} unpacked", human(manifest.size), human(manifest.unpacked));
    line("size", &format!("{sizes}, {} on the disk with its base images", human(*on_disk)));
    line("disk", &format!("{} ({})", manifest.disk, manifest.disk_format));
    let words = |value: serde_json::Value| value.as_str().unwrap_or_default().replace('_', "-");
    line(
        "machine",
        &format!(
            "{}, {} MiB, CPUs: {}, firmware: {}, disk on: {}, network card: {}",
            words(json!(hardware.arch)),
            hardware.memory_mib,
            hardware.cpus,
            words(json!(hardware.firmware)),
            words(json!(hardware.disk_controller)),
            words(json!(hardware.nic)),
        ),
    );
    if let Some(mac) = hardware.base_mac {
        line("base MAC", &mac.to_string());
    }
    let key = manifest
        .key
        .as_ref()
        .map_or("Vagrant's insecure key".to_owned(), |key| format!("the box's key {key}"));
    line("login", &format!("{} with {key}", manifest.user));
    for user in users {
        line("used by", &format!("{} of the lab in {}", user.machine, user.lab.display()));
    }
    for note in &manifest.notes {
        line("note", note);
    }
    text
}

/// How long ago a moment was, given in seconds since 1970.
fn ago(moment: u64) -> String {
    let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(moment);
    match SystemTime::now().duration_since(moment).map(|passed| passed.as_secs()).unwrap_or(0) {
        passed @ 0..60 => format!("{passed} s ago"),
        passed @ 60..3600 => format!("{} min ago", passed / 60),
        passed @ 3600..86400 => format!("{} h ago", passed / 3600),
        passed => format!("{} days ago", passed / 86400),
    }
}
