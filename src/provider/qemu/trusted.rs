//! What lies in a machine's folder is looked at before QEMU does what it says: other programs, or whoever handed the folder
//! on, may have written there.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use super::base::said_full;
use super::command;
use super::files::{self, Files};
use super::version::Programs;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::nofollow;
use crate::provider::{MachineSpec, SharedDir};

/// How long writing a disk's header may take.
const IMG_PATIENCE: Duration = Duration::from_secs(60);
/// How a qcow2 image begins. All numbers here: its specification, docs/interop/qcow2.txt of QEMU's source.
const MAGIC: &[u8] = b"QFI\xfb";
/// Where the fields of version 2 end.
const HEADER: usize = 72;
/// Bit 2 of `incompatible_features`: the guest's data lies in another file.
const EXTERNAL_DATA: u64 = 1 << 2;
/// No backing file's name is longer, in bytes.
const LONGEST_NAME: u64 = 1023;

/// What an image says of other files.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    backing: Option<Vec<u8>>,
    external_data: bool,
}

/// Looks at a machine's disk before anything opens it. An overlay whose base is elsewhere now (`LAB_HOME` was moved), or
/// that names any other file, is pointed to the base of the machine's box.
///
/// # Errors
/// [`Kind::StateDamaged`] where it would have QEMU open other files; those of `qemu-img`.
pub(super) fn disk(
    programs: &Programs,
    shared: &SharedDir,
    machine: &MachineSpec,
    cancel: &Cancel,
) -> Result<()> {
    let path = Files::of(machine).disk();
    let base = files::base(shared, &machine.image.digest);
    let damaged = |what: &str| {
        Error::new(Kind::StateDamaged, format!("{} {what}", path.display()))
            .of(&machine.name)
            .detail(
                "lab makes no such disk: somebody has changed it, and the guest would get to read that file",
            )
            .hint(format!("`lab destroy {0}`, then `lab up {0}` makes the machine anew", machine.name))
    };
    let unread = |source: std::io::Error| nofollow::error("read", &path, &source);
    let file = match nofollow::open(&path) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(unread)?,
    };
    let Some(header) = header(file).map_err(unread)? else { return Ok(()) };
    if header.external_data {
        return Err(damaged("keeps its data in another file"));
    }
    match header.backing {
        None => return Err(damaged("does not stand on the base of its box")),
        Some(backing) if backing == base.as_os_str().as_encoded_bytes() => return Ok(()),
        Some(_) if !base.exists() => return Err(damaged("stands on a file that is not the base of its box")),
        Some(_) => {}
    }
    // -u: only the name is written, and nothing opens the file that stands there now.
    let rebase = programs.img()?.args(["rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b"]);
    said_full(rebase.arg(&base).arg(&path).timeout(IMG_PATIENCE).run(cancel), &path)
}

/// What the image says; `None` where it is none, which QEMU refuses, being told what it is to be.
fn header(mut file: File) -> std::io::Result<Option<Header>> {
    let mut bytes = Vec::new();
    // The name of the backing file lies within the first cluster, of 2 MiB at most.
    file.by_ref().take(2 << 20).read_to_end(&mut bytes)?;
    if !bytes.starts_with(MAGIC) || bytes.len() < HEADER {
        return Ok(None);
    }
    let number = |at: usize, length: usize| {
        let digits = bytes.get(at..at + length).unwrap_or_default();
        digits.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let (version, offset, size) = (number(4, 4), number(8, 8), number(16, 4));
    let backing = (offset != 0).then(|| {
        let end = offset.saturating_add(size.min(LONGEST_NAME));
        let range = usize::try_from(offset).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(usize::MAX);
        bytes.get(range).unwrap_or_default().to_vec()
    });
    let external_data = version >= 3 && number(HEADER, 8) & EXTERNAL_DATA != 0;
    Ok(Some(Header { backing, external_data }))
}

/// Looks at the board that a marker names for a machine: it may be of other hardware than the machine has by now, and
/// must be made of nothing but the options that [`command::board`] writes, and the Labfile's own arguments.
///
/// # Errors
/// [`Kind::StateDamaged`] for any other option.
pub(super) fn board(machine: &MachineSpec, board: &[String], marker: PathBuf) -> Result<()> {
    let Some(option) = command::strange_option(machine, board)? else { return Ok(()) };
    Err(Error::new(Kind::StateDamaged, format!("its saved RAM asks QEMU for something else: {option}"))
        .of(&machine.name)
        .detail(format!("{} has it, and lab writes no such thing there", marker.display()))
        .hint("if the Labfile's `args` have changed since: put them back, and wake the machine")
        .hint(format!("`lab halt --force {}` gives its saved RAM up; `lab up` then boots it", machine.name)))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    fn image(version: u32, backing: &str, features: u64) -> File {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(version.to_be_bytes());
        let offset: u64 = if backing.is_empty() { 0 } else { 512 };
        bytes.extend(offset.to_be_bytes());
        bytes.extend(u32::try_from(backing.len()).unwrap().to_be_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(features.to_be_bytes());
        bytes.resize(512, 0);
        bytes.extend(backing.as_bytes());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn what_a_disk_says_of_other_files_is_read() {
        let seen =
            |version, backing: &str, features| header(image(version, backing, features)).unwrap().unwrap();
        let named = |name: &str, external_data| Header { backing: Some(name.into()), external_data };
        assert_eq!(seen(3, "/bases/x.qcow2", 0), named("/bases/x.qcow2", false));
        assert_eq!(seen(3, "/etc/shadow", EXTERNAL_DATA | 1), named("/etc/shadow", true));
        // Version 2 has no features: other things stand there.
        assert_eq!(seen(2, "", u64::MAX), Header { backing: None, external_data: false });
        let mut none = tempfile::tempfile().unwrap();
        none.write_all(b"QFI").unwrap();
        none.rewind().unwrap();
        assert_eq!(header(none).unwrap(), None);
    }
}
