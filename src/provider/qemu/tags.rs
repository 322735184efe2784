//! QEMU's own snapshots inside a machine's disk, by their tags.
//!
//! A tag is made anew for each of them and never used again. Nothing but the files beside the disk says
//! what a tag is for: one that none of them names (its maker was killed before it could write it down, or
//! it is not needed any more) only takes up space, and goes with the next [`sweep`].

use std::fs::File;
use std::time::Duration;

use serde_json::{Value, json};

use super::base::said_full;
use super::command::DISK_NODE;
use super::files::Files;
use super::qmp::{Failure, Qmp};
use super::version::Programs;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::flock;
use crate::process::Cmd;

/// How the tags of ours begin.
const PREFIX: &str = "lab.";
/// The tag of every suspended machine of earlier releases.
const FORMER: &str = "lab-suspend";
/// How long writing or reading all RAM may take: some GiB on a slow stick.
pub(super) const RAM_PATIENCE: Duration = Duration::from_secs(600);
/// How long QEMU may take for a question.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a change of the disk's tables may take.
const IMG_PATIENCE: Duration = Duration::from_secs(60);

fn fresh() -> String {
    format!("{PREFIX}{}", uuid::Uuid::new_v4())
}

/// Keeps disk and RAM of a machine that has a QEMU; returns the tag. A machine that ran goes on
/// afterwards, whatever becomes of us: QEMU itself stops it meanwhile.
pub(super) fn save(qmp: &mut Qmp) -> Result<String, Failure> {
    let tag = fresh();
    let what = json!({ "tag": tag, "vmstate": DISK_NODE, "devices": [DISK_NODE] });
    qmp.job("snapshot-save", what, RAM_PATIENCE)?;
    Ok(tag)
}

/// Deletes the tags that are not `needed` from the disk of a machine that has a QEMU.
pub(super) fn sweep_live(qmp: &mut Qmp, needed: &[String]) -> Result<(), Failure> {
    let nodes = qmp.execute("query-named-block-nodes", json!({ "flat": true }), ANSWER)?;
    let node = nodes.as_array().and_then(|nodes| nodes.iter().find(|node| node["node-name"] == DISK_NODE));
    for tag in superfluous(node.map_or(&Value::Null, |node| &node["image"]), needed) {
        qmp.job("snapshot-delete", json!({ "tag": tag, "devices": [DISK_NODE] }), RAM_PATIENCE)?;
    }
    Ok(())
}

/// Keeps the disk of a machine that is off; returns the tag.
pub(super) fn create(programs: &Programs, files: &Files<'_>, cancel: &Cancel) -> Result<String> {
    let tag = fresh();
    said_full(img(programs, files, &["snapshot", "-q", "-c", &tag], cancel), &files.disk())?;
    Ok(tag)
}

/// Makes the disk of a machine that is off what it was at `tag`. The switch itself is one write of the
/// disk's table of tables; done again, it does no harm.
pub(super) fn apply(programs: &Programs, files: &Files<'_>, tag: &str) -> Result<()> {
    // Not to be interrupted: it takes a moment.
    said_full(img(programs, files, &["snapshot", "-q", "-a", tag], &Cancel::new()), &files.disk())
}

/// Deletes the tags that are not `needed` from the disk of a machine that is off.
pub(super) fn sweep(programs: &Programs, files: &Files<'_>, needed: &[String]) -> Result<()> {
    let cancel = Cancel::new();
    let info = img(programs, files, &["info", "--output=json"], &cancel)?;
    let info: Value = serde_json::from_str(&info)
        .map_err(|source| Error::internal(format!("qemu-img's answer was not understood: {source}")))?;
    for tag in superfluous(&info, needed) {
        img(programs, files, &["snapshot", "-q", "-d", &tag], &cancel)?;
    }
    Ok(())
}

/// Waits until no `qemu-img` works on the disk any more: one outlives the `lab` that started it.
pub(super) fn wait_until_free(files: &Files<'_>, cancel: &Cancel) -> Result<()> {
    if files.disk_lock().exists() { lock(files, cancel).map(drop) } else { Ok(()) }
}

/// Our tags in an image, as QEMU describes it, that are not `needed`.
fn superfluous(image: &Value, needed: &[String]) -> Vec<String> {
    let tags = image["snapshots"].as_array().map(Vec::as_slice).unwrap_or_default();
    tags.iter()
        .filter_map(|snapshot| snapshot["name"].as_str())
        .filter(|tag| tag.starts_with(PREFIX) || *tag == FORMER)
        .filter(|tag| needed.iter().all(|needed| needed != tag))
        .map(str::to_owned)
        .collect()
}

/// Runs `qemu-img` on the machine's disk, which it alone may use meanwhile.
fn img(programs: &Programs, files: &Files<'_>, args: &[&str], cancel: &Cancel) -> Result<String> {
    let lock = lock(files, cancel)?;
    let command: Cmd = programs.img()?.args(args).arg(files.disk()).timeout(IMG_PATIENCE);
    command.holding(&lock)?.run(cancel)
}

/// Held by each `qemu-img`, and so until the last of them has ended.
fn lock(files: &Files<'_>, cancel: &Cancel) -> Result<File> {
    let path = files.disk_lock();
    flock::wait(&path, IMG_PATIENCE, cancel, || {})?.ok_or_else(|| {
        let disk = files.disk();
        Error::new(Kind::Monitor, format!("a qemu-img that does not end works on {}", disk.display()))
            .detail(format!("it holds {}", path.display()))
            .hint("end that process, then run the same command again")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_and_nobody_needs_is_swept() {
        let image = json!({ "snapshots": [
            { "id": "1", "name": "lab.kept" }, { "id": "2", "name": "lab.left" },
            { "id": "3", "name": "lab-suspend" }, { "id": "4", "name": "of the user's own" },
        ]});
        assert_eq!(superfluous(&image, &["lab.kept".to_owned()]), ["lab.left", "lab-suspend"]);
        assert!(superfluous(&json!({}), &[]).is_empty());
    }
}
