//! Files and paths: what Ruby's `File` and `Dir` say of the Vagrantfile's folder, and other Ruby files in it.

use std::path::Path;

use lib_ruby_parser::Node;

use super::eval::{Eval, Stop, Walk};
use super::notes::Source;
use super::scope::Frame;
use super::value::Value;
use super::{data, parse};

/// How many Ruby files are read beside the Vagrantfile.
const FILES_MAX: usize = 32;
/// How many names a pattern for files may find.
const NAMES_MAX: usize = 1_000;

impl Eval<'_> {
    /// The folder of the file in which the walk is.
    pub(super) fn folder_name(&self) -> String {
        match self.file_name().rsplit_once('/') {
            Some((folder, _)) => format!("./{folder}"),
            None => ".".to_owned(),
        }
    }

    /// `require_relative "lib/helpers"`; with `library`, `require`, which names a library or a file.
    pub(super) fn required(&mut self, node: &'static Node, path: &Value, library: bool) -> Walk {
        let Some(written) = path.word() else {
            return Ok(path
                .first_unknown()
                .unwrap_or_else(|| Value::unknown("which file is meant is not known")));
        };
        let is_relative = matches!(node, Node::Send(send) if send.method_name == "require_relative");
        let base = match is_relative && !written.starts_with('/') {
            true => format!("{}/{written}", self.folder_name()),
            false => written.to_owned(),
        };
        let candidates = [lexical(&format!("{base}.rb")), lexical(&base)];
        let is_file = |name: &&String| self.around.dir.join(name.as_str()).is_file();
        let found = candidates.iter().find(is_file).filter(|_| !library || written.contains('/')).cloned();
        let found = found.or_else(|| {
            // From a folder that the Vagrantfile adds to those of Ruby's libraries.
            let Some(Value::List(folders)) = self.shared.get("$LOAD_PATH") else { return None };
            let folders: Vec<String> = folders.borrow().iter().filter_map(Value::to_text).collect();
            let mut names = folders.iter().map(|folder| lexical(&format!("{folder}/{written}.rb")));
            names.find(|name| library && is_file(&name))
        });
        let Some(name) = found else {
            return Ok(match library {
                // What a library adds shows where it is used.
                true if !written.starts_with(['.', '/']) => Value::Bool(true),
                _ => Value::raised(format!("{} is not there, and what it does is not known", lexical(&base))),
            });
        };
        if self.files.iter().any(|source| source.shown == name) {
            return Ok(Value::Bool(true));
        }
        if self.files.len() > FILES_MAX {
            return Ok(Value::unknown(format!(
                "{name} is not read: there are more than {FILES_MAX} such files"
            )));
        }
        let text = match data::read(self.around.dir, &name) {
            Ok(text) => text,
            Err(why) => return Ok(Value::unknown(why)),
        };
        self.made(text.len())?;
        let (tree, text) = match parse::tree(text.into_bytes(), &name) {
            Ok(parsed) => parsed,
            Err(error) => return Ok(Value::unknown(error.message().to_owned())),
        };
        let asked_for = match self.file {
            0 => usize::try_from(self.place(node).line).unwrap_or(0),
            file => self.files.get(usize::from(file)).map_or(0, |source| source.asked_for),
        };
        self.files.push(Source::new(name.clone(), text, asked_for));
        let file = u16::try_from(self.files.len() - 1).unwrap_or(0);
        let outer = (
            std::mem::replace(&mut self.file, file),
            std::mem::replace(&mut self.frame, Frame::of_method(None)),
            std::mem::take(&mut self.module),
        );
        let done = self.statement(tree);
        (self.file, self.frame, self.module) = outer;
        match done {
            Err(Stop::Return(_)) => Ok(Value::Bool(true)),
            done => done.map(|()| Value::Bool(true)),
        }
    }

    /// `File.join`, `Dir.glob`, `Pathname.new`: a path is a text that begins at the Vagrantfile's folder.
    pub(super) fn file_method(
        &mut self,
        node: &'static Node,
        name: &str,
        method: &str,
        arguments: &[Value],
        block: Option<&Value>,
    ) -> Walk {
        let word = |place: usize| arguments.get(place).and_then(Value::word);
        let unknown = |otherwise: &str| {
            arguments.iter().find_map(Value::first_unknown).unwrap_or_else(|| Value::unknown(otherwise))
        };
        let not_run = || unknown(&format!("`{name}.{method}` is not run"));
        Ok(match (name, method) {
            ("Dir" | "Pathname", "pwd" | "getwd") => Value::text("."),
            ("Pathname", "new") => arguments.first().cloned().unwrap_or(Value::Nil),
            (_, "dirname" | "parent") => match word(0) {
                Some(path) => Value::text(folder_of(path)),
                None => not_run(),
            },
            (_, "basename") => match word(0) {
                Some(path) => {
                    let base = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                    let stem = match word(1) {
                        Some(".*") => base.rsplit_once('.').map_or(base, |(stem, _)| stem),
                        Some(end) => base.strip_suffix(end).unwrap_or(base),
                        None => base,
                    };
                    Value::text(stem)
                }
                None => not_run(),
            },
            (_, "extname") => match word(0) {
                Some(path) => {
                    let base = path.rsplit('/').next().unwrap_or_default();
                    Value::text(
                        base.rsplit_once('.')
                            .filter(|(stem, _)| !stem.is_empty())
                            .map_or(String::new(), |(_, end)| format!(".{end}")),
                    )
                }
                None => not_run(),
            },
            (_, "join" | "+") => match arguments.iter().map(Value::to_text).collect::<Option<Vec<_>>>() {
                Some(parts) => {
                    let joined = parts.join("/");
                    self.made(joined.len())?;
                    Value::text(squeezed(&joined))
                }
                None => not_run(),
            },
            (_, "expand_path" | "absolute_path" | "realpath") => match (word(0), arguments.get(1)) {
                (Some(path), _) if path.starts_with('~') => Value::text(path),
                (Some(path), None) => Value::text(lexical(path)),
                (Some(path), Some(base)) => match base.word() {
                    Some(_) if path.starts_with('/') => Value::text(path),
                    Some(base) => Value::text(lexical(&format!("{base}/{path}"))),
                    None => not_run(),
                },
                _ => not_run(),
            },
            (
                _,
                "exist?" | "exists?" | "file?" | "directory?" | "readable?" | "symlink?" | "size?" | "zero?"
                | "empty?",
            ) => match word(0) {
                Some(path) if !path.starts_with('~') => {
                    let place = self.around.dir.join(path);
                    let there = match method {
                        "file?" => place.is_file(),
                        "directory?" => place.is_dir(),
                        "symlink?" => place.is_symlink(),
                        "zero?" | "empty?" => return Ok(not_run()),
                        _ => place.exists(),
                    };
                    let there = if name == "Dir" { place.is_dir() } else { there };
                    let words = match there {
                        true => "whether a file is there decided what was taken over; here is {}",
                        false => "whether a file is there decided what was taken over; here is no {}",
                    };
                    let at = self.place(node);
                    self.found.notes.about(at, path, words);
                    Value::Bool(there)
                }
                Some(_) => Value::unknown("a home folder is another one for everyone"),
                None => unknown("which file is meant is not known"),
            },
            ("File" | "IO", "open" | "new") if word(1).is_some_and(|mode| mode.contains(['w', 'a', '+'])) => {
                unknown("it writes a file of this computer, which lab does not")
            }
            ("File" | "IO", "write" | "delete" | "unlink" | "rename" | "chmod" | "symlink")
            | ("Dir", "mkdir") => unknown("it changes files of this computer, which lab does not"),
            ("File" | "IO" | "Pathname", "read" | "open" | "binread" | "new") => {
                match (self.file(node, arguments)?, block) {
                    // The text stands for the open file.
                    (text @ Value::Text(_), Some(Value::Proc(block))) => {
                        let block = std::rc::Rc::clone(block);
                        self.call(&block, vec![text], false)?
                    }
                    (text, _) => text,
                }
            }
            ("File" | "IO", "readlines" | "foreach") => {
                let text = self.file(node, arguments)?;
                let lines = self.method(&text, "lines", &[])?;
                let chomp =
                    arguments.get(1).and_then(|options| options.get("chomp")).and_then(|flag| flag.truth());
                let lines = match (chomp, &lines) {
                    (Some(true), Value::List(_)) => self.iterate(
                        &lines,
                        "map",
                        &[],
                        &std::rc::Rc::new(super::value::Proc::Named("chomp".into())),
                        false,
                    )?,
                    _ => lines,
                };
                match block {
                    Some(Value::Proc(block)) => {
                        let block = std::rc::Rc::clone(block);
                        self.call_each(&lines, &block)?
                    }
                    _ => lines,
                }
            }
            ("Dir", "glob" | "[]") => match word(0) {
                Some(pattern) => {
                    let names = glob(self.around.dir, pattern);
                    self.note(node, "the files of this computer decided what was taken over");
                    let names = Value::list(names.into_iter().map(Value::text).collect());
                    match block {
                        Some(Value::Proc(block)) => {
                            let block = std::rc::Rc::clone(block);
                            self.call_each(&names, &block)?
                        }
                        _ => names,
                    }
                }
                None => not_run(),
            },
            ("Dir", "children" | "entries" | "each_child") if block.is_none() => match word(0) {
                Some(folder) => {
                    self.note(node, "the files of this computer decided what was taken over");
                    let names = glob(self.around.dir, &format!("{}/*", folder.trim_end_matches('/')));
                    let base = |name: String| name.rsplit('/').next().map_or_else(String::new, str::to_owned);
                    Value::list(names.into_iter().map(|name| Value::text(base(name))).collect())
                }
                None => not_run(),
            },
            ("Dir", "home") => Value::text("~"),
            _ => not_run(),
        })
    }

    fn call_each(&mut self, items: &Value, block: &std::rc::Rc<super::value::Proc>) -> Walk {
        self.iterate(items, "each", &[], block, true)
    }

    /// The text of the file that the first of `arguments` names.
    pub(super) fn file(&mut self, node: &'static Node, arguments: &[Value]) -> Walk {
        let Some(path) = arguments.first().and_then(Value::word) else {
            return Ok(arguments
                .iter()
                .find_map(Value::first_unknown)
                .unwrap_or_else(|| Value::unknown("which file is meant is not known")));
        };
        Ok(match data::read(self.around.dir, path) {
            Ok(text) => {
                self.made(text.len())?;
                let place = self.place(node);
                let words = "the Labfile has what the file says now, and does not follow it: {}";
                self.found.notes.about(place, lexical(path), words);
                Value::text(text)
            }
            // A file that lies elsewhere may be there for others.
            Err(why) if why.ends_with("is not there") => Value::raised(why),
            Err(why) => Value::unknown(why),
        })
    }
}

