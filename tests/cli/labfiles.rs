//! Labfiles, good and bad, as people write them.
//!
//! Each file in `tests/labfiles/bad/` has a mistake, or several that belong together; the snapshot beside it is what a
//! student reads. Files in `tests/labfiles/good/` are shown as what `lab` understands.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use labfile::error::{Error, ExitCode};
use labfile::labfile::{Labfile, Loaded, Report, parse, reaches};

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
        format!(
            "{}{}",
            warnings.render(false),
            format!("{labfile:#?}\n").replace(LABFILES, "DIR").replace(TOP, "TOP")
        )
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

/// Texts of a MiB at most that are all of one kind: an attack, or a slip of a program that wrote them.
fn monsters() -> Vec<(&'static str, String)> {
    const HEAD: &str = "[lab]\nbox = \"x\"\n[network]\nprivate = \"10.128.0.0/9\"\n";
    // As many pieces as fit.
    let many = |head: &str, piece: &dyn Fn(usize) -> String, tail: &str| {
        let mut text = head.to_owned();
        let most = (1 << 20) - tail.len();
        for piece in (0..).map(piece) {
            if text.len() + piece.len() > most {
                break;
            }
            text.push_str(&piece);
        }
        text + tail
    };
    let machines = |most: usize, body: &dyn Fn(usize) -> String| {
        (0..most).fold(HEAD.to_owned(), |text, n| format!("{text}[machine.m{n}]\n{}\n", body(n)))
    };
    let to_all = |most: usize| (0..most).map(|n| format!("\"m{n}\",")).collect::<String>();
    let thousand = machines(1000, &|_| String::new());
    let of_lab = |list: &str| thousand.replace("box = \"x\"", &format!("box = \"x\"\n{list}"));
    let in_lab = |key: &str, item: &str| {
        many(&format!("[lab]\nbox = \"x\"\n{key} = ["), &|_| item.to_owned(), "]\n[machine.a]\n")
    };
    let long = "n".repeat(300_000);
    vec![
        ("brackets", "[".repeat(1 << 20)),
        ("braces", "a = {".repeat(200_000)),
        ("nested lists", many("", &|n| format!("a{n} = {}{}\n", "[".repeat(70), "]".repeat(70)), "")),
        ("dots", format!("a{} = 1\n", ".a".repeat(500_000))),
        ("a dotted header", format!("[{}a]\n", "a.".repeat(500_000))),
        ("a long text", format!("[lab]\nbox = \"{}\"\n[machine.a]\n", "x".repeat(1_000_000))),
        ("a long key", format!("{} = 1\n[machine.{}]\n", "x".repeat(500_000), "y".repeat(500_000))),
        (
            "a long name with many mistakes",
            many(&format!("[machine.{long}]\n"), &|n| format!("x{n} = 1\n"), ""),
        ),
        (
            "a long name that many meet",
            machines(900, &|n| format!("forward = [\"80:80\"]\nip = \"10.0.0.1\"\nafter = [\"q{n}\"]"))
                + &format!("[machine.{long}]\nforward = [\"80:80\"]\n"),
        ),
        ("machines", many(HEAD, &|n| format!("[machine.m{n}]\n"), "")),
        ("dotted machines", many("", &|n| format!("machine.m{n}.box = \"x\"\n"), "")),
        ("machines without a box", thousand.replace("box = \"x\"\n", "")),
        (
            "twins",
            (0..500).fold(HEAD.to_owned(), |text, n| format!("{text}[machine.m{n}]\n[machine.M{n}]\n")),
        ),
        ("scripts for a thousand", of_lab(&format!("provision = [{}]", "{inline=\"a\"},".repeat(9_000)))),
        (
            "one long script for a thousand",
            of_lab(&format!("provision = [{{inline=\"{}\"}}]", "a".repeat(900_000))),
        ),
        ("copies for a thousand", of_lab(&format!("copy = [{}]", "{from=\".\",to=\"/a\"},".repeat(9_000)))),
        ("circles without number", machines(330, &|_| format!("after = [{}]", to_all(330)))),
        (
            "a long circle with ways back",
            machines(900, &|n| format!("after = [\"m{}\"]", n + 1))
                + &(900..990)
                    .map(|n| format!("[machine.m{n}]\nafter = [{}\"m0\"]\n", to_all(900)))
                    .collect::<String>(),
        ),
        (
            "unknown machines",
            many(&format!("{thousand}[check.a]\n[machine.z]\nafter = ["), &|n| format!("\"x{n}\","), "]\n"),
        ),
        (
            "checks of nothing",
            many(
                &format!("{HEAD}[machine.a]\n[machine.b]\n"),
                &|n| format!("[check.c{n}]\nrun = \"a\"\nmachine = \"c\"\n"),
                "",
            ),
        ),
        (
            "all ports twice",
            many(&format!("{HEAD}[machine.a]\nforward = ["), &|n| format!("\"{}:1\",", n % 65535 + 1), "]\n"),
        ),
        (
            "ports far apart",
            many(
                &format!(
                    "{HEAD}[machine.a]\nforward = [\"80:80\"]\n{}[machine.b]\nforward = [\n",
                    "#\n".repeat(400_000)
                ),
                &|_| "\"80:80\",\n".to_owned(),
                "]\n",
            ),
        ),
        ("one address", machines(1000, &|_| "ip = \"10.128.0.9\"".to_owned())),
        ("unknown keys", many("[lab]\n", &|n| format!("memor{n} = 1\n"), "")),
        ("unknown sections", many("", &|n| format!("[x{n}]\n"), "")),
        ("one key", "k = 1\n".repeat(170_000)),
        ("keys again, far away", (0..90_000).map(|n| format!("k{} = 1\n", n % 45_000)).collect()),
        ("sections again, far away", (0..60_000).map(|n| format!("[machine.a{}]\n", n % 30_000)).collect()),
        ("lists without an end", many("", &|n| format!("a{n} = [\n[b{n}]\n"), "")),
        ("texts without an end", many("", &|n| format!("a{n} = \"\"\"\n"), "")),
        ("prose", "Lorem ipsum dolor\n".repeat(58_000)),
        ("one line", in_lab("provision", "1, ")),
        ("empty tables", in_lab("copy", "{},")),
        ("a script again and again", in_lab("provision", "\"script\",")),
        (
            "variables",
            many(
                "[lab]\nbox = \"x\"\nprovision = [{ inline = \"a\", env = {",
                &|n| format!("V{n}=1,"),
                "} }]\n[machine.a]\n",
            ),
        ),
        (
            "arguments",
            many("[lab]\nbox = \"x\"\n[machine.a.qemu]\nargs = [", &|_| "\"-a\",".to_owned(), "]\n"),
        ),
        (
            "a version",
            format!("[lab]\nbox = \"x\"\nbox_version = \"{}1\"\n[machine.a]\n", "1.".repeat(500_000)),
        ),
    ]
}

