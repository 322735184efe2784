//! The names of all files that this provider makes, and how the small ones are written.
//!
//! Those in the machine's folder are also what QEMU's own command line calls them: QEMU is started
//! inside that folder, so that blanks, commas and any depth of the path above never reach its option
//! parser. Sockets cannot be had that way (their path is limited for whoever connects) and lie in
//! [`super::run::Run::run_dir`].

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::run::Run;
use crate::atomic;
use crate::error::{Error, Kind, Result};
use crate::provider::{MachineSpec, SharedDir};
use crate::unlink;

/// The machine's disk: a qcow2 overlay over the base, with saved RAM and snapshots inside.
pub(super) const DISK: &str = "disk.qcow2";
/// The disc that tells a machine its user, where it needs to be told.
pub(super) const SEED: &str = "seed.iso";
/// What QEMU itself says. Also the lock that tells whether it lives, see [`super::daemon`].
pub(super) const LOG: &str = "qemu.log";
/// The serial console.
pub(super) const CONSOLE: &str = "console.log";
/// QEMU's process id, written by QEMU.
pub(super) const PID: &str = "qemu.pid";
/// The hardware that the machine was last started with, see [`super::suspend`].
pub(super) const BOARD: &str = "qemu.json";
/// There while the machine is suspended, see [`super::suspend`].
pub(super) const SUSPENDED: &str = "suspended.json";

/// To what the disk is to be set back, see [`super::suspend`].
pub(super) const REWIND: &str = "rewind.json";
/// The machine's snapshots, see [`super::snapshots`].
pub(super) const SNAPSHOTS: &str = "snapshots.json";
/// Held by a `qemu-img` that changes the disk, see [`super::tags`].
pub(super) const DISK_LOCK: &str = "disk.lock";

/// All that lies in a machine's folder; `*` stands for any end.
pub(super) const MADE: &[&str] =
    &[DISK, SEED, LOG, CONSOLE, PID, BOARD, SUSPENDED, REWIND, SNAPSHOTS, DISK_LOCK, ".qemu-*"];

/// How temporary folders of ours begin, in the machine's; leftovers are removed by `destroy`.
const PART_PREFIX: &str = ".qemu-";

/// The longest path of a unix socket that both Linux (108 bytes) and macOS (104) take, with its
/// final zero byte.
const SOCKET_PATH_LIMIT: usize = 103;

/// One of QEMU's two monitors. Each serves one client at a time: with a second one, somebody who
/// holds the first for long (waiting for a shutdown) does not make the machine look dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// For commands that change something.
    Control,
    /// For short questions.
    Query,
}

impl Channel {
    /// Both of them.
    pub(super) const ALL: [Channel; 2] = [Channel::Control, Channel::Query];

    /// Its name on QEMU's command line.
    pub(super) fn id(self) -> &'static str {
        match self {
            Channel::Control => "control",
            Channel::Query => "query",
        }
    }
}

/// Where one machine's files are.
#[derive(Debug, Clone)]
pub(super) struct Files<'a> {
    dir: &'a Path,
    run_dir: PathBuf,
    id: &'a str,
}

impl<'a> Files<'a> {
    /// Where no folder of sockets is known, the machine's monitors are not found, and its lock still tells whether it
    /// lives.
    pub(super) fn of(machine: &'a MachineSpec) -> Self {
        let run: Run = machine.own.lab.read().unwrap_or_default();
        Files { dir: &machine.dir, run_dir: run.run_dir, id: &machine.id }
    }

    /// Those of the machine in `dir` that no state knows: its sockets have no names any more.
    pub(super) fn without_state(dir: &'a Path, run_dir: &Path) -> Self {
        Files { dir, run_dir: run_dir.to_owned(), id: "" }
    }

