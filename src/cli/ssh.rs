//! `lab ssh`

use crate::error::{Error, Kind, Result};
use crate::lab::Lab;
use crate::lab::verbs::run;

use super::{App, Status};

/// Open a shell in a machine, or run one command there
///
/// The command's exit status becomes lab's.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab ssh web1
  lab ssh web1 -- sudo tail -f /var/log/nginx/access.log
  lab ssh web1 -c 'hostname; uptime'")]
pub(super) struct Args {
    /// The machine; may be left out where the lab has one only
    #[arg(value_name = "NAME", add = super::candidates::machines())]
    name: Option<String>,
    /// A line for the machine's shell
    #[arg(short, long, value_name = "LINE", conflicts_with = "words")]
    command: Option<String>,
    /// A command and its arguments, which arrive as they are; a single word is a line for the shell
    #[arg(last = true, value_name = "CMD")]
    words: Vec<String>,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        // ssh takes our place, and Ctrl-C belongs to it.
        let context = app.plain_context()?;
        let lab: Lab<'_> = app.existing(&context, false)?;
        let names = lab.names();
        let name = match (self.name, names.as_slice()) {
            (Some(name), _) => name,
            (None, [only]) => only.clone(),
            (None, names) => {
                return Err(Error::new(Kind::Usage, "which machine?").hint(format!(
                    "this lab has {}: `lab ssh {}`",
                    names.join(", "),
                    names.first().map_or("NAME", String::as_str)
                )));
            }
        };
        lab.select(std::slice::from_ref(&name))?;
        let access = lab.ssh(&name)?;
        let words: Vec<String> = self.command.map_or(self.words, |line| vec![line]);
        Err(run::remote(access.interactive(), &words).exec())
    }
}
