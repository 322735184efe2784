//! Files and folders of this computer that a Labfile names, and paths in the guest.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::labfile::problem::Problem;
use crate::labfile::raw::{At, Cx};
use crate::nearest::nearest;

/// The largest script that is taken, in bytes: a script goes through one ssh connection and stays in memory.
const SCRIPT_MAX: u64 = 16 * 1024 * 1024;

/// Names beyond this many are not looked at for a hint.
const NAMES_MAX: usize = 10_000;

/// How many of them are shown where none is near.
const NAMES_SHOWN: usize = 8;

/// The script that `written` names: absolute, a file that can be read.
pub(super) fn script(cx: &mut Cx<'_>, written: &At<String>) -> Option<PathBuf> {
    let path = on_host(cx, written, "script")?;
    match read_script(&path, &written.value) {
        Ok(text) => {
            if cx.warned.insert(path.clone()) {
                cx.problems.extend(script_warning(written, &text));
            }
            Some(path)
        }
        Err(problem) => {
            cx.push(match problem {
                Unusable::Missing => missing(written, &path, "script"),
                Unusable::Other(message, hint) => Problem::error(
                    "bad-file",
                    written.span.clone(),
                    format!("the script {} {message}", written.value),
                )
                .hint(hint),
            });
            None
        }
    }
}

enum Unusable {
    Missing,
    Other(String, String),
}

fn read_script(path: &Path, shown: &str) -> Result<Vec<u8>, Unusable> {
    let other = |message: &str, hint: &str| Err(Unusable::Other(message.to_owned(), hint.to_owned()));
    let failed = |error: &std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Unusable::Missing,
        ErrorKind::PermissionDenied => Unusable::Other(
            "may not be read by you".to_owned(),
            format!("make it readable: chmod a+r {shown}"),
        ),
        _ => Unusable::Other(format!("could not be read: {error}"), "try to open it in an editor".to_owned()),
    };
    // Asked before it is opened: to open a pipe is to wait for its other end.
    let about = fs::metadata(path).map_err(|error| failed(&error))?;
    if about.is_dir() {
        return other("is a folder", "name a file in it");
    }
    if !about.is_file() {
        return other("is not a regular file", "name a file with the script's text");
    }
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SCRIPT_MAX + 1).read_to_end(&mut text));
    read.map_err(|error| failed(&error))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > SCRIPT_MAX {
        return other(
            "is larger than 16 MiB",
            "copy large files in with `copy`, and let a small script use them",
        );
    }
    Ok(text)
}

/// What will surprise the guest's shell.
fn script_warning(written: &At<String>, text: &[u8]) -> Option<Problem> {
    let (name, span) = (&written.value, written.span.clone());
    if text.iter().all(u8::is_ascii_whitespace) {
        return Some(
            Problem::warning("empty-script", span, format!("the script {name} is empty"))
                .hint("write something into it, or take it out here"),
        );
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        return Some(
            Problem::warning("script-bom", span, format!("the script {name} begins with a byte order mark"))
                .hint("the guest does not see its `#!` line: save it as UTF-8 without BOM"),
        );
    }
    // Only text has lines; a program as a provisioner may hold any bytes.
    let is_text = !text.iter().take(8192).any(|byte| *byte == 0);
    (is_text && text.windows(2).any(|pair| pair == b"\r\n")).then(|| {
        Problem::warning("script-crlf", span, format!("the script {name} has Windows line ends"))
            .label("the shell takes each `\\r` for part of a word")
            .hint(format!("convert it with: sed -i 's/\\r$//' {name}"))
            .hint("in git, a line `*.sh text eol=lf` in .gitattributes keeps it so")
    })
}

/// The file or folder that `copy`'s `from` names: absolute, and there.
pub(super) fn copied(cx: &mut Cx<'_>, written: &At<String>) -> Option<PathBuf> {
    let path = on_host(cx, written, "file or folder")?;
    match fs::metadata(&path) {
        Ok(about) if about.is_file() || about.is_dir() => Some(path),
        Ok(_) => {
            let message = format!("{} is neither a file nor a folder", written.value);
            cx.push(
                Problem::error("bad-file", written.span.clone(), message).hint("name a file or a folder"),
            );
            None
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            cx.push(missing(written, &path, "file or folder"));
            None
        }
        Err(error) => {
            let message = format!("{} cannot be looked at: {error}", written.value);
            cx.push(
                Problem::error("bad-file", written.span.clone(), message)
                    .hint("check its folder's permissions"),
            );
            None
        }
    }
}

/// The file or folder that `written` names as a catalogue: absolute, and there.
pub(super) fn catalogue(cx: &mut Cx<'_>, written: &At<String>) -> Option<PathBuf> {
    let path = on_host(cx, written, "catalogue")?;
    if path.exists() {
        return Some(path);
    }
    cx.push(missing(written, &path, "catalogue"));
    None
}

