//! `lab graph`

use crate::error::Result;
use crate::lab::tell::graph;
use crate::printable;

use super::{App, Status};

/// Print a picture of the lab: machines, network, forwards
///
/// The picture is Mermaid text, which many wikis draw, or an SVG image.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab graph
  lab graph --svg > lab.svg")]
pub(super) struct Args {
    /// As an SVG image
    #[arg(long)]
    svg: bool,
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let labfile = app.place()?.labfile?;
        let picture = if self.svg { graph::svg(&labfile) } else { graph::mermaid(&labfile) };
        app.ui.print(&printable::text(&picture));
        Ok(0)
    }
}
