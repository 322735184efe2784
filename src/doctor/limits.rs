//! The clock, and what the file systems and the system let a user do.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Check, Host, Outcome, Subject};
#[cfg(unix)]
use crate::provider::table::TABLE;

/// No release is older than this (1 January 2025, in seconds since 1970): a clock before it is wrong.
const RELEASE: u64 = 1_735_689_600;
/// By how much a file may be newer than now: clocks of network drives differ.
const TOLERANCE: Duration = Duration::from_secs(300);
/// What a machine's files take in a path below its own folder, at most: VirtualBox's snapshots, a log being
/// written.
const BELOW: usize = 160;
/// A folder's own name in `.lab/machines/`, at most, and that folder.
const MACHINE: usize = 63 + ".lab/machines/".len() + 2;
/// The files that lab and its emulators keep open for each machine.
const FILES_EACH: u64 = 16;

/// Clock, file systems, limits, paths.
pub(super) fn checks(subject: &Subject<'_>) -> Vec<Check> {
    let host = subject.host;
    let mut checks = vec![clock(host.now, newest(subject))];
    checks.extend(file_systems(subject));
    checks.extend(limits(host, subject.lab.labfile().map_or(1, |labfile| labfile.machines.len() as u64)));
    checks.push(paths(subject, longest(host.os)));
    #[cfg(unix)]
    checks.extend(
        TABLE
            .entries()
            .filter_map(|entry| entry.run_folder)
            .filter_map(|of| run_folder(&of("00000000"), rustix::process::getuid().as_raw())),
    );
    checks
}

/// When the Labfile or what was made last in `LAB_HOME` was written.
fn newest(subject: &Subject<'_>) -> Option<SystemTime> {
    let labfile = subject.lab.labfile().map(|labfile| labfile.path.as_path());
    let times = labfile.into_iter().chain([subject.home.root()]);
    times.filter_map(|path| path.metadata().ok()?.modified().ok()).max()
}

/// Compared in UTC: time zones make no difference.
fn clock(now: SystemTime, newest: Option<SystemTime>) -> Check {
    const NAME: &str = "clock";
    let todo = "sudo timedatectl set-ntp true (Linux), or set it by hand";
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if seconds < RELEASE {
        return Check::failure(
            NAME,
            "the clock is before 2025",
            "downloads fail (certificates are not yet valid), and machines get the wrong time",
        )
        .todo(todo);
    }
    match newest.and_then(|newest| newest.duration_since(now).ok()).filter(|ahead| *ahead > TOLERANCE) {
        Some(ahead) => Check::warning(
            NAME,
            format!("the lab's files are {} min from the future", ahead.as_secs() / 60),
            "the clock went back: machines get its time, and make and apt mistake new files for old",
        )
        .todo(todo),
        None => Check::pass(NAME, "plausible", "machines get their time from it"),
    }
}

fn file_systems(subject: &Subject<'_>) -> Vec<Check> {
    let home = subject.home.root();
    let mut places = vec![("LAB_HOME", home.to_owned())];
    if subject.lab.labfile().is_some() {
        places.push((LABS_FOLDER, subject.dir.clone()));
    }
    look_at_file_systems(subject.host, places)
}

/// What stands in the way of a lab in `dir`, on the file system that it lies on.
pub(super) fn unfit(host: &Host, dir: &Path) -> Option<Check> {
    let checks = look_at_file_systems(host, vec![(LABS_FOLDER, dir.to_owned())]);
    checks.into_iter().find(|check| check.outcome == Outcome::Failure)
}

const LABS_FOLDER: &str = "the lab's folder";

