//! `lab box verify`

use serde_json::json;

use crate::disk_space::human;
use crate::error::{Error, Kind, Result};
use crate::{printable, ui};

use super::{Place, called, short};

/// Read boxes again and compare them with their checksums
///
/// lab notes a checksum for every file of a box when it unpacks the box. A box whose files have changed since (a
/// failing disk, somebody's hand) is marked as damaged; adding it again mends it. Base images are compared with
/// the box that they were made from.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab box verify
  lab box verify lucid32")]
pub(super) struct Args {
    /// Boxes [default: all]
    #[arg(value_name = "NAME", add = crate::cli::candidates::boxes())]
    names: Vec<String>,
}

impl Args {
    pub(super) fn run(self, place: &Place<'_>) -> Result<()> {
        let (ui, shelf) = (&place.app.ui, place.shelf()?);
        let boxes = if self.names.is_empty() {
            shelf.list()?
        } else {
            self.names.iter().map(|name| shelf.get(name)).collect::<Result<_>>()?
        };
        let mut damaged = Vec::new();
        for shelved in &boxes {
            let entry = &shelved.entry;
            let name = format!("{} ({})", called(entry), short(&entry.digest));
            let print =
                |words: &str| ui.print(&format!("{}\n", printable::line(&format!("{name}: {words}"))));
            let found = shelf.verify(shelved)?;
            if ui.json {
                ui::print_json(&json!({
                    "names": entry.names, "sha256": entry.digest, "files": found.files, "bytes": found.bytes,
                    "problems": found.problems,
                }));
            } else if found.problems.is_empty() {
                print(&format!("whole, {} in {} files", human(found.bytes), found.files));
            } else {
                found.problems.iter().for_each(|problem| print(problem));
            }
            if !found.problems.is_empty() {
                damaged.push((
                    called(entry),
                    entry.manifest.as_ref().ok().map(|manifest| manifest.source.clone()),
                ));
            }
        }
        for stray in place.store.strays()? {
            ui.warn(
                &format!("{stray} in the store of boxes is not lab's"),
                Some("remove it, if you do not need it"),
            );
        }
        if damaged.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = damaged.iter().map(|(name, _)| name.as_str()).collect();
        let error = Error::new(Kind::BoxChecksum, format!("damaged: {}", names.join(", ")));
        Err(damaged.iter().fold(error, |error, (name, source)| match source {
            Some(source) => error.hint(format!("to mend it: lab box add {name} {source}")),
            None => error.hint(format!("to mend {name}, add it again from where it came from")),
        }))
    }
}
