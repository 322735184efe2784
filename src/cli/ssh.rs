//! `lab ssh`

use std::ffi::OsString;

use crate::error::{Error, Kind, Result};
use crate::lab::Lab;
use crate::lab::verbs::run;
use crate::process::quote;
use crate::ui::Volume;

use super::{App, Status};

/// Open a shell in a machine, or run one command there
///
/// The exit status is that of the command. Options of ssh stand before the `--`; the words behind it run in the machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab ssh web1
  lab ssh -L 8080:localhost:80 web1      web1's port 80 as port 8080 of this computer
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
    #[command(flatten)]
    options: Options,
}

/// The options of ssh's that people have in their fingers. `-v` is every command's: with it ssh says more, too.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of ssh")]
struct Options {
    /// A port of this computer that leads to one of the machine or beyond
    #[arg(short = 'L', value_name = "PORT:HOST:PORT")]
    local: Vec<OsString>,
    /// A port of the machine that leads to one of this computer or beyond
    #[arg(short = 'R', value_name = "PORT:HOST:PORT")]
    remote: Vec<OsString>,
    /// A port of this computer as a SOCKS proxy through the machine
    #[arg(short = 'D', value_name = "PORT")]
    dynamic: Vec<OsString>,
    /// Any setting of ssh_config(5)
    #[arg(short = 'o', value_name = "NAME=VALUE")]
    setting: Vec<OsString>,
    /// Show windows of the machine's programs here (X11)
    #[arg(short = 'X')]
    x11: bool,
    /// Let the machine use the keys of the agent here
    #[arg(short = 'A')]
    agent: bool,
    /// With a terminal, though a command is given; twice: though there is none here
    #[arg(short = 't', action = clap::ArgAction::Count)]
    terminal: u8,
    /// Without a shell or command, for forwards alone
    #[arg(short = 'N', conflicts_with_all = ["command", "words"])]
    nothing: bool,
}

impl Options {
    /// The options in ssh's own form.
    fn words(&self, verbose: bool) -> Vec<OsString> {
        let valued =
            [("-o", &self.setting), ("-L", &self.local), ("-R", &self.remote), ("-D", &self.dynamic)];
        let valued =
            valued.into_iter().flat_map(|(flag, values)| values.iter().map(move |value| (flag, value)));
        let flags = [(self.x11, "-X"), (self.agent, "-A"), (self.nothing, "-N"), (verbose, "-v")];
        valued
            .flat_map(|(flag, value)| [flag.into(), value.clone()])
            .chain(flags.into_iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag.into()))
            .chain((0..self.terminal).map(|_| "-t".into()))
            .collect()
    }
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        if let Some(option) = self.words.first().filter(|word| word.starts_with('-')) {
            let option = quote(option);
            let typed: Vec<String> = self.words.iter().map(|word| quote(word)).collect();
            let name = self.name.as_deref().unwrap_or_default();
            return Err(Error::new(
                Kind::Usage,
                format!("what stands behind `--` is run in the machine, and {option} is no command"),
            )
            .hint(format!(
                "ssh's own options stand before: `lab ssh {}`",
                format!("{} {name}", typed.join(" ")).trim_end()
            )));
        }
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
        let options = self.options.words(app.ui.volume == Volume::Verbose);
        Err(run::remote(access.interactive(&options), &words).exec())
    }
}
