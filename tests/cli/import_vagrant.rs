//! The test set of Vagrantfiles, read by lab and by the real Vagrant's own loader: what lab has not taken over it says.

use std::path::{Path, PathBuf};
use std::process::Command;

use labfile::labfile::import::{Around, Imported, import};
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vagrantfiles");

/// Forms of Vagrant's version 0, which it has forgotten, and names that stand for what nobody could know.
const NOT_COMPARED: &[&str] = &[
    "alone",
    "first-generation",
    "loop-over-unknown",
    "made-by-a-method",
    "no-machine",
    "other-provisioners",
    "own-key",
    "unknown",
    "unknown-arguments",
];

fn vagrantfiles() -> Vec<PathBuf> {
    let mut paths: Vec<_> = ["", "set", "refused"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(Path::new(FOLDER).join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "Vagrantfile"))
        .collect();
    paths.sort();
    paths
}

/// What Vagrant's loader makes of each file, in an environment that says nothing.
fn answers(paths: &[PathBuf]) -> Vec<Value> {
    let output = Command::new("ruby")
        .arg(Path::new(FOLDER).join("load.rb"))
        .args(paths)
        .env_clear()
        .envs(["PATH", "LANG"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("HOME", "/nonexistent")
        .output()
        .unwrap_or_else(|source| {
            panic!("ruby: {source}; install Vagrant, for example `apt-get install vagrant`")
        });
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), paths.len(), "{}", String::from_utf8_lossy(&output.stderr));
    answers
}

/// What lab has of a machine, by the text of the Labfile.
struct Machine {
    name: String,
    own: toml::Table,
    all: toml::Table,
}

impl Machine {
    fn word(&self, key: &str) -> Option<&str> {
        self.own.get(key).or(self.all.get(key))?.as_str()
    }

    fn list(&self, key: &str) -> Vec<toml::Value> {
        let of =
            |table: &toml::Table| table.get(key).and_then(toml::Value::as_array).cloned().unwrap_or_default();
        [of(&self.all), of(&self.own)].concat()
    }
}

fn machines(imported: &Imported) -> Vec<Machine> {
    let table: toml::Table = imported.text.parse().unwrap();
    let all = table.get("lab").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let machine = |name: &String| Machine {
        name: name.clone(),
        own: table["machine"][name.as_str()].as_table().unwrap().clone(),
        all: all.clone(),
    };
    imported.machines.iter().map(machine).collect()
}

/// A script as both have it: text or path, arguments, environment, by whom, how often.
type Script = (String, Vec<String>, Vec<(String, String)>, bool, bool);

fn of_vagrant(one: &Value) -> Script {
    let words = match &one["args"] {
        Value::Array(words) => words.iter().map(plain).collect(),
        Value::String(line) => {
            line.split_whitespace().map(|word| word.trim_matches(['"', '\'']).to_owned()).collect()
        }
        _ => Vec::new(),
    };
    let text = one["inline"].as_str().map(|text| text.trim().to_owned());
    let path = || one["path"].as_str().unwrap_or_default().trim_start_matches("./").to_owned();
    let mut env: Vec<_> =
        one["env"].as_object().unwrap().iter().map(|(name, value)| (name.clone(), plain(value))).collect();
    env.sort();
    (text.unwrap_or_else(path), words, env, one["privileged"] == false, one["run"] == "always")
}

