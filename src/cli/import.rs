//! `lab import`

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::boxes::catalogue::Catalogue;
use crate::error::Result;
use crate::labfile::import::{Around, Imported, import as convert, vagrantfile_at};
use crate::{labfile, printable, ui};

use super::{App, Status, init};

/// Turn a Vagrantfile into a Labfile
///
/// lab reads the Vagrantfile and does not run it. It follows variables, loops, methods of its own, and Ruby and
/// data files beside it, and answers questions about this computer. It lists, with their lines, the settings that a
/// Labfile does not have and those that only a run of the Vagrantfile could tell: on the terminal, and at the top
/// of the Labfile.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab import                     Vagrantfile to Labfile, in this folder
  lab import ../old/Vagrantfile
  lab import --print             on standard output, without writing a file")]
pub(super) struct Args {
    /// The Vagrantfile, or its folder
    #[arg(value_name = "FILE", default_value = "Vagrantfile")]
    file: PathBuf,
    /// Print the Labfile instead of writing it
    #[arg(long)]
    print: bool,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        import(app, &self.file, self.print)
    }
}

/// Turns the Vagrantfile `file` into the Labfile of the folder that we work in.
pub(super) fn import(app: &App, file: &Path, print: bool) -> Result<Status> {
    let dir = std::path::absolute(&app.dir).unwrap_or_else(|_| app.dir.clone());
    let file = if file.is_absolute() { file.to_owned() } else { dir.join(file) };
    let path = vagrantfile_at(&file);
    let folder = path.parent().unwrap_or(&dir);
    // Paths in the Labfile begin at its own folder.
    let prefix = match folder.strip_prefix(&dir) {
        Ok(below) => below.to_owned(),
        Err(_) => folder.to_owned(),
    };
    let shown = path.strip_prefix(&dir).unwrap_or(&path).display().to_string();
    let known = Catalogue::load(None)?;
    let knows_box = |name: &str| known.get(name).is_some_and(|entry| !entry.versions.is_empty());
    let environment = |name: &str| std::env::var(name).ok();
    let around = Around {
        dir: folder,
        prefix: &prefix,
        shown: &shown,
        environment: &environment,
        knows_box: &knows_box,
    };
    let Imported { text, machines, notes } = convert(&path, &around)?;
    let written = if print { None } else { Some(init::write_new(&dir, &text)?) };
    if app.ui.json {
        let notes: Vec<_> = notes.iter().map(|note| json!({"line": note.line, "text": note.text})).collect();
        ui::print_json(&json!({
            "labfile": written.as_ref().map(|path| path.display().to_string()),
            "text": text,
            "machines": machines,
            "notes": notes,
        }));
    } else if print {
        ui::print_data(&printable::json(&text));
    }
    for note in &notes {
        let line = if note.line == 0 { String::new() } else { format!(":{}", note.line) };
        app.ui.tell(&format!("{shown}{line}: {}", note.text));
    }
    if let Some(path) = &written {
        // The new Labfile is checked like any other. A mistake in it is a defect of `lab import`, and is shown.
        if let Err(labfile::LoadError::Mistakes(report)) = labfile::load(path) {
            app.ui.report(&report);
        }
        let left = match notes.len() {
            0 => String::new(),
            1 => "; 1 thing is different or left out, see above and its top".to_owned(),
            n => format!("; {n} things are different or left out, see above and its top"),
        };
        app.ui.tell(&format!("wrote {}{left}", path.display()));
        app.ui.tell("next: `lab validate`, then `lab up`");
    }
    Ok(0)
}
