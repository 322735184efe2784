//! The rules of the house that can be read off the source.
//!
//! Each rule has a list of today's exceptions. A list may only get shorter: an exception that is no longer needed fails
//! the test as well, and is then taken out here. What only tests use (`#[cfg(test)]`) is not looked at.

#![allow(clippy::unwrap_used)] // Also in the helpers here, where clippy does not see that they are tests.

mod modules;
mod tokens;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use modules::{Graph, Module, Modules};
use tokens::Kind;

/// Files that still use each other in a circle, directly or through others. The aim: none.
const IN_A_CIRCLE: &[&str] = &[
    // 5 that reach each other.
    "src/boxes/store/add.rs",
    "src/boxes/store/resolve/mod.rs",
    "src/boxes/store/resolve/pinned.rs",
    "src/boxes/store/resolve/sources.rs",
    "src/boxes/store/unknown.rs",
    // 41 that reach each other.
    "src/cli/box/add.rs",
    "src/cli/box/list.rs",
    "src/cli/box/mod.rs",
    "src/cli/box/package.rs",
    "src/cli/box/prune.rs",
    "src/cli/box/remove.rs",
    "src/cli/box/show.rs",
    "src/cli/box/update.rs",
    "src/cli/box/verify.rs",
    "src/cli/bugreport.rs",
    "src/cli/check.rs",
    "src/cli/completions.rs",
    "src/cli/consent.rs",
    "src/cli/cp.rs",
    "src/cli/destroy.rs",
    "src/cli/doctor.rs",
    "src/cli/exec.rs",
    "src/cli/graph.rs",
    "src/cli/halt.rs",
    "src/cli/hosts.rs",
    "src/cli/import.rs",
    "src/cli/init.rs",
    "src/cli/inventory.rs",
    "src/cli/logs.rs",
    "src/cli/man.rs",
    "src/cli/mod.rs",
    "src/cli/open.rs",
    "src/cli/port.rs",
    "src/cli/provision.rs",
    "src/cli/reload.rs",
    "src/cli/reset.rs",
    "src/cli/resume.rs",
    "src/cli/schema.rs",
    "src/cli/snapshot.rs",
    "src/cli/ssh.rs",
    "src/cli/ssh_config.rs",
    "src/cli/status.rs",
    "src/cli/suspend.rs",
    "src/cli/typed.rs",
    "src/cli/up.rs",
    "src/cli/validate.rs",
    // 7 that reach each other.
    "src/doctor/labfile.rs",
    "src/doctor/limits.rs",
    "src/doctor/mod.rs",
    "src/doctor/needs.rs",
    "src/doctor/network.rs",
    "src/doctor/patience.rs",
    "src/doctor/size.rs",
    // 3 that reach each other.
    // 7 that reach each other.
    "src/lab/machine/ready.rs",
    "src/lab/machine/session.rs",
    // 36 that reach each other.
    "src/labfile/import/assign.rs",
    "src/labfile/import/builtin.rs",
    "src/labfile/import/call.rs",
    "src/labfile/import/config.rs",
    "src/labfile/import/data.rs",
    "src/labfile/import/describe.rs",
    "src/labfile/import/eval.rs",
    "src/labfile/import/files.rs",
    "src/labfile/import/flow.rs",
    "src/labfile/import/format.rs",
    "src/labfile/import/host.rs",
    "src/labfile/import/ip.rs",
    "src/labfile/import/iterate.rs",
    "src/labfile/import/list.rs",
    "src/labfile/import/literal.rs",
    "src/labfile/import/look.rs",
    "src/labfile/import/map.rs",
    "src/labfile/import/matching.rs",
    "src/labfile/import/methods.rs",
    "src/labfile/import/mod.rs",
    "src/labfile/import/model.rs",
    "src/labfile/import/names.rs",
    "src/labfile/import/network.rs",
    "src/labfile/import/notes.rs",
    "src/labfile/import/number.rs",
    "src/labfile/import/own.rs",
    "src/labfile/import/parse.rs",
    "src/labfile/import/plan.rs",
    "src/labfile/import/provider.rs",
    "src/labfile/import/provision.rs",
    "src/labfile/import/record.rs",
    "src/labfile/import/scope.rs",
    "src/labfile/import/shared.rs",
    "src/labfile/import/text.rs",
    "src/labfile/import/value.rs",
    "src/labfile/import/write.rs",
    // 5 that reach each other.
    "src/process/calls.rs",
    "src/process/mod.rs",
    "src/process/proof.rs",
    "src/process/pump.rs",
    "src/process/usage.rs",
    // 2 that reach each other.
    "src/provider/entry.rs",
    "src/provider/mod.rs",
    // 3 that reach each other.
    "src/provider/qemu/mod.rs",
    "src/provider/qemu/snapshots.rs",
    "src/provider/qemu/suspend.rs",
    // 2 that reach each other.
    "src/provider/qemu/remembered.rs",
    "src/provider/qemu/version.rs",
    // 2 that reach each other.
    "src/provider/virtualbox/failure.rs",
    "src/provider/virtualbox/manage.rs",
    // 2 that reach each other.
    "src/provider/virtualbox/mod.rs",
    "src/provider/virtualbox/remove.rs",
    // 8 that reach each other.
    "src/ui/json.rs",
    "src/ui/live.rs",
    "src/ui/log.rs",
    "src/ui/mod.rs",
    "src/ui/plain.rs",
    "src/ui/summary.rs",
    "src/ui/table.rs",
    "src/ui/terminal.rs",
];

