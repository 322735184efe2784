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
    assert!(page.contains("Machines that exist are kept"), "{page}");
    assert!(lab.dir().join("pages/lab-box-add.1").exists() && lab.dir().join("pages/lab.1").exists());
}

/// What must not reach a terminal, of every kind: sequences of C0 and C1, directions, separators, zero widths.
const TRICKY: &str = "\u{1b}]0;PWN\u{7}\u{1b}[2J\r\u{8}\u{7f}\u{85}\u{9b}31m\u{9d}x\u{61c}\u{200b}\u{200f}\u{2028}\u{202e}\u{2066}\u{feff}\u{e0041}";

/// The same as an escaped text of TOML or JSON.
fn escaped() -> String {
    let unit = |unit: u16| format!("\\u{unit:04x}");
    // TOML has no surrogates.
    TRICKY.chars().filter(|c| u32::from(*c) < 0x10000).map(|c| unit(c as u32 as u16)).collect()
}

/// Fails the test where `text` has what a terminal obeys.
#[track_caller]
fn is_clean(what: &str, text: &str) {
    let tricky = |c: char| labfile::printable::is_tricky(c) && !matches!(c, '\n' | '\t');
    assert!(!text.contains(tricky), "{what}:\n{text:?}");
    let forged = text.lines().any(|line| line.starts_with("hint: forged") || line.starts_with("forged"));
    assert!(!forged, "{what}: a line is forged:\n{text}");
}

/// Runs verbs, in words and as JSON, and fails the test where one of them shows something tricky, or panics.
#[track_caller]
fn all_clean(lab: &TestLab, what: &str, verbs: &[&[&str]]) {
    for verb in verbs {
        for json in [&[][..], &["--json"]] {
            let run = lab.lab(&[verb, json].concat());
            let what = format!("{what}, lab {} {json:?}", verb.join(" "));
            is_clean(&what, &run.stdout);
            is_clean(&what, &run.stderr);
            assert!(!matches!(run.code, 70 | 101 | -1), "{what}: {}\n{}", run.code, run.stderr);
        }
    }
}

/// Verbs that read the Labfile and fetch nothing.
const READERS: &[&[&str]] = &[
    &["validate"],
    &["status"],
    &["doctor"],
    &["graph"],
    &["graph", "--svg"],
    &["hosts"],
    &["up", "--provider", "qemu"],
    &["check"],
    &["provision"],
    &["ssh"],
    &["box", "update"],
    &["destroy", "--yes"],
];

#[test]
fn nothing_of_a_labfile_is_obeyed_by_a_terminal() {
    let p = escaped();
    // A box that is not there: nothing is asked of the network.
    let good = "[lab]\nbox = \"./none.box\"\n[machine.web1]\n";
    let quoted = format!("\"{p}\\nhint: forged\"");
    let fields = [
        format!("[lab]\nbox = \"./x{p}\"\n[machine.web1]\n"),
        format!("[lab]\nname = {quoted}\nbox = \"./none.box\"\n[machine.web1]\n"),
        format!("[lab]\nbox = \"./none.box\"\nprovider = {quoted}\n[machine.web1]\n"),
        format!("[lab]\nbox = \"./none.box\"\ncatalog = {quoted}\n[machine.web1]\n"),
        format!("[lab]\nbox = \"./none.box\"\nbox_version = {quoted}\n[machine.web1]\n"),
        format!("[lab]\nbox = \"./none.box\"\n{quoted} = 1\n[machine.web1]\n"),
        format!("[network]\nprivate = {quoted}\n{good}"),
        format!("{good}[machine.{quoted}]\n"),
        format!("{good}[{quoted}]\n"),
        format!("{good}[check.{quoted}]\nmachine = \"web1\"\nrun = \"x\"\n"),
        format!("{good}[check.x]\nmachine = {quoted}\nrun = {quoted}\nexpect = {quoted}\nhint = {quoted}\n"),
        format!("{good}ip = {quoted}\nmemory = {quoted}\nboot_timeout = {quoted}\n"),
        format!("{good}after = [{quoted}]\n"),
        format!("{good}forward = [{quoted}]\n"),
        format!("{good}provision = [{quoted}]\n"),
        format!(
            "{good}provision = [{{ name = {quoted}, inline = \"x\", args = [{quoted}], env = {{ {quoted} = \"x\" }} }}]\n"
        ),
        format!("{good}copy = [{{ from = {quoted}, to = {quoted} }}]\n"),
        format!("{good}[machine.web1.qemu]\nargs = [{quoted}]\nmachine = {quoted}\n"),
        format!("{good}[machine.web1.virtualbox]\ncustomize = [[{quoted}]]\n"),
        // As they are, which is no TOML.
        format!("[lab]\nname = {TRICKY}\n"),
        format!("{good}# {TRICKY}\nx = \n"),
        format!("\"{TRICKY}\" = 1\n"),
    ];
    for labfile in fields {
        all_clean(&TestLab::bare(&labfile), &labfile, READERS);
    }
}

