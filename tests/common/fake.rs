//! Programs that are shell scripts, for faults that the real ones do not produce on demand; and a lab whose QEMU is one.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::TestLab;

/// What `qemu-img` does as far as `lab` can tell.
const IMG: &str = r#"
for last; do :; done
case $1 in
info) echo '{"format": "raw"}' ;;
measure) echo '{"required": 1048576}' ;;
create | convert) echo disk >"$last" ;;
esac
"#;

/// A current version, and whatever `start` does when a machine is to be started.
pub fn system(start: &str) -> String {
    format!("case $1 in --version) echo 'QEMU emulator version 7.2.22 (Debian)'; exit ;; esac\n{start}\n")
}

/// One machine, `solo`, of an image that boots nothing; `more` goes into its table.
pub fn lab(start: &str, more: &str) -> TestLab {
    let lab = TestLab::bare(&format!("lab.box = 'disk.img'\n[machine.solo]\n{more}\n"));
    let mut disk = vec![0; 1 << 20];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    std::fs::write(lab.dir().join("disk.img"), disk).unwrap();
    let folder = lab.root().join("qemu");
    program(&folder, "qemu-img", IMG);
    program(&folder, "qemu-system-x86_64", &system(start));
    let folder = folder.to_str().unwrap().to_owned();
    lab.env("LAB_PROVIDER", "qemu").env("LAB_QEMU", &folder).env("LAB_QEMU_ACCEL", "tcg")
}

/// A lab with one machine that has been created and could not be started.
pub fn lab_that_is_off() -> TestLab {
    let lab = lab("echo 'something new'; exit 1", "");
    lab.lab(&["up"]).exits(7);
    lab
}

/// Writes the program `name`, a shell script, into a folder.
pub fn program(folder: &Path, name: &str, script: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// A folder that has nothing but these of the programs on `PATH`.
pub fn path_with(lab: &TestLab, programs: &[&str]) -> PathBuf {
    let folder = lab.root().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    for name in programs {
        let path = std::env::var("PATH").unwrap();
        let found = path.split(':').map(|dir| Path::new(dir).join(name)).find(|path| path.exists());
        symlink(found.unwrap_or_else(|| panic!("{name} is not installed")), folder.join(name)).unwrap();
    }
    folder
}

/// `lab ARGS` as somebody without root's rights to everything.
pub fn unprivileged(lab: &TestLab, args: &[&str]) -> Command {
    let command = lab.command(args);
    if !rustix::process::getuid().is_root() {
        return command;
    }
    // The folders above the program may be closed to others.
    let program = lab.root().join("lab-program");
    if !program.exists() {
        std::fs::copy(command.get_program(), &program).unwrap();
    }
    std::fs::set_permissions(lab.root(), PermissionsExt::from_mode(0o755)).unwrap();
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).args(args);
    setpriv.current_dir(lab.dir());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => setpriv.env(name, value),
            None => setpriv.env_remove(name),
        };
    }
    setpriv
}
