//! What the checks see of this computer: its files below a root, its environment, its clock.
//!
//! A test gives another root and another environment, and so makes a computer that lacks something.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A computer to be looked at.
#[derive(Debug, Clone)]
pub struct Host {
    /// What stands for `/` where `/proc`, `/sys`, `/dev`, `/etc` and `/usr` are read.
    pub root: PathBuf,
    /// Its environment.
    pub env: BTreeMap<OsString, OsString>,
    /// Its clock.
    pub now: SystemTime,
    /// As [`std::env::consts::OS`].
    pub os: &'static str,
    /// As [`std::env::consts::ARCH`].
    pub arch: &'static str,
}

/// A file system that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Its type, as the kernel names it.
    pub(crate) kind: String,
    /// It may only be read.
    pub(crate) read_only: bool,
}

impl Host {
    /// This computer.
    pub fn here() -> Self {
        Host {
            root: PathBuf::from("/"),
            env: std::env::vars_os().collect(),
            now: SystemTime::now(),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
        }
    }

    /// Where the file that a computer has at the absolute `path` is to be looked for.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The text of a file, if it is there and may be read.
    pub(crate) fn read(&self, path: &str) -> Option<String> {
        std::fs::read(self.path(path)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The text of a file of one line.
    pub(crate) fn line(&self, path: &str) -> Option<String> {
        self.read(path).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Whether there is something at `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// A variable of the environment that is set to something.
    pub(crate) fn var(&self, name: &str) -> Option<String> {
        let value = self.env.get(std::ffi::OsStr::new(name))?;
        Some(value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
    }

    /// The program `name` on its `PATH`.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        let path = self.env.get(std::ffi::OsStr::new("PATH"))?;
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        std::env::split_paths(path).map(|dir| dir.join(&file)).find(|candidate| is_program(candidate))
    }

    /// The release of its kernel, as major and minor number.
    pub(crate) fn kernel(&self) -> Option<(u32, u32)> {
        let release = self.line("/proc/sys/kernel/osrelease")?;
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }

    /// Whether the kernel module `name` is loaded, or built in with something to set.
    pub(crate) fn module(&self, name: &str) -> bool {
        self.has(&format!("/sys/module/{name}"))
    }

    /// Whether its processors have one of `flags`; `None` where that cannot be read.
    pub(crate) fn processor_has(&self, flags: &[&str]) -> Option<bool> {
        let text = self.read("/proc/cpuinfo")?;
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        let line = lines.find(|(key, _)| key.trim() == "flags")?.1;
        Some(line.split_ascii_whitespace().any(|flag| flags.contains(&flag)))
    }

    /// A number of kB from `/proc/meminfo`, in bytes.
    pub(crate) fn memory(&self, key: &str) -> Option<u64> {
        let text = self.read("/proc/meminfo")?;
        let line = text.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| *name == key)?.1;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }

    /// The file system that `path` lies on, as `proc(5)` has it in `/proc/self/mountinfo`.
    pub(crate) fn mount(&self, path: &Path) -> Option<Mount> {
        let text = self.read("/proc/self/mountinfo")?;
        let mounts = text.lines().filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let mut left = left.split(' ').skip(4);
            let point = left.next()?.replace(r"\040", " ");
            let read_only = left.next()?.split(',').any(|option| option == "ro");
            let kind = right.split(' ').next()?.to_owned();
            path.starts_with(&point)
                .then(|| (Path::new(&point).components().count(), Mount { kind, read_only }))
        });
        // Of two at the same place, the later one lies on top.
        mounts.max_by_key(|(depth, _)| *depth).map(|(_, mount)| mount)
    }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// The nearest folder of `path`, upwards, that is there.
pub(crate) fn existing(path: &Path) -> &Path {
    path.ancestors().find(|folder| folder.is_dir()).unwrap_or(path)
}

/// How many bytes and how many files may still be written to the file system of `path`, by this user.
#[cfg(unix)]
pub(crate) fn free(path: &Path) -> Option<(u64, u64)> {
    let folder = existing(path);
    let about = rustix::fs::statvfs(folder).ok()?;
    // Btrfs has no fixed number of files, and says 0 of 0.
    let files = if about.f_files == 0 { u64::MAX } else { about.f_favail };
    Some((crate::disk_space::free(folder)?, files))
}

/// Not looked for here.
#[cfg(not(unix))]
pub(crate) fn free(_: &Path) -> Option<(u64, u64)> {
    None
}

/// Whether two paths lie on one file system, as far as can be told.
#[cfg(unix)]
pub(crate) fn same_disk(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| existing(path).metadata().ok().map(|about| about.dev());
    device(one).is_none_or(|device_of_one| device(other) == Some(device_of_one))
}

#[cfg(not(unix))]
pub(crate) fn same_disk(one: &Path, other: &Path) -> bool {
    one.components().next() == other.components().next()
}

/// A computer made of files, for tests.
#[cfg(test)]
pub(crate) struct Fake {
    dir: tempfile::TempDir,
    pub(crate) host: Host,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
impl Fake {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = Host {
            root: dir.path().to_owned(),
            env: BTreeMap::new(),
            now: SystemTime::now(),
            os: "linux",
            arch: "x86_64",
        };
        files.iter().fold(Fake { dir, host }, |fake, (path, text)| fake.file(path, text))
    }

    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let place = self.host.path(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, text).unwrap();
        self
    }

    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.host.env.insert(name.into(), value.into());
        self
    }

    /// A program on its `PATH`.
    #[cfg(unix)]
    pub(crate) fn program(self, name: &str, script: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let path = self.host.path("/bin");
        let fake = self.file(&format!("/bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path.join(name), mode).unwrap();
        fake.var("PATH", path.to_str().unwrap())
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let fake = Fake::new(&[(
            "/proc/self/mountinfo",
            "1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
             2 1 8:2 / /media/a\\040stick ro,nosuid - vfat /dev/sdb1 rw\n",
        )]);
        let kind = |path: &str| fake.host.mount(Path::new(path)).map(|mount| (mount.kind, mount.read_only));
        assert_eq!(kind("/home/me"), Some(("ext4".to_owned(), false)));
        assert_eq!(kind("/media/a stick/lab"), Some(("vfat".to_owned(), true)));
        assert_eq!(kind("/media/a stick2"), Some(("ext4".to_owned(), false)));
    }

    #[test]
    fn the_kernels_files_are_read() {
        let fake = Fake::new(&[
            ("/proc/meminfo", "MemTotal:  2048 kB\nMemAvailable: 1024 kB\n"),
            ("/proc/sys/kernel/osrelease", "6.12.43+deb13-amd64\n"),
            ("/proc/cpuinfo", "processor : 0\nflags : fpu vmx\n"),
        ]);
        assert_eq!(fake.host.memory("MemTotal"), Some(2048 * 1024));
        assert_eq!(fake.host.kernel(), Some((6, 12)));
        assert_eq!(fake.host.processor_has(&["vmx", "svm"]), Some(true));
        assert_eq!(fake.host.processor_has(&["hypervisor"]), Some(false));
        assert_eq!(Fake::new(&[]).host.processor_has(&["vmx"]), None);
        assert!(fake.root().exists());
    }
}
