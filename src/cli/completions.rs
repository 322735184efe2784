//! `lab completions`

use clap_complete::env::{CompleteEnv, Shells};

use crate::error::{Error, Result};
use crate::ui;

use super::{App, Status, command};

/// The variable by which a shell's script asks for candidates.
const VARIABLE: &str = "LAB_COMPLETE";

/// Print a shell's completion script
///
/// Machines, checks and boxes are completed too: the script asks lab for them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab completions bash > ~/.local/share/bash-completion/completions/lab
  lab completions zsh > ~/.zfunc/_lab
  lab completions fish > ~/.config/fish/completions/lab.fish")]
pub(super) struct Args {
    /// The shell [bash, elvish, fish, powershell, zsh]
    #[arg(value_parser = ["bash", "elvish", "fish", "powershell", "zsh"], hide_possible_values = true)]
    shell: String,
}

impl Args {
    pub(super) fn run(self, _: &App) -> Result<Status> {
        let failed = |why: &dyn std::fmt::Display| Error::internal(format!("no completion script: {why}"));
        let shells = Shells::builtins();
        let shell = shells.completer(&self.shell).ok_or_else(|| failed(&self.shell))?;
        let mut script = Vec::new();
        shell
            .write_registration(VARIABLE, "lab", "lab", "lab", &mut script)
            .map_err(|source| failed(&source))?;
        ui::print_data(&String::from_utf8_lossy(&script));
        Ok(0)
    }
}

/// Answers the completion script of a shell and ends the process. Returns at once where no script asks.
pub(super) fn answer() {
    CompleteEnv::with_factory(command).var(VARIABLE).bin("lab").completer("lab").complete();
}
