//! `lab hosts`

use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::lab::Lab;
use crate::lab::tell::hosts;
use crate::process::quote;
use crate::ui;

use super::{App, Status};

/// Show the machines' names for this computer's hosts file
///
/// With --apply lab writes the names into that file, between two marked lines; `lab destroy` takes them out
/// again. The addresses are on the private network, which this computer reaches only under VirtualBox.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab hosts
  sudo lab hosts --apply
  sudo lab hosts --remove")]
pub(super) struct Args {
    /// Write them into the hosts file
    #[arg(long, conflicts_with = "remove")]
    apply: bool,
    /// Take them out of the hosts file
    #[arg(long)]
    remove: bool,
    /// The hosts file
    #[arg(long, env = hosts::FILE_VARIABLE, value_name = "FILE", default_value_os_t = hosts::file(), hide_env = true)]
    file: PathBuf,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let place = app.place()?;
        let file = self.file.display();
        let done = if self.remove {
            match hosts::remove(&self.file, &place.dir).map_err(|error| self.with_sudo(error, &place.dir))? {
                true => format!("{file} no longer has the machines' names"),
                false => format!("{file} has no names of this lab"),
            }
        } else {
            let lines = hosts::lines(place.labfile.as_ref().map_err(Clone::clone)?);
            if !self.apply {
                ui::print_data(&lines);
                return Ok(0);
            }
            match hosts::apply(&self.file, &place.dir, &lines)
                .map_err(|error| self.with_sudo(error, &place.dir))?
            {
                true => format!("{file} has the machines' names now; `lab destroy` takes them out"),
                false => format!("{file} has the machines' names already"),
            }
        };
        app.ui.tell(&done);
        if self.apply {
            self.warn_of_distance(app);
        }
        Ok(0)
    }

    /// Warns where this computer does not reach the addresses: a name that leads nowhere is worse than no name.
    fn warn_of_distance(&self, app: &App) {
        let Ok(context) = app.plain_context() else { return };
        let lab = app.place().and_then(|place| Lab::open(&context, place, false));
        if let Ok(Some(lab)) = lab
            && !lab.provider().features().host_on_private_network
        {
            let text = format!("this computer is not on the private network of {}", lab.provider().name());
            app.ui
                .warn(&text, Some("the machines' pages are reached through their forwards: `lab open NAME`"));
        }
    }

    /// Adds the command with `sudo` to an error about rights: the hosts file belongs to root.
    fn with_sudo(&self, error: Error, dir: &std::path::Path) -> Error {
        if error.kind() != Kind::Io || !error.message().starts_with("no permission") {
            return error;
        }
        let what = if self.remove { "--remove" } else { "--apply" };
        let dir = quote(&dir.display().to_string());
        let file = match std::env::var_os(hosts::FILE_VARIABLE) {
            None if self.file == hosts::file() => String::new(),
            _ => format!(" --file {}", quote(&self.file.display().to_string())),
        };
        Error::new(error.kind(), error.message()).hint(format!("sudo lab -C {dir} hosts {what}{file}"))
    }
}

/// Takes the names of a destroyed lab out of the hosts file. Where that fails, warns with the command to type.
pub(super) fn forget(app: &App, dir: &std::path::Path) {
    match hosts::remove(&hosts::file(), dir) {
        Ok(true) => app.ui.tell("its names are out of the hosts file"),
        Ok(false) => {}
        Err(error) => {
            let dir = quote(&dir.display().to_string());
            app.ui.warn(error.message(), Some(&format!("sudo lab -C {dir} hosts --remove")));
        }
    }
}