/// The folders that may print: the command line, and what a person sees.
const PRINTING: &[&str] = &["src/cli/", "src/ui/"];

/// The only folder that starts programs.
const STARTING: &str = "src/process/";

/// Where a provider's name may stand: in its own folder below this one, and in the one table of all providers.
const PROVIDERS: &str = "src/provider";
const TABLE_OF_PROVIDERS: &str = "src/provider/table.rs";

/// Where such a word is not lab's but Vagrant's: it stands in boxes, in the registry's answers, in Vagrantfiles.
const VAGRANTS_WORDS: &[&str] =
    &["src/boxes/inspect.rs", "src/boxes/package/mod.rs", "src/boxes/registry.rs", "src/labfile/import/"];

fn modules() -> Modules {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    Modules::read(&|file| std::fs::read_to_string(top.join(file)).ok())
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let graph = modules().graph();
    assert!(graph.len() > 150 && graph.values().map(BTreeMap::len).sum::<usize>() > 300, "nothing was read");
    let knots = knots(&graph);
    let found: BTreeSet<&str> = knots.iter().flatten().map(String::as_str).collect();
    let new: Vec<_> = knots
        .iter()
        .filter(|knot| knot.iter().any(|file| !IN_A_CIRCLE.contains(&file.as_str())))
        .map(|knot| described(&graph, knot))
        .collect();
    assert!(new.is_empty(), "files that use each other in a circle:\n\n{}", new.join("\n"));
    only_needed("IN_A_CIRCLE", IN_A_CIRCLE, &found);
}

#[test]
fn only_the_process_room_starts_programs() {
    let offenders = lines(|module, index| {
        let is = |offset: usize, word: &str| {
            module.tokens.get(index + offset).is_some_and(|t| t.word() == Some(word))
        };
        is(0, "Command") && module.tokens.get(index + 1).is_some_and(|t| t.kind == Kind::Path) && is(2, "new")
    });
    let offenders: Vec<_> = offenders.iter().filter(|(file, _)| !file.starts_with(STARTING)).collect();
    assert!(
        offenders.is_empty(),
        "programs are started by `process::Program` alone, and not in {offenders:?}"
    );
}