fn of_lab(one: &toml::Value) -> Script {
    let get = |key: &str| one.get(key);
    let word = |key: &str| get(key).and_then(toml::Value::as_str);
    let text = match one.as_str().or_else(|| word("script")) {
        Some(path) => path.to_owned(),
        None => word("inline").unwrap().trim_start_matches("#!/bin/bash\n").trim().to_owned(),
    };
    let args = get("args").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let words = args.iter().map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    // Of a line of arguments the words within quotes are compared apart.
    let words = if words.iter().any(|word| word.contains(' ')) {
        words.iter().flat_map(|word| word.split_whitespace().map(str::to_owned)).collect()
    } else {
        words
    };
    let mut env: Vec<_> = get("env")
        .and_then(toml::Value::as_table)
        .map(|table| {
            table.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
        })
        .unwrap_or_default();
    env.sort();
    (text, words, env, word("as") == Some("user"), word("run") == Some("always"))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What a machine of Vagrant's has and lab's has not, each as words of which a note has to have one; and what only lab's has.
fn losses(vagrant: &Value, lab: &Machine, windows: bool) -> (Vec<Vec<String>>, Vec<String>) {
    let (mut lost, mut added) = (Vec::new(), Vec::new());
    let mut lose =
        |words: &[&str]| lost.push(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    let name = vagrant["name"].as_str().unwrap();
    if name != lab.name && name != "default" {
        lose(&[name]);
    }
    if let Some(hostname) = vagrant["hostname"].as_str().filter(|hostname| *hostname != lab.name) {
        lose(&[hostname]);
    }
    if vagrant["box"].as_str() != lab.word("box") {
        lose(&["no box is named"]);
    }

    let networks = vagrant["networks"].as_array().unwrap();
    let of_kind = |kind: &str| {
        networks.iter().filter(|one| one[0] == kind).map(|one| one[1].clone()).collect::<Vec<_>>()
    };
    let own = lab.word("ip");
    let private = of_kind("private_network");
    for network in &private {
        match network["ip"].as_str() {
            Some(ip) if own == Some(ip) => {}
            Some(ip) => lose(&[ip]),
            None if private.len() > 1 => lose(&["DHCP"]),
            None => {}
        }
    }
    if let Some(ip) = own.filter(|ip| private.iter().all(|network| network["ip"] != *ip)) {
        added.push(ip.to_owned());
    }
    for _ in of_kind("public_network") {
        lose(&["bridged"]);
    }

    let forwards: Vec<(i64, i64)> = lab
        .list("forward")
        .iter()
        .map(|one| (one["guest"].as_integer().unwrap(), one["host"].as_integer().unwrap()))
        .collect();
    let wanted: Vec<Value> = of_kind("forwarded_port")
        .into_iter()
        .filter(|one| one["disabled"] != true)
        .filter(|one| one["id"] != "ssh" && !one["id"].as_str().unwrap_or_default().starts_with("winrm"))
        .collect();
    for one in &wanted {
        let (guest, host) = (one["guest"].as_i64().unwrap(), one["host"].as_i64().unwrap());
        if one["protocol"] == "udp" {
            lose(&["only TCP"]);
        } else if guest == 22 {
            lose(&["lab gives every machine's ssh a port of its own"]);
        } else if !forwards.contains(&(guest, host)) {
            lose(&[&format!("port {host} is forwarded to another machine")]);
        }
    }
    let guests: Vec<i64> = wanted.iter().map(|one| one["guest"].as_i64().unwrap()).collect();
    added
        .extend(forwards.iter().filter(|(guest, _)| !guests.contains(guest)).map(|pair| format!("{pair:?}")));

    let scripts: Vec<Script> = lab.list("provision").iter().map(of_lab).collect();
    let copies: Vec<String> =
        lab.list("copy").iter().map(|one| one["to"].as_str().unwrap().to_owned()).collect();
    let mut expected = Vec::new();
    for one in vagrant["provisioners"].as_array().unwrap() {
        let kind = one["type"].as_str().unwrap();
        let script = of_vagrant_if_shell(one, kind);
        match (kind, script) {
            (_, _) if windows => lose(&["Windows"]),
            ("shell", Some(script)) if scripts.contains(&script) => expected.push(script),
            ("shell", Some(script)) => {
                let file = script.0.lines().next().unwrap_or_default().to_owned();
                lose(&[file.as_str(), "`inline` is not known", "`args` is not known"]);
                // Without its arguments it is there all the same.
                expected.extend(scripts.iter().find(|one| one.0 == script.0).cloned());
            }
            ("file", _)
                if copies
                    .iter()
                    .any(|to| to.ends_with(plain(&one["destination"]).trim_start_matches('~'))) => {}
            ("file", _) => lose(&[&plain(&one["source"])]),
            (kind, _) => lose(&[&format!("provision \"{kind}\""), &format!("provision :{kind}")]),
        }
    }
    if scripts != expected {
        added.push(format!("scripts {scripts:?}, and not {expected:?}"));
    }

    for folder in vagrant["folders"].as_array().unwrap() {
        let to = folder["guestpath"].as_str().unwrap_or_default();
        if to != "/vagrant" && folder["disabled"] != true && !copies.iter().any(|copy| copy == to) {
            lose(&[to]);
        }
    }

    let said = |option: &str| {
        let commands = vagrant["customize"].as_array().unwrap().iter().rev();
        let behind = |command: &Value| {
            let words = command.as_array()?;
            let at = words.iter().rposition(|word| word == option)?;
            words.get(at + 1).map(plain)
        };
        commands.filter_map(behind).next()
    };
    let memory = lab.word("memory").map(|memory| memory.trim_end_matches(" MiB").to_owned());
    if let Some(said) = said("--memory").filter(|said| memory.as_ref() != Some(said)) {
        lose(&[&format!("`memory` cannot be {said}")]);
    }
    let cpus = lab.own.get("cpus").or(lab.all.get("cpus")).map(ToString::to_string);
    if let Some(said) = said("--cpus").filter(|said| cpus.as_ref() != Some(said)) {
        lose(&[&format!("`cpus` cannot be {said}")]);
    }
    (lost, added)
}

fn of_vagrant_if_shell(one: &Value, kind: &str) -> Option<Script> {
    (kind == "shell").then(|| of_vagrant(one))
}

#[test]
#[ignore = "needs Vagrant: run by scripts/test"]
fn vagrant_itself_reads_the_same() {
    let paths = vagrantfiles();
    let (mut complete, mut listed, mut not_compared) = (0, 0, 0);
    let mut faults = Vec::new();
    for (path, answer) in paths.iter().zip(answers(&paths)) {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if NOT_COMPARED.contains(&stem) {
            not_compared += 1;
            continue;
        }
        assert!(answer["error"].is_null(), "{stem}: {answer}");
        let dir = path.parent().unwrap();
        let around = Around {
            dir,
            prefix: Path::new(""),
            shown: "Vagrantfile",
            environment: &|_| None,
            knows_box: &|_| true,
        };
        let imported = import(path, &around).unwrap_or_else(|error| panic!("{stem}: {error}"));
        let notes: Vec<_> = imported.notes.iter().map(|note| note.text.as_str()).collect();
        let windows = notes.iter().any(|note| note.contains("the guest is Windows"));
        let (theirs, ours) = (answer["machines"].as_array().unwrap(), machines(&imported));
        assert_eq!(theirs.len(), ours.len(), "{stem}: {answer}");
        let mut all_lost = 0;
        for (vagrant, lab) in theirs.iter().zip(&ours) {
            let of_windows = windows && vagrant["box"].as_str().is_some_and(|name| name.contains("windows"));
            let (lost, added) = losses(vagrant, lab, of_windows);
            for words in &lost {
                let said = notes.iter().any(|note| words.iter().any(|word| note.contains(word.as_str())));
                if !said {
                    faults.push(format!("{stem}: {}: lost in silence: {words:?}\n{notes:#?}", lab.name));
                }
            }
            if !added.is_empty() {
                faults.push(format!("{stem}: {}: Vagrant has not {added:?}", lab.name));
            }
            all_lost += lost.len();
        }
        if all_lost == 0 { complete += 1 } else { listed += 1 }
    }
    let lines = [format!(
        "{complete} complete, {listed} with losses that are listed, {not_compared} that Vagrant cannot read"
    )];
    // What the test set is for: a number to be read.
    #[allow(clippy::print_stdout, reason = "the figures of this test")]
    {
        println!("{}", lines.concat());
    }
    assert!(complete + listed >= 60, "{lines:?}");
}
