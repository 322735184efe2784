//! The command line: every help text as a snapshot, and what is typed by mistake.

use crate::common::TestLab;
use crate::common::transcript::Transcript;

/// The verbs of a command, as its help lists them.
fn verbs(help: &str) -> Vec<String> {
    let list = help.split_once("Commands:\n").map(|(_, rest)| rest.split("\n\n").next().unwrap_or_default());
    let names = list.into_iter().flat_map(str::lines).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// What `lab WORDS… --help` prints.
fn help(lab: &TestLab, words: &[&str]) -> String {
    let run = lab.lab(&[words, &["--help"]].concat()).ok();
    assert_eq!(run.stderr, "");
    let text = run.stdout.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>();
    let long = text.lines().find(|line| line.chars().count() > 100);
    assert_eq!(long, None, "a line of `lab {}` is over 100 columns wide", words.join(" "));
    text
}

#[test]
fn every_help_text() {
    let lab = TestLab::bare("").env("COLUMNS", "100");
    let main = help(&lab, &[]);
    let mut all = format!("$ lab --help\n{main}");
    for verb in verbs(&main) {
        let text = help(&lab, &[&verb]);
        all += &format!("\n\n$ lab {verb} --help\n{text}");
        let below = verbs(&text);
        assert!(text.contains("Example") || !below.is_empty(), "`lab {verb} --help` has no examples");
        for word in below {
            all += &format!("\n\n$ lab {verb} {word} --help\n{}", help(&lab, &[&verb, &word]));
        }
    }
    // The same in all of them.
    let global = main.split_once("Options of every command:\n").unwrap().1.split("\n\n").next().unwrap();
    let shorter = all.replacen(global, "<>", 1).replace(global, "  (as above)").replacen("<>", global, 1);
    insta::assert_snapshot!(shorter);
}

#[test]
fn the_short_help_fits_a_screen() {
    let lab = TestLab::bare("").env("COLUMNS", "100");
    let text = lab.lab(&["-h"]).ok().stdout;
    assert!(text.lines().count() <= 60, "{} lines", text.lines().count());
    for verb in verbs(&text) {
        assert_eq!(lab.lab(&[&verb, "-h"]).ok().stderr, "");
        assert_eq!(lab.lab(&["help", &verb]).ok().stdout, lab.lab(&[&verb, "--help"]).ok().stdout);
    }
}

#[test]
fn what_is_typed_by_mistake() {
    let lab = TestLab::bare("").env("COLUMNS", "100");
    let mut seen = Transcript::default();
    for args in [
        &[][..],
        &["statsu"],
        &["up", "--jbos", "2"],
        &["up", "--jobs", "0"],
        &["status", "--color", "blue"],
        &["status", "-q", "-v"],
        &["exec", "--", "true"],
        &["exec", "web1"],
        &["port", "web1", "http"],
        &["ssh", "web1", "-c", "true", "--", "true"],
    ] {
        let run = seen.lab(&lab, args).exits(2);
        assert_eq!(run.stdout, "");
    }
    insta::assert_snapshot!(seen.text());
}

#[test]
fn the_version_is_the_packages() {
    let lab = TestLab::bare("");
    assert_eq!(lab.lab(&["--version"]).ok().stdout, concat!("lab ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn shells_complete_machines_checks_and_boxes() {
    let lab = TestLab::bare(
        "[lab]\nbox = \"demo\"\n[machine.web1]\n[machine.db1]\n[check.answers]\nmachine = \"web1\"\nrun = \"true\"\n",
    )
    .env("LAB_COMPLETE", "bash")
    .env("_CLAP_IFS", "\n");
    let complete = |words: &[&str]| {
        let index = (words.len() - 1).to_string();
        let mut command = lab.command(&[&["--"], words].concat());
        let output = command.env("_CLAP_COMPLETE_INDEX", index).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["lab", "ssh", "w"]), ["web1"]);
    assert_eq!(complete(&["lab", "up", "db1", "d"]), ["db1"]);
    assert_eq!(complete(&["lab", "check", "a"]), ["answers"]);
    assert!(complete(&["lab", "init", "--box", "l"]).contains(&"lucid32".to_owned()));
    assert!(complete(&["lab", "st"]).contains(&"status".to_owned()));
    lab.labfile("no toml");
    assert_eq!(complete(&["lab", "ssh", "w"]), Vec::<String>::new());
}

#[test]
fn completion_scripts_and_manual_pages() {
    let lab = TestLab::bare("");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(lab.lab(&["completions", shell]).ok().stdout.contains("LAB_COMPLETE"), "{shell}");
    }
    lab.lab(&["completions", "tcsh"]).exits(2);
    lab.lab(&["man", "pages"]).ok();
    let page = std::fs::read_to_string(lab.dir().join("pages/lab-up.1")).unwrap();
    assert!(page.contains("Make machines ready") && page.contains("two machines at a time"), "{page}");
    assert!(page.contains("What is there already is kept"), "{page}");
    assert!(lab.dir().join("pages/lab-box-add.1").exists() && lab.dir().join("pages/lab.1").exists());
}
