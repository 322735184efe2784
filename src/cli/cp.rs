//! `lab cp`

use std::ffi::OsString;

use crate::error::Result;
use crate::lab::verbs::run::Spot;

use super::{App, Status};

/// Copy files to or from a machine
///
/// Files and folders are read and written as the machine's login user.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab cp notes.txt web1:                      into the login user's home
  lab cp site web1:/tmp/site                  a folder
  lab cp web1:/var/log/nginx/error.log .      and back")]
pub(super) struct Args {
    /// What to copy: PATH, or MACHINE:PATH
    from: OsString,
    /// Where to: PATH, or MACHINE:PATH
    to: OsString,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let lab = app.existing(&context, false)?;
        let (from, to) = (Spot::parse(&self.from), Spot::parse(&self.to));
        for spot in [&from, &to] {
            if let Spot::Guest(name, _) = spot {
                lab.select(std::slice::from_ref(name))?;
            }
        }
        lab.copy(&from, &to)?;
        Ok(0)
    }
}
