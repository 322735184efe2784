//! Proxies, the registry, the catalogue, https.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::{a_box, sha256};
use crate::common::TestLab;
use crate::common::box_server::{BoxServer, Reply};

/// A proxy that leads every connection to `target`, whatever was asked for; returns its address and what
/// it was asked for.
fn proxy(target: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head);
            log.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
            let mut server = TcpStream::connect(&target).unwrap();
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let _ = std::io::copy(&mut server, &mut client);
            let _ = client.shutdown(std::net::Shutdown::Both);
        }
    });
    (address, asked)
}

#[test]
fn a_proxy_is_used_and_an_exception_is_not() {
    let server = BoxServer::of(a_box(1, 10_000));
    let (address, asked) = proxy(server.authority());
    let lab = TestLab::bare("").env("http_proxy", &address).env("LAB_HTTP_TIMEOUT", "5");
    lab.lab(&["box", "add", "net", "http://boxes.example.invalid/net.box"]).ok();
    assert_eq!(*asked.lock().unwrap(), ["CONNECT boxes.example.invalid:80 HTTP/1.1"]);
    // This computer is never asked for over a proxy, and neither is what NO_PROXY names.
    lab.lab(&["box", "add", "other", &server.url("/net.box")]).ok();
    let lab = lab.env("NO_PROXY", "localhost, .example.invalid");
    lab.lab(&["box", "add", "third", "http://boxes.example.invalid/third.box"]).exits(6);
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn a_box_of_the_registry_by_its_name() {
    let body = a_box(2, 10_000);
    let sum = sha256(&body);
    let server = BoxServer::start(move |_, request| match request.path.as_str() {
        "/api/bento/x" => Reply::json(&format!(
            r#"{{"name":"bento/x","versions":[{{"version":"1.2.0","providers":[{{"name":"libvirt",
            "url":"/x.box","checksum_type":"sha256","checksum":"{}"}}]}}]}}"#,
            sha256(&body)
        )),
        "/x.box" => Reply::file(&body, request),
        _ => Reply::status(404),
    });
    let lab = TestLab::bare("").env("VAGRANT_SERVER_URL", &server.url("/api/"));
    lab.lab(&["box", "add", "bento/x", "--box-version", "> 2"]).exits(6).says(&["> 2", "newest are 1.2.0"]);
    lab.lab(&["box", "add", "bento/x", "--box-version", "~> 1.0"]).ok().says(&["bento/x is here"]);
    assert!(lab.lab(&["box", "list", "--json"]).ok().stdout.contains(&sum));
    let lab = lab.env("LAB_REGISTRY", &server.url(""));
    lab.lab(&["box", "add", "bento/y"]).exits(6).says(&[
        "there is no box called bento/y",
        "/bento/y",
        "hint:",
    ]);
    lab.lab(&["box", "add", "bento/x", "--box-version", "=> 1"]).exits(2);
}

#[test]
fn a_catalogue_of_ones_own_comes_first() {
    let lab = TestLab::bare("lab.box = 'lucid32'\n[machine.a]\n");
    let body = a_box(3, 10_000);
    std::fs::write(lab.root().join("lucid32.box"), &body).unwrap();
    let entry = r#"{"name":"lucid32","description":"ours","arch":"i386","hints":["ask"],
        "guest":{"family":"ubuntu"},
        "versions":[{"version":"1.0","sources":[{"url":"lucid32.box","format":"vagrant-box"}]}]}"#;
    lab.write("lucid32.json", entry);
    let lab = lab.env("LAB_CATALOG", "../lucid32.json");
    lab.lab(&["box", "update"]).ok().says(&["lucid32: 1.0, sha256"]);
    let pins = std::fs::read_to_string(lab.dir().join("Labfile.lock")).unwrap();
    assert!(pins.contains("source = \"file:lucid32.box\"") && pins.contains(&sha256(&body)), "{pins}");
    let lab = lab.env("LAB_CATALOG", "none.json");
    lab.lab(&["box", "add", "debian-12"]).exits(4).says(&["none.json", "LAB_CATALOG"]);
}
