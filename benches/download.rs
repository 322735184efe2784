//! The download of `lab box add`, side by side with `curl -o`, from a server on this computer.
//!
//! What is served is no box, so that lab ends when it has it all: hashed, written, refused by its first
//! bytes, and removed. curl only writes; its file is removed within the measured time as well.
//!
//! Run it with `cargo bench --bench download`. `LAB_BENCH_RUNS` sets how many runs there are (default 5).
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a program for the maintainers")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The size of the file.
const SIZE: u64 = 300_000_000;

fn main() {
    // `cargo test --benches` and the like pass arguments of their own; a benchmark is no test.
    if std::env::args().any(|word| word == "--test") {
        return;
    }
    let runs = std::env::var("LAB_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(5);
    let dir = tempfile::Builder::new().prefix("lab-bench-").tempdir().unwrap();
    let file = dir.path().join("served");
    let mut writer = std::io::BufWriter::new(File::create(&file).unwrap());
    for number in 0..SIZE / 8 {
        writer.write_all(&number.wrapping_mul(6_364_136_223_846_793_005).to_be_bytes()).unwrap();
    }
    writer.into_inner().unwrap().sync_all().unwrap();
    let url = serve(file);
    let mut ratios = Vec::new();
    for run in 1..=runs {
        let curl = curl(dir.path(), &url);
        let lab = lab(dir.path(), &url);
        let ratio = lab.as_secs_f64() / curl.as_secs_f64();
        println!(
            "run {run}: curl {:.2} s, lab {:.2} s: ratio {ratio:.2}",
            curl.as_secs_f64(),
            lab.as_secs_f64()
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median of {runs}: lab takes {:.2} of curl's time", ratios[ratios.len() / 2]);
}

/// Serves the file to whoever asks; returns its address.
fn serve(file: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file.box", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\nETag: \"1\"\r\nConnection: close\r\n\r\n"
            );
            connection.write_all(answer.as_bytes()).unwrap();
            let _ = std::io::copy(&mut File::open(&file).unwrap(), &mut connection);
        }
    });
    url
}

fn curl(dir: &Path, url: &str) -> Duration {
    let into = dir.join("curled");
    let started = Instant::now();
    assert!(Command::new("curl").args(["-sS", "-o"]).arg(&into).arg(url).status().unwrap().success());
    assert_eq!(into.metadata().unwrap().len(), SIZE);
    std::fs::remove_file(into).unwrap();
    started.elapsed()
}

fn lab(dir: &Path, url: &str) -> Duration {
    let home = dir.join("home");
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["box", "add", "bench", url])
        .env("LAB_HOME", &home)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let took = started.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(6) && said.contains("not a box"), "{said}");
    std::fs::remove_dir_all(home).unwrap();
    took
}