/// A path in the guest: absolute, and without `..`.
pub(super) fn in_guest(cx: &mut Cx<'_>, written: At<String>) -> Option<String> {
    let text = written.value.as_str();
    let (message, hint) = if let Some(rest) = text.strip_prefix('~') {
        let message = "`to` cannot begin with `~`: files are copied in as root".to_owned();
        (message, format!("/home/vagrant{}", rest.trim_start_matches(|c| c != '/')))
    } else if !text.starts_with('/') {
        (format!("`to` must be an absolute path, and {text} is not"), format!("/{text}"))
    } else if text.split('/').any(|part| part == "..") {
        ("`to` cannot have `..` in it".to_owned(), resolved(text))
    } else {
        return Some(written.value);
    };
    cx.push(Problem::error("bad-path", written.span, message).hint(format!("write to = \"{hint}\"")));
    None
}

/// `/a/../b` as `/b`.
fn resolved(text: &str) -> String {
    let mut parts = Vec::new();
    for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    format!("/{}", parts.join("/"))
}

/// The path on this computer that `written` means.
fn on_host(cx: &mut Cx<'_>, written: &At<String>, what: &str) -> Option<PathBuf> {
    let text = written.value.as_str();
    let refused = if text.starts_with('~') {
        Some((
            format!("a {what} cannot be named with `~`, which would be another folder for everyone"),
            "keep it beside the Labfile, and write its path from there".to_owned(),
        ))
    } else if text.starts_with("http://") || text.starts_with("https://") {
        Some((
            format!("a {what} must be on this computer"),
            "download it to the Labfile's folder, and write its path from there".to_owned(),
        ))
    } else if cfg!(not(windows)) && text.contains('\\') && fs::symlink_metadata(cx.dir.join(text)).is_err() {
        Some((
            format!("{text} is written in the way of Windows"),
            format!("write \"{}\"", text.replace('\\', "/")),
        ))
    } else {
        None
    };
    if let Some((message, hint)) = refused {
        cx.push(Problem::error("bad-path", written.span.clone(), message).hint(hint));
        return None;
    }
    Some(cx.dir.join(text))
}

/// Something is not there: what is there instead?
fn missing(written: &At<String>, path: &Path, what: &str) -> Problem {
    let text = written.value.as_str();
    let problem = Problem::error("no-file", written.span.clone(), format!("there is no {what} {text}"));
    let folder = path.parent().unwrap_or(Path::new("/"));
    if folder.is_file() {
        let shown = Path::new(text).parent().unwrap_or(Path::new("")).display();
        return problem.hint(format!("{shown} is a file, not a folder"));
    }
    if !folder.is_dir() {
        let shown = Path::new(text).parent().map(|parent| parent.display().to_string()).unwrap_or_default();
        return problem
            .hint(format!("there is no folder {shown} either; paths begin at the Labfile's folder"));
    }
    let mut names: Vec<String> = fs::read_dir(folder)
        .map(|entries| {
            let names = entries.take(NAMES_MAX).flatten().map(|entry| entry.file_name());
            names.filter_map(|name| name.into_string().ok()).collect()
        })
        .unwrap_or_default();
    names.sort_unstable();
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    let shown = |name: &str| Path::new(text).with_file_name(name).display().to_string();
    if let Some(name) = nearest(&wanted, names.iter().map(String::as_str)) {
        return problem.hint(format!("did you mean \"{}\"?", shown(name)));
    }
    let below =
        names.iter().map(|name| Path::new(name).join(&*wanted)).find(|path| folder.join(path).is_file());
    if let Some(below) = below {
        let meant = Path::new(text).parent().unwrap_or(Path::new("")).join(below);
        return problem.hint(format!("did you mean \"{}\"?", meant.display()));
    }
    let there: Vec<_> = names
        .iter()
        .filter(|name| !name.starts_with('.'))
        .take(NAMES_SHOWN)
        .map(|name| shown(name))
        .collect();
    match there.is_empty() {
        true => problem.hint("its folder is empty; paths begin at the Labfile's folder"),
        false => {
            problem.hint(format!("there are: {}; paths begin at the Labfile's folder", there.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_resolved() {
        assert_eq!(resolved("/srv/../etc/./x"), "/etc/x");
        assert_eq!(resolved("/../.."), "/");
    }

    #[test]
    fn programs_have_no_lines() {
        let written = At { value: "x".to_owned(), span: 0..1 };
        assert!(script_warning(&written, b"\x7fELF\0\r\n").is_none());
        assert_eq!(script_warning(&written, b"#!/bin/sh\r\n").unwrap().code, "script-crlf");
        assert_eq!(script_warning(&written, b" \n").unwrap().code, "empty-script");
    }
}
