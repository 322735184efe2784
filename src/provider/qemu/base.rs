//! The base of a box: its disk as qcow2, made once and never changed. Machines have overlays over it ([`super::overlay`]).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;

use super::files::{self, Files};
use super::version::Programs;
use crate::atomic;
use crate::boxes::BoxImage;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::flock;
use crate::process::{Cmd, Stream};
use crate::provider::{Base, DiskForm, SharedDir};
use crate::unlink;

/// How long looking at an image may take on a slow disk.
const IMG_PATIENCE: Duration = Duration::from_secs(60);
/// What is left free on the disk when a base is made, in bytes: the machines need some too.
const HEADROOM: u64 = 256 << 20;

/// Makes the base of a box unless it is there.
///
/// A base appears under its name when it is whole. What a killed conversion left is removed by the next
/// one, under a lock that lets one process at a time make bases of this box.
///
/// # Errors
/// [`Kind::BadBox`], [`Kind::HostileBox`], [`Kind::DiskFull`], [`Kind::ProgramMissing`],
/// [`Kind::Interrupted`].
pub(super) fn prepare(
    programs: &Programs,
    shared: &SharedDir,
    image: &BoxImage,
    cancel: &Cancel,
    progress: &mut dyn FnMut(f64),
) -> Result<()> {
    let base = files::base(shared, &image.digest);
    if base.exists() {
        return Ok(());
    }
    let folder = files::base_dir(shared);
    fs::create_dir_all(&folder).map_err(|source| Error::io("create the folder", &folder, &source))?;
    let _lock = lock(&folder, &image.digest, cancel)?;
    if base.exists() {
        return Ok(());
    }
    let prefix = files::part_prefix(&image.digest);
    remove_leftovers(&folder, &prefix)?;
    inspect(programs, image, cancel)?;
    check_space(programs, image, &folder, cancel)?;
    let part = tempfile::Builder::new()
        .prefix(&prefix)
        .tempfile_in(&folder)
        .map_err(|source| Error::io("create a file in", &folder, &source))?;
    convert(programs, image, part.path(), cancel, progress)?;
    let failed = |source: std::io::Error| Error::io("write", &base, &source);
    // Reopened: the conversion may have put another file under the name.
    let written = File::open(part.path()).map_err(failed)?;
    written.sync_all().map_err(failed)?;
    let mut permissions = written.metadata().map_err(failed)?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(part.path(), permissions).map_err(failed)?;
    part.into_temp_path().persist(&base).map_err(|error| failed(error.error))?;
    atomic::sync_dir(folder.as_path())
}

/// Removes the base of a box, if there is one, and what killed conversions left of others.
pub(super) fn remove(shared: &SharedDir, digest: &str) -> Result<()> {
    unlink::file(&files::base(shared, digest))?;
    let folder = files::base_dir(shared);
    if !folder.exists() {
        return Ok(());
    }
    // Whoever converts this box now starts over.
    remove_leftovers(&folder, &files::part_prefix(digest))?;
    remove_leftovers(&folder, &files::empty_overlay_prefix(digest))?;
    unlink::file(&lock_path(&folder, digest))
}

/// All bases, and what is left of some.
pub(super) fn list(shared: &SharedDir) -> Result<Vec<Base>> {
    let folder = files::base_dir(shared);
    let entries = match fs::read_dir(&folder) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| Error::io("read the folder", &folder, &source))?,
    };
    // A conversion that was killed counts, too: its part and its lock begin with the digest.
    let mut bases = BTreeMap::<String, u64>::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some((digest, _)) = name.split_once('.').filter(|(digest, _)| !digest.is_empty()) {
            *bases.entry(digest.to_owned()).or_default() += crate::disk_space::used(&entry.path());
        }
    }
    Ok(bases.into_iter().map(|(digest, on_disk)| Base { digest, on_disk }).collect())
}

/// Whether the guest finds the same in the base as in the box's own disk.
pub(super) fn check(
    programs: &Programs,
    shared: &SharedDir,
    image: &BoxImage,
    cancel: &Cancel,
) -> Result<Option<bool>> {
    let base = files::base(shared, &image.digest);
    if !base.exists() {
        return Ok(None);
    }
    let compare = programs.img()?.args(["compare", "-q", "-f", &image.disk_format, "-F", "qcow2"]);
    let compare = compare.arg(&image.disk).arg(&base);
    let output = compare.output(cancel)?;
    // qemu-img(1), compare: 0 they are the same, 1 they differ, above that it could not tell, which a
    // base with broken tables comes to as well.
    match output.status.code() {
        Some(0) => Ok(Some(true)),
        Some(1) => Ok(Some(false)),
        _ if output.stderr.contains("corrupt") => Ok(Some(false)),
        _ => Err(compare.failed(&output)),
    }
}

