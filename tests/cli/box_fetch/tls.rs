//! https, with a certificate of our own. Elsewhere than on Linux the system keeps the certificates that it
//! trusts where no test may change them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rcgen::CertifiedKey;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, Stream};

use super::a_box;
use crate::common::TestLab;
use crate::common::box_server::BoxServer;

/// A server on `https://localhost` that gives `answer` to every request; returns its address, and its
/// certificate in PEM.
fn serve(answer: Vec<u8>) -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = Stream::new(&mut session, &mut connection);
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let _ = stream.write_all(&answer);
            session.send_close_notify();
            let _ = session.write_tls(&mut connection);
        }
    });
    (address, cert.pem())
}

fn trusting(lab: TestLab, certificate: &str) -> TestLab {
    lab.write("trusted.pem", certificate);
    let path = lab.root().join("trusted.pem");
    lab.env("SSL_CERT_FILE", path.to_str().unwrap()).env("SSL_CERT_DIR", "/nowhere")
}

#[test]
fn what_the_system_trusts_is_trusted_and_nothing_else() {
    let body = a_box(1, 10_000);
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(&body);
    let (address, certificate) = serve(answer);
    let (_, other) = serve(Vec::new());
    let url = format!("{address}/x.box");
    let lab = trusting(TestLab::bare(""), &other);
    lab.lab(&["box", "add", "x", &url]).exits(6).says(&["cannot be trusted", "asks for a login"]);
    let lab = trusting(lab, &certificate);
    lab.lab(&["box", "add", "x", &url]).ok();
}

#[test]
fn nobody_is_led_from_https_to_http() {
    let plain = BoxServer::of(a_box(2, 10_000));
    let to = plain.url("/x.box");
    let (address, certificate) =
        serve(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes());
    let lab = trusting(TestLab::bare(""), &certificate);
    let run = lab.lab(&["box", "add", "x", &format!("{address}/x.box")]).exits(6);
    run.says(&["from https to", &to]);
    assert_eq!(plain.requests().len(), 0, "it was not even asked");
}

#[test]
fn a_document_from_https_leads_to_nothing_weaker() {
    let plain = BoxServer::of(a_box(3, 10_000));
    for to in [plain.url("/x.box"), "file:///etc/hostname".to_owned()] {
        let text = format!(
            r#"{{"versions":[{{"version":"1","providers":[{{"name":"virtualbox","url":"{to}"}}]}}]}}"#
        );
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        let (address, certificate) = serve(format!("{head}{text}").into_bytes());
        let lab = trusting(TestLab::bare(""), &certificate);
        let run = lab.lab(&["box", "add", "x", &format!("{address}/x.json")]).exits(6);
        run.says(&["leads to", &to]);
    }
    assert_eq!(plain.requests().len(), 0, "it was not even asked");
}