/// Each is read by a `lab` of its own that gets 400 MB of address space, which is more than its memory, and 30 s of a
/// processor, of which a release build needs less than one.
#[cfg(target_os = "linux")]
#[test]
fn monstrous_texts_are_read_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("script"), "\n".repeat(16 << 20)).unwrap();
    for (number, (name, text)) in monsters().into_iter().enumerate() {
        assert!(text.len() <= 1 << 20, "{name}: {}", text.len());
        std::fs::write(folder.path().join("Labfile"), text).unwrap();
        let form = if number % 2 == 0 { "" } else { "--json" };
        let line = format!("ulimit -v 400000; ulimit -t 30; exec \"$0\" validate {form}");
        let mut lab = std::process::Command::new("sh");
        lab.args(["-c", &line, env!("CARGO_BIN_EXE_lab")]).current_dir(folder.path());
        let output = lab.output().unwrap();
        let (status, text) = (output.status, String::from_utf8_lossy(&output.stderr));
        assert!(matches!(status.code(), Some(0 | 3)), "{name} {form}: {status:?} {text}");
        let (said, told) = (output.stderr.len(), output.stdout.len());
        assert!(said < 200_000 && told < 5_000_000, "{name} {form}: {said} and {told} bytes were said");
    }
}

/// A Labfile in a folder of its own, and what stands beside it.
struct Beside(tempfile::TempDir);

