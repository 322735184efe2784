//! Whose lab a `.lab` is: decided before anything in it is opened for writing.
//!
//! The id in a state is not enough, since it goes where the folder goes. A lab is believed where this user's register knows
//! its id *and* either its folder is the one that the register has seen, or the state carries this user's seal and the
//! lab stands nowhere else.

use std::path::{Path, PathBuf};

use super::entry::{Entry, FolderId};
use super::files::Home;
use super::look::{self, Oddity, Seen, State};
use crate::error::{Error, Kind, Result};
use crate::nofollow::LAB_DIR;

/// What stands in a folder.
#[derive(Debug)]
pub enum Found {
    /// No lab: nothing, or what a command left that was killed before it had made anything.
    New,
    /// A lab of ours. Its entry says where it stands now; [`super::Register::enter`] writes that down.
    Ours(Entry),
    /// A lab of ours that stood in `from` before: its folder was moved or renamed.
    Moved {
        /// It, as it stands now.
        entry: Entry,
        /// Where it was.
        from: PathBuf,
    },
    /// Nothing any more, and the register knows the lab that was made here: its `.lab` was deleted, its machines may run.
    Deleted(Entry),
    /// A copy of a lab that stands elsewhere.
    Copy {
        /// The folder of the copy.
        dir: PathBuf,
        /// The folder of the lab.
        of: PathBuf,
    },
    /// A `.lab` that is not believed.
    Foreign {
        /// The folder that it lies in.
        dir: PathBuf,
        /// Why it is not entered at all; `None` for a folder that this user's lab did not make.
        why: Option<Oddity>,
    },
}

impl Found {
    /// Why no command but `destroy` may go on here; `None` where one may.
    pub fn refusal(&self) -> Option<Error> {
        match self {
            Found::Copy { dir, of } => Some(copy(dir, of)),
            Found::Foreign { dir, why } => Some(foreign(dir, why.as_ref())),
            Found::New | Found::Ours(_) | Found::Moved { .. } | Found::Deleted(_) => None,
        }
    }
}

fn copy(dir: &Path, of: &Path) -> Error {
    Error::new(
        Kind::CopiedLab,
        format!("the .lab in {} is a copy of that in {}", dir.display(), of.display()),
    )
    .detail("what is done here would reach the machines of the other folder")
    .hint(
        "`lab destroy` here removes the copy, and nothing of the other lab: then `lab up` makes new machines",
    )
}

fn foreign(dir: &Path, why: Option<&Oddity>) -> Error {
    let lab = dir.join(LAB_DIR);
    let path = lab.display();
    match why {
        None => Error::new(Kind::ForeignLab, format!("{path} was not made by this user's lab on this computer"))
            .detail("it came with the folder, or was changed: nothing in it is believed, no machine is started from it")
            .hint("`lab destroy` removes what lab makes in it, then `lab up` makes new machines")
            .hint("if the folder was moved while an earlier release of lab was in use: move it back where it was"),
        Some(Oddity::Link) => Error::new(Kind::ForeignLab, format!("{path} is a link, and lab enters no link"))
            .hint(format!("remove the link: rm '{path}'"))
            .hint("to keep a lab on another disk, move its whole folder there, with the Labfile"),
        Some(Oddity::NoFolder) => Error::new(Kind::ForeignLab, format!("{path} is no folder"))
            .hint("move it away, then run the command again"),
        Some(Oddity::Owner(0)) => Error::new(Kind::ForeignLab, format!("{path} belongs to root"))
            .hint(format!("files made with sudo belong to root: sudo chown -R \"$USER\" '{path}'")),
        Some(Oddity::Owner(uid)) => {
            Error::new(Kind::ForeignLab, format!("{path} belongs to another user (number {uid})"))
                .hint("the lab is that user's: run lab as that user, without sudo")
                .hint("or copy the Labfile and what it names to a folder of your own, without .lab")
        }
        Some(Oddity::OpenToAll) => {
            Error::new(Kind::ForeignLab, format!("every user of this computer may write to {path}"))
                .hint(format!("take that from them: chmod -R go-w '{path}'"))
                .hint("where that changes nothing, the file system keeps no permissions (exFAT, FAT): move the lab's folder")
        }
        Some(Oddity::Inside(path)) => {
            let path = path.display();
            Error::new(Kind::ForeignLab, format!("{path} is a link or the like, and lab uses none in its own folder"))
                .detail("a link there may lead what lab writes to any other file")
                .hint(format!("look at it, and take it away if you do not need it: rm '{path}'"))
        }
        Some(Oddity::Unreadable(error)) => error.clone(),
    }
}