#[test]
fn only_cli_and_ui_print() {
    const MACROS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];
    let offenders = lines(|module, index| {
        let word = module.tokens[index].word();
        word.is_some_and(|word| MACROS.contains(&word))
            && module.tokens.get(index + 1).is_some_and(|t| t.is('!'))
    });
    let prints = |file: &str| PRINTING.iter().any(|folder| file.starts_with(folder));
    let offenders: Vec<_> = offenders.iter().filter(|(file, _)| !prints(file)).collect();
    assert!(
        offenders.is_empty(),
        "what is to be seen is an event or an error, and not printed in {offenders:?}"
    );
}

#[test]
fn a_provider_is_named_in_its_folder_and_the_table_alone() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(top.join(PROVIDERS)).unwrap().map(Result::unwrap);
    let names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(names.len() > 1, "where are the providers? {names:?}");

    let mut offenders: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for name in &names {
        let own = format!("{PROVIDERS}/{name}/");
        let named = lines(|module, index| {
            let is = |offset: usize, kind: &Kind| {
                module.tokens.get(index + offset).is_some_and(|t| t.kind == *kind)
            };
            let word = |word: &str| Kind::Word(word.to_owned());
            is(0, &Kind::Text(name.clone()))
                || is(0, &word("provider")) && is(1, &Kind::Path) && is(2, &word(name))
        });
        for (file, line) in named {
            let is_vagrants = VAGRANTS_WORDS.iter().any(|place| file.starts_with(place));
            if !file.starts_with(&own) && file != TABLE_OF_PROVIDERS && !is_vagrants {
                offenders.entry(file).or_default().insert(line);
            }
        }
    }
    assert!(
        offenders.is_empty(),
        "a provider's name belongs in {PROVIDERS}/NAME/ and {TABLE_OF_PROVIDERS}: {offenders:#?}"
    );
}

/// An exception that nothing needs any more is to be taken out.
fn only_needed(name: &str, exceptions: &[&str], found: &BTreeSet<&str>) {
    let idle: Vec<_> = exceptions.iter().filter(|file| !found.contains(*file)).collect();
    assert!(idle.is_empty(), "well done: take these out of {name}: {idle:#?}");
}

/// The files and lines where `matches` holds for a token of a module.
fn lines(matches: impl Fn(&Module, usize) -> bool) -> BTreeSet<(String, usize)> {
    let modules = modules();
    let mut found = BTreeSet::new();
    for module in modules.0.values() {
        let hits = (0..module.tokens.len()).filter(|index| matches(module, *index));
        found.extend(hits.map(|index| (module.file.clone(), module.tokens[index].line)));
    }
    found
}

/// The files that are in circles, those together that reach each other.
fn knots(graph: &Graph) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|file| (file, reachable(graph, file))).collect();
    let mut knots: Vec<BTreeSet<String>> = Vec::new();
    for (file, others) in &reached {
        if !others.contains(file) || knots.iter().any(|knot| knot.contains(*file)) {
            continue;
        }
        let back = others.iter().filter(|other| reached[**other].contains(file));
        knots.push(back.map(|other| (*other).clone()).collect());
    }
    knots
}

/// The files that `start` uses, directly or through others.
fn reachable<'a>(graph: &'a Graph, start: &str) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut next = vec![start];
    while let Some(at) = next.pop() {
        for to in graph.get(at).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(to) {
                next.push(to);
            }
        }
    }
    found
}

/// The files of a knot, and the shortest circle through each of those that are not known.
fn described(graph: &Graph, knot: &BTreeSet<String>) -> String {
    let mut text = format!("{} files: {}\n", knot.len(), knot.iter().cloned().collect::<Vec<_>>().join(" "));
    for file in knot.iter().filter(|file| !IN_A_CIRCLE.contains(&file.as_str())) {
        let circle = shortest(graph, file).unwrap_or_default();
        let steps: Vec<_> = circle.iter().map(|(file, line)| format!("{file}:{line}")).collect();
        text.push_str(&format!("  {} → {file}\n", steps.join(" → ")));
    }
    text
}