fn folder_of(path: &str) -> String {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
        None => ".".to_owned(),
    }
}

/// `a//b` as `a/b`, `./a` as `a`.
fn squeezed(path: &str) -> String {
    let mut squeezed = String::new();
    for c in path.chars() {
        if c != '/' || !squeezed.ends_with('/') {
            squeezed.push(c);
        }
    }
    squeezed.strip_prefix("./").map(str::to_owned).unwrap_or(squeezed)
}

/// `./Vagrantfile/../a` as `a`. The Vagrantfile's folder is `.`.
pub(super) fn lexical(path: &str) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => drop(parts.pop()),
            ("..", None) if !root.is_empty() => {}
            _ => parts.push(part),
        }
    }
    match (root, parts.join("/")) {
        ("", path) if path.is_empty() => ".".to_owned(),
        (root, path) => format!("{root}{path}"),
    }
}

/// The files below `dir` that a pattern with `*`, `?` and `{a,b}` names, in order. None outside of the folder.
fn glob(dir: &Path, pattern: &str) -> Vec<String> {
    let mut names = Vec::new();
    for pattern in alternatives(&lexical(pattern)) {
        if pattern.starts_with(['/', '~']) || pattern.split('/').any(|part| part == "..") {
            continue;
        }
        let mut found = vec![String::new()];
        for part in pattern.split('/') {
            let mut next = Vec::new();
            for folder in &found {
                if !part.contains(['*', '?', '[']) {
                    let name = if folder.is_empty() { part.to_owned() } else { format!("{folder}/{part}") };
                    if dir.join(&name).exists() {
                        next.push(name);
                    }
                    continue;
                }
                let Ok(entries) = std::fs::read_dir(dir.join(folder)) else { continue };
                for entry in entries.flatten().take(NAMES_MAX) {
                    let Ok(base) = entry.file_name().into_string() else { continue };
                    if !base.starts_with('.') && fits(&base, part) {
                        next.push(if folder.is_empty() { base } else { format!("{folder}/{base}") });
                    }
                }
            }
            next.sort();
            next.truncate(NAMES_MAX);
            found = next;
        }
        names.extend(found);
    }
    names
}