    pub(super) fn dir(&self) -> &'a Path {
        self.dir
    }

    pub(super) fn disk(&self) -> PathBuf {
        self.dir.join(DISK)
    }

    pub(super) fn seed(&self) -> PathBuf {
        self.dir.join(SEED)
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join(LOG)
    }

    pub(super) fn console(&self) -> PathBuf {
        self.dir.join(CONSOLE)
    }

    pub(super) fn pid(&self) -> PathBuf {
        self.dir.join(PID)
    }

    pub(super) fn board(&self) -> PathBuf {
        self.dir.join(BOARD)
    }

    pub(super) fn suspended(&self) -> PathBuf {
        self.dir.join(SUSPENDED)
    }

    pub(super) fn rewind(&self) -> PathBuf {
        self.dir.join(REWIND)
    }

    pub(super) fn snapshots(&self) -> PathBuf {
        self.dir.join(SNAPSHOTS)
    }

    pub(super) fn disk_lock(&self) -> PathBuf {
        self.dir.join(DISK_LOCK)
    }

    /// A monitor's socket. Twelve digits made of the machine's id keep it short, and apart from the
    /// other machines of the lab, which share the folder.
    pub(super) fn socket(&self, channel: Channel) -> PathBuf {
        let [a, b, c, d, e, f, ..]: [u8; 32] = Sha256::digest(self.id.as_bytes()).into();
        let channel = match channel {
            Channel::Control => 'c',
            Channel::Query => 'q',
        };
        self.run_dir.join(format!("{a:02x}{b:02x}{c:02x}{d:02x}{e:02x}{f:02x}.{channel}"))
    }

    /// The path of a monitor's socket, as text and short enough for the operating system.
    ///
    /// # Errors
    /// [`Kind::Io`] when it is not.
    pub(super) fn socket_text(&self, channel: Channel) -> Result<String> {
        let socket = self.socket(channel);
        match socket.to_str() {
            Some(text) if text.len() <= SOCKET_PATH_LIMIT => Ok(text.to_owned()),
            _ => {
                Err(Error::new(Kind::Io, format!("{} cannot be the path of a unix socket", socket.display()))
                    .detail(format!("such a path is UTF-8 and has at most {SOCKET_PATH_LIMIT} bytes")))
            }
        }
    }

    /// A temporary folder in the machine's, gone when dropped, for what another program makes.
    ///
    /// A folder, since such a program outlives a `lab` that is killed: where it would put its file is
    /// then gone, and nothing of it can appear after `destroy`.
    pub(super) fn part_dir(&self) -> Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix(PART_PREFIX)
            .tempdir_in(self.dir)
            .map_err(|source| Error::io("create a folder in", self.dir, &source))
    }

    /// Removes all files of a machine whose QEMU has ended. Those not there are no error.
    pub(super) fn remove_all(&self) -> Result<()> {
        // The disk first: without it the machine is absent, whatever else is still there.
        for name in [DISK, SEED, SUSPENDED, REWIND, SNAPSHOTS, DISK_LOCK, BOARD, PID, CONSOLE, LOG] {
            unlink::file(&self.dir.join(name))?;
        }
        for channel in Channel::ALL {
            unlink::file(&self.socket(channel))?;
        }
        let Ok(entries) = fs::read_dir(self.dir) else { return Ok(()) };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(PART_PREFIX) {
                remove_part_dir(&entry.path())?;
            }
        }
        atomic::sweep(self.dir);
        Ok(())
    }
}

/// The folder of all bases.
pub(super) fn base_dir(shared: &SharedDir) -> PathBuf {
    shared.join("qemu")
}

/// The base of the box with this digest.
pub(super) fn base(shared: &SharedDir, digest: &str) -> PathBuf {
    base_dir(shared).join(format!("{digest}.qcow2"))
}

/// What is remembered of the emulator. No base's name is without a dot.
pub(super) fn version_note(shared: &SharedDir) -> PathBuf {
    base_dir(shared).join("version")
}

/// How the names of files begin that are on the way to be the base of this box, or something beside it.
pub(super) fn part_prefix(digest: &str) -> String {
    format!("{digest}.part-")
}

/// How the names of this box's empty overlays begin.
pub(super) fn empty_overlay_prefix(digest: &str) -> String {
    format!("{digest}.empty-")
}

/// The overlay over the base of this box with nothing in it. It names the base's path, and so does its own
/// name: after a move, it is another one.
pub(super) fn empty_overlay(shared: &SharedDir, digest: &str) -> PathBuf {
    let [a, b, c, d, ..]: [u8; 32] =
        Sha256::digest(base(shared, digest).as_os_str().as_encoded_bytes()).into();
    base_dir(shared).join(format!("{}{a:02x}{b:02x}{c:02x}{d:02x}", empty_overlay_prefix(digest)))
}

/// Removes a folder that another program may be writing its one file into at this moment.
fn remove_part_dir(path: &Path) -> Result<()> {
    loop {
        match fs::remove_dir_all(path) {
            // The file came between the listing and the removal; the next listing has it.
            Err(source) if source.kind() == ErrorKind::DirectoryNotEmpty => {}
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(Error::io("remove", path, &source));
            }
            _ => return Ok(()),
        }
    }
}

/// Removes a file so that it does not come back after a power cut.
pub(super) fn remove_for_good(path: &Path) -> Result<()> {
    if path.exists() {
        unlink::file(path)?;
        path.parent().map_or(Ok(()), atomic::sync_dir)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_that_the_system_would_cut_off_is_refused() {
        let dir = PathBuf::from("/m");
        let long = PathBuf::from(format!("/{}", "x".repeat(100)));
        let id = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
        let short = Files { dir: &dir, run_dir: PathBuf::from("/run/lab"), id };
        assert_eq!(short.socket_text(Channel::Query).unwrap(), "/run/lab/40ed71cc50fb.q");
        let deep = Files { dir: &dir, run_dir: long, id };
        assert_eq!(deep.socket_text(Channel::Query).unwrap_err().kind(), Kind::Io);
    }
}
