//! The life of a lab, with real machines.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::chapters;
use crate::common::chapters::go_through;
use crate::common::{TestLab, signal, wait_for};
use serde_json::{Value, json};

const COMMON: &str = r#"[lab]
name = "life"
box = "demo"
memory = "128 MiB"
provision = [
  "provision/common.sh",
  { name = "boots", inline = "echo \"$(hostname) boots\" >>/root/boots", run = "always" },
]
"#;

const WEB1: &str = r##"[machine.web1]
ip = "192.168.56.10"
after = ["db1"]
forward = [{ host = 18080, guest = 8000, auto = true }]
copy = [{ from = "site", to = "/srv/site" }]
provision = [
  { script = "provision/args.sh", args = ["--workers", "it's  \"ü\" $HOME", ""], env = { ROLE = "web 'ß'" } },
  { name = "who", inline = "#!/bin/bash\nid -un; pwd; [[ $HOME = /home/vagrant ]]", as = "user" },
  { name = "count", inline = "echo count >>/root/count" },
]
"##;

const WEB2: &str = "[machine.web2]\nip = \"192.168.56.11\"\nafter = [\"db1\"]\n";
const DB1: &str = "[machine.db1]\nip = \"192.168.56.20\"\n";

/// The lab of most tests here.
fn three() -> TestLab {
    let lab = TestLab::with_demo_box(&[COMMON, WEB1, WEB2, DB1].concat());
    lab.write(
        "lab/provision/common.sh",
        "set -eu\necho common >>/root/common\necho 'töne from common' >&2\n",
    );
    lab.write("lab/provision/args.sh", "printf '%s|' \"$#\" \"$@\" \"$ROLE\" >/root/args\n");
    lab.write("lab/site/app/run", "#!/bin/sh\n");
    lab.write("lab/site/secret ü", "x");
    let mode = |path: &str, mode| {
        let path = lab.dir().join(path);
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    mode("site/app/run", 0o755);
    mode("site/secret ü", 0o640);
    std::os::unix::fs::symlink("app/run", lab.dir().join("site/link")).unwrap();
    lab
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn three_machines_become_ready_and_go() {
    let lab = three().counting_ssh();

    // Up: one connection for the set-up and one for the provisioners, and a small process of our own.
    let up = lab.start_piped(&["up"]);
    let pid = up.0.id();
    let watch = std::thread::spawn(move || crate::common::peak_memory(pid));
    let up = lab.finish(up).ok().says(&["| töne from common", "db1: ready", "web1: ready", "lab ssh web1"]);
    let peak = watch.join().unwrap();
    eprintln!("lab's peak memory during up: {peak} MiB; it took {:?}", up.took);
    assert!((1..30).contains(&peak), "{peak} MiB");
    let calls = lab.ssh_calls();
    for machine in ["web1", "web2", "db1"] {
        let count = calls.iter().filter(|call| call.contains(&format!("HostKeyAlias={machine} "))).count();
        assert!((1..=2).contains(&count), "{count} ssh for {machine}: {calls:#?}");
    }
    // All boot side by side; in what comes after db1, nothing was run before db1 was ready.
    let (ready, web) = (up.stderr.find("db1: ready").unwrap(), up.stderr.find("web1: copy to").unwrap());
    assert!(ready < web, "{}", up.stderr);

    // Again: nothing to do, and nothing done.
    let again =
        lab.lab(&["up"]).ok().says(&["web1: already ready", "db1: already ready"]).says_not(&["booting"]);
    assert_eq!(lab.ssh_calls(), Vec::<String>::new());
    assert!(again.took < Duration::from_secs(15), "{:?}", again.took);

    go_through(
        &lab,
        chapters![
            the_guests_are_as_promised,
            the_status_is_true,
            commands_reach_the_guests,
            logs_can_be_read_and_followed,
            ssh_and_scp_work_without_lab,
            files_go_there_and_back,
            provisioners_are_run_again_when_asked,
            machines_are_added_and_removed,
            what_is_destroyed_leaves_nothing,
        ],
    );
}

fn the_guests_are_as_promised(lab: &TestLab) {
    for (machine, address) in [("web1", "192.168.56.10"), ("web2", "192.168.56.11"), ("db1", "192.168.56.20")]
    {
        assert_eq!(lab.ssh(machine, "hostname; cat /etc/hostname"), format!("{machine}\n{machine}"));
        let hosts = lab.ssh(machine, "cat /etc/hosts");
        for line in ["192.168.56.10 web1", "192.168.56.11 web2", "192.168.56.20 db1"] {
            assert!(hosts.lines().any(|found| found == line), "{hosts}");
        }
        assert_eq!(lab.ssh(machine, "getent hosts web2 | tr -s ' '"), "192.168.56.11 web2");
        assert!(lab.ssh(machine, "ip -4 -o addr").contains(&format!("inet {address}/24")));
        assert_eq!(lab.ssh(machine, "sudo cat /root/common /root/boots"), format!("common\n{machine} boots"));
        lab.clock_is_right(machine);
        let public = std::fs::read_to_string(lab.dir().join(".lab/id_rsa.pub")).unwrap();
        assert_eq!(lab.ssh(machine, "cat .ssh/authorized_keys"), public.trim_end());
    }
    // The private network carries TCP, by name.
    let listen = "import socket; s = socket.create_server(('192.168.56.20', 7000)); c, peer = s.accept(); \
                  c.sendall((peer[0] + ' met db1').encode())";
    lab.ssh("db1", &format!("nohup python3 -c \"{listen}\" >/dev/null 2>&1 & sleep 1"));
    let talk = "import socket, time\nfor _ in range(50):\n  try: s = socket.create_connection(('db1', 7000)); break\n  \
                except OSError: time.sleep(.2)\nprint(s.recv(99).decode())";
    assert_eq!(lab.ssh("web1", &format!("python3 -c \"{talk}\"")), "192.168.56.10 met db1");

    lab.insecure_key_opens_nothing("web1");

    // Provisioners and copies arrived as written.
    let args = lab.ssh("web1", "sudo cat /root/args");
    assert_eq!(args, "3|--workers|it's  \"ü\" $HOME||web 'ß'|");
    let site = lab.ssh("web1", "cd /srv/site && stat -c '%a %U %n' app/run secret* && readlink link");
    assert_eq!(site, "755 root app/run\n640 root secret ü\napp/run");
}

fn the_status_is_true(lab: &TestLab) {
    let status = lab.lab(&["status", "--json"]).ok().json();
    assert_eq!(status["version"], 1);
    assert_eq!(status["lab"], "life");
    assert_eq!(status["provider"], "qemu");
    let names: Vec<_> =
        status["machines"].as_array().unwrap().iter().map(|machine| &machine["name"]).collect();
    assert_eq!(names, ["web1", "web2", "db1"]);
    let web1 = lab.status("web1");
    let port: u16 = lab.lab(&["port", "web1", "22"]).ok().stdout.trim().parse().unwrap();
    let forward = lab.lab(&["port", "web1", "8000"]).ok().stdout.trim().parse::<u16>().unwrap();
    for (key, expected) in [
        ("state", json!("running")),
        ("ready", json!(true)),
        ("ip", json!("192.168.56.10")),
        ("ssh", json!(format!("127.0.0.1:{port}"))),
        ("forwards", json!([{"host": forward, "guest": 8000, "address": "127.0.0.1"}])),
        ("box", json!("demo")),
        ("memory_mib", json!(128)),
        ("changed", json!([])),
        ("failure", json!(null)),
    ] {
        assert_eq!(web1[key], expected, "{key} of {web1}");
    }
    lab.lab(&["port", "web2", "80"]).exits(2).says(&["forward = [{ host = 8080, guest = 80 }]"]);

    // The forward leads there.
    lab.ssh("web1", "cd /srv/site; nohup python3 -m http.server 8000 >/dev/null 2>&1 & sleep 0.5");
    let url = format!("http://127.0.0.1:{forward}/app/run");
    wait_for("the forwarded port", Duration::from_secs(30), || {
        let got = Command::new("curl").args(["-s", "--max-time", "5", &url]).output().unwrap();
        (got.stdout == b"#!/bin/sh\n").then_some(())
    });
    lab.ssh("web1", "pkill -f http.server");
}

fn commands_reach_the_guests(lab: &TestLab) {
    let words = ["it's", "two  words", "a\"b", "$HOME", "ü", "", "*"];
    let exec = [&["exec", "web1", "--", "printf", "%s|"][..], &words].concat();
    assert_eq!(lab.lab(&exec).ok().stdout, "it's|two  words|a\"b|$HOME|ü||*|\n");
    let ssh = [&["ssh", "web1", "--", "printf", "%s|"][..], &words].concat();
    assert_eq!(lab.lab(&ssh).ok().stdout, "it's|two  words|a\"b|$HOME|ü||*|");

    let several = lab.lab(&["exec", "web1", "web2", "--", "hostname; echo oh >&2"]).ok();
    let lines: BTreeSet<&str> = several.stdout.lines().collect();
    assert_eq!(lines, BTreeSet::from(["web1: web1", "web2: web2"]));
    several.says(&["web1: oh\n", "web2: oh\n"]);
    let worst = lab.lab(&["exec", "--all", "--", "case $(hostname) in web1) exit 3;; db1) exit 7;; esac"]);
    worst.exits(7).says(&["web1: exit status 3", "db1: exit status 7"]);
    let lines = lab.lab(&["exec", "--all", "--json", "--", "hostname"]).ok().json_lines();
    let exits = lines.iter().filter(|line| line["event"] == "exit" && line["status"] == 0).count();
    assert_eq!((lines.len(), exits), (6, 3), "{lines:?}");
    // There is nobody to type.
    let cat = lab.lab(&["exec", "web1", "--", "cat"]).ok();
    assert!(cat.took < Duration::from_secs(20), "{:?}", cat.took);

    lab.lab(&["ssh", "web1", "-c", "exit 42"]).exits(42);
    let mut cat = lab.command(&["ssh", "web1", "--", "cat"]);
    let mut cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let bytes: Vec<u8> = (0..200_000u32).map(|n| (n * 7 % 251) as u8).collect();
    let mut stdin = cat.stdin.take().unwrap();
    let sent = bytes.clone();
    let feeder = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &sent));
    let output = cat.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.stdout == bytes, "{} bytes came back", output.stdout.len());

    lab.lab(&["ssh", "wbe1"]).exits(2).says(&["no machine wbe1", "did you mean web1?"]);
    lab.lab(&["ssh"]).exits(2).says(&["which machine?", "lab ssh web1"]);
}

