//! Files and folders of this computer that a Labfile names, and paths in the guest.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::boxes::Source;
use crate::labfile::beyond::{Beyond, outside};
use crate::labfile::problem::Problem;
use crate::labfile::raw::{At, Cx};
use crate::labfile::scripts::{Surprise, Unusable};
use crate::labfile::trust::{About, user};
use crate::nearest::nearest;

/// Names beyond this many are not looked at for a hint.
const NAMES_MAX: usize = 1000;

/// How many of them are shown where none is near.
const NAMES_SHOWN: usize = 8;

/// The script that `written` names: absolute, a file that can be read.
pub(super) fn script(cx: &mut Cx<'_>, written: &At<String>) -> Option<PathBuf> {
    let path = on_host(cx, written, "script")?;
    match cx.scripts.look(&path, &written.value) {
        Ok(surprise) => {
            if let Some(surprise) = surprise {
                cx.push(script_warning(written, surprise));
            }
            look_at(cx, written, &path);
            Some(path)
        }
        Err(Unusable::Missing) => {
            missing(cx, written, &path, "script");
            None
        }
        Err(Unusable::Other(message, hint)) => {
            let message = format!("the script {} {message}", written.value);
            cx.push(Problem::error("bad-file", written.span.clone(), message).hint(hint));
            None
        }
    }
}

/// What will surprise the guest's shell.
fn script_warning(written: &At<String>, surprise: Surprise) -> Problem {
    let (name, span) = (&written.value, written.span.clone());
    match surprise {
        Surprise::Empty => Problem::warning("empty-script", span, format!("the script {name} is empty"))
            .hint("write something into it, or take it out here"),
        Surprise::ByteOrderMark => {
            Problem::warning("script-bom", span, format!("the script {name} begins with a byte order mark"))
                .hint("the guest does not see its `#!` line: save it as UTF-8 without BOM")
        }
        Surprise::WindowsLines => {
            Problem::warning("script-crlf", span, format!("the script {name} has Windows line ends"))
                .label("the shell takes each `\\r` for part of a word")
                .hint(format!("convert it with: sed -i 's/\\r$//' {name}"))
                .hint("in git, a line `*.sh text eol=lf` in .gitattributes keeps it so")
        }
    }
}

/// The file or folder that `copy`'s `from` names: absolute, and there.
pub(super) fn copied(cx: &mut Cx<'_>, written: &At<String>) -> Option<PathBuf> {
    let path = on_host(cx, written, "file or folder")?;
    match fs::metadata(&path) {
        Ok(about) if about.is_file() || about.is_dir() => {
            look_at(cx, written, &path);
            Some(path)
        }
        Ok(_) => {
            let message = format!("{} is neither a file nor a folder", written.value);
            cx.push(
                Problem::error("bad-file", written.span.clone(), message).hint("name a file or a folder"),
            );
            None
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            missing(cx, written, &path, "file or folder");
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
pub(super) fn catalogue(cx: &mut Cx<'_>, written: &At<String>) -> Option<At<PathBuf>> {
    let path = on_host(cx, written, "catalogue")?;
    if path.exists() {
        look_at(cx, written, &path);
        return Some(At { value: path, span: written.span.clone() });
    }
    missing(cx, written, &path, "catalogue");
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

/// Notes a box that is a file of this computer outside of the Labfile's folder. Whose it is makes no difference: its
/// checksum is pinned.
pub(super) fn boxed(cx: &mut Cx<'_>, written: &At<String>) {
    if let Some(Ok(Source::File(path))) = Source::recognise(&written.value, cx.dir)
        && let Some(real) = outside(&cx.real_dir, &path)
    {
        cx.reaches.push((written.span.clone(), Beyond::Box { written: written.value.clone(), real }));
    }
}

/// Looks at a file that is there: whether it lies outside of the Labfile's folder, once all links are followed, and if
/// not, whether somebody else could have put it there.
fn look_at(cx: &mut Cx<'_>, written: &At<String>, path: &Path) {
    if !cx.looked_at.insert(path.to_owned()) {
        return;
    }
    if let Some(real) = outside(&cx.real_dir, path) {
        cx.reaches.push((written.span.clone(), Beyond::File { written: written.value.clone(), real }));
        return;
    }
    let Ok(about) = fs::metadata(path).as_ref().map(About::from) else { return };
    let text = written.value.as_str();
    if !cx.believed.include(about) {
        let message = format!("{text} belongs to {}, who can change it at any time", user(about.owner));
        cx.push(Problem::error("foreign-file", written.span.clone(), message).hint(format!(
            "if you trust it, make it yours: cp -r {text} {text}.mine, and write that name here"
        )));
    } else if about.writable && !cx.is_open {
        let message = format!("every user of this computer can change {text}");
        cx.push(
            Problem::warning("open-file", written.span.clone(), message)
                .hint(format!("keep it to yourself: chmod o-w {text}")),
        );
    }
}

/// Reports that something is not there.
fn missing(cx: &mut Cx<'_>, written: &At<String>, path: &Path, what: &str) {
    let text = written.value.as_str();
    let problem = Problem::error("no-file", written.span.clone(), format!("there is no {what} {text}"));
    let problem = match cx.is_patient() {
        true => instead(problem, text, path),
        false => problem.hint("paths begin at the Labfile's folder"),
    };
    cx.push(problem);
}

/// `text`, the file at `path`, is not there: what is there instead?
fn instead(problem: Problem, text: &str, path: &Path) -> Problem {
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
}
