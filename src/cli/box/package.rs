//! `lab box package`

use std::path::PathBuf;

use serde_json::json;

use crate::disk_space::human;
use crate::error::{Error, Kind, Result};
use crate::ui;

use super::Place;

/// Make a box of a machine
///
/// The machine has to be shut down, and stays as it is. The box is one that Vagrant can use too: for VirtualBox, or for
/// vagrant-libvirt where the machine's disk is on virtio-blk. What was provisioned in the machine is in the box, and
/// counts as done in the machines that lab makes from it.
///
/// As with Vagrant, the private key that opens the machine goes into the box. It is the key of this whole lab: do not
/// give the box to people who must not get into the lab's other machines while these exist.
///
/// A box gets smaller when the guest has said which space it does not use: `sudo fstrim -av` in it, or, where its disk
/// cannot do that, `sudo sh -c 'cat /dev/zero >/zero; rm /zero'`, before it is shut down.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lab halt web1 && lab box package web1
  lab box package web1 --output class.box && lab box add class ./class.box")]
pub(super) struct Args {
    /// The machine
    #[arg(add = crate::cli::candidates::machines())]
    name: String,
    /// The file to write [default: NAME.box]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write it even where there is such a file
    #[arg(short, long)]
    force: bool,
}

impl Args {
    pub(super) fn run(self, place: &Place<'_>) -> Result<()> {
        let (app, context) = (place.app, place.context);
        let lab = app.existing(context, true)?;
        let output = self.output.unwrap_or_else(|| PathBuf::from(format!("{}.box", self.name)));
        let output = app.dir.join(output);
        if output.exists() && !self.force {
            return Err(Error::new(Kind::FileExists, format!("{} exists already", output.display()))
                .hint("choose another file with --output, or replace it with --force"));
        }
        let packed = lab.package(&self.name, &output)?;
        if app.ui.json {
            ui::print_json(&json!(packed));
            return Ok(());
        }
        app.ui.tell(&format!("{} is written: {}", packed.path.display(), human(packed.size)));
        if packed.key {
            app.ui.tell("it holds the private key that opens the machine");
        }
        app.ui.tell(&format!("to use it: lab box add {} {}", self.name, packed.path.display()));
        Ok(())
    }
}
