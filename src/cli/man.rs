//! `lab man`

use std::path::PathBuf;

use clap::CommandFactory;

use crate::error::{Error, Result};

use super::{App, Cli, Status};

/// Write the manual pages
///
/// Writes a page for lab and a page for each command. The text is that of --help.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  lab man ~/.local/share/man/man1 && man lab-up")]
pub(super) struct Args {
    /// The folder to write them to; it is made where it is not there
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let dir = app.dir.join(&self.dir);
        std::fs::create_dir_all(&dir).map_err(|source| Error::io("create the folder", &dir, &source))?;
        clap_mangen::generate_to(Cli::command(), &dir)
            .map_err(|source| Error::io("write into", &dir, &source))?;
        app.ui.tell(&format!("wrote the manual pages to {}", dir.display()));
        Ok(0)
    }
}