#[test]
fn one_file_writes_to_the_terminal() {
    fn look(dir: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("src/lab/trial") {
                // Tests alone are in there.
            } else if path.is_dir() {
                look(&path, found);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                let ways =
                    ["stdout().lock", "stderr().lock", "println!(", "eprint", " print!(", "error.print("];
                if ways.iter().any(|way| code.contains(way)) {
                    found.push(path.file_name().unwrap().to_string_lossy().into_owned());
                }
            }
        }
    }
    let mut found = Vec::new();
    look(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert_eq!(found, ["terminal.rs"]);
}

#[test]
fn foreign_colours_are_no_colours() {
    // Lab paints no background.
    let p = "\"\\u001b[45mx\"";
    for labfile in [
        format!("[lab]\nname = {p}\nbox = {p}\n[machine.{p}]\n[{p}]\n[machine.web1]\nprovision = [{p}]\n"),
        "[lab]\nbox = \"./x\\u001b[45m.box\"\n[machine.web1]\n".to_owned(),
        "[lab]\nname = \u{1b}[45mx\n".to_owned(),
    ] {
        let lab = TestLab::bare(&labfile);
        for verb in READERS {
            let run = lab.lab(&[&["--color", "always"], *verb].concat());
            let shown = run.stdout + &run.stderr;
            assert!(!shown.contains("\u{1b}[45m"), "{verb:?}: {shown:?}");
        }
    }
}

#[test]
fn nothing_of_a_name_or_word_is_obeyed_by_a_terminal() {
    let good = "[lab]\nbox = \"./none.box\"\n[machine.web1]\nprovision = [\"nothere.sh\"]\n";
    let word = format!("x{TRICKY}\nhint: forged");
    let lab = TestLab::bare(good);
    std::fs::create_dir(lab.dir().join(&word)).unwrap();
    all_clean(&lab, "a folder's name beside the Labfile", READERS);
    all_clean(
        &TestLab::bare(good).moved_to(&word),
        "the lab's own folder",
        &[READERS, &[&["init", "--print"], &["bugreport"]]].concat(),
    );
    let w = word.as_str();
    let typed: &[&[&str]] = &[
        &[w],
        &["up", w],
        &["up", "--provider", w],
        &["up", "--jobs", w],
        &["status", w],
        &["--color", w, "status"],
        &["-C", w, "status"],
        &["ssh", w],
        &["exec", w, "--", "true"],
        &["cp", w, "web1:"],
        &["cp", "a", w],
        &["halt", w],
        &["logs", w],
        &["port", w],
        &["port", "web1", w],
        &["open", w],
        &["check", w],
        &["box", w],
        &["box", "show", w],
        &["box", "add", w],
        &["box", "add", w, w],
        &["box", "remove", w],
        &["box", "verify", w],
        &["box", "package", w],
        &["snapshot", "save", w],
        &["snapshot", "restore", w, "--yes"],
        &["import", w],
        &["init", "--name", w, "--print"],
        &["init", "--box", w, "--print"],
        &["doctor", "-f", w],
        &["doctor", "--provider", w],
        &["hosts", "--file", w, "--remove"],
        &["completions", w],
        &["ssh", "web1", "--", w],
        &["destroy", w, "--yes"],
        &["man", "/dev/null/x"],
    ];
    let lab = TestLab::bare(good);
    all_clean(&lab, "a word", typed);
    for variable in [
        "LAB_PROVIDER",
        "LAB_CATALOG",
        "LAB_QEMU",
        "LAB_QEMU_ACCEL",
        "LAB_LOCK_TIMEOUT",
        "LAB_HOSTS_FILE",
        "LAB_HOME",
    ] {
        let lab = TestLab::bare(good).env(variable, w);
        all_clean(&lab, variable, &[&["up"], &["doctor"], &["box", "list"], &["hosts", "--remove"]]);
    }
}

