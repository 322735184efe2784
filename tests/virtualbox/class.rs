//! The class's three machines through their whole life.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::common::{TestLab, wait_for};
use crate::direct::provider_does;
use crate::installation::VirtualBox;
use crate::{PATIENCE, destroy, remove_box};

/// As in Labfile.example, with programs that an interpreted processor starts in seconds: nginx answers in
/// the place of the Python application, and there is no PostgreSQL in the database's machine.
const CLASS: &str = r#"[lab]
name = "class"
box = "demo"
memory = "128 MiB"
boot_timeout = "15 min"
halt_timeout = "2 min"
provision = [{ name = "common", inline = "echo common >>/root/ran" }]
[network]
private = "192.168.56.0/24"
[machine.web1]
ip = "192.168.56.10"
forward = [{ host = 18380, guest = 80, auto = true }]
provision = ["provision/web.sh", { script = "provision/balancer.sh", args = ["web1:8000", "web2:8000"] }]
[machine.web2]
ip = "192.168.56.11"
provision = ["provision/web.sh"]
[machine.db1]
ip = "192.168.56.20"
provision = [{ name = "db", inline = "echo db >>/root/ran" }]
"#;

const WEB: &str = r#"set -eu
echo web >>/root/ran
echo "server { listen 8000; return 200 \"$(hostname)\n\"; }" >/etc/nginx/sites-enabled/own
update-rc.d nginx defaults
service nginx start
"#;

/// Calls of VBoxManage for `up` of three machines, from nothing to ready.
const CALLS_OF_UP: usize = 40;
/// And for `status`.
const CALLS_OF_STATUS: usize = 2;

/// What an HTTP server says.
fn get(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.trim().to_owned())
}

/// The balancer hands requests to both web machines, at the private address and at the forwarded port.
#[track_caller]
fn both_answer_through_the_balancer(lab: &TestLab) {
    let port: u16 = lab.lab(&["port", "web1", "80"]).ok().stdout.trim().parse().unwrap();
    for address in [SocketAddr::from(([192, 168, 56, 10], 80)), SocketAddr::from(([127, 0, 0, 1], port))] {
        for name in ["web1", "web2"] {
            // A server that was slow to come is left out for a while.
            wait_for(&format!("{name} behind {address}"), Duration::from_secs(120), || {
                (get(address)? == name).then_some(())
            });
        }
    }
}

