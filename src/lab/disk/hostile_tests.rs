//! Folders that came from anywhere, and files that were damaged: nothing outside is touched, and nothing is waited for.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::files::LabFiles;
use super::lock::Lock;
use super::log::LabLog;
use super::ports::{NETWORK_RANGE, Ports, Purpose};
use super::register_tests::{Class, is_foreign, is_ours};
use super::remove;
use crate::error::Kind;

/// Makes something in the place of a `.lab`.
type Make<'a> = &'a dyn Fn(&Path);

/// What came with a folder, and may be anything.
#[test]
fn what_is_called_lab_and_is_none_is_refused_and_left_alone() {
    let class = Class::new();
    let documents = class.path("Documents");
    fs::create_dir_all(&documents).unwrap();
    fs::write(documents.join("thesis.tex"), "precious").unwrap();
    let make: [(&str, Make<'_>); 4] = [
        ("a link", &|lab| symlink(&documents, lab).unwrap()),
        ("a link to nothing", &|lab| symlink("/nowhere", lab).unwrap()),
        ("a file", &|lab| fs::write(lab, "").unwrap()),
        ("open to all", &|lab| {
            fs::create_dir(lab).unwrap();
            fs::set_permissions(lab, fs::Permissions::from_mode(0o777)).unwrap();
        }),
    ];
    for (number, (what, make)) in make.iter().enumerate() {
        let dir = class.path(&format!("class{number}"));
        fs::create_dir(&dir).unwrap();
        make(&dir.join(".lab"));
        let found = class.find(&dir);
        let error = found.refusal().unwrap_or_else(|| panic!("{what}"));
        assert_eq!(error.kind(), Kind::ForeignLab, "{what}");
        assert!(!error.hints().is_empty(), "{what}");
    }
    assert_eq!(fs::read_to_string(documents.join("thesis.tex")).unwrap(), "precious");
    assert_eq!(fs::read_dir(documents).unwrap().count(), 1);
}

/// Those that only root can make.
#[test]
fn a_folder_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let class = Class::new();
    let dir = class.lab("class", "a");
    chown(dir.join(".lab"), Some(21001), None).unwrap();
    let error = class.find(&dir).refusal().unwrap();
    assert!(error.message().contains("another user (number 21001)"), "{error}");
    // Root in somebody's lab that root knows.
    chown(&dir, Some(21001), None).unwrap();
    is_ours(class.find(&dir));
}

#[test]
fn a_link_or_a_pipe_in_a_lab_of_ours_is_refused_by_its_path() {
    let class = Class::new();
    let dir = class.lab("class", "a");
    let files = LabFiles::beside(&dir);
    files.make_machine("web1").unwrap();
    fs::create_dir_all(files.machine("web1").join("virtualbox")).unwrap();
    for name in ["lab.log", "machines/web2", "machines/web1/console.log"] {
        let path = files.root().join(name);
        symlink("/etc/passwd", &path).unwrap();
        let error = class.find(&dir).refusal().unwrap();
        assert!(error.message().starts_with(&path.display().to_string()), "{error}");
        fs::remove_file(&path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        assert_eq!(class.find(&dir).refusal().unwrap().kind(), Kind::ForeignLab);
        fs::remove_file(&path).unwrap();
    }
    // Its provider's own affair.
    symlink("/etc/passwd", files.machine("web1").join("virtualbox/link")).unwrap();
    is_ours(class.find(&dir));
}

#[test]
fn states_that_are_none_are_no_lab_of_ours_and_are_not_waited_for() {
    let class = Class::new();
    let dir = class.path("class");
    let state = LabFiles::beside(&dir).state();
    fs::create_dir_all(dir.join(".lab/machines/web1")).unwrap();
    let known = class.lab("known", "a");
    let make: [&dyn Fn(); 7] = [
        &|| symlink(LabFiles::beside(&known).state(), &state).unwrap(),
        &|| rustix::fs::mkfifoat(rustix::fs::CWD, &state, rustix::fs::Mode::RWXU).unwrap(),
        &|| fs::create_dir(&state).unwrap(),
        &|| symlink("/dev/zero", &state).unwrap(),
        &|| fs::File::create(&state).unwrap().set_len(1 << 40).unwrap(),
        &|| fs::write(&state, "[".repeat(1 << 20)).unwrap(),
        &|| fs::write(&state, r#"{"version":2,"lab_id":{"x":1},"seal":["a"]}"#).unwrap(),
    ];
    for make in make {
        make();
        is_foreign(class.find(&dir));
        fs::remove_file(&state).or_else(|_| fs::remove_dir(&state)).unwrap();
    }
}

/// Numbers that look random and are the same each time (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// Damages one of `paths`, or puts something else in its place. `outside` is a file that links lead to.
fn damage(dice: &mut Dice, paths: &[PathBuf], outside: &Path) -> String {
    let path = &paths[dice.roll(paths.len())];
    // Not by the damage itself.
    let leads_out =
        |path: &Path| path.canonicalize().is_ok_and(|real| real.starts_with(outside.parent().unwrap()));
    if leads_out(path) || leads_out(path.parent().unwrap()) {
        return "nothing".to_owned();
    }
    let gone = || {
        let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
    };
    let is_plain = |path: &Path| path.metadata().is_ok_and(|seen| seen.is_file() || seen.is_dir());
    if !is_plain(path) {
        // Lest we wait for a pipe.
        gone();
    }
    let bytes = fs::read(path).unwrap_or_default();
    let what = dice.roll(11);
    match what {
        0 => gone(),
        1 => {
            gone();
            let _ = fs::create_dir_all(path.join("deep"));
        }
        2 => {
            gone();
            let _ = symlink(outside, path);
        }
        3 => {
            gone();
            let _ = symlink(outside.parent().unwrap(), path);
        }
        4 => {
            gone();
            let _ = rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU);
        }
        5 => drop(fs::set_permissions(path, fs::Permissions::from_mode(0o777))),
        6 => drop(fs::write(path, &bytes[..dice.roll(bytes.len() + 1)])),
        7 => drop(fs::File::create(path).and_then(|file| file.set_len(1 << 36))),
        8 => {
            let other = &paths[dice.roll(paths.len())];
            if is_plain(other) {
                let _ = fs::copy(other, path);
            }
        }
        9 => drop(chown(path, Some(21001), Some(21001))),
        _ => {
            let mut bytes = bytes;
            for _ in 0..=dice.roll(4) {
                let at = dice.roll(bytes.len().max(1));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = dice.roll(256) as u8;
                }
            }
            let _ = fs::write(path, bytes);
        }
    }
    format!("{what} at {}", path.display())
}

