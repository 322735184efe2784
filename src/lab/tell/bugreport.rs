//! What a bug report carries: a text that a person can read before it is sent, without what is nobody's business.
//!
//! What is taken stands on a list (`files`), and of those files the outline only, where they may hold what a person
//! wrote; see [`super::outline`]. All else in the lab is named as left out. Nothing is read through a link: it could
//! lead to any file of the user's. The forms of secrets that [`super::redact`] knows are taken out of what is left.
//!
//! Text rather than an archive: it can be looked through with any editor, and goes through every mail server.
//! It needs no state, no Labfile and no provider that works, since those may be what is wrong.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::cancel::Cancel;
use crate::labfile::FILE_NAME;
use crate::process::Cmd;
use crate::{labfile, printable};

use super::outline::{self, Outline};
use crate::lab::disk::files::{Home, LabFiles};
use crate::provider::SharedDir;
use crate::provider::table::TABLE;

use super::redact::{Person, secrets};

/// How much of a machine's log is taken, in bytes: its last part.
const MACHINE_LOG: u64 = 64 << 10;
/// How much of any other file.
const FILE: u64 = 512 << 10;
/// How deep in `.lab` files are looked for: VirtualBox's logs are in the sixth folder.
const DEPTH: usize = 7;
/// How many files of the lab are named as left out, at most.
const NAMED: usize = 100;
/// How long a program may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// A bug report: its parts, each fit to be sent.
#[derive(Debug)]
pub struct BugReport {
    /// The parts, in their order.
    pub parts: Vec<Part>,
    /// What is not in it: files, and why.
    pub left_out: Vec<String>,
}

/// One file of the report, or what was found out for it.
#[derive(Debug)]
pub struct Part {
    /// What it is: a file's path in the lab, or words.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Whether it is only the last part of a longer one.
    pub cut: bool,
    /// How many values or lines of it were left out.
    pub left_out: usize,
}

/// How a file is told.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Labfile,
    Pins,
    State,
    LabLog,
    /// What a machine's console or its provider said.
    MachineLog,
}

impl BugReport {
    /// Collects a report on the lab in `dir`, or, where there is none, on this computer alone.
    pub fn collect(dir: Option<&Path>, home: &Home, cancel: &Cancel) -> Self {
        let person = Person::here();
        let fit = |text: &str| person.taken_out_of(&secrets(&printable::text(text)));
        let about = fit(&about(home, cancel));
        let mut report = BugReport {
            parts: vec![Part { name: "this computer".to_owned(), text: about, cut: false, left_out: 0 }],
            left_out: Vec::new(),
        };
        if let Some(dir) = dir {
            report.add_lab(dir, &fit);
        }
        report
    }

    fn add_lab(&mut self, dir: &Path, fit: &dyn Fn(&str) -> String) {
        let (taken, mut others) = files(dir);
        for (path, manner) in taken {
            let shown = fit(&printable::line(&path.to_string_lossy()));
            let limit = if matches!(manner, Manner::MachineLog) { MACHINE_LOG } else { FILE };
            match end_of(dir, &path, limit) {
                Ok((text, cut)) => match told(manner, &text) {
                    Ok(Outline { text, left_out }) => {
                        self.parts.push(Part { name: shown, text: fit(&text), cut, left_out });
                    }
                    Err(why) => self.left_out.push(format!("{shown}: {}", fit(&why))),
                },
                Err(source) if source.kind() == ErrorKind::NotFound => {}
                Err(source) => self.left_out.push(format!("{shown}: {source}")),
            }
        }
        let more = others.len().saturating_sub(NAMED);
        others.truncate(NAMED);
        self.left_out.extend(others.iter().map(|path| fit(&printable::line(&path.to_string_lossy()))));
        if more > 0 {
            self.left_out.push(format!("{more} more files"));
        }
    }