#[track_caller]
fn all_are(lab: &TestLab, state: &str, ready: bool) {
    let status = lab.lab(&["status", "--json"]).ok().json();
    let machines = status["machines"].as_array().unwrap();
    assert_eq!(machines.len(), 3, "{status}");
    for machine in machines {
        assert!(machine["state"] == state && machine["ready"] == ready, "not {state}, {ready}: {status}");
    }
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn three_machines_live_and_go() {
    let virtualbox = VirtualBox::new();
    let before = virtualbox.inventory();
    let lab = virtualbox.lab(CLASS).counting("VBoxManage");
    lab.write("lab/provision/web.sh", WEB);
    let balancer = std::fs::read_to_string("examples/class/provision/balancer.sh").unwrap();
    lab.write("lab/provision/balancer.sh", &balancer);

    // Up, from nothing, the import of the box included.
    let up = timed(&lab, &["up"]).says(&["web1: ready", "web2: ready", "db1: ready"]);
    assert!(up.took < PATIENCE, "{:?}", up.took);
    let calls = lab.calls("VBoxManage");
    eprintln!("{} calls of VBoxManage for up", calls.len());
    assert!((1..=CALLS_OF_UP).contains(&calls.len()), "{} calls: {calls:#?}", calls.len());
    all_are(&lab, "running", true);
    let calls = lab.calls("VBoxManage");
    assert!((1..=CALLS_OF_STATUS).contains(&calls.len()), "{} calls: {calls:#?}", calls.len());

    // The machines reach each other by name, and the computer reaches them.
    assert_eq!(
        lab.ssh("web1", "hostname; ping -c 1 -W 20 db1 >/dev/null && echo db1 is there; sudo cat /root/ran; echo kept >/tmp/kept; nohup sleep 4321 >/dev/null 2>&1 </dev/null &"),
        "web1\ndb1 is there\ncommon\nweb"
    );
    both_answer_through_the_balancer(&lab);

    // Again: nothing to do, and nothing done.
    lab.lab(&["up"]).ok().says(&["web1: already ready", "db1: already ready"]).says_not(&["booting"]);

    // A snapshot of a machine that runs; it goes on.
    let taken = Instant::now();
    provider_does(&virtualbox, &lab, "web1", "take at work");
    eprintln!("a live snapshot took {:.1} s", taken.elapsed().as_secs_f64());
    provider_does(&virtualbox, &lab, "web1", "cannot-take at work");
    let list = provider_does(&virtualbox, &lab, "web1", "list");
    assert!(list.contains("snapshot: at work with_ram=true recent=true"), "{list}");
    assert_eq!(lab.status("web1")["state"], "running");

    // What was in memory is there after a suspend.
    timed(&lab, &["suspend"]);
    all_are(&lab, "suspended", false);
    timed(&lab, &["resume"]);
    all_are(&lab, "running", true);
    assert_eq!(
        lab.ssh("web1", "cat /tmp/kept; rm /tmp/kept; pkill -x sleep; pgrep -x sleep || echo no sleep"),
        "kept\nno sleep"
    );

    // A snapshot brings back the disk and what ran.
    provider_does(&virtualbox, &lab, "web1", "restore at work");
    assert_eq!(lab.status("web1")["state"], "suspended");
    timed(&lab, &["up"]).says(&["web2: already ready"]).says_not(&["common"]);
    all_are(&lab, "running", true);
    assert_eq!(lab.ssh("web1", "cat /tmp/kept; pgrep -x sleep >/dev/null && echo asleep"), "kept\nasleep");
    provider_does(&virtualbox, &lab, "web1", "cannot-restore other");
    provider_does(&virtualbox, &lab, "web1", "delete at work");
    let list = provider_does(&virtualbox, &lab, "web1", "list");
    assert!(list.contains("snapshot: ready with_ram=true") && !list.contains("at work"), "{list}");

    // A machine that was ruined is what it was when it became ready; the others take no notice.
    lab.ssh("web2", "sudo rm -rf /usr/bin /usr/share || true");
    timed(&lab, &["reset", "--yes", "web2"]).says(&["web2: ready"]).says_not(&["db1"]);
    assert_eq!(lab.ssh("web2", "test -d /usr/share && hostname; sudo cat /root/ran"), "web2\ncommon\nweb");
    both_answer_through_the_balancer(&lab);

    // Off by the power button, and on again: services start by themselves, provisioners do not run again.
    let halt = timed(&lab, &["halt"]).says_not(&["power"]);
    assert!(halt.took < Duration::from_secs(120), "the power button did nothing: {:?}", halt.took);
    all_are(&lab, "off", false);
    timed(&lab, &["up"]);
    all_are(&lab, "running", true);
    both_answer_through_the_balancer(&lab);
    assert_eq!(lab.ssh("db1", "sudo cat /root/ran; ls /tmp"), "common\ndb");

    destroy(&lab);
    let after = virtualbox.inventory();
    assert_eq!((&after.adapters, &after.dhcp_servers), (&before.adapters, &before.dhcp_servers));
    remove_box(&lab);
    assert_eq!(virtualbox.inventory(), before);
}

/// Runs `lab ARGS`, which must end well, and says how long it took.
#[track_caller]
fn timed(lab: &TestLab, args: &[&str]) -> crate::common::Run {
    let started = Instant::now();
    let run = lab.lab(args).ok();
    eprintln!("lab {args:?} took {:.1} s\n{}", started.elapsed().as_secs_f64(), run.stderr);
    run
}
