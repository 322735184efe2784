//! `lab exec`

use serde_json::json;

use crate::error::{Error, Kind, Result};
use crate::process::Stream;
use crate::{printable, ui};

use super::{App, Status};

/// Run a command in several machines at once
///
/// The machines work side by side. With several machines, each line of output begins with the machine's name.
/// The exit status is the highest of theirs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab exec web1 -- uptime
  lab exec web1 web2 -- sudo service nginx restart
  lab exec --all -- 'grep MemFree /proc/meminfo'")]
pub(super) struct Args {
    /// Machines
    #[arg(value_name = "NAME", required_unless_present = "all", add = super::candidates::machines())]
    names: Vec<String>,
    /// In all machines
    #[arg(short, long, conflicts_with = "names")]
    all: bool,
    /// A command and its arguments, which arrive as they are; a single word is a line for the shell
    #[arg(last = true, required = true, value_name = "CMD")]
    words: Vec<String>,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let lab = app.existing(&context, false)?;
        let names = lab.select(&self.names)?;
        let paint = app.ui.paint_out();
        let several = names.len() > 1;
        let on_line = |name: &str, stream: Stream, line: &str| {
            let name = printable::line(name);
            let prefix = if several { format!("{0}{name}{0:#}: ", paint.bold) } else { String::new() };
            if app.ui.json {
                let stream = if stream == Stream::Out { "stdout" } else { "stderr" };
                ui::print_json(&json!({"event": "output", "machine": name, "stream": stream, "line": line}));
            } else {
                ui::relay(stream, &prefix, line);
            }
        };
        let results = lab.exec(&names, &self.words, &on_line)?;
        let mut worst = 0;
        for (name, result) in results {
            let status = result.map_err(|error| error.of(&name))?;
            if app.ui.json {
                ui::print_json(&json!({"event": "exit", "machine": name, "status": status}));
            } else if several && status != 0 {
                app.ui.tell(&format!("{name}: exit status {status}"));
            }
            worst = worst.max(status);
        }
        u8::try_from(worst).map_err(|_| Error::new(Kind::ProgramFailed, format!("an exit status of {worst}")))
    }
}