fn logs_can_be_read_and_followed(lab: &TestLab) {
    let log = lab.lab(&["logs", "web1"]).ok().stdout;
    assert!(log.contains("==> web1 console <==") && log.contains("==> web1 provision <=="), "{log}");
    assert!(log.contains("Linux version") && log.contains("töne from common"), "{log}");
    let last = lab.lab(&["logs", "web1", "--provision", "-n", "1"]).ok().stdout;
    assert!(last.starts_with("=== count: done in"), "{last}");

    let follower = lab.start_piped(&["logs", "web1", "--provision", "-n", "0", "-f"]);
    std::thread::sleep(Duration::from_millis(300));
    lab.lab(&["provision", "web1", "--only", "who"]).ok();
    std::thread::sleep(Duration::from_millis(500));
    signal(follower.0.id(), rustix::process::Signal::INT);
    let followed = lab.finish(follower).ok();
    assert!(followed.stdout.contains("\nvagrant\n/home/vagrant\n"), "{}", followed.stdout);
    assert!(!followed.stdout.contains("töne"), "{}", followed.stdout);
    assert_eq!(followed.stderr, "");
}

fn ssh_and_scp_work_without_lab(lab: &TestLab) {
    lab.write("lab/notes.txt", "some notes\n");
    let config = lab.root().join("ssh config");
    std::fs::write(&config, lab.lab(&["ssh-config"]).ok().stdout).unwrap();
    let run = |program: &str, words: &[&str]| {
        let output = Command::new(program).arg("-F").arg(&config).args(words).current_dir(lab.dir()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(run("ssh", &["db1", "hostname"]), "db1\n");
    run("scp", &["-q", "notes.txt", "web2:"]);
    assert_eq!(lab.ssh("web2", "cat notes.txt"), "some notes");
}

fn files_go_there_and_back(lab: &TestLab) {
    lab.write("lab/things/sub/it's here.txt", "text");
    lab.lab(&["cp", "things", "web1:"]).ok();
    assert_eq!(lab.ssh("web1", "cat \"things/sub/it's here.txt\""), "text");
    lab.lab(&["cp", "web1:things", "back"]).ok();
    assert_eq!(std::fs::read_to_string(lab.dir().join("back/sub/it's here.txt")).unwrap(), "text");
    lab.lab(&["cp", "web1:/etc/shadow", "."]).exits(8).says(&["web1:/etc/shadow", "Permission denied"]);
    lab.lab(&["cp", "things", "back"]).exits(2).says(&["neither path is in a machine"]);
}

fn provisioners_are_run_again_when_asked(lab: &TestLab) {
    let counts = || {
        lab.ssh(
            "web1",
            "sudo sh -c 'cat /root/common /root/boots /root/count | sort | uniq -c | tr -s \" \"'",
        )
    };
    assert_eq!(counts(), " 1 common\n 1 count\n 1 web1 boots");
    lab.lab(&["provision", "web1", "--only", "count", "--only", "boots"])
        .ok()
        .says(&["web1: count: done in"]);
    assert_eq!(counts(), " 1 common\n 2 count\n 2 web1 boots");
    lab.lab(&["provision", "web1"]).ok();
    assert_eq!(counts(), " 2 common\n 3 count\n 3 web1 boots");
    lab.lab(&["provision", "web1", "--only", "conut"])
        .exits(2)
        .says(&["there is no provisioner conut", "count"]);

    // A changed text is told of, and not run; what is new is run, and nothing else.
    let changed = WEB1.replace("echo count >>", "echo recount >>");
    lab.labfile(&[COMMON, &changed, WEB2, DB1].concat());
    assert_eq!(lab.status("web1")["changed"], json!(["count"]));
    assert_eq!(lab.status("web2")["changed"], json!([]));
    lab.lab(&["status"]).ok().says(&["count has changed since it ran", "lab provision web1"]);
    lab.lab(&["up"]).ok().says(&["web1: already ready", "count has changed since it ran"]);
    assert_eq!(counts(), " 2 common\n 3 count\n 3 web1 boots");
    let more = WEB2.to_owned() + "provision = [{ name = \"late\", inline = \"echo late >>/root/late\" }]\n";
    lab.labfile(&[COMMON, WEB1, &more, DB1].concat());
    lab.lab(&["up"])
        .ok()
        .says(&["web2: late", "web2: ready", "web1: already ready"])
        .says_not(&["has changed", "boots"]);
    assert_eq!(lab.ssh("web2", "sudo cat /root/late /root/common /root/boots"), "late\ncommon\nweb2 boots");
}

fn machines_are_added_and_removed(lab: &TestLab) {
    let web3 = "[machine.web3]\nip = \"192.168.56.12\"\n";
    let runs = || lab.ssh("web1", "sudo cat /root/common");
    let before = runs();
    lab.labfile(&[COMMON, WEB1, WEB2, DB1, web3].concat());
    lab.lab(&["up"]).ok().says(&["web3: ready"]);
    for machine in ["web1", "db1", "web3"] {
        assert_eq!(lab.ssh(machine, "getent hosts web3 | tr -s ' '"), "192.168.56.12 web3");
    }
    assert_eq!(runs(), before, "the new name costs no provisioner");
    lab.labfile(&[COMMON, WEB1, WEB2, DB1].concat());
    let up = lab.lab(&["up"]).ok();
    up.says(&["web3: warning: is not in the Labfile any more", "web3: hint: `lab destroy web3` removes it"]);
    assert_eq!(lab.status("web3")["state"], "running");
    assert_eq!(lab.ssh("db1", "getent hosts web3 || echo gone"), "gone");
    lab.lab(&["destroy", "web3", "--yes"]).ok();
    let names = lab.lab(&["status", "--json"]).ok().json()["machines"].as_array().unwrap().len();
    assert_eq!(names, 3);
}

fn what_is_destroyed_leaves_nothing(lab: &TestLab) {
    let run_dir = lab.run_dir();
    lab.lab(&["destroy"]).exits(2).says(&["add --yes"]);
    lab.lab(&["destroy", "web2", "--yes"]).ok();
    assert_eq!(lab.status("web2")["state"], "absent");
    lab.lab(&["halt", "web2"]).ok().says(&["web2: nothing to do"]);
    lab.lab(&["suspend", "web2"]).ok().says(&["web2: nothing to do"]);
    assert_eq!(lab.ssh("web1", "echo alive"), "alive");
    lab.lab(&["destroy", "--yes"]).ok().says(&["web1: destroyed"]);
    lab.nothing_left(run_dir.as_deref());
    lab.lab(&["destroy", "--yes"]).ok().says(&["nothing to destroy"]);
    lab.nothing_left(run_dir.as_deref());
}

/// A machine with a service that notes its end, and a provisioner for each boot.
const SOLO: &str = r#"[lab]
name = "rest"
box = "demo"
[machine.solo]
memory = "MEMORY MiB"
forward = [{ host = 18180, guest = 80, auto = true }]
provision = [
  { name = "witness", inline = '''
cat >/etc/init.d/witness <<'END'
#!/bin/sh
[ "$1" != stop ] || echo "shut down" >>/root/witness
END
chmod 755 /etc/init.d/witness
update-rc.d witness defaults
echo data >/home/vagrant/data''' },
  { name = "boots", inline = "echo boot >>/root/boots", run = "always" },
]
"#;

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn a_machine_rests_and_goes_on() {
    let lab = TestLab::with_demo_box(&SOLO.replace("MEMORY", "128"));
    lab.lab(&["resume"]).exits(7).says(&["this lab has no machines yet"]);
    lab.lab(&["up"]).ok();
    go_through(&lab, chapters![off_and_on, asleep_and_awake, new_settings_come_with_a_reload]);
    let run_dir = lab.run_dir();
    lab.lab(&["suspend"]).ok();
    lab.lab(&["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
}

/// What stays the same of a machine as long as there is one: its addresses, its ports, its host key.
fn kept(lab: &TestLab) -> ([Value; 3], String) {
    let state = lab.state().unwrap();
    let record = &state["machines"]["solo"];
    let known = std::fs::read_to_string(lab.dir().join(".lab/machines/solo/known_hosts")).unwrap();
    (["id", "own", "forwards"].map(|key| record[key].clone()), known)
}

/// How often it has booted, by its provisioner for each boot.
fn boots(lab: &TestLab) -> usize {
    lab.ssh("solo", "sudo cat /root/boots").lines().count()
}

/// Gracefully, with all that is its own.
fn off_and_on(lab: &TestLab) {
    let (first, booted) = (kept(lab), boots(lab));
    let halt = lab.lab(&["halt"]).ok().says(&["solo: halted"]).says_not(&["cutting its power"]);
    assert!(halt.took < Duration::from_secs(25), "{:?}", halt.took);
    assert_eq!(lab.status("solo")["state"], "off");
    assert_eq!(lab.processes(), []);
    lab.lab(&["halt"]).ok().says(&["solo: nothing to do"]);
    lab.lab(&["ssh", "solo"]).exits(7).says(&["solo is off", "`lab up solo` starts it"]);
    lab.lab(&["exec", "solo", "--", "true"]).exits(7).says(&["solo is off"]);
    lab.lab(&["suspend"]).ok().says(&["solo: nothing to do"]);
    lab.lab(&["resume"]).ok().says(&["no machine is suspended"]);
    lab.lab(&["up"]).ok().says(&["solo: boots"]).says_not(&["witness"]);
    assert_eq!(kept(lab), first);
    assert_eq!(lab.ssh("solo", "cat data; sudo cat /root/witness"), "data\nshut down");
    assert_eq!(boots(lab), booted + 1);
    lab.clock_is_right("solo");
    assert!(lab.ssh("solo", "ip -4 -o addr").contains("192.168.56.10/24"), "the address is kept");
}

/// The same processes with the same memory, and the right time.
fn asleep_and_awake(lab: &TestLab) {
    lab.lab(&["up"]).ok();
    let (first, booted) = (kept(lab), boots(lab));
    let counter = "while :; do echo x; sleep 0.1; done >/tmp/counted & echo $!";
    let pid = lab.ssh("solo", &format!("nohup sh -c '{counter}' 2>/dev/null </dev/null"));
    let counted = || lab.ssh("solo", "wc -l </tmp/counted").parse::<u32>().unwrap();
    let before = counted();
    lab.lab(&["suspend"]).ok().says(&["solo: suspended"]);
    let asleep = Instant::now();
    assert_eq!(lab.status("solo")["state"], "suspended");
    assert_eq!(lab.status("solo")["ready"], false);
    assert_eq!(lab.processes(), []);
    lab.lab(&["suspend"]).ok().says(&["solo: nothing to do"]);
    lab.lab(&["halt"]).ok().says(&["is suspended", "lab resume"]);
    lab.lab(&["ssh", "solo"]).exits(7).says(&["is suspended", "`lab resume solo` wakes it"]);
    std::thread::sleep(Duration::from_secs(15).saturating_sub(asleep.elapsed()));
    lab.lab(&["resume"]).ok().says(&["solo: ready"]).says_not(&["boots"]);
    assert_eq!(lab.status("solo")["ready"], true);
    lab.clock_is_right("solo");
    let after = counted();
    assert!(after >= before, "{before} before, {after} after");
    std::thread::sleep(Duration::from_secs(1));
    assert!(counted() > after, "the counter stands still");
    assert_eq!(lab.ssh("solo", &format!("ps -o pid= -p {pid} | tr -d ' '")), pid);
    assert_eq!(boots(lab), booted);
    assert_eq!(kept(lab), first);
}

/// And not before.
fn new_settings_come_with_a_reload(lab: &TestLab) {
    lab.lab(&["up"]).ok();
    let first = kept(lab);
    let shut_down = || lab.ssh("solo", "sudo cat /root/witness 2>/dev/null || true").lines().count();
    let before = shut_down();
    lab.labfile(&SOLO.replace("MEMORY", "192"));
    lab.lab(&["up"]).ok().says(&["already ready", "`lab reload solo` puts them in"]);
    assert_eq!(lab.status("solo")["memory_mib"], 128);
    lab.lab(&["reload"]).ok().says(&["solo: ready"]);
    assert_eq!(lab.status("solo")["memory_mib"], 192);
    let memory: u32 =
        lab.ssh("solo", "sed -n 's/^MemTotal: *//p' /proc/meminfo | cut -d' ' -f1").parse().unwrap();
    assert!((140_000..192 * 1024).contains(&memory), "{memory} kB");
    assert_eq!(shut_down(), before + 1);
    assert_eq!(kept(lab), first);
    lab.lab(&["up"]).ok().says(&["already ready"]).says_not(&["reload"]);
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn one_at_a_time_in_a_folder_with_a_long_odd_name() {
    let folder =
        "Übungen, Gruppe 2 (neu)/'tief' $HOME %d/".to_owned() + &"ein sehr langer Name/".repeat(5) + "lab";
    let text = "lab.box = 'demo'\nlab.memory = '128 MiB'\n[machine.one]\n\
                provision = [{ script = 'über uns.sh', args = ['a b'] }]\n[machine.two]\n";
    let lab = TestLab::with_demo_box(text).moved_to(&folder);
    assert!(lab.dir().as_os_str().len() > 108);
    lab.write(&format!("{folder}/über uns.sh"), "echo \"$0: $1\"\n");
    let events = lab.lab(&["up", "--jobs", "1", "--json"]).ok().json_lines();
    let place = |event: &str, machine: &str, phase: Option<&str>| {
        let found = events.iter().position(|found| {
            found["event"] == event
                && found["machine"] == machine
                && phase.is_none_or(|phase| found["phase"] == phase)
        });
        found.unwrap_or_else(|| panic!("no {event} of {machine} in {events:#?}"))
    };
    let (first, second) =
        match place("phase", "one", Some("creating")) < place("phase", "two", Some("creating")) {
            true => ("one", "two"),
            false => ("two", "one"),
        };
    assert!(place("done", first, None) < place("phase", second, Some("creating")), "{events:#?}");
    assert!(place("phase", second, Some("waiting")) < place("done", first, None), "{events:#?}");
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "output" && event["line"].as_str().unwrap().ends_with(": a b"))
    );

    assert_eq!(lab.ssh("two", "bash -c '</dev/tcp/one/22' && hostname"), "two");
    let config = lab.root().join("config");
    std::fs::write(&config, lab.lab(&["ssh-config"]).ok().stdout).unwrap();
    let plain = Command::new("ssh").arg("-F").arg(&config).args(["one", "hostname"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&plain.stdout), "one\n", "{}", String::from_utf8_lossy(&plain.stderr));
    lab.lab(&["suspend", "one"]).ok();
    lab.lab(&["up"]).ok().says(&["one: ready", "two: already ready"]);
    let run_dir = lab.run_dir();
    lab.lab(&["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn checks_say_what_is_achieved_over_one_connection_each() {
    let lab = TestLab::with_demo_box(
        "[lab]\nbox = \"demo\"\nmemory = \"128 MiB\"\n[machine.one]\n[machine.two]\n\
         [check.name]\nmachine = \"one\"\nrun = \"hostname\"\nexpect = \"one\"\n\
         [check.root]\nmachine = \"one\"\nrun = \"id -u\"\nexpect = \"0\"\npoints = 2\n\
         [check.user]\nmachine = \"one\"\nrun = \"id -un; id -u | grep -v '^0$'\"\nas = \"user\"\n\
         [check.slow]\nmachine = \"one\"\nrun = \"sleep 60\"\ntimeout = 1\n\
         [check.file]\nmachine = \"two\"\nrun = \"cat /etc/achieved\"\nexpect = \"yes\"\nhint = \"write it\"\n",
    )
    .counting_ssh();
    lab.lab(&["check"]).exits(7).says(&["no machines yet", "lab up"]);
    lab.lab(&["up", "one"]).ok();
    lab.ssh_calls();
    let run = lab.lab(&["check", "--json"]).exits(1);
    assert_eq!(lab.ssh_calls().len(), 1);
    let lines = run.json_lines();
    let verdicts: Vec<_> =
        lines[0]["checks"].as_array().unwrap().iter().map(|c| c["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["passed", "passed", "passed", "failed", "unreachable"], "{}", run.stdout);
    assert_eq!((lines[0]["points"].as_u64(), lines[0]["of"].as_u64()), (Some(4), Some(6)));
    assert_eq!(lines[1]["error"]["code"], "checks-failed");
    lab.lab(&["up"]).ok();
    let run = lab.lab(&["check", "file"]).exits(1);
    assert!(run.stdout.contains("write it") && run.stdout.contains("No such file"), "{}", run.stdout);
    lab.ssh("two", "echo yes | sudo tee /etc/achieved");
    lab.lab(&["check", "file", "name"]).ok().says(&["2 of 2 passed"]);
    lab.lab(&["check", "fiel"]).exits(2).says(&["there is no check fiel", "there are: name"]);
}