fn look_at_file_systems(host: &Host, places: Vec<(&str, PathBuf)>) -> Vec<Check> {
    const NAME: &str = "file-system";
    let mut checks = Vec::new();
    for (where_, path) in places {
        // Links are followed where the folder is there already.
        let path = path.canonicalize().unwrap_or(path);
        let Some(mount) = host.mount(&path) else { continue };
        let on = format!("{where_} is on {}", mount.kind);
        let todo = if where_ == "LAB_HOME" {
            "set LAB_HOME to a folder on a disk of this computer"
        } else {
            "move the lab to a disk of this computer"
        };
        let kind = mount.kind.as_str();
        checks.push(if mount.read_only {
            Check::failure(NAME, format!("{on}, read-only"), "nothing can be written there").todo(todo)
        } else if matches!(kind, "vfat" | "msdos") {
            Check::failure(
                NAME,
                on,
                "files end at 4 GiB and have no owner: disks do not fit, ssh refuses the keys",
            )
            .todo(todo)
        } else if matches!(kind, "exfat" | "fuseblk" | "ntfs" | "ntfs3" | "9p" | "drvfs") {
            Check::failure(NAME, on, "files have no owner of their own: ssh refuses the keys there")
                .todo(todo)
        } else if matches!(kind, "nfs" | "nfs4" | "cifs" | "smb3" | "fuse.sshfs" | "afs" | "ceph") {
            Check::warning(
                NAME,
                format!("{on}, a network drive"),
                "slow, and locks may not hold: two commands may get into each other's way",
            )
            .todo(todo)
        } else if matches!(kind, "tmpfs" | "ramfs") {
            Check::warning(
                NAME,
                format!("{on}, in memory"),
                "disks take memory there, and are gone after a restart",
            )
            .todo(todo)
        } else {
            Check::pass(NAME, on, "it keeps owners, locks and large files")
        });
    }
    checks
}

/// The process's own limits, as `proc(5)` has them in `/proc/self/limits`.
fn limits(host: &Host, machines: u64) -> Option<Check> {
    const NAME: &str = "limits";
    let text = host.read("/proc/self/limits")?;
    let limit = |name: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        let word = rest.split_whitespace().next()?;
        if word == "unlimited" { Some(u64::MAX) } else { word.parse().ok() }
    };
    let size = limit("Max file size").unwrap_or(u64::MAX);
    let files = limit("Max open files").unwrap_or(u64::MAX);
    let wanted = 64 + machines * FILES_EACH;
    Some(if size < u64::MAX {
        Check::failure(
            NAME,
            format!("files may have {} MiB at most (ulimit -f)", size >> 20),
            "boxes and disks are cut off",
        )
        .todo("ulimit -f unlimited, and see /etc/security/limits.conf")
    } else if files < wanted {
        Check::warning(
            NAME,
            format!("{files} files may be open at once (ulimit -n)"),
            format!("{wanted} may be needed"),
        )
        .todo("ulimit -n 4096")
    } else {
        Check::pass(NAME, "files may be large and many", "what the system allows is enough")
    })
}

/// The longest path in bytes: `PATH_MAX` of Linux and macOS, `MAX_PATH` of Windows.
fn longest(os: &str) -> usize {
    match os {
        "macos" => 1024,
        "windows" => 260,
        _ => 4096,
    }
}

fn paths(subject: &Subject<'_>, longest: usize) -> Check {
    const NAME: &str = "paths";
    let length = |path: &Path, below: usize| path.as_os_str().len() + 1 + below;
    let folder = length(&subject.dir, MACHINE + BELOW);
    let home = length(subject.home.root(), 64 + BELOW);
    let (what, most) = if folder >= home { ("the lab's folder", folder) } else { ("LAB_HOME", home) };
    if most >= longest {
        Check::failure(
            NAME,
            format!("below {what}, paths get {most} bytes long, of {longest}"),
            "files cannot be made there",
        )
        .todo(format!("move {what} to a shorter path"))
    } else {
        Check::pass(
            NAME,
            format!("{most} bytes at most, of {longest}"),
            "short enough; sockets have a folder of their own",
        )
    }
}