    /// The report as one text.
    pub fn text(&self) -> String {
        let mut text = "A bug report of lab. Its parts:\n".to_owned();
        for part in &self.parts {
            text.push_str(&format!("- {}\n", part.words()));
        }
        if !self.left_out.is_empty() {
            text.push_str("Left out:\n");
        }
        for what in &self.left_out {
            text.push_str(&format!("- {what}\n"));
        }
        for part in &self.parts {
            text.push_str(&format!("\n===== {} =====\n{}", part.name, part.text));
            if !part.text.ends_with('\n') {
                text.push('\n');
            }
        }
        text
    }
}

impl Part {
    /// Its name and size.
    pub fn words(&self) -> String {
        let (name, lines) = (&self.name, self.text.lines().count());
        let s = if lines == 1 { "" } else { "s" };
        let cut = if self.cut { ", its last part" } else { "" };
        let left_out = match self.left_out {
            0 => String::new(),
            count => format!(", {count} left out"),
        };
        format!("{name}: {lines} line{s}{cut}{left_out}")
    }
}

/// What is told of a file's text, or why nothing is.
fn told(manner: Manner, text: &str) -> Result<Outline, String> {
    // The message of a failure says which file or port it was about.
    const TOLD: &[&str] = &["failure"];
    match manner {
        Manner::Labfile => {
            outline::labfile(text).ok_or_else(|| match labfile::parse(text, Path::new(FILE_NAME)) {
                Err(report) => format!("it is no TOML; {}", places(&report)),
                Ok(_) => "it is no TOML".to_owned(),
            })
        }
        Manner::Pins => outline::pins(text).ok_or_else(|| "it is not as lab writes it".to_owned()),
        Manner::State => {
            outline::json(text, TOLD).map_err(|why| format!("it is no JSON ({} bytes): {why}", text.len()))
        }
        Manner::LabLog => Ok(outline::log(text)),
        Manner::MachineLog => Ok(Outline { text: text.to_owned(), left_out: 0 }),
    }
}

/// Where a Labfile's mistakes are: their words would quote it.
fn places(report: &labfile::Report) -> String {
    let places = report.to_json();
    let place = |problem: &serde_json::Value| {
        format!("{} at {}:{}", problem["code"], problem["line"], problem["column"])
    };
    places.as_array().map_or_else(String::new, |all| all.iter().map(place).collect::<Vec<_>>().join(", "))
}

/// The files that tell something, with how each is told, and all others of the lab. Both by their paths in `dir`.
fn files(dir: &Path) -> (Vec<(PathBuf, Manner)>, Vec<PathBuf>) {
    let lab = LabFiles::beside(Path::new(""));
    let older = lab.log().with_extension("log.1");
    let mut taken = vec![
        (FILE_NAME.into(), Manner::Labfile),
        (lab.pins(), Manner::Pins),
        (lab.state(), Manner::State),
        (older, Manner::LabLog),
        (lab.log(), Manner::LabLog),
    ];
    let (mut all, mut others) = (Vec::new(), Vec::new());
    walk(dir, lab.root(), DEPTH, &mut all);
    all.sort();
    for path in all {
        let name = path.file_name().unwrap_or_default();
        let is_log = path.extension().is_some_and(|end| end == "log") && path.starts_with(lab.machines());
        // What provisioners said is theirs.
        if is_log && name != lab.provision_log("").file_name().unwrap_or_default() {
            taken.push((path, Manner::MachineLog));
        } else if taken.iter().all(|(known, _)| *known != path) {
            others.push(path);
        }
    }
    (taken, others)
}

/// The files below `dir`/`below`, links among them, which are not followed.
fn walk(dir: &Path, below: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    if !is_folder(&dir.join(below)) {
        return;
    }
    for entry in std::fs::read_dir(dir.join(below)).into_iter().flatten().flatten() {
        let path = below.join(entry.file_name());
        if depth > 1 && is_folder(&dir.join(&path)) {
            walk(dir, &path, depth - 1, found);
        } else {
            found.push(path);
        }
    }
}