impl Beside {
    fn new() -> Self {
        let beside = Beside(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(beside.lab().join("site")).unwrap();
        std::fs::write(beside.0.path().join("secret"), "#!/bin/sh\n").unwrap();
        beside
    }

    /// The Labfile's folder.
    fn lab(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap().join("lab")
    }

    /// What a Labfile there with `text` in its machine reaches, in words.
    fn reaches(&self, text: &str) -> Vec<String> {
        let text = format!("[lab]\nbox = \"demo\"\n[machine.web1]\n{text}\n");
        let loaded = parse(&text, &self.lab().join("Labfile"));
        let labfile = loaded.unwrap_or_else(|report| panic!("{}", report.render(false))).labfile;
        reaches(&labfile).iter().map(|reach| format!("{}: {}", reach.line, reach.what.text())).collect()
    }
}

#[cfg(unix)]
#[test]
fn what_leads_out_of_the_folder_is_listed() {
    let beside = Beside::new();
    let (lab, top) = (beside.lab(), beside.lab().parent().unwrap().to_owned());
    std::os::unix::fs::symlink("../secret", lab.join("link.sh")).unwrap();
    std::os::unix::fs::symlink("..", lab.join("site/up")).unwrap();
    std::fs::write(lab.join("inside.sh"), "true\n").unwrap();
    std::fs::write(top.join("x.box"), "").unwrap();
    let real = |name: &str| top.join(name).display().to_string();
    let outside = |line: usize, written: &str, name: &str| {
        format!("{line}: {written} is outside of the Labfile's folder: {}", real(name))
    };
    assert_eq!(
        beside.reaches("provision = [\"inside.sh\", \"site/../inside.sh\", \"../lab/inside.sh\"]"),
        [""; 0]
    );
    let secret = real("secret");
    for written in ["../secret", "link.sh", "site/up/../secret", secret.as_str()] {
        let script = format!("provision = [{{ script = \"{written}\" }}]");
        assert_eq!(beside.reaches(&script), [outside(4, written, "secret")], "{written}");
        let copy = format!("\ncopy = [{{ from = \"{written}\", to = \"/x\" }}]");
        assert_eq!(beside.reaches(&copy), [outside(5, written, "secret")], "{written}");
    }
    assert_eq!(beside.reaches("box = \"../x.box\""), [outside(4, "../x.box", "x.box")]);

    // A link in a folder is copied as a link, and leads nowhere in the guest.
    assert_eq!(beside.reaches("copy = [{ from = \"site\", to = \"/x\" }]"), [""; 0]);
}

#[test]
fn what_a_catalogue_brings_is_listed_for_the_boxes_that_are_used() {
    let beside = Beside::new();
    let entry = |name: &str, option: &str, url: &str| {
        serde_json::json!({
            "name": name, "description": "a box", "guest": { "family": "debian" }, "arch": "x86_64", "hints": [],
            "virtualbox": { "customize": [["modifyvm", "{id}", option, "x"], ["modifyvm", "{id}", "--vram", "16"]] },
            "versions": [{ "sources": [{ "url": url, "format": "vagrant-box" }] }],
        })
    };
    let boxes = beside.lab().join("boxes");
    std::fs::create_dir_all(&boxes).unwrap();
    for (name, option, url) in [("used", "--uartmode1", "../../secret"), ("idle", "--vrde", "/etc")] {
        std::fs::write(boxes.join(format!("{name}.json")), entry(name, option, url).to_string()).unwrap();
    }
    let text = "[lab]\nbox = \"used\"\ncatalog = \"boxes\"\n[machine.web1]\n[machine.web2]\n";
    let labfile = parse(text, &beside.lab().join("Labfile")).unwrap().labfile;
    let listed: Vec<_> = reaches(&labfile).iter().map(|reach| (reach.line, reach.what.kind())).collect();
    assert_eq!(listed, [(3, "call"), (3, "box")]);
}

/// Needs root, which alone can make files that belong to others.
#[cfg(unix)]
#[test]
fn a_labfile_of_somebody_else_above_is_refused() {
    use std::os::unix::fs::chown;

    let beside = Beside::new();
    let labfile = beside.lab().join("Labfile");
    std::fs::write(&labfile, "[lab]\nbox = \"demo\"\n[machine.web1]\nprovision = [\"web.sh\"]\n").unwrap();
    let script = beside.lab().join("web.sh");
    std::fs::write(&script, "true\n").unwrap();
    let below = beside.lab().join("site");
    assert!(labfile::labfile::find(&below).is_ok());
    if chown(&labfile, Some(65534), None).is_err() {
        return;
    }
    let error = labfile::labfile::find(&below).unwrap_err();
    assert!(error.message().contains("belongs to the user"), "{error}");
    // Who names the folder means it, and what its owner put there goes with it; a third one's script does not.
    assert_eq!(labfile::labfile::find(&beside.lab()).unwrap(), labfile);
    assert!(labfile::labfile::load(&labfile).is_ok());
    chown(&script, Some(65534), None).unwrap();
    assert!(labfile::labfile::load(&labfile).is_ok());
    chown(&script, Some(65533), None).unwrap();
    let error = Error::from(labfile::labfile::load(&labfile).unwrap_err());
    assert!(error.details()[0].contains("who can change it at any time"), "{:?}", error.details());
}
