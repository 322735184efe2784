//! `lab box`

use serde_json::json;

use crate::boxes::{Add, Source, Store};
use crate::error::{Error, Kind, Result};
use crate::lab::files::Home;
use crate::lab::ports;
use crate::ui::{self, table::Table};

use super::{App, Status};

/// Add, list and remove boxes
///
/// Boxes are the images that machines are made from. They are kept once, for all labs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Add a box from a file or an address
    #[command(after_help = "\
Examples:
  lab box add demo ./demo.box
  lab box add lucid32 /media/stick/lucid32.box
  lab box add https://example.org/boxes/base.box")]
    Add {
        /// The name to give it, then where it is; the name may be left out
        #[arg(value_name = "[NAME] PATH|URL", required = true, num_args = 1..=2)]
        words: Vec<String>,
    },
    /// List the boxes that are here
    List,
    /// Show all that is known of a box
    Show {
        /// The box
        #[arg(add = super::candidates::boxes())]
        name: String,
    },
    /// Remove a box that no lab uses
    Remove {
        /// The box
        #[arg(add = super::candidates::boxes())]
        name: String,
    },
}

impl Args {
    pub(super) fn run(self, app: &App) -> Result<Status> {
        let context = app.context()?;
        let store = Store::open(context.home.root())?;
        match self.verb {
            Verb::Add { words } => {
                let (name, what) = match words.as_slice() {
                    [what] => (None, what),
                    [name, what, ..] => (Some(name.as_str()), what),
                    [] => return Err(Error::internal("a required argument is missing")),
                };
                let source = Source::parse(what, &app.dir)?;
                let called = name.map_or_else(|| source.default_name(), str::to_owned);
                let add = Add::new(source).named(&called);
                let image = context.with_box(&called, |task| store.add(&add, task))?;
                if app.ui.json {
                    ui::print_json(&json!({"name": called, "sha256": image.digest}));
                } else {
                    app.ui.tell(&format!("box {called} is here (sha256 {})", image.digest));
                }
            }
            Verb::List => list(app, &store)?,
            Verb::Show { name } => show(app, &store, &name)?,
            Verb::Remove { name } => {
                refuse_used(&store, &context.home, &name)?;
                let removed = store.remove(&name)?;
                for provider in crate::lab::providers::NAMES {
                    if removed.left.is_empty() {
                        crate::lab::providers::by_name(provider, &context.home)?
                            .remove_base(&removed.digest)?;
                    }
                }
                app.ui.tell(&format!("box {name} is removed"));
            }
        }
        Ok(0)
    }
}

fn list(app: &App, store: &Store) -> Result<()> {
    let entries = store.list()?;
    if app.ui.json {
        for entry in entries {
            let manifest = entry.manifest.as_ref().ok().map(|manifest| json!(manifest));
            let damage = entry.manifest.as_ref().err();
            ui::print_json(&json!({
                "names": entry.names, "sha256": entry.digest, "manifest": manifest, "damage": damage,
            }));
        }
        return Ok(());
    }
    if entries.is_empty() {
        app.ui.tell("there are no boxes here yet: `lab box add NAME FILE` adds one");
        return Ok(());
    }
    let mut table = Table::new(["BOX", "SIZE", "SHA256"], app.ui.paint_out());
    for entry in entries {
        let name = if entry.names.is_empty() { "(by path)".to_owned() } else { entry.names.join(", ") };
        let size = match &entry.manifest {
            Ok(manifest) => format!("{} MB", manifest.size.div_ceil(1_000_000)),
            Err(_) => "damaged".to_owned(),
        };
        let digest: String = entry.digest.chars().take(12).collect();
        table.row([name.into(), size.into(), digest.into()]);
    }
    ui::print(&table.render());
    Ok(())
}

fn show(app: &App, store: &Store, name: &str) -> Result<()> {
    let entries = store.list()?;
    let entry =
        entries.iter().find(|entry| entry.digest == name || entry.names.iter().any(|known| known == name));
    let entry = entry.ok_or_else(|| {
        Error::new(Kind::BoxNotFound, format!("there is no box {name} here"))
            .hint("`lab box list` shows those that are")
    })?;
    let manifest = entry.manifest.as_ref().map_err(|damage| Error::new(Kind::BadBox, damage.clone()))?;
    let value = json!({"names": entry.names, "manifest": manifest});
    if app.ui.json {
        ui::print_json(&value);
    } else {
        ui::print(&format!("{value:#}\n"));
    }
    Ok(())
}

/// # Errors
/// [`Kind::BoxInUse`] where a lab's machine was made from the box.
fn refuse_used(store: &Store, home: &Home, name: &str) -> Result<()> {
    let Some(entry) = store
        .list()?
        .into_iter()
        .find(|entry| entry.digest == name || entry.names.iter().any(|known| known == name))
    else {
        return Ok(());
    };
    for (dir, state) in ports::labs(home)? {
        let user = state.machines.iter().find(|(_, record)| record.image.digest == entry.digest);
        if let Some((machine, _)) = user {
            let message = format!("box {name} is in use by {machine} of the lab in {}", dir.display());
            return Err(Error::new(Kind::BoxInUse, message)
                .hint(format!("`lab destroy -C {}` removes that lab", dir.display())));
        }
    }
    Ok(())
}
