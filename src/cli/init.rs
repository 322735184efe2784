//! `lab init`

use crate::error::{Error, Kind, Result};
use crate::{atomic, labfile, ui};

use super::{App, Status};

/// Write a Labfile to start from
///
/// It is commented, and never put over one that is there.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab init
  lab init --box lucid32 --name deploy-workshop
  lab init --print          on standard output, without writing a file")]
pub(super) struct Args {
    /// The box that its machines are made from
    #[arg(long = "box", value_name = "BOX", default_value = "demo")]
    image: String,
    /// The lab's name [default: the folder's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Print it instead of writing it
    #[arg(long)]
    print: bool,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let dir = std::path::absolute(&app.dir).unwrap_or_else(|_| app.dir.clone());
        let folder = dir.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = self.name.or(folder).unwrap_or_else(|| "lab".to_owned());
        let text = labfile::template(&name, &self.image);
        if self.print {
            ui::print(&text);
            return Ok(0);
        }
        let path = dir.join("Labfile");
        if path.symlink_metadata().is_ok() {
            return Err(Error::new(Kind::FileExists, format!("{} exists already", path.display()))
                .hint("`lab validate` checks it; `lab init --print` shows a fresh one"));
        }
        atomic::write(&path, text.as_bytes())?;
        app.ui.tell(&format!("wrote {}; next: edit it, then `lab up`", path.display()));
        Ok(0)
    }
}
