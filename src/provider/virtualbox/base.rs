//! The base of a box: a machine that never runs, with the box's disk and a snapshot that clones are linked to. One per box.
//!
//! It is made from what `lab` knows of the box (its hardware, its disk), not by VirtualBox's own import: an OVF may
//! ask for more than a box needs, such as folders and files of this computer.
//!
//! What is on disk, in `LAB_HOME/bases/virtualbox`: a folder per box, in it `base.json`, which is written before the base is
//! begun and again when it is whole, and a folder per base, named by its id.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::answers;
use super::disks;
use super::failure::Failure;
use super::files::{self, GROUP};
use super::hardware;
use super::manage::{Manage, Program};
use crate::boxes::BoxImage;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::flock;
use crate::provider::{BoxRef, SharedDir};
use crate::unlink;
use crate::versioned;

/// The version of `base.json`.
const VERSION: u32 = 1;
/// How long another `lab` may take to make a base.
const LOCK_PATIENCE: Duration = Duration::from_secs(3600);
/// Its disk's file.
const DISK: &str = "base.vdi";
/// The snapshot's name.
const SNAPSHOT: &str = "base";

/// `base.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Base {
    version: u32,
    /// The machine's id in VirtualBox.
    pub(super) id: String,
    /// The snapshot's; there once the base is whole.
    snapshot: Option<String>,
}

/// Where things of one box are.
#[derive(Debug)]
struct Place {
    /// All boxes'.
    shared: PathBuf,
    /// The box's own.
    folder: PathBuf,
}

impl Place {
    fn of(shared: &SharedDir, digest: &str) -> Self {
        let shared = files::shared(shared);
        Place { folder: shared.join(digest), shared }
    }

    fn record(&self) -> PathBuf {
        self.folder.join("base.json")
    }

    /// One process at a time makes or removes a base, of whatever box: boxes may hold disks of one and the same id.
    fn lock(&self, cancel: &Cancel) -> Result<fs::File> {
        let failed = |source: std::io::Error| Error::io("create the folder", &self.shared, &source);
        fs::create_dir_all(&self.shared).map_err(failed)?;
        flock::wait(&self.shared.join("bases.lock"), LOCK_PATIENCE, cancel, || {})?.ok_or_else(|| {
            Error::new(Kind::BoxLocked, "another lab has been making a base of a box for an hour")
                .hint("stop it, then run the same command again")
        })
    }

    fn read(&self) -> Result<Option<Base>> {
        versioned::read(&self.record(), VERSION)
    }

    fn home(&self, base: &Base) -> PathBuf {
        self.folder.join(&base.id)
    }

    fn disk(&self, base: &Base) -> PathBuf {
        self.home(base).join(DISK)
    }
}

/// Makes the base of a box unless it is there.
///
/// # Errors
/// [`Kind::BadBox`], [`Kind::DiskFull`], [`Kind::Interrupted`], and those of VBoxManage.
pub(super) fn prepare(
    program: &Program,
    shared: &SharedDir,
    image: &BoxImage,
    cancel: &Cancel,
    progress: &mut dyn FnMut(f64),
) -> Result<()> {
    let place = Place::of(shared, &image.digest);
    if let Some(base) = place.read()?
        && base.snapshot.is_some()
        && is_known(program.manage(), &base)?
    {
        return Ok(());
    }
    let lock = place.lock(cancel)?;
    let manage = program.holding(&lock);
    if let Some(base) = place.read()? {
        if base.snapshot.is_some() && (is_known(manage, &base)? || register(manage, &place, &base)?) {
            return Ok(());
        }
        if base.snapshot.is_none() {
            remove_half_made(manage, &place, &base, image)?;
        }
        // A whole one that VirtualBox has lost: machines may still hang on its disk, so that stays.
    }
    make(manage, &place, image, cancel, progress)
}