/// What stands in `dir` (absolute, without links); `labs` reads those that the register knows.
pub(super) fn judge(home: &Home, dir: &Path, labs: impl FnOnce() -> Result<Vec<Entry>>) -> Result<Found> {
    let found = whose(home, dir, labs)?;
    match found {
        Found::New | Found::Ours(_) | Found::Moved { .. } => Ok(match look::inside(dir) {
            Some(why) => Found::Foreign { dir: dir.to_owned(), why: Some(why) },
            None => found,
        }),
        _ => Ok(found),
    }
}

fn whose(home: &Home, dir: &Path, labs: impl FnOnce() -> Result<Vec<Entry>>) -> Result<Found> {
    let foreign = |why| Ok(Found::Foreign { dir: dir.to_owned(), why });
    let (id, state) = match look::at(home, dir)? {
        Seen::Nothing => return Ok(deleted(&labs()?, dir).map_or(Found::New, Found::Deleted)),
        // Said first: with another user's folder, that user's register may be out of reach as well.
        Seen::Odd(why) => return foreign(Some(why)),
        Seen::Folder(id, state) => (id, state),
    };
    let entries = labs()?;
    let entry = entries.iter().find(|entry| match &state {
        State::Of { lab_id, .. } => entry.lab_id == *lab_id,
        State::Begun | State::Lost => {
            entry.lab.is_some_and(|lab| lab.is(&id) || (entry.dir == dir && lab.is_on_some_device(&id)))
        }
    });
    let sealed = matches!(state, State::Of { sealed: true, .. });
    let Some(entry) = entry else {
        return match state {
            State::Begun => Ok(Found::New),
            // The register was lost, or a lab that was destroyed has come back from a backup.
            State::Of { lab_id, sealed: true } => Ok(Found::Ours(Entry::new(&lab_id, dir, ""))),
            State::Of { .. } | State::Lost => foreign(None),
        };
    };
    let here = || entry.clone().at(dir);
    if entry.dir == dir {
        let same = entry.lab.is_none_or(|lab| lab.is_on_some_device(&id));
        return if same || sealed { Ok(Found::Ours(here())) } else { foreign(None) };
    }
    let moved = || Ok(Found::Moved { entry: here(), from: entry.dir.clone() });
    if entry.lab.is_some_and(|lab| lab.is(&id)) {
        return moved();
    }
    if stands(home, entry)? {
        return Ok(Found::Copy { dir: dir.to_owned(), of: entry.dir.clone() });
    }
    if sealed { moved() } else { foreign(None) }
}

/// The lab that was made in `dir`, if that is still the same folder: one that was moved away has taken its machines along.
fn deleted(entries: &[Entry], dir: &Path) -> Option<Entry> {
    let folder = FolderId::of(dir);
    let same = |entry: &&Entry| match (entry.folder, folder) {
        (Some(then), now) => now.is_some_and(|now| then.is_on_some_device(&now)),
        (None, _) => true,
    };
    entries.iter().filter(|entry| entry.dir == dir).filter(same).max_by_key(|entry| entry.seen).cloned()
}

/// Whether a lab is still where it was last seen, or may be.
fn stands(home: &Home, entry: &Entry) -> Result<bool> {
    Ok(match look::at(home, &entry.dir)? {
        Seen::Nothing => false,
        Seen::Odd(_) => true,
        Seen::Folder(id, state) => {
            entry.lab.is_some_and(|lab| lab.is(&id))
                || matches!(state, State::Of { lab_id, .. } if lab_id == entry.lab_id)
        }
    })
}
