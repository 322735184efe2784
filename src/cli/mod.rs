//! One file per verb: parse, call, print.

mod r#box;
mod bugreport;
mod candidates;
mod check;
mod completions;
mod consent;
mod cp;
mod destroy;
mod doctor;
mod exec;
mod graph;
mod halt;
mod hosts;
mod import;
mod init;
mod inventory;
mod logs;
mod man;
mod open;
mod port;
mod provision;
mod reload;
mod reset;
mod resume;
mod schema;
mod signals;
mod snapshot;
mod ssh;
mod ssh_config;
mod status;
mod suspend;
mod up;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cancel::Cancel;
use crate::error::{Error, ExitCode as Code, Kind, Result};
use crate::lab::tell::event::{Event, Sink};
use crate::lab::disk::files::Home;
use crate::guest::OverSsh;
use crate::lab::disk::log::LabLog;
use crate::provider::table::TABLE;
use crate::lab::{Context, Lab, Place, Report};
use crate::process;
use crate::ui::{self, Color, Ui, Volume};

/// Real, networked virtual machines for a class, from one Labfile.
#[derive(Debug, Parser)]
#[command(
    name = "lab",
    version,
    max_term_width = 100,
    disable_help_flag = true,
    after_help = "\
A first lab:
  lab init             writes a Labfile to start from
  lab up               makes its machines ready
  lab ssh web1         a shell in one of them
  lab destroy          removes them, and everything that belongs to them

Exit codes: 0 fine · 1 failed · 2 command line · 3 Labfile · 4 this computer · 5 port, disk or lock
taken · 6 box · 7 machine · 8 provisioner · 70 a bug in lab · 130 stopped. `lab ssh` and `lab exec`
hand the remote command's own status through."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Options that every verb has.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// Work on the lab in this folder (or the nearest one above it)
    #[arg(short = 'C', long = "directory", global = true, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Say nothing but warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Show the provisioners' whole output, and each program that is started
    #[arg(short, long, global = true)]
    verbose: bool,
    /// When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    color: Color,
    /// Report as JSON, one object per line, on standard output
    #[arg(long, global = true)]
    json: bool,
    /// Print help
    #[arg(short, long, global = true, action = clap::ArgAction::HelpShort)]
    help: Option<bool>,
}

/// What each does is said in its own file.
#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Args),
    Import(import::Args),
    Validate(validate::Args),
    Doctor(doctor::Args),
    Up(up::Args),
    Status(status::Args),
    Ssh(ssh::Args),
    Exec(exec::Args),
    Check(check::Args),
    Cp(cp::Args),
    Provision(provision::Args),
    Halt(halt::Args),
    Reload(reload::Args),
    Suspend(suspend::Args),
    Resume(resume::Args),
    Reset(reset::Args),
    Snapshot(snapshot::Args),
    Destroy(destroy::Args),
    Logs(logs::Args),
    Bugreport(bugreport::Args),
    Port(port::Args),
    Open(open::Args),
    SshConfig(ssh_config::Args),
    Inventory(inventory::Args),
    Hosts(hosts::Args),
    Graph(graph::Args),
    Box(r#box::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// The command line's definition. Each verb has one help text, whichever way it is asked for: the first
/// line of its doc comment, the rest of it, and the options a line each.
fn command() -> clap::Command {
    explained(Cli::command())
}

fn explained(command: clap::Command) -> clap::Command {
    let text = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    let command = match text.split_once("\n\n") {
        Some((_, more)) => command.before_help(more.to_owned()),
        None => command,
    };
    let template = "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";
    command.long_about(None::<&str>).help_template(template).mut_subcommands(explained)
}

/// What a verb needs of its surroundings.
struct App {
    ui: Ui,
    dir: PathBuf,
    cancel: Cancel,
    sink: Arc<dyn Sink + Send>,
    log: Arc<LabLog>,
}

/// How a verb ends when it did not fail: 0, or a remote command's own status.
type Status = u8;

/// Runs `lab` with the process's arguments.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        // One line instead of a backtrace; the machine's thread turns it into an error of its own.
        let text = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
        ui::say(&format!("internal error{place}: {text}"));
    }));
    completions::answer();
    let parsed = command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no failures; clap knows which stream each belongs to.
            let code = if error.use_stderr() { Code::Usage } else { Code::Success };
            let _ = error.print();
            return ExitCode::from(code as u8);
        }
    };
    let volume = match (cli.global.quiet, cli.global.verbose) {
        (true, _) => Volume::Quiet,
        (_, true) => Volume::Verbose,
        _ => Volume::Normal,
    };
    let ui = Ui::new(cli.global.json, volume, cli.global.color);
    match run(cli, ui) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            ui.error(&error);
            ExitCode::from(error.kind().exit() as u8)
        }
    }
}