/// The last `limit` bytes of the file `path` in `dir`, and whether that is not all. Only a file with one name, which no
/// link leads to: else it is another one's.
fn end_of(dir: &Path, path: &Path, limit: u64) -> io::Result<(String, bool)> {
    let mut at = dir.to_owned();
    for part in path.components().filter(|part| matches!(part, Component::Normal(_))) {
        at.push(part);
        if at.symlink_metadata()?.is_symlink() {
            return Err(io::Error::other("a link, which is not followed"));
        }
    }
    let mut file = open(&at)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("no file"));
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&meta) > 1 {
        return Err(io::Error::other("a file that has another name, too"));
    }
    let from = meta.len().saturating_sub(limit);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), from > 0))
}

/// Opens a file that is no link, and does not wait for one that is a pipe.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty()).map(File::from)?)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// What stands for the lab's surroundings: versions, the system, what the environment says to lab.
fn about(home: &Home, cancel: &Cancel) -> String {
    let mut lines = vec![
        format!("lab {}", env!("CARGO_PKG_VERSION")),
        format!("time: {}", jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z")),
        format!("system: {} {}", std::env::consts::OS, std::env::consts::ARCH),
        format!("boxes are kept in {}", home.root().display()),
    ];
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    lines.extend(name.map(|name| format!("distribution: {}", name.trim_matches('"'))));
    if cfg!(unix) {
        lines.push(format!("kernel: {}", said(&Cmd::new("uname").arg("-srm").timeout(PATIENCE), cancel)));
    }
    if cfg!(target_os = "macos") {
        lines.push(format!(
            "macOS: {}",
            said(&Cmd::new("sw_vers").arg("-productVersion").timeout(PATIENCE), cancel)
        ));
    }
    for entry in TABLE.entries() {
        let (name, provider) = (entry.name, (entry.make)(SharedDir(home.bases())));
        lines.push(match provider.available(cancel) {
            Ok(found) => {
                let doubt = found.doubt.map_or_else(String::new, |doubt| format!(" ({doubt})"));
                format!("{name}: {}, {}{doubt}", found.version, found.acceleration)
            }
            Err(error) => format!("{name}: {error}"),
        });
    }
    lines.push(format!("ssh: {}", said(&Cmd::new("ssh").arg("-V").timeout(PATIENCE), cancel)));
    let mut variables: Vec<String> = std::env::vars_os()
        .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
        .filter(|variable| variable.starts_with("LAB_"))
        .collect();
    variables.sort();
    lines.extend(variables);
    lines.join("\n") + "\n"
}

/// The first line of what a program says, on whichever stream, or why it does not.
fn said(program: &Cmd, cancel: &Cancel) -> String {
    let words = match program_output(program, cancel) {
        Ok(words) => words,
        Err(error) => error.message().to_owned(),
    };
    words.lines().next().unwrap_or("it said nothing").to_owned()
}

fn program_output(program: &Cmd, cancel: &Cancel) -> crate::error::Result<String> {
    let output = program.output(cancel)?;
    Ok(output.stdout + &output.stderr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home"));
        std::fs::create_dir_all(dir.path().join(".lab/machines/web1/virtualbox/lab/x-web1/Logs")).unwrap();
        (dir, home)
    }

    #[test]
    fn what_is_on_the_list_is_taken_and_all_else_is_named() {
        let (dir, home) = lab();
        let write = |path: &str, text: &str| std::fs::write(dir.path().join(path), text).unwrap();
        for path in
            [".lab/id_rsa", ".lab/machines/web1/disk.qcow2", ".lab/machines/web1/provision.log", ".lab/x.log"]
        {
            write(path, "S3CRET");
        }
        write("Labfile", "[lab]\nbox = \"demo\"\n[machine.web1]\nprovision = [{ inline = \"S3CRET\" }]\n");
        write("other.txt", "S3CRET");
        write(".lab/state.json", "{\"version\": 1}");
        write(".lab/lab.log.1", "2026-01-01T10:00:00.123+01:00 [7] web1: start: done\nS3CRET\n");
        write(".lab/machines/web1/console.log", "login:");
        let deep = ".lab/machines/web1/virtualbox/lab/x-web1/Logs";
        write(&format!("{deep}/VBox.log"), &"x".repeat(100_000));
        write(&format!("{deep}/VBox.png"), "S3CRET");
        let report = BugReport::collect(Some(dir.path()), &home, &Cancel::new());
        let names: Vec<&str> = report.parts.iter().map(|part| part.name.as_str()).collect();
        let vbox = format!("{deep}/VBox.log");
        assert_eq!(
            names,
            [
                "this computer",
                "Labfile",
                ".lab/state.json",
                ".lab/lab.log.1",
                ".lab/machines/web1/console.log",
                &vbox
            ]
        );
        let cut: Vec<bool> = report.parts.iter().map(|part| part.cut).collect();
        assert_eq!(cut, [false, false, false, false, false, true]);
        assert_eq!(
            report.left_out,
            [
                ".lab/id_rsa",
                ".lab/machines/web1/disk.qcow2",
                ".lab/machines/web1/provision.log",
                &format!("{deep}/VBox.png"),
                ".lab/x.log"
            ]
        );
        let text = report.text();
        assert!(!text.contains("S3CRET"), "{text}");
        assert!(text.contains("- Labfile: 5 lines, 1 left out\n"), "{text}");
        assert!(
            text.contains(
                "===== .lab/lab.log.1 =====\n2026-01-01T10:00:00.123+01:00 [7] web1: start: done\n"
            ),
            "{text}"
        );
        assert_eq!(BugReport::collect(None, &home, &Cancel::new()).parts.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_read_through_a_link_or_a_pipe() {
        use std::os::unix::fs::symlink;
        let (dir, home) = lab();
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("x.log");
        // Of a form that would be taken.
        std::fs::write(&secret, "2026-01-01T10:00:00.123+01:00 [7] S3CRET\n").unwrap();
        std::fs::write(outside.path().join("console.log"), "S3CRET").unwrap();
        std::fs::write(outside.path().join("s"), "{\"failure\": \"S3CRET\"}").unwrap();
        symlink(&secret, dir.path().join(".lab/lab.log")).unwrap();
        symlink(outside.path().join("s"), dir.path().join(".lab/state.json")).unwrap();
        symlink(&secret, dir.path().join(".lab/machines/web1/console.log")).unwrap();
        symlink(outside.path(), dir.path().join(".lab/machines/web2")).unwrap();
        std::fs::hard_link(&secret, dir.path().join(".lab/lab.log.1")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("Labfile.lock"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        symlink("/dev/zero", dir.path().join("Labfile")).unwrap();
        let report = BugReport::collect(Some(dir.path()), &home, &Cancel::new());
        assert!(!report.text().contains("S3CRET"), "{}", report.text());
        assert_eq!(report.parts.len(), 1);
        assert_eq!(report.left_out.len(), 7, "{:?}", report.left_out);

        let (dir, home) = (tempfile::tempdir().unwrap(), home);
        std::fs::create_dir(outside.path().join("machines")).unwrap();
        std::fs::write(outside.path().join("machines/console.log"), "S3CRET").unwrap();
        symlink(outside.path(), dir.path().join(".lab")).unwrap();
        let report = BugReport::collect(Some(dir.path()), &home, &Cancel::new());
        assert!(!report.text().contains("S3CRET"), "{}", report.text());
    }

    #[test]
    fn of_a_labfile_that_cannot_be_read_the_places_are_told() {
        let (dir, home) = lab();
        std::fs::write(dir.path().join("Labfile"), "[lab]\nS3CRET = = \"S3CRET\"\n").unwrap();
        let report = BugReport::collect(Some(dir.path()), &home, &Cancel::new());
        assert!(!report.text().contains("S3CRET"), "{}", report.text());
        assert!(
            report.left_out[0].starts_with("Labfile: it is no TOML; \"")
                && report.left_out[0].contains(" at 2:"),
            "{:?}",
            report.left_out
        );
    }
}
