//! What a bug report carries: a text that one can read before it is sent, without what is nobody's business.
//!
//! Text rather than an archive: it can be looked through with any editor, and goes through every mail server.
//! It needs no state, no Labfile and no provider that works, since those may be what is wrong.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cancel::Cancel;
use crate::labfile::FILE_NAME;
use crate::process::Cmd;
use crate::tail;

use crate::lab::disk::files::{Home, LabFiles};
use crate::lab::disk::log;
use crate::provider::SharedDir;
use crate::provider::table::TABLE;

use super::redact::{Person, secrets};

/// How much of a machine's log is taken, in bytes: its last part.
const MACHINE_LOG: u64 = 64 << 10;
/// How much of any other file.
const FILE: u64 = 512 << 10;
/// How deep in a machine's folder its provider's logs may lie: VirtualBox's are in four folders.
const DEPTH: usize = 5;
/// How long a program may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// A bug report: its parts, each fit to be sent.
#[derive(Debug)]
pub struct BugReport {
    /// The parts, in their order.
    pub parts: Vec<Part>,
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
}

impl BugReport {
    /// Collects a report on the lab in `dir`, or, where there is none, on this computer alone.
    pub fn collect(dir: Option<&Path>, home: &Home, cancel: &Cancel) -> Self {
        let person = Person::here();
        let fit = |text: &str| person.taken_out_of(&secrets(text));
        let mut parts =
            vec![Part { name: "this computer".to_owned(), text: fit(&about(home, cancel)), cut: false }];
        for (name, path, limit) in dir.map(files).unwrap_or_default() {
            let (text, cut) = match tail::end_of(&path, limit) {
                Ok(bytes) => {
                    let all = path.metadata().map_or(0, |file| file.len());
                    (clean(&bytes), all > bytes.len() as u64)
                }
                Err(source) if source.kind() == ErrorKind::NotFound => continue,
                Err(source) => (format!("could not be read: {source}\n"), false),
            };
            parts.push(Part { name: fit(&name), text: fit(&text), cut });
        }
        BugReport { parts }
    }

    /// The report as one text.
    pub fn text(&self) -> String {
        let mut text = "A bug report of lab. Its parts:\n".to_owned();
        for part in &self.parts {
            text.push_str(&format!("- {}\n", part.words()));
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
        format!("{name}: {lines} line{s}{cut}")
    }
}

/// The files that tell something, each with the name that it has in the report and how much of it is taken. No key is
/// among them: of a machine's folder, logs are.
fn files(dir: &Path) -> Vec<(String, PathBuf, u64)> {
    let lab = LabFiles::beside(dir);
    let mut paths = vec![(dir.join(FILE_NAME), FILE), (lab.pins(), FILE), (lab.state(), FILE)];
    paths.extend(log::files(&lab.log()).into_iter().map(|path| (path, FILE)));
    let mut logs = Vec::new();
    find_logs(&lab.machines(), DEPTH + 1, &mut logs);
    logs.sort();
    paths.extend(logs.into_iter().map(|path| (path, MACHINE_LOG)));
    let name = |path: &Path| path.strip_prefix(dir).unwrap_or(path).display().to_string();
    paths.into_iter().map(|(path, limit)| (name(&path), path, limit)).collect()
}

fn find_logs(dir: &Path, depth: usize, logs: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) && depth > 1 {
            find_logs(&path, depth - 1, logs);
        } else if kind.is_ok_and(|kind| kind.is_file()) && path.extension().is_some_and(|name| name == "log")
        {
            logs.push(path);
        }
    }
}

/// Text without what a console says to a terminal.
fn clean(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
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

    #[test]
    fn logs_are_found_and_keys_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join(".lab/machines/web1/virtualbox/lab/x-web1/Logs");
        std::fs::create_dir_all(&deep).unwrap();
        for path in
            [".lab/id_rsa", ".lab/state.json", ".lab/machines/web1/console.log", "Labfile", ".lab/lab.log.1"]
        {
            std::fs::write(dir.path().join(path), "x").unwrap();
        }
        std::fs::write(deep.join("VBox.log"), "x".repeat(100_000)).unwrap();
        std::fs::write(deep.join("VBox.png"), "x").unwrap();
        let home = Home::at(dir.path().join("home"));
        let report = BugReport::collect(Some(dir.path()), &home, &Cancel::new());
        let names: Vec<&str> = report.parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "this computer",
                "Labfile",
                ".lab/state.json",
                ".lab/lab.log.1",
                ".lab/machines/web1/console.log",
                ".lab/machines/web1/virtualbox/lab/x-web1/Logs/VBox.log"
            ]
        );
        let cut: Vec<bool> = report.parts.iter().map(|part| part.cut).collect();
        assert_eq!(cut, [false, false, false, false, false, true]);
        assert!(report.text().contains("===== .lab/state.json =====\nx\n"));
        assert_eq!(BugReport::collect(None, &home, &Cancel::new()).parts.len(), 1);
    }
}
