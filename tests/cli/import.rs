//! Vagrantfiles of the shapes that people have, turned into Labfiles; and texts that mean harm.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::common::TestLab;
use labfile::error::{Error, ExitCode, Kind};
use labfile::labfile::import::{Around, Imported, import};
use labfile::labfile::parse;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vagrantfiles");

fn around<'a>(dir: &'a Path, known: &'a (dyn Fn(&str) -> bool + Sync)) -> Around<'a> {
    Around { dir, prefix: Path::new(""), shown: "Vagrantfile", environment: &|_| None, knows_box: known }
}

fn convert(path: &Path) -> Result<Imported, Error> {
    import(path, &around(path.parent().unwrap(), &|name| name == "lucid32"))
}

/// Those of a folder of the test set. What this computer decides looks different on others than Linux.
fn vagrantfiles_in(folder: &str) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(Path::new(FOLDER).join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let elsewhere = |path: &Path| {
        !cfg!(target_os = "linux") && path.file_name().unwrap().to_str().unwrap().starts_with("host")
    };
    let mut paths: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "Vagrantfile") && !elsewhere(path))
        .collect();
    paths.sort();
    paths
}

/// Those that become Labfiles: of single kinds, and a set in the manner of what classes have had since 2011.
fn vagrantfiles() -> Vec<PathBuf> {
    [vagrantfiles_in(""), vagrantfiles_in("set")].concat()
}

#[test]
fn they_become_labfiles_that_are_valid() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for path in vagrantfiles() {
        settings.set_snapshot_path(path.parent().unwrap());
        settings.bind(|| {
            let imported = convert(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let loaded = parse(&imported.text, &path.parent().unwrap().join("Labfile"))
                .unwrap_or_else(|report| panic!("{}\n{}", imported.text, report.render(false)));
            let names: Vec<_> = loaded.labfile.machines.iter().map(|machine| machine.name.clone()).collect();
            assert_eq!(names, imported.machines);
            insta::assert_snapshot!(path.file_stem().unwrap().to_str().unwrap(), imported.text);
        });
    }
}

/// Each line of a Vagrantfile has one note at most, with the line's number and text.
#[test]
fn a_line_has_one_note_that_shows_it() {
    for path in vagrantfiles() {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for note in convert(&path).unwrap().notes.iter().filter(|note| note.line > 0) {
            assert!(seen.insert(note.line), "{}: {note:?} is one of several", path.display());
            let line = text.lines().nth(note.line - 1).unwrap().trim();
            let shown = note.text.split_once("`: ").unwrap().0.trim_start_matches('`');
            assert!(line.starts_with(shown.trim_end_matches(" …")), "{}: {note:?}", path.display());
        }
    }
}

#[test]
fn machines_that_cannot_be_read_are_not_replaced_by_another() {
    for path in vagrantfiles_in("refused") {
        let error = convert(&path).map(|imported| imported.text).unwrap_err();
        assert_eq!(error.kind(), Kind::BadVagrantfile, "{error}");
        assert!(error.message().starts_with("none of the machines of "), "{error}");
        let details = error.details().join("\n");
        assert!(details.contains("`Site.") && details.contains("is not run"), "{details}");
        // The innermost reason, once.
        assert!(!details.contains("left out (to line 1)"), "{details}");
    }
}

#[test]
fn the_environment_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Vagrantfile");
    let text = "Vagrant.configure('2') do |config|\n  config.vm.box = ENV.fetch('BOX', 'demo')\n  \
                (ENV['COUNT'] || 1).to_i.times { |i| config.vm.define \"m#{i}\" }\nend\n";
    std::fs::write(&path, text).unwrap();
    let set = |name: &str| (name == "COUNT").then(|| "3".to_owned());
    let around = Around { environment: &set, ..around(folder.path(), &|_| false) };
    let imported = import(&path, &around).unwrap();
    assert_eq!(imported.machines, ["m0", "m1", "m2"]);
    let notes: Vec<_> = imported.notes.iter().map(|note| note.text.as_str()).collect();
    assert!(notes[0].contains("BOX: not set in the environment"), "{notes:?}");
    assert!(notes[1].contains("COUNT: read from the environment"), "{notes:?}");
}

/// What `text` comes to, within a time that nobody would call hanging.
fn soon(text: &[u8]) -> Result<Imported, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Vagrantfile");
    std::fs::write(&path, text).unwrap();
    let started = Instant::now();
    let result = convert(&path);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    result
}

fn refused(text: &[u8], words: &str) {
    let error = soon(text).map(|imported| imported.text).unwrap_err();
    assert_eq!(error.kind(), Kind::BadVagrantfile, "{error}");
    assert!(error.message().contains(words), "{error}");
    assert!(!error.hints().is_empty(), "no hint: {error}");
}

fn configured(body: &str) -> Vec<u8> {
    format!("Vagrant.configure('2') do |config|\nconfig.vm.box = 'demo'\n{body}\nend\n").into_bytes()
}

#[test]
fn what_is_no_vagrantfile_is_refused_with_its_line() {
    refused(b"", "is empty");
    refused(b"puts 1\n", "configures no machines");
    refused(b"Vagrant.configure('2') do |config|\n  config.vm.box = \n  = 1\nend\n", "Vagrantfile:3:");
    refused(b"Vagrant.configure('2') do |config|\n  config.vm.box = 'x'\n", "Ruby would not understand");
    refused(b"x = 1\ny = \"\xff\xfe\"\n", "Vagrantfile:2: the text is not UTF-8");
    refused(&vec![b'#'; 300 * 1024], "more than 256 KiB");
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(convert(&folder.path().join("Vagrantfile")).unwrap_err().kind(), Kind::BadVagrantfile);
}