fn lock_path(folder: &Path, digest: &str) -> PathBuf {
    folder.join(format!("{digest}.lock"))
}

/// One process at a time makes the base of a box. The lock ends with its holder.
fn lock(folder: &Path, digest: &str, cancel: &Cancel) -> Result<File> {
    let path = lock_path(folder, digest);
    let file = flock::open(&path)?;
    flock::until(|| flock::try_lock(&file, &path), Duration::MAX, cancel, || {})?;
    Ok(file)
}

fn remove_leftovers(folder: &Path, prefix: &str) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|source| Error::io("read the folder", folder, &source))?;
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            unlink::file(&entry.path())?;
        }
    }
    Ok(())
}

/// A disk image that points to other files would put them into the guest: `/etc/shadow`, say. One
/// that came in a box has to stand for itself, or be made of files of the box.
fn inspect(programs: &Programs, image: &BoxImage, cancel: &Cancel) -> Result<()> {
    let info = img_json(programs.img()?.args(["info", "--output=json"]), image, cancel)?;
    let folder = fs::canonicalize(&image.dir).map_err(|source| Error::io("read", &image.dir, &source))?;
    match outside(&info, &folder) {
        None => Ok(()),
        Some(file) => Err(Error::new(
            Kind::HostileBox,
            format!("the disk of {} points to a file outside of the box", image.name),
        )
        .detail(format!("{} names {file}", image.disk.display()))
        .hint("do not use this box; where it was exported in pieces, export it again as one disk")),
    }
}

/// A file that an image, described by `qemu-img info`, takes data from and that is not in `folder`.
fn outside(info: &Value, folder: &Path) -> Option<String> {
    let specific = &info["format-specific"]["data"];
    let chained = [&info["backing-filename"], &info["full-backing-filename"], &specific["data-file"]];
    if let Some(file) = chained.into_iter().find_map(Value::as_str) {
        return Some(file.to_owned());
    }
    let extents = specific["extents"].as_array().map(Vec::as_slice).unwrap_or_default();
    let inside = |file: &str| fs::canonicalize(folder.join(file)).is_ok_and(|file| file.starts_with(folder));
    extents
        .iter()
        .filter_map(|extent| extent["filename"].as_str())
        .find(|file| !inside(file))
        .map(str::to_owned)
}

/// Refuses to begin what would fill the disk.
fn check_space(programs: &Programs, image: &BoxImage, folder: &Path, cancel: &Cancel) -> Result<()> {
    let measured =
        img_json(programs.img()?.args(["measure", "--output=json", "-O", "qcow2"]), image, cancel)?;
    let Some(free) = crate::disk_space::free(folder) else { return Ok(()) };
    match measured["required"].as_u64() {
        Some(required) if free < required.saturating_add(HEADROOM) => {
            let mib = |bytes: u64| bytes >> 20;
            Err(Error::new(
                Kind::DiskFull,
                format!(
                    "not enough space for the base image of {}: {} MiB are needed, {} MiB are free",
                    image.name,
                    mib(required.saturating_add(HEADROOM)),
                    mib(free)
                ),
            )
            .detail(format!("in {}", folder.display()))
            .hint("free some space, or set LAB_HOME to a folder on another disk"))
        }
        _ => Ok(()),
    }
}

/// Has qemu-img say something of the box's disk.
fn img_json(command: Cmd, image: &BoxImage, cancel: &Cancel) -> Result<Value> {
    let command = command.args(["-f", &image.disk_format]).arg(&image.disk).timeout(IMG_PATIENCE);
    let output = command.output(cancel)?;
    if !output.status.success() {
        return Err(unreadable(image, &output.stderr));
    }
    serde_json::from_str(&output.stdout).map_err(|source| command.failed(&output).detail(source.to_string()))
}

fn unreadable(image: &BoxImage, words: &str) -> Error {
    Error::new(Kind::BadBox, format!("the disk of {} could not be read as {}", image.name, image.disk_format))
        .detail(words.trim_end())
        .hint("the box is damaged: remove it (`lab box remove`) and get it again")
}

