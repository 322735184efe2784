//! Labs beside each other, and commands beside each other in one lab, with real machines.

use std::time::Duration;

use crate::common::{TestLab, wait_for};

const LABFILE: &str = r#"[lab]
box = "demo"
memory = "128 MiB"
[network]
private = "192.168.56.0/24"
[machine.one]
forward = [{ host = 18280, guest = 8000, auto = true }]
[machine.two]
after = ["one"]
"#;

/// Starts a server on port 7000 of machine two that says `word` to everybody.
fn serve(lab: &TestLab, word: &str) {
    let server = format!(
        "import socket; s = socket.create_server(('', 7000))\nwhile True: c, _ = s.accept(); c.sendall(b'{word}'); c.close()"
    );
    lab.ssh("two", &format!("nohup python3 -c \"{server}\" >/dev/null 2>&1 &"));
}

/// What that server says to machine one, or nothing.
fn heard(lab: &TestLab) -> String {
    let client = "import socket\ntry: print(socket.create_connection(('192.168.56.11', 7000), 3).recv(9).decode())\n\
                  except OSError: print()";
    lab.ssh("one", &format!("python3 -c \"{client}\""))
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn two_labs_of_the_same_labfile_do_not_meet() {
    let (a, b) = (TestLab::with_demo_box(LABFILE), TestLab::with_demo_box(LABFILE));

    // Both at once, and a second command in the first one, which waits and finds everything done.
    let up_a = a.start_piped(&["up"]);
    let pid = up_a.0.id();
    let up_b = b.start_piped(&["up"]);
    wait_for("the first command to have the lock", Duration::from_secs(60), || {
        std::fs::read_to_string(a.dir().join(".lab/lock")).ok().filter(|text| text.contains("lab up"))
    });
    let second = a.start_piped(&["up"]);
    let (up_a, up_b) = (a.finish(up_a).ok(), b.finish(up_b).ok());
    let second =
        a.finish(second).ok().says(&["(`lab up`, process ", "one: already ready", "two: already ready"]);
    let second = second.says(&[&format!("process {pid}, "), "is working on this lab; waiting for it to end"]);
    second.says_not(&["booting"]);

    // One of them has the port that both asked for, and the other says which it got.
    let port = |lab: &TestLab| lab.lab(&["port", "one", "8000"]).ok().stdout.trim().parse::<u16>().unwrap();
    let (port_a, port_b) = (port(&a), port(&b));
    assert_ne!(port_a, port_b);
    let said = format!("{}{}", up_a.stderr, up_b.stderr);
    let moved = port_a.max(port_b);
    assert!(said.contains(&format!("one: port 18280 is taken: {moved} leads to port 8000")), "{said}");

    // The same addresses, and two networks.
    serve(&a, "A");
    wait_for("the server in A", Duration::from_secs(60), || (heard(&a) == "A").then_some(()));
    assert_eq!(heard(&b), "", "B hears A's machine");
    serve(&b, "B");
    wait_for("the server in B", Duration::from_secs(60), || (heard(&b) == "B").then_some(()));
    assert_eq!(heard(&a), "A");

    // Without `auto` a taken port is an error that says whose it is, and nothing is started.
    let c = TestLab::with_demo_box(&format!(
        "lab.box = 'demo'\n[machine.other]\nforward = [{{ host = {port_a}, guest = 80 }}]\n"
    ));
    let dir = a.dir();
    c.lab(&["up"]).exits(5).says(&[
        &format!("port {port_a} belongs to the machine one of another lab"),
        dir.to_str().unwrap(),
        "auto = true",
    ]);
    assert_eq!(c.processes(), []);
    let run_dir = c.run_dir();
    c.lab(&["destroy", "--yes"]).ok();
    c.nothing_left(run_dir.as_deref());

    // One goes, the other stays.
    let run_dir = a.run_dir();
    a.lab(&["destroy", "--yes"]).ok();
    a.nothing_left(run_dir.as_deref());
    assert_eq!(heard(&b), "B");
    assert_eq!(b.status("two")["ready"], true);
    let run_dir = b.run_dir();
    b.lab(&["destroy", "--yes"]).ok();
    b.nothing_left(run_dir.as_deref());
}