/// The folder of the sockets: it may lie in `/tmp`, where others can be first.
#[cfg(unix)]
fn run_folder(dir: &Path, user: u32) -> Option<Check> {
    use std::os::unix::fs::MetadataExt;
    const NAME: &str = "sockets";
    let parent = dir.parent()?;
    let shown = parent.display();
    Some(match parent.symlink_metadata() {
        Ok(about) if !about.is_dir() || about.uid() != user => Check::failure(
            NAME,
            format!("{shown} belongs to another user"),
            "machines' sockets cannot be made there",
        )
        .todo("set XDG_RUNTIME_DIR to a folder of your own"),
        _ => Check::pass(NAME, format!("they go to {shown}"), "nobody else is there"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Lab, Outcome};
    use super::*;
    use crate::host::Fake;
    use crate::lab::disk::files::Home;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_clock_that_went_back_is_noticed() {
        let now = RELEASE + 1000;
        assert_eq!(clock(at(now), Some(at(now - 5))).outcome, Outcome::Pass);
        assert_eq!(clock(at(now), None).outcome, Outcome::Pass);
        assert_eq!(clock(at(now), Some(at(now + 200))).outcome, Outcome::Pass);
        assert_eq!(clock(at(now), Some(at(now + 7200))).outcome, Outcome::Warning);
        assert_eq!(clock(at(12345), None).outcome, Outcome::Failure);
    }

    fn subject<'a>(host: &'a Host, home: &'a Home, dir: &Path) -> Subject<'a> {
        let text = "[lab]\nbox = \"demo\"\n[machine.a]\n";
        let labfile = crate::labfile::parse(text, &dir.join("Labfile")).unwrap().labfile;
        Subject { host, dir: dir.to_owned(), home, lab: Lab::Read(Box::new(labfile), None), provider: None }
    }

    #[test]
    fn file_systems_that_lack_something_are_named() {
        let of = |kind: &str, options: &str| {
            let mounts = format!(
                "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /media {options} - {kind} /dev/sdb1 rw\n"
            );
            let fake = Fake::new(&[("/proc/self/mountinfo", &mounts)]);
            let home = Home::at("/home/none/lab".into());
            let checks = file_systems(&subject(&fake.host, &home, Path::new("/media/no such/class")));
            checks.iter().map(|check| check.outcome).collect::<Vec<_>>()
        };
        assert_eq!(of("ext4", "rw,relatime"), [Outcome::Pass, Outcome::Pass]);
        assert_eq!(of("vfat", "rw"), [Outcome::Pass, Outcome::Failure]);
        assert_eq!(of("fuseblk", "rw"), [Outcome::Pass, Outcome::Failure]);
        assert_eq!(of("nfs4", "rw"), [Outcome::Pass, Outcome::Warning]);
        assert_eq!(of("tmpfs", "rw"), [Outcome::Pass, Outcome::Warning]);
        assert_eq!(of("iso9660", "ro,nosuid"), [Outcome::Pass, Outcome::Failure]);
    }

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        let of = |size: &str, files: &str| {
            let text = format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max file size             {size}            unlimited            bytes     \n\
                 Max open files            {files}                 1048576              files     \n"
            );
            limits(&Fake::new(&[("/proc/self/limits", &text)]).host, 3).unwrap().outcome
        };
        assert_eq!(of("unlimited", "1024"), Outcome::Pass);
        assert_eq!(of("1048576", "1024"), Outcome::Failure);
        assert_eq!(of("unlimited", "32"), Outcome::Warning);
        assert_eq!(limits(&Fake::new(&[]).host, 1), None);
    }

    #[test]
    fn long_paths_are_named() {
        let fake = Fake::new(&[]);
        let home = Home::at("/h".into());
        let deep = format!("/{}", "a/".repeat(100));
        assert_eq!(
            paths(&subject(&fake.host, &home, Path::new(&deep)), longest("linux")).outcome,
            Outcome::Pass
        );
        assert_eq!(
            paths(&subject(&fake.host, &home, Path::new(&deep)), longest("windows")).outcome,
            Outcome::Failure
        );
        let deeper = format!("/{}", "a/".repeat(2000));
        assert_eq!(
            paths(&subject(&fake.host, &home, Path::new(&deeper)), longest("linux")).outcome,
            Outcome::Failure
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_of_somebody_else_is_no_place_for_sockets() {
        let dir = tempfile::tempdir().unwrap();
        let own = rustix::process::getuid().as_raw();
        let of = |user| run_folder(&dir.path().join("0000"), user).unwrap().outcome;
        assert_eq!(of(own), Outcome::Pass);
        assert_eq!(of(own + 1), Outcome::Failure);
        let none = run_folder(&dir.path().join("not there/0000"), own + 1).unwrap();
        assert_eq!(none.outcome, Outcome::Pass);
    }
}
