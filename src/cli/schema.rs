//! `lab schema`

use crate::error::Result;
use crate::{labfile, ui};

use super::{App, Status};

/// Print the JSON Schema of Labfiles, for editors
///
/// Editors complete and check a Labfile with it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  lab schema > labfile.schema.json
  and as the Labfile's first line, for editors that know it:  #:schema ./labfile.schema.json")]
pub(super) struct Args {}

impl Args {
    pub(super) fn run(self, _: &App) -> Result<Status> {
        ui::print_data(&format!("{:#}\n", labfile::schema()));
        Ok(0)
    }
}
