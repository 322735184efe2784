//! Labfiles, good and bad, as people write them.
//!
//! Each file in `tests/labfiles/bad/` has a mistake, or several that belong together; the snapshot beside it is what a
//! student reads. Files in `tests/labfiles/good/` are shown as what `lab` understands.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use labfile::error::{Error, ExitCode};
use labfile::labfile::{Labfile, Loaded, Report, parse};

const TOP: &str = env!("CARGO_MANIFEST_DIR");
const LABFILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/labfiles");

/// The files of a folder: their names without the extension, and their texts, in order.
fn texts(folder: &str) -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(Path::new(LABFILES).join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

/// Reads a text as if it were the Labfile in `tests/labfiles/`.
fn read(text: &str) -> Result<Loaded, Report> {
    parse(text, &Path::new(LABFILES).join("Labfile"))
}

fn snapshots(folder: &str, test: impl Fn(&str) -> String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new(LABFILES).join(folder));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, text) in texts(folder) {
            insta::assert_snapshot!(name, test(&text));
        }
    });
}

#[test]
fn mistakes_are_shown() {
    snapshots("bad", |text| {
        let report = read(text).err().unwrap_or_else(|| panic!("it was taken for a good one:\n{text}"));
        assert!(report.errors() > 0);
        for problem in &report.problems {
            assert!(!problem.hints.is_empty(), "no hint: {}", problem.message);
            assert!(!problem.message.ends_with('.'), "{}", problem.message);
            assert!(problem.span.end <= text.len() && problem.span.start <= problem.span.end);
        }
        format!("{}{}\n", report.render(false), report.summary())
    });
}

#[test]
fn there_are_enough_of_them() {
    assert!(texts("bad").len() >= 45);
}

#[test]
fn good_ones_are_understood() {
    snapshots("good", |text| {
        let Loaded { labfile, warnings } =
            read(text).unwrap_or_else(|report| panic!("{}", report.render(false)));
        assert_eq!(warnings.errors(), 0);
        format!("{}{}", warnings.render(false), format!("{labfile:#?}\n").replace(LABFILES, "DIR").replace(TOP, "TOP"))
    });
}

#[test]
fn one_error_stands_for_all_mistakes() {
    let report = read("[lab]\nbxo = \"demo\"\n[machine.web1]\ncpus = 99\n").unwrap_err();
    let error = Error::from(report);
    assert_eq!(error.kind().exit(), ExitCode::Labfile);
    assert!(error.message().ends_with("has 2 mistakes"), "{}", error.message());
    assert!(error.details()[0].contains(":4:8"));
}

#[test]
fn programs_get_the_same() {
    let report = read("[lab]\nbox = \"demo\"\n[machine.größe]\nip = \"192.168.56.10\" \n").unwrap_err();
    let json = report.to_json();
    let report = read("[lab]\nbox = \"demo\"\n# grüße\n[machine.\"größe\"]\n").unwrap_err();
    let all = serde_json::to_string_pretty(&serde_json::json!([json, report.to_json()])).unwrap();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(LABFILES);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("json", all));
}

#[test]
fn colour_is_only_colour() {
    for (name, text) in texts("bad") {
        let Err(report) = read(&text) else { panic!("{name}") };
        let mut plain = String::new();
        let mut rest = report.render(true);
        while let Some(escape) = rest.find('\u{1b}') {
            plain.push_str(&rest[..escape]);
            let end = escape + rest[escape..].find('m').unwrap() + 1;
            rest.drain(..end);
        }
        plain.push_str(&rest);
        let trimmed: String = plain.lines().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{}", line.trim_end());
            text
        });
        assert_eq!(trimmed, report.render(false), "{name}");
    }
}

/// The class's Labfile, which everyone starts from.
fn example() -> Labfile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Labfile.example");
    let loaded = labfile::labfile::load(&path);
    let Loaded { labfile, warnings } = loaded.unwrap_or_else(|error| panic!("{:?}", Error::from(error)));
    assert_eq!(warnings.problems, []);
    labfile
}

#[test]
fn the_example_is_the_class() {
    let labfile = example();
    let machines: Vec<_> = labfile.machines.iter().map(|m| (m.name.as_str(), m.ip.to_string())).collect();
    let ip = |last: u8| format!("192.168.56.{last}");
    assert_eq!(machines, [("web1", ip(10)), ("web2", ip(11)), ("db1", ip(20))]);
    assert!(labfile.machines.iter().all(|machine| machine.memory_mib == Some(256)));
}