fn run(cli: Cli, ui: Ui) -> Result<Status> {
    let dir = match cli.global.directory {
        Some(dir) => dir,
        None => std::env::current_dir().map_err(|source| {
            Error::new(Kind::Io, format!("the current folder cannot be used: {source}"))
                .hint("it may have been removed: change to another folder")
        })?,
    };
    let cancel = Cancel::new();
    let log = Arc::new(LabLog::default());
    let sink: Arc<dyn Sink + Send> = Arc::new(ui::Logged { shown: ui.sink(), log: Arc::clone(&log) });
    process::listen({
        let sink = Arc::clone(&sink);
        move |call| sink.emit(Event::Program(call))
    });
    let app = App { ui, dir, cancel, sink, log };
    let result = app.run(cli.verb);
    app.log.end(&result, ui::plain_error);
    result
}

impl App {
    fn run(&self, verb: Verb) -> Result<Status> {
        match verb {
            Verb::Init(args) => args.run(self),
            Verb::Import(args) => args.run(self),
            Verb::Validate(args) => args.run(self),
            Verb::Doctor(args) => args.run(self),
            Verb::Up(args) => args.run(self),
            Verb::Status(args) => args.run(self),
            Verb::Ssh(args) => args.run(self),
            Verb::Exec(args) => args.run(self),
            Verb::Check(args) => args.run(self),
            Verb::Cp(args) => args.run(self),
            Verb::Provision(args) => args.run(self),
            Verb::Halt(args) => args.run(self),
            Verb::Reload(args) => args.run(self),
            Verb::Suspend(args) => args.run(self),
            Verb::Resume(args) => args.run(self),
            Verb::Reset(args) => args.run(self),
            Verb::Snapshot(args) => args.run(self),
            Verb::Destroy(args) => args.run(self),
            Verb::Logs(args) => args.run(self),
            Verb::Bugreport(args) => args.run(self),
            Verb::Port(args) => args.run(self),
            Verb::Open(args) => args.run(self),
            Verb::SshConfig(args) => args.run(self),
            Verb::Inventory(args) => args.run(self),
            Verb::Hosts(args) => args.run(self),
            Verb::Graph(args) => args.run(self),
            Verb::Box(args) => args.run(self),
            Verb::Schema(args) => args.run(self),
            Verb::Completions(args) => args.run(self),
            Verb::Man(args) => args.run(self),
        }
    }

    /// The lab of the folder that we work in.
    fn place(&self) -> Result<Place> {
        Place::find(&self.dir)
    }

    /// What the orchestration needs of us. From here on Ctrl-C stops gracefully.
    fn context(&self) -> Result<Context<'_>> {
        let sink = Arc::clone(&self.sink);
        signals::listen(&self.cancel, move || {
            sink.note("stopping; running machines stay as they are (Ctrl-C again: at once)".to_owned());
        })?;
        self.plain_context()
    }

    /// The same without a word at Ctrl-C: for what only looks.
    fn silent_context(&self) -> Result<Context<'_>> {
        signals::listen(&self.cancel, || {})?;
        self.plain_context()
    }

    /// The same, with Ctrl-C left as it is: for what gives way to another program.
    fn plain_context(&self) -> Result<Context<'_>> {
        Ok(Context {
            home: Home::find()?,
            cancel: self.cancel.clone(),
            sink: self.sink.as_ref(),
            log: &self.log,
            command: command_line(),
            providers: &TABLE,
            guests: &OverSsh,
        })
    }

    /// Shows what is odd in the Labfile, though not wrong.
    fn warn_of(&self, place: &Place) {
        if let (Some(report), Ok(_)) = (&place.problems, &place.labfile)
            && report.warnings() > 0
            && !self.ui.json
        {
            ui::say(report.render(self.ui.has_color()).trim_end());
        }
    }

    /// The lab that must have been made already.
    fn existing<'a>(&self, context: &'a Context<'a>, change: bool) -> Result<Lab<'a>> {
        let place = self.place()?;
        // A Labfile with mistakes is worth an error only where nothing else is left to go by.
        let labfile = place.labfile.as_ref().map(drop).map_err(Clone::clone);
        match Lab::open(context, place, change)? {
            Some(lab) => Ok(lab),
            None => {
                labfile?;
                Err(Error::new(Kind::WrongState, "this lab has no machines yet").hint("`lab up` makes them"))
            }
        }
    }

    /// Ends a verb that worked on several machines, with a table of where they are now.
    fn finish(&self, lab: Option<&Lab<'_>>, report: Report) -> Result<Status> {
        if let (Some(lab), false) = (lab, self.ui.json)
            && self.ui.volume != Volume::Quiet
        {
            let names: Vec<String> = report.machines.iter().map(|(name, _)| name.clone()).collect();
            let status = lab.status(&names)?;
            self.ui.tell(&format!(
                "\n{}",
                ui::summary(&status, self.ui.paint_err(), self.ui.width_err()).trim_end()
            ));
        }
        report.into_result()?;
        Ok(0)
    }
}

/// The command as typed, for whoever waits for us.
fn command_line() -> String {
    let words = std::env::args().skip(1).map(|word| crate::process::quote(&word));
    std::iter::once("lab".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }
}
