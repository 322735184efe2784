//! `lab init`

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::{atomic, labfile, printable, ui};

use super::{App, Status, import};

/// Write a Labfile to start from
///
/// The Labfile has comments. A Labfile that is there already stays as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab init
  lab init --box lucid32 --name deploy-workshop
  lab init --from old/Vagrantfile
  lab init --print          on standard output, without writing a file")]
pub(super) struct Args {
    /// The box that its machines are made from
    #[arg(long = "box", value_name = "BOX", default_value = "demo", add = super::candidates::boxes())]
    image: String,
    /// The lab's name [default: the folder's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Turn this Vagrantfile into it, as `lab import` does
    #[arg(long, value_name = "FILE", conflicts_with_all = ["image", "name"])]
    from: Option<PathBuf>,
    /// Print it instead of writing it
    #[arg(long)]
    print: bool,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let dir = std::path::absolute(&app.dir).unwrap_or_else(|_| app.dir.clone());
        if let Some(from) = &self.from {
            return import::import(app, from, self.print);
        }
        let folder = dir.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = self.name.or(folder).unwrap_or_else(|| "lab".to_owned());
        let text = labfile::template(&name, &self.image);
        if self.print {
            ui::print_data(&printable::json(&text));
            return Ok(0);
        }
        let path = write_new(&dir, &text)?;
        app.ui.tell(&format!("wrote {}; next: edit it, then `lab up`", path.display()));
        Ok(0)
    }
}

/// Writes a Labfile into `dir`, which must not have one.
pub(super) fn write_new(dir: &Path, text: &str) -> Result<PathBuf> {
    let path = dir.join("Labfile");
    if path.symlink_metadata().is_ok() {
        return Err(Error::new(Kind::FileExists, format!("{} exists already", path.display()))
            .hint("`lab validate` checks it; with --print a fresh one is shown and nothing written"));
    }
    atomic::write(&path, text.as_bytes())?;
    Ok(path)
}
