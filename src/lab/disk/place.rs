//! Where a lab is, and what of it can be read.

use std::path::{Path, PathBuf};

use crate::error::{Kind, Result};
use crate::labfile::{self, Labfile, LoadError, Loaded};

use super::files::LabFiles;

/// Where a lab is: the folder of its Labfile, and the Labfile if it can be read.
pub struct Place {
    /// The folder.
    pub dir: PathBuf,
    /// The Labfile, or why it cannot be read.
    pub labfile: Result<Labfile>,
    /// What is odd in it, or wrong.
    pub problems: Option<labfile::Report>,
}

impl Place {
    /// The lab of `start`: the Labfile there or in a folder above; or, where there is none, the
    /// `.lab/` that one left behind.
    ///
    /// # Errors
    /// [`crate::error::Kind::NoLabfile`]; [`crate::error::Kind::NotTrusted`] where what was found in a folder above may be
    /// somebody else's.
    pub fn find(start: &Path) -> Result<Self> {
        match labfile::find(start) {
            Ok(path) => {
                let dir = path.parent().unwrap_or(start).to_owned();
                let (labfile, problems) = match labfile::load(&path) {
                    Ok(Loaded { labfile, warnings }) => (Ok(labfile), Some(warnings)),
                    Err(error) => {
                        let problems = match &error {
                            LoadError::Mistakes(report) => Some(report.clone()),
                            LoadError::Unreadable(_) => None,
                        };
                        (Err(error.into()), problems)
                    }
                };
                Ok(Place { dir, labfile, problems })
            }
            Err(error) if error.kind() != Kind::NoLabfile => Err(error),
            Err(error) => {
                let start = std::path::absolute(start).unwrap_or_else(|_| start.to_owned());
                let left = start.ancestors().find(|dir| LabFiles::beside(dir).state().is_file());
                if let Some(above) = left.filter(|dir| *dir != start) {
                    // As with a Labfile: somebody else could have put it there.
                    labfile::check_found(LabFiles::beside(above).root())?;
                }
                match left {
                    Some(dir) => Ok(Place { dir: dir.to_owned(), labfile: Err(error), problems: None }),
                    None => Err(error),
                }
            }
        }
    }

    /// The files of the lab.
    pub fn files(&self) -> LabFiles {
        LabFiles::beside(&self.dir)
    }
}