#[test]
fn nothing_of_a_vagrantfile_state_or_box_is_obeyed_by_a_terminal() {
    let lab = TestLab::bare("[lab]\nbox = \"./box.json\"\n[machine.web1]\n");
    let p = escaped();
    lab.write(
        "lab/v/Vagrantfile",
        &format!(
            "Vagrant.configure(\"2\") do |c|\nc.vm.box = \"demo{TRICKY}\"\nfoo \"{TRICKY}\"\nc.vm.hostname = \"x{TRICKY}\"\n\
             c.vm.provision \"shell\", name: \"x{TRICKY}\", inline: \"echo {TRICKY}\"\nend\n"
        ),
    );
    lab.write("lab/w/Vagrantfile", &format!("Vagrant.configure(\"2\") do |c|\n)) {TRICKY}\nend\n"));
    all_clean(&lab, "a Vagrantfile", &[&["import", "v", "--print"], &["import", "w", "--print"]]);
    for (field, value) in
        [("checksum", "version"), ("version", "checksum"), ("url", "version"), ("name", "version")]
    {
        lab.write(
            "lab/box.json",
            &format!(
                r#"{{"name": "x{p}", "versions": [{{"{value}": "1", "version": "1", "providers": [{{"name": "qemu", "{field}": "x{p}\nhint: forged", "checksum_type": "{p}"}}]}}]}}"#
            ),
        );
        all_clean(
            &lab,
            "a registry's answer",
            &[&["up", "--provider", "qemu"], &["box", "add", "x", "./box.json"]],
        );
    }
    lab.write(
        "lab/Labfile.lock",
        &format!(
            "version = 1\n[[box]]\nname = \"./box.json\"\nsource = \"{p}\"\nsize = 1\nsha256 = \"{p}\"\n"
        ),
    );
    all_clean(&lab, "a lock file", &[&["up", "--provider", "qemu"], &["box", "update"], &["status"]]);
    lab.write(
        "lab/.lab/state.json",
        &format!("{{\"version\": 1, \"lab_id\": \"{p}\", \"provider\": \"{p}\"}}"),
    );
    all_clean(&lab, "a state", READERS);
}

#[cfg(unix)]
#[test]
fn on_a_terminal_a_log_is_only_shown_and_in_a_pipe_it_is_whole() {
    let lab = TestLab::bare("[lab]\nbox = \"./none.box\"\n[machine.web1]\n");
    lab.write("lab/.lab/lab.log", &format!("a{TRICKY}b\n"));
    assert_eq!(lab.lab(&["logs", "--lab"]).ok().stdout, format!("a{TRICKY}b\n"));
    let line = lab.lab(&["logs", "--lab", "--json"]).ok();
    is_clean("as JSON", &line.stdout);
    assert_eq!(line.json()["line"], format!("a{TRICKY}b"));
    let mut script = std::process::Command::new("script");
    let command = lab.command(&[]);
    script
        .args(["-qec", &format!("{} logs --lab", env!("CARGO_BIN_EXE_lab")), "/dev/null"])
        .current_dir(lab.dir());
    script
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdin(std::process::Stdio::null());
    let output = script.output().unwrap();
    is_clean("on a terminal", &String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n"));
}

#[cfg(unix)]
#[test]
fn words_that_are_no_text_are_an_error_and_no_panic() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStringExt;
    let bad = OsString::from_vec(b"caf\xe9".to_vec());
    let lab = TestLab::bare("[lab]\nbox = \"./none.box\"\n[machine.web1]\n");
    let folder = lab.dir().join(&bad);
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(lab.dir().join("Labfile"), folder.join("Labfile")).unwrap();
    let main = help(&lab, &[]);
    for verb in verbs(&main) {
        for words in [[OsStr::new("-C"), &bad, OsStr::new(&verb)], [OsStr::new(&verb), &bad, &bad]] {
            let output = lab.command(&[]).args(words).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let code = output.status.code();
            assert!(
                !matches!(code, Some(70 | 101) | None) && !said.contains("internal error"),
                "{words:?}: {code:?} {said}"
            );
        }
    }
    let up = lab.command(&["up", "--provider", "qemu"]).current_dir(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&up.stderr);
    assert!(
        up.status.code() == Some(4) && said.contains("is not Unicode text") && said.contains("hint: rename"),
        "{said}"
    );
    assert!(!folder.join(".lab").exists());
    let named = lab.command(&["box", "add"]).arg(&bad).output().unwrap();
    let said = String::from_utf8_lossy(&named.stderr);
    assert!(named.status.code() == Some(2) && said.contains("`caf\u{fffd}` is not Unicode text"), "{said}");
}