/// The base's machine and snapshot, to be cloned.
///
/// # Errors
/// [`Kind::WrongState`] where it has not been made.
pub(super) fn of(shared: &SharedDir, image: &BoxRef) -> Result<(String, String)> {
    let base = Place::of(shared, &image.digest).read()?;
    base.and_then(|base| Some((base.id, base.snapshot?))).ok_or_else(|| {
        Error::new(Kind::WrongState, format!("the base of {} is not there", image.name))
            .hint("`lab up` makes it")
    })
}

/// The bases that there are, with what they take up.
pub(super) fn list(shared: &SharedDir) -> Result<Vec<crate::provider::Base>> {
    let folder = files::shared(shared);
    let entries = match fs::read_dir(&folder) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| Error::io("read the folder", &folder, &source))?,
    };
    let paths = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    let base = |path: PathBuf| {
        let digest = path.file_name()?.to_str()?.to_owned();
        Some(crate::provider::Base { digest, on_disk: crate::disk_space::used(&path) })
    };
    Ok(paths.filter_map(base).collect())
}

/// Whether the disk at `path` is a base's, of whatever box and `LAB_HOME`.
pub(super) fn is_its_disk(path: &Path) -> bool {
    let above = path.ancestors().nth(3);
    path.file_name().is_some_and(|name| name == DISK)
        && above.is_some_and(|above| above.ends_with("bases/virtualbox"))
}

/// Removes the base of a box, if there is one that no machine hangs on.
///
/// # Errors
/// [`Kind::BoxInUse`].
pub(super) fn remove(program: &Program, shared: &SharedDir, digest: &str, cancel: &Cancel) -> Result<()> {
    let place = Place::of(shared, digest);
    if !place.folder.exists() {
        return Ok(());
    }
    let lock = place.lock(cancel)?;
    let manage = program.holding(&lock);
    let media = answers::media(&manage.list(&["hdds"])?);
    if let Some(medium) = answers::media_of_others(&media, &disks::real(&place.folder)).first() {
        return Err(Error::new(Kind::BoxInUse, "a machine in VirtualBox still needs the base of this box")
            .detail(format!("its disk: {}", medium.location.display()))
            .hint("`lab destroy` in its lab's folder removes it"));
    }
    if let Some(base) = place.read()? {
        forget(manage, &base)?;
        disks::close(manage, &place.disk(&base))?;
    }
    unlink::folder(&place.folder)
}

/// Whether VirtualBox has the base in its list, and can read it.
fn is_known(manage: Manage<'_>, base: &Base) -> Result<bool> {
    let ending = format!("{{{}}}", base.id);
    let list = manage.list(&["vms"])?;
    Ok(list.lines().any(|line| line.trim_end().ends_with(&ending) && !line.starts_with("\"<inaccessible>\"")))
}

/// Tells VirtualBox of a base that it does not know: another user's settings, or ones that were lost.
fn register(manage: Manage<'_>, place: &Place, base: &Base) -> Result<bool> {
    let Some(settings) = settings_in(&place.home(base)) else { return Ok(false) };
    Ok(place.disk(base).is_file() && manage.call([Path::new("registervm"), &settings])?.is_ok())
}

/// The settings file under `home`, two folders deep.
fn settings_in(home: &Path) -> Option<PathBuf> {
    let machines = fs::read_dir(home.join(GROUP.trim_start_matches('/'))).ok()?;
    let files =
        machines.flatten().filter_map(|machine| fs::read_dir(machine.path()).ok()).flatten().flatten();
    files.map(|file| file.path()).find(|path| path.extension().is_some_and(|extension| extension == "vbox"))
}

/// Removes what a killed command left. Nothing can hang on it yet.
fn remove_half_made(manage: Manage<'_>, place: &Place, base: &Base, image: &BoxImage) -> Result<()> {
    forget(manage, base)?;
    disks::close(manage, &place.disk(base))?;
    disks::close(manage, &image.disk)?;
    disks::close_all(manage, &place.home(base))?;
    unlink::folder(&place.home(base))
}