/// What commands do on disk: `up`, then `destroy`.
fn use_it(class: &Class, dir: &Path) -> crate::error::Result<()> {
    let found = class.find_it(dir)?;
    let files = LabFiles::beside(dir);
    let made = ["disk.qcow2", "console.log"];
    if found.refusal().is_some() {
        return remove::unbelieved(&files, &made).map(drop);
    }
    let lock = Lock::take(&files, "lab up", class.wait())?;
    let log = LabLog::default();
    log.begin(&files.log(), "lab up");
    files.make_machine("web1")?;
    class.register().enter(&super::Entry::new("a", dir, "qemu"))?;
    let ports = Ports::of(&class.home, "a", class.wait());
    ports.claim_one_of(NETWORK_RANGE, Purpose::Network, None)?;
    super::seal::encode(&class.home, &serde_json::json!({ "lab_id": "a" }))?;
    ports.release_all()?;
    remove::machine(&files, "web1", &made)?;
    remove::lab(&files, lock, &made)?;
    class.register().leave("a")
}

/// `LAB_TEST_DAMAGES` says how many.
#[test]
fn damages_touch_nothing_outside_and_end() {
    let asked = std::env::var("LAB_TEST_DAMAGES").ok().and_then(|text| text.parse().ok());
    let rounds: usize = asked.unwrap_or(60);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut fine) = (0, 0);
    let begun = Instant::now();
    for round in 0..rounds {
        let class = Class::new();
        let outside = class.path("Documents/thesis.tex");
        fs::create_dir_all(outside.parent().unwrap()).unwrap();
        fs::write(&outside, "precious").unwrap();
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o644)).unwrap();
        let dir = class.lab("class", "a");
        let files = LabFiles::beside(&dir);
        files.make_machine("web1").unwrap();
        let ports = Ports::of(&class.home, "a", class.wait());
        ports.claim_one_of(NETWORK_RANGE, Purpose::Network, None).unwrap();
        let console = files.machine("web1").join("console.log");
        for file in [files.lock(), files.log(), files.key(), console.clone(), files.known_hosts("web1")] {
            fs::write(file, "text").unwrap();
        }
        let home = &class.home;
        let paths = [
            files.root().to_owned(),
            files.state(),
            files.lock(),
            files.log(),
            files.key(),
            files.gitignore(),
            files.machines(),
            files.machine("web1"),
            console,
            files.known_hosts("web1"),
            home.labs(),
            home.secret(),
            home.ports(),
            home.registers_lock(),
        ];
        let mut done = vec![damage(&mut dice, &paths, &outside)];
        if round % 3 == 0 {
            done.push(damage(&mut dice, &paths, &outside));
        }
        match use_it(&class, &dir) {
            Ok(()) => fine += 1,
            Err(error) => {
                refused += 1;
                assert!(!error.hints().is_empty(), "{done:?}: {error} {:?}", error.details());
                assert_ne!(error.kind(), Kind::Internal, "{done:?}: {error}");
            }
        }
        let whole = fs::read_to_string(&outside).is_ok_and(|text| text == "precious");
        let mode = outside.metadata().map(|file| file.permissions().mode() & 0o777).unwrap_or_default();
        let alone = fs::read_dir(outside.parent().unwrap()).unwrap().count() == 1;
        assert!(whole && alone && mode == 0o644, "{done:?}");
        assert!(begun.elapsed() < Duration::from_secs(10) * rounds as u32, "{done:?}");
    }
    assert!(refused > rounds / 20 && fine > rounds / 20, "{refused} refused, {fine} fine");
}