/// The shortest way from `start` back to it.
fn shortest(graph: &Graph, start: &str) -> Option<Vec<(String, usize)>> {
    let mut came_from: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(at) = next.pop_front() {
        for (to, line) in graph.get(at).into_iter().flatten() {
            if came_from.contains_key(to.as_str()) {
                continue;
            }
            came_from.insert(to, (at, *line));
            if to == start {
                let mut circle = Vec::new();
                let mut at = start;
                while circle.is_empty() || at != start {
                    let (before, line) = came_from[at];
                    circle.push((before.to_owned(), line));
                    at = before;
                }
                circle.reverse();
                return Some(circle);
            }
            next.push_back(to);
        }
    }
    None
}

#[test]
fn the_reader_of_source_reads_source() {
    let source = r##"
        // use crate::no;
        /* use crate::no; /* */ use crate::no; */
        use crate::a::{self, b::C as D, e::*};
        const T: &str = r#"use crate::no; "qemu""#; const Q: char = '"'; const L: &'static str = "x\"y";
        #[cfg(test)] mod tests { use crate::no; }
        #[cfg(all(test, unix))] #[path = "x"] mod more;
        #[cfg(not(test))] fn f() { super::g::<u8>(); a::h() }
    "##;
    let read = tokens::tokens(source);
    let words: Vec<_> = read.iter().filter_map(tokens::Token::word).collect();
    assert!(!words.contains(&"no") && !words.contains(&"tests") && !words.contains(&"more"), "{words:?}");
    assert!(
        words.contains(&"h") && read.iter().any(|t| t.kind == Kind::Text("use crate::no; \"qemu\"".into()))
    );
    assert!(read.iter().any(|t| t.kind == Kind::Text("x\\\"y".into())), "{read:?}");
}

/// The circles of a crate of these files.
fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let read =
        |wanted: &str| files.iter().find(|(file, _)| *file == wanted).map(|(_, text)| (*text).to_owned());
    let graph = Modules::read(&read).graph();
    let knots = knots(&graph);
    knots.iter().map(|knot| knot.iter().cloned().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn circles_are_seen_through_names_that_are_passed_on() {
    let lib = ("src/lib.rs", "pub mod a; pub mod b;");
    let of = |a_mod, x, b| circles_of(&[lib, ("src/a/mod.rs", a_mod), ("src/a/x.rs", x), ("src/b.rs", b)]);
    // A module that only passes on is none of the circle's files.
    let circle = ["src/a/x.rs src/b.rs"];
    assert_eq!(
        of("mod x; pub use x::X;", "use crate::b::B; pub struct X;", "use crate::a::X; pub struct B;"),
        circle
    );
    assert_eq!(
        of("pub mod x;", "pub fn f() { crate::b::g() }", "use crate::a; pub fn g() { a::x::f() }"),
        circle
    );
    assert_eq!(
        of("pub mod x;", "use crate::b as c; pub fn f() { c::g() }", "use crate::a::x::*; pub fn g() {}"),
        circle
    );
    // One that has something of its own is.
    let own = "mod x; pub struct Own; fn f() { x::f() }";
    assert_eq!(of(own, "use super::Own; pub fn f() {}", ""), ["src/a/mod.rs src/a/x.rs"]);
    // Tests may look back, and a name of another crate is none of ours.
    let tests = "pub fn f() {} #[cfg(test)] mod tests { use crate::b::B; }";
    assert_eq!(of("pub mod x;", tests, "use crate::a::x::f; pub struct B;"), [""; 0]);
    assert_eq!(of("pub mod x;", "use b::B; use std::a::x;", "use crate::a::x::f;"), [""; 0]);
}

#[test]
fn circles_of_methods_are_seen() {
    let files = [
        ("src/lib.rs", "pub mod lab; mod up; mod down;"),
        ("src/lab.rs", "pub struct Lab;"),
        ("src/up.rs", "use crate::lab::Lab; impl Lab { fn up(&self) { self.down(); } }"),
        (
            "src/down.rs",
            "use super::lab::Lab; impl<T: Into<Lab>> Lab where T: Copy { fn down(&self) { self.up() } }",
        ),
    ];
    assert_eq!(circles_of(&files), ["src/down.rs src/up.rs"]);
}