#[test]
fn numbers_at_the_edge_are_no_panic() {
    let most = u64::MAX.to_string();
    let lab = TestLab::bare("[lab]\nbox = \"./none.box\"\n[machine.web1]\n");
    let lab = ["LAB_HTTP_TIMEOUT", "LAB_LOCK_TIMEOUT", "COLUMNS"]
        .into_iter()
        .fold(lab, |lab, name| lab.env(name, &most));
    lab.lab(&["box", "add", "x", "http://127.0.0.1:1/x.box"])
        .exits(6)
        .says_not(&["internal error", "bug in lab"]);
    for args in [
        &["status"][..],
        &["--help"],
        &["logs", "--lab", "-n", &most],
        &["up", "--jobs", "65535"],
        &["port", "web1", "65535"],
    ] {
        let run = lab.lab(args).says_not(&["internal error"]);
        assert!(!matches!(run.code, 70 | 101), "{args:?}");
    }
}

#[test]
fn verbs_of_other_programs_lead_to_labs_own() {
    let lab = TestLab::bare("");
    let leads = |words: &[&str], hint: &str| {
        let run = lab.lab(words).exits(2).says(&[&format!("there is no `lab {}`", words.join(" ")), hint]);
        assert_eq!(run.stderr.lines().filter(|line| line.starts_with("hint: ")).count(), 1);
    };
    leads(&["list"], "hint: `lab status` shows the machines");
    leads(&["global-status"], "lab status");
    leads(&["rm"], "lab destroy");
    leads(&["box", "ls"], "lab box list");
    leads(&["snapshot", "push"], "lab snapshot save");
    lab.lab(&["statsu"]).exits(2).says(&["'status'"]);
}

#[test]
fn what_is_ssh_s_own_stands_before_the_dashes() {
    let lab = TestLab::bare("[lab]\nbox = \"demo\"\n[machine.solo]\n");
    lab.lab(&["ssh", "solo", "--", "-L", "8080:localhost:80"]).exits(2).says(&[
        "-L is no command",
        "hint: ssh's own options stand before: `lab ssh -L 8080:localhost:80 solo`",
    ]);
    lab.lab(&["ssh", "solo", "-L", "8080:localhost:80"]).exits(7).says(&["no machines yet"]);
    lab.lab(&["ssh", "-tXAN", "-D", "1080", "-o", "X=y", "solo"]).exits(7);
    lab.lab(&["ssh", "-N", "solo", "--", "true"]).exits(2).says(&["cannot be used with"]);
    let unknown = lab.lab(&["ssh", "solo", "-Q", "x"]).exits(2).says(&["-Q"]);
    assert!(!unknown.stderr.contains("as a value"), "{}", unknown.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn half_of_the_data_is_a_failure() {
    let lab = TestLab::bare("[lab]\nbox = \"demo\"\n[machine.solo]\n");
    for args in
        [&["--version"][..], &["--help"], &["up", "-h"], &["schema"], &["status"], &["validate", "--json"]]
    {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = lab.command(args).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(5)
                && said.contains("the disk is full: could not write to standard output"),
            "{args:?}: {said}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_needs_no_thread_works_where_none_is_to_be_had() {
    let lab = TestLab::bare("[lab]\nbox = \"./none.box\"\n[machine.solo]\n");
    let program = lab.root().join("lab-program");
    std::fs::copy(env!("CARGO_BIN_EXE_lab"), &program).unwrap();
    let mode: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(lab.root(), mode).unwrap();
    for (verb, code) in [("validate", 0), ("status", 5), ("--version", 0)] {
        // A user of its own, who has one process already.
        let line = format!("ulimit -u 1; exec {} {verb}", program.display());
        let mut command = std::process::Command::new("setpriv");
        command
            .args(["--reuid=54321", "--regid=54321", "--clear-groups", "bash", "-c", &line])
            .current_dir(lab.dir());
        command.env("LAB_HOME", "/tmp").env("HOME", "/tmp");
        if !rustix::process::getuid().is_root() {
            return;
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(code) && !said.contains("internal error"), "{verb}: {said}");
    }
}