#[test]
fn texts_that_mean_harm_end_soon() {
    refused(&configured(&"[".repeat(50_000)), "nested");
    refused(&configured(&format!("x = {}1{}", "(".repeat(20_000), ")".repeat(20_000))), "nested");
    refused(&configured("(1..100000000).each { |i| config.vm.define \"m#{i}\" }"), "too many rounds");
    refused(&configured("(1..5000).each { |i| config.vm.define \"m#{i}\" }"), "too many rounds");
    refused(
        &configured("(1..900).each { |a| (1..900).each { |b| (1..900).each { |c| d = a } } }"),
        "too many rounds",
    );
    refused(&configured("s = 'xxxxxxxx'\n100.times { s = s + s }"), "too many rounds");
    refused(b"def a\n  a\nend\nVagrant.configure('2') { |config| a }", "nested");
    refused(
        b"def b(n)\n  n < 30 ? b(n + 1) + b(n + 1) : 1\nend\nVagrant.configure('2') { |config| b(0) }",
        "too many rounds",
    );
    let deep = format!("x = {}1", "!".repeat(100_000));
    assert!(soon(&configured(&deep)).is_err());
    // None of these may end in anything but an answer.
    for text in [
        format!("x = {}1", "1 + ".repeat(50_000)),
        format!("x = a{}", ".b".repeat(50_000)),
        format!("x = {}1", "y = ".repeat(40_000)),
        "if a\n".repeat(20_000) + &"end\n".repeat(20_000),
        "x = []\n1000.times { x = [x] }".to_owned(),
        "100000000000.times { |i| config.vm.define \"m#{i}\" }".to_owned(),
        "config.vm.memory = 99999999999999999999999".to_owned(),
        "config.vm.box = \"a\\u0000b\"\nconfig.vm.hostname = \"\\e[31m\\n[machine.x]\"".to_owned(),
        "config.vm.provision 'shell', inline: \"'''\\n\\\"\\\"\\\"\\u0001\"".to_owned(),
        "# encoding: latin-1\nconfig.vm.hostname = 'x'".to_owned(),
        "\"#{".repeat(300),
        "<<A\n".repeat(2_000),
        "x = []\n10.times { x << x }\nconfig.vm.hostname = \"#{x}\"\ny = x == [x]".to_owned(),
        "h = {}\nh[h] = h\nconfig.vm.box = h.to_s\nh.delete(h)".to_owned(),
        "x = [1]\n60.times { x = [x, x] }\nconfig.vm.box = x.flatten.join\nconfig.vm.hostname = x.to_s"
            .to_owned(),
        "loop { }".to_owned(),
        "x = 1\nwhile true\n  x += 1\nend".to_owned(),
        "def f\n  yield\nend\nf { f { config.vm.define 'x' } }\nl = ->(n) { l.call(n) }\nl.call(1)"
            .to_owned(),
        "h = Hash.new { |hash, key| hash[key] }\nh[1]".to_owned(),
        "s = 'a'\n40.times { s << s }".to_owned(),
        "x = 'a' * 1000000\nx =~ /(a*)*b/\nx.gsub(/a/, 'b' * 1000)".to_owned(),
        "require_relative 'Vagrantfile'".to_owned(),
        "class A\n  def to_s\n    \"#{self}\"\n  end\nend\nconfig.vm.hostname = \"#{A.new}\"".to_owned(),
    ] {
        if let Ok(imported) = soon(&configured(&text)) {
            let report = parse(&imported.text, Path::new("/nowhere/Labfile")).map(drop);
            assert!(report.is_ok(), "{}", imported.text);
        }
    }
}

#[test]
fn scrambled_vagrantfiles_get_an_answer() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut roll = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below.max(1) as u64).unwrap()
    };
    for path in vagrantfiles() {
        let text = std::fs::read(&path).unwrap();
        for _ in 0..25 {
            let mut text = text.clone();
            for _ in 0..=roll(4) {
                let at = roll(text.len());
                match roll(3) {
                    0 => drop(text.remove(at)),
                    1 => text.insert(at, b"(){}[]|\"'#\n:.,=&*<"[roll(18)]),
                    _ => text.truncate(at.max(40)),
                }
            }
            if let Ok(imported) = soon(&text) {
                let report = parse(&imported.text, Path::new("/nowhere/Labfile"));
                assert!(report.is_ok(), "{}", imported.text);
            }
        }
    }
}

#[test]
fn the_command_writes_beside_and_says_what_is_missing() {
    let lab = TestLab::bare("");
    std::fs::remove_file(lab.dir().join("Labfile")).unwrap();
    lab.lab(&["import"]).exits(3).says(&["there is no Vagrantfile", "lab import path/to/Vagrantfile"]);
    lab.write(
        "lab/old/Vagrantfile",
        "Vagrant.configure('2') do |c|\n  c.vm.box = 'demo'\n  c.vm.provision 'shell', path: 'a.sh'\n  c.vm.guest = :linux\nend\n",
    );
    lab.write("lab/old/a.sh", "#!/bin/sh\ntrue\n");
    let shown = lab.lab(&["import", "--print", "old"]).ok();
    assert!(shown.stdout.contains("provision = [\"old/a.sh\"]"), "{}", shown.stdout);
    assert!(!lab.dir().join("Labfile").exists());
    lab.lab(&["init", "--from", "old/Vagrantfile"])
        .ok()
        .says(&["old/Vagrantfile:4: `c.vm.guest = :linux`", "wrote"]);
    lab.lab(&["validate"]).ok();
    lab.lab(&["import", "old"]).exits(i32::from(ExitCode::Usage as u8)).says(&["exists already"]);
    let json = lab.lab(&["import", "--json", "--print", "old"]).ok().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["machines"][0].as_str(), json["notes"][0]["line"].as_u64()), (Some("default"), Some(4)));
}
