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
mod habits;
mod halt;
mod hosts;
mod import;
mod init;
mod inventory;
mod logs;
mod man;
mod open;
mod panics;
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
mod typed;
mod up;
mod validate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser, Subcommand};

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::guest::OverSsh;
use crate::lab::disk::files::Home;
use crate::lab::disk::log::LabLog;
use crate::lab::tell::event::{Event, Sink};
use crate::lab::{Context, Lab, Place, Report};
use crate::process;
use crate::provider::table::TABLE;
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

impl Global {
    fn ui(&self) -> Ui {
        let volume = match (self.quiet, self.verbose) {
            (true, _) => Volume::Quiet,
            (_, true) => Volume::Verbose,
            _ => Volume::Normal,
        };
        Ui::new(self.json, volume, self.color)
    }
}

/// The verbs. Each file says what its verb does.
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

/// The definition of the command line. `-h`, `--help` and `help VERB` print the same text: the first line of the verb's
/// doc comment, the rest of that comment, and one line for each option.
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

/// What every verb gets: where to print, where to work, and when to stop.
struct App {
    ui: Ui,
    dir: PathBuf,
    cancel: Cancel,
    sink: Arc<dyn Sink + Send>,
    log: Arc<LabLog>,
}

/// The exit status of a verb that did not fail: 0, or the status of a command in a machine.
type Status = u8;

/// Runs `lab` with the process's arguments.
pub fn main() -> ExitCode {
    panics::watch();
    // How to print, until the command line has been read.
    let mut ui = Ui::new(false, Volume::Normal, Color::Auto);
    let result = panics::guarded(|| {
        completions::answer();
        match typed::parse(&ui)? {
            typed::Typed::Answered(status) => Ok(status),
            typed::Typed::Command(cli) => {
                ui = cli.global.ui();
                run(*cli, ui)
            }
        }
    });
    match result {
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
    let result = panics::guarded(|| app.run(cli.verb));
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
        let place = Place::find(&self.dir)?;
        as_text(&place.dir)?;
        Ok(place)
    }

    /// What the verbs of `crate::lab` need from the command line. From here on Ctrl-C stops gracefully.
    fn context(&self) -> Result<Context<'_>> {
        let sink = Arc::clone(&self.sink);
        signals::listen(&self.cancel, move || {
            sink.note("stopping; running machines stay as they are (Ctrl-C again: at once)".to_owned());
        })?;
        self.plain_context()
    }

    /// As [`App::context`], but Ctrl-C prints nothing: for verbs that change nothing.
    fn silent_context(&self) -> Result<Context<'_>> {
        signals::listen(&self.cancel, || {})?;
        self.plain_context()
    }

    /// As [`App::context`], but Ctrl-C ends lab at once: for verbs that hand over to another program.
    fn plain_context(&self) -> Result<Context<'_>> {
        let home = Home::find()?;
        as_text(home.root())?;
        Ok(Context {
            home,
            cancel: self.cancel.clone(),
            sink: self.sink.as_ref(),
            log: &self.log,
            command: typed::command_line(),
            providers: &TABLE,
            guests: &OverSsh,
        })
    }

    /// Prints the warnings about the Labfile.
    fn warn_of(&self, place: &Place) {
        if let (Some(report), Ok(_)) = (&place.problems, &place.labfile)
            && report.warnings() > 0
            && !self.ui.json
        {
            self.ui.report(report);
        }
    }

    /// The lab of the folder that we work in. Its machines must have been made.
    fn existing<'a>(&self, context: &'a Context<'a>, change: bool) -> Result<Lab<'a>> {
        let place = self.place()?;
        // Mistakes in the Labfile are an error only where there is no state to work from.
        let labfile = place.labfile.as_ref().map(drop).map_err(Clone::clone);
        match Lab::open(context, place, change)? {
            Some(lab) => Ok(lab),
            None => {
                labfile?;
                Err(Error::new(Kind::WrongState, "this lab has no machines yet").hint("`lab up` makes them"))
            }
        }
    }

    /// Ends a verb that worked on several machines: prints a table of their states, and returns their errors.
    fn finish(&self, lab: Option<&Lab<'_>>, report: Report) -> Result<Status> {
        if let (Some(lab), false) = (lab, self.ui.json)
            && self.ui.volume != Volume::Quiet
        {
            let names: Vec<String> = report.machines.iter().map(|(name, _)| name.clone()).collect();
            let status = lab.status(&names)?;
            self.ui.tell("");
            self.ui.tell_table(&ui::summary(&status, self.ui.paint_err(), self.ui.width_err()));
        }
        report.into_result()?;
        Ok(0)
    }
}

/// Refuses a path that is not text: it is to stand in JSON, in ssh's settings and on the emulator's command line.
fn as_text(path: &Path) -> Result<()> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if path.to_str().is_some() {
        return Ok(());
    }
    Err(Error::new(Kind::Io, format!("the path {} is not Unicode text (UTF-8)", path.display()))
        .hint("rename the folder, or move the lab: ssh and the emulators are told such paths as text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }
}