/// Numbers that look random and are the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // Knuth's MMIX constants; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides.max(1)
    }
}

/// Whatever the text: either a Labfile or at least one mistake, and everything can be shown.
fn survives(text: &str) {
    match read(text) {
        Ok(loaded) => assert!(!loaded.labfile.machines.is_empty()),
        Err(report) => {
            assert!(report.errors() > 0, "neither a Labfile nor a mistake:\n{text}");
            let _ = (report.render(true), report.to_json());
        }
    }
}

#[test]
fn cut_texts_survive() {
    let text = std::fs::read_to_string(Path::new(LABFILES).join("good/most.toml")).unwrap();
    for (end, _) in text.char_indices() {
        survives(&text[..end]);
        if end % 7 == 0 {
            survives(&text[end..]);
        }
    }
}

#[test]
fn mutated_texts_survive() {
    const PIECES: &[&str] = &[
        "\"",
        "'",
        "\"\"\"",
        "[",
        "]",
        "[[",
        "{",
        "}",
        "=",
        ".",
        ",",
        "\n",
        "\r",
        "#",
        "\\",
        "\\u0000",
        "ü",
        "\u{feff}",
        "“",
        "-1",
        "1e999",
        "nan",
        "[machine.web1]",
        "machine",
        "lab.box",
        "after = [\"web1\"]",
        "\0",
        "\u{1b}[0m",
        "9999999999999999999999",
        "true",
        "1979-05-27",
        ";",
        ":",
        "ip = ",
        "[machine]",
        "[[machine]]",
        "0x",
    ];
    let seeds: Vec<String> = texts("good").into_iter().chain(texts("bad")).map(|(_, text)| text).collect();
    let mut dice = Dice(2011);
    for round in 0..3000 {
        let mut text: Vec<char> = seeds[dice.roll(seeds.len())].chars().collect();
        for _ in 0..=dice.roll(4) {
            let at = dice.roll(text.len());
            let to = (at + dice.roll(12)).min(text.len());
            match round % 4 {
                0 => drop(text.drain(at..to)),
                1 => drop(text.splice(at..at, PIECES[dice.roll(PIECES.len())].chars())),
                2 => drop(text.splice(at..to, PIECES[dice.roll(PIECES.len())].chars())),
                _ => {
                    let moved: Vec<char> = text.drain(at..to).collect();
                    let target = dice.roll(text.len());
                    drop(text.splice(target..target, moved));
                }
            }
        }
        survives(&text.into_iter().collect::<String>());
    }
}

#[test]
fn monstrous_texts_end_soon() {
    let chain = (0..9_000).map(|n| format!("[machine.m{n}]\nafter = [\"m{}\"]\n", n + 1));
    let monsters = [
        ("brackets", "[".repeat(100_000)),
        ("braces", "a = {".repeat(100_000)),
        ("a long text", format!("[lab]\nbox = \"{}\"\n[machine.a]\n", "x".repeat(900_000))),
        ("a long key", format!("{} = 1\n[machine.{}]\n", "x".repeat(100_000), "y".repeat(100_000))),
        ("mistakes", (0..3_000).map(|n| format!("[machine.m{n}]\nbox=1\nx{n}={n}\n")).collect()),
        ("a chain", format!("lab.box = \"demo\"\n{}", chain.collect::<String>())),
        ("one key", "k = 1\n".repeat(15_000)),
        ("one section", "[machine.a]\n".repeat(15_000)),
        ("one address", (0..2_000).map(|n| format!("[machine.m{n}]\nip = \"192.168.56.9\"\n")).collect()),
        ("one port", (0..2_000).map(|n| format!("[machine.m{n}]\nforward = [\"80:80\"]\n")).collect()),
        ("unknown names", (0..2_000).map(|n| format!("[machine.m{n}]\nafter = [\"x{n}\"]\n")).collect()),
        ("one line", format!("[lab]\nprovision = [{}]\n", "1, ".repeat(10_000))),
    ];
    for (name, text) in monsters {
        let started = std::time::Instant::now();
        survives(&text);
        assert!(started.elapsed().as_secs() < 20, "{name}: {:?}", started.elapsed());
    }
}
