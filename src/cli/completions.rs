//! `lab completions`

use clap_complete::Shell;

use crate::error::Result;
use crate::ui;

use super::{App, Status, command};

/// Print a shell's completion script
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab completions bash > ~/.local/share/bash-completion/completions/lab
  lab completions zsh > ~/.zfunc/_lab
  lab completions fish > ~/.config/fish/completions/lab.fish")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

impl Args {
    pub(super) fn run(self, _: &App) -> Result<Status> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "lab", &mut script);
        ui::print(&String::from_utf8_lossy(&script));
        Ok(0)
    }
}