/// Takes the base out of VirtualBox's list. No file is touched.
fn forget(manage: Manage<'_>, base: &Base) -> Result<()> {
    match manage.call(["unregistervm", &base.id])? {
        Err(failure) if !failure.is_not_found() => Err(failure.into()),
        _ => Ok(()),
    }
}

fn make(
    manage: Manage<'_>,
    place: &Place,
    image: &BoxImage,
    cancel: &Cancel,
    progress: &mut dyn FnMut(f64),
) -> Result<()> {
    let mut base = Base { version: VERSION, id: uuid::Uuid::new_v4().to_string(), snapshot: None };
    let home = place.home(&base);
    fs::create_dir_all(&home).map_err(|source| Error::io("create the folder", &home, &source))?;
    versioned::write(&place.record(), &base)?;
    convert(manage, image, &place.disk(&base), cancel, progress)?;
    cancel.check()?;
    manage.ask(hardware::create(image, &base.id, &title(image), &home)?)?;
    manage.ask(hardware::modify(image, &base.id))?;
    manage.ask(hardware::controller(image, &base.id)?)?;
    manage.ask(hardware::attach(&base.id, &place.disk(&base)))?;
    let taken = manage.ask(["snapshot", &base.id, "take", SNAPSHOT])?;
    base.snapshot = Some(answers::taken_snapshot(&taken).ok_or_else(|| {
        Error::new(Kind::ProgramFailed, "VBoxManage did not name the snapshot that it took")
            .detail(taken.trim_end())
    })?);
    versioned::write(&place.record(), &base)
}

/// Writes the box's disk to `to` as VDI.
fn convert(
    manage: Manage<'_>,
    image: &BoxImage,
    to: &Path,
    cancel: &Cancel,
    progress: &mut dyn FnMut(f64),
) -> Result<()> {
    let disk = image.disk.as_path();
    let arguments: Vec<&Path> = if image.disk_format == "raw" {
        vec![Path::new("convertfromraw"), disk, to, Path::new("--format"), Path::new("VDI")]
    } else {
        disks::copy(disk, to).to_vec()
    };
    let mut result = manage.work(&arguments, cancel, progress)?;
    if let Err(failure) = &result
        && let Some(stale) =
            same_id(failure).filter(|stale| !stale.exists() || stale.file_name() == disk.file_name())
    {
        // The same disk, of another store or one that is gone, left in the list by a killed command.
        disks::close(manage, &stale)?;
        result = manage.work(&arguments, cancel, progress)?;
    }
    // VirtualBox keeps what it has opened in its list.
    disks::close(manage, disk)?;
    result.map(drop).map_err(|failure| unreadable(image, failure))
}

/// The medium of `Cannot register the hard disk '/a' {…} because a hard disk '/b' with UUID {…} already exists`.
fn same_id(failure: &Failure) -> Option<PathBuf> {
    let words = failure.words();
    let rest = words.split_once("because a hard disk '")?.1;
    Some(PathBuf::from(rest.split_once("' with UUID")?.0))
}

fn unreadable(image: &BoxImage, failure: Failure) -> Error {
    let error = Error::from(failure);
    if error.kind() != Kind::ProgramFailed {
        return error;
    }
    let mut bad = Error::new(
        Kind::BadBox,
        format!("the disk of {} could not be read by VirtualBox as {}", image.name, image.disk_format),
    );
    for detail in error.details() {
        bad = bad.detail(detail);
    }
    bad.hint("the box may be damaged: remove it (`lab box remove`) and get it again")
}

/// What the base is called in VirtualBox.
fn title(image: &BoxImage) -> String {
    let name = Path::new(&image.name).file_stem().unwrap_or_default().to_string_lossy();
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    let digest: String = image.digest.chars().take(8).collect();
    format!("lab-base-{name}-{digest}")
}