/// `a.{yml,yaml}` as the two that it means.
fn alternatives(pattern: &str) -> Vec<String> {
    let whole = || vec![pattern.to_owned()];
    let Some((before, rest)) = pattern.split_once('{') else { return whole() };
    let Some((middle, after)) = rest.split_once('}') else { return whole() };
    middle.split(',').take(32).map(|one| format!("{before}{one}{after}")).collect()
}

fn fits(name: &str, pattern: &str) -> bool {
    let mut source = String::from("\\A");
    for c in pattern.chars() {
        match c {
            '*' => source.push_str(".*"),
            '?' => source.push('.'),
            c => source.push_str(&regex_lite::escape(&c.to_string())),
        }
    }
    regex_lite::Regex::new(&(source + "\\z")).is_ok_and(|regex| regex.is_match(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_at_the_vagrantfiles_folder() {
        for (path, expected) in [
            ("./Vagrantfile/../provision/a.sh", "provision/a.sh"),
            ("./.", "."),
            ("../x", "../x"),
            ("a/../../x", "../x"),
            ("/a/../../b", "/b"),
        ] {
            assert_eq!(lexical(path), expected, "{path}");
        }
        assert_eq!(squeezed("./a//b"), "a/b");
    }

    #[test]
    fn patterns_find_files_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("nodes")).unwrap();
        for name in ["nodes/b.yml", "nodes/a.yaml", "nodes/c.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(glob(dir.path(), "./nodes/*.{yml,yaml}"), ["nodes/b.yml", "nodes/a.yaml"]);
        assert_eq!(glob(dir.path(), "../*"), Vec::<String>::new());
    }
}