/// Writes the box's disk to `to` as qcow2.
fn convert(
    programs: &Programs,
    image: &BoxImage,
    to: &Path,
    cancel: &Cancel,
    progress: &mut dyn FnMut(f64),
) -> Result<()> {
    // -W: the target need not be written in order.
    let command = programs.img()?.args(["convert", "-p", "-W", "-f", &image.disk_format, "-O", "qcow2"]);
    let (status, words) = run_convert(&command.arg(&image.disk).arg(to), cancel, progress)?;
    if status.success() {
        Ok(())
    } else if words.contains("No space left") {
        Err(disk_full(to).detail(words.trim_end()))
    } else {
        Err(unreadable(image, &words))
    }
}

/// Writes a machine's disk, with what of it is in the base, to `to`.
pub(super) fn export(
    programs: &Programs,
    files: &Files<'_>,
    to: &Path,
    form: DiskForm,
    cancel: &Cancel,
    progress: &mut dyn FnMut(f64),
) -> Result<()> {
    let form: &[&str] = match form {
        DiskForm::Raw => &["-O", "raw"],
        DiskForm::Qcow2 => &["-c", "-O", "qcow2"],
    };
    let command = programs.img()?.args(["convert", "-p", "-f", "qcow2"]).args(form);
    let command = command.arg(files.disk()).arg(to);
    let (status, words) = run_convert(&command, cancel, progress)?;
    if status.success() {
        Ok(())
    } else if words.contains("No space left") {
        Err(disk_full(to).detail(words.trim_end()))
    } else {
        Err(Error::new(Kind::ProgramFailed, format!("could not read the disk {}", files.disk().display()))
            .detail(format!("command: {}", command.display()))
            .detail(words.trim_end()))
    }
}

/// Runs a `qemu-img convert -p`; returns its status and its words.
fn run_convert(
    command: &Cmd,
    cancel: &Cancel,
    progress: &mut dyn FnMut(f64),
) -> Result<(ExitStatus, String)> {
    let mut words = String::new();
    let status = command.stream(
        cancel,
        |_| Ok(()),
        |stream, line| match (stream, percent(line)) {
            (Stream::Out, Some(percent)) => progress(percent / 100.0),
            (Stream::Out, None) => {}
            (Stream::Err, _) => words.extend([line, "\n"]),
        },
    )?;
    Ok((status, words))
}

/// Reads `    (12.34/100%)`.
fn percent(line: &str) -> Option<f64> {
    line.trim().strip_prefix('(')?.split_once('/')?.0.parse().ok()
}

/// Tells a full disk from other failures of qemu-img.
pub(super) fn said_full(result: Result<String>, path: &Path) -> Result<()> {
    result.map(drop).map_err(|error| {
        let full = error.details().iter().any(|line| line.contains("No space left"));
        if full {
            error.details().iter().fold(disk_full(path), |full, line| full.detail(line.as_str()))
        } else {
            error
        }
    })
}

fn disk_full(path: &Path) -> Error {
    Error::new(Kind::DiskFull, format!("the disk is full: could not write {}", path.display()))
        .hint("free some space, then run the same command again")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_is_read() {
        assert_eq!(percent("    (12.34/100%)"), Some(12.34));
        assert_eq!(percent("qemu-img: error"), None);
    }

    #[test]
    fn images_that_reach_outside_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(dir.path()).unwrap();
        let inside = folder.join("box-disk1.vmdk");
        fs::write(&inside, "").unwrap();
        let extents =
            |file: &Path| json!({ "format-specific": { "data": { "extents": [{ "filename": file }] } } });
        assert_eq!(outside(&json!({ "format": "raw" }), &folder), None);
        assert_eq!(outside(&extents(&inside), &folder), None);
        assert_eq!(outside(&extents(Path::new("/etc/passwd")), &folder).as_deref(), Some("/etc/passwd"));
        let dots = folder.join("../../etc/passwd");
        assert!(outside(&extents(&dots), &folder).is_some());
        let backed = json!({ "backing-filename": "/etc/shadow" });
        assert_eq!(outside(&backed, &folder).as_deref(), Some("/etc/shadow"));
        let split = json!({ "format-specific": { "data": { "data-file": "x" } } });
        assert_eq!(outside(&split, &folder).as_deref(), Some("x"));
    }
}
