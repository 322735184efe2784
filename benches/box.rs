//! `lab box add` of a 300 MB gzip box, side by side with what nobody can do without: `sha256sum` of the
//! same file, and `tar xzf` of it.
//!
//! Two boxes: one with a disk that is compressed already (the stream-optimised VMDKs of VirtualBox), one
//! with a raw disk that packs to about a third. lab hashes the file, unpacks it, hashes what comes out,
//! and has it on the disk before it says so; tar leaves that to the kernel, so that a run of `tar` with a
//! `sync` of its files is shown as well.
//!
//! Run it with `cargo bench --bench box`. `LAB_BENCH_RUNS` sets how many runs there are (default 3),
//! `LAB_BENCH_DIR` where (default: the folder for temporary files).
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a program for the maintainers")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The size of the box file, about.
const BOX: u64 = 300_000_000;

fn main() {
    // `cargo test --benches` and the like pass arguments of their own; a benchmark is no test.
    if std::env::args().any(|word| word == "--test") {
        return;
    }
    let runs = std::env::var("LAB_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(3);
    let dir = std::env::var_os("LAB_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::Builder::new().prefix("lab-bench-").tempdir_in(dir).unwrap();
    for (what, redundancy) in [("a disk that is compressed already", 1), ("a raw disk", 3)] {
        let image = make_box(dir.path(), redundancy);
        println!("{what}: a box of {:.0} MB", image.metadata().unwrap().len() as f64 / 1e6);
        let mut ratios = Vec::new();
        for run in 1..=runs {
            ratios.push(compare(dir.path(), &image, run));
        }
        ratios.sort_by(f64::total_cmp);
        println!("  median of {runs}: lab box add takes {:.2} of the slower one\n", ratios[ratios.len() / 2]);
        std::fs::remove_file(image).unwrap();
    }
}

/// One run of each; returns lab's time over the slower of sha256sum and tar.
fn compare(dir: &Path, image: &Path, run: usize) -> f64 {
    let sha256sum = time(Command::new("sha256sum").arg(image));
    let out = dir.join("out");
    std::fs::create_dir(&out).unwrap();
    let tar = time(Command::new("tar").arg("xzf").arg(image).arg("-C").arg(&out));
    let disk = out.join("box.img");
    let synced = tar + time(Command::new("sync").arg(&disk));
    let unpacked = disk.metadata().unwrap().len();
    std::fs::remove_dir_all(&out).unwrap();

    let home = dir.join("home");
    let started = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["box", "add", "bench"])
        .arg(image)
        .env("LAB_HOME", &home)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (peak_kib, written) = watch(child);
    let lab = started.elapsed();
    std::fs::remove_dir_all(&home).unwrap();

    let seconds = |time: Duration| time.as_secs_f64();
    let ratio = seconds(lab) / seconds(tar.max(sha256sum));
    println!(
        "  run {run}: sha256sum {:.2} s, tar xzf {:.2} s (synced {:.2} s), lab box add {:.2} s: ratio {ratio:.2}; \
         peak memory {:.1} MB, {:.2} of the disk image written",
        seconds(sha256sum),
        seconds(tar),
        seconds(synced),
        seconds(lab),
        peak_kib as f64 / 1024.0,
        written as f64 / unpacked as f64,
    );
    ratio
}

fn time(command: &mut Command) -> Duration {
    let started = Instant::now();
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    started.elapsed()
}

/// Waits for the end of a run of lab; returns its peak memory in KiB and the bytes it had written.
fn watch(mut child: Child) -> (u64, u64) {
    let (mut peak, mut written) = (0, 0);
    let field = |file: &str, name: &str| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
    };
    // A process that has ended and was not waited for has no memory any more.
    while let Some(now) = field("status", "VmHWM:") {
        peak = peak.max(now);
        written = written.max(field("io", "write_bytes:").unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    (peak, written)
}

/// A Vagrant box for libvirt. With `redundancy` n, n copies of every few bytes stand close together.
fn make_box(dir: &Path, redundancy: u64) -> PathBuf {
    let content = dir.join("content");
    std::fs::create_dir(&content).unwrap();
    let metadata = r#"{"provider":"libvirt","format":"raw","virtual_size":1}"#;
    std::fs::write(content.join("metadata.json"), metadata).unwrap();
    let mut disk = BufWriter::new(File::create(content.join("box.img")).unwrap());
    disk.write_all(&[0; 510]).unwrap();
    disk.write_all(&[0x55, 0xaa]).unwrap();
    let mut state = 1u64;
    let mut done = 0;
    while done < BOX {
        let mut chunk = [0u8; 4096];
        for bytes in chunk.chunks_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.copy_from_slice(&(state ^ (state >> 29)).to_be_bytes());
        }
        done += chunk.len() as u64;
        for (index, piece) in chunk.chunks(64).enumerate() {
            for copy in 0..redundancy {
                // Copies at a distance that varies, with a byte of their own: no two tokens alike.
                disk.write_all(piece).unwrap();
                if copy > 0 {
                    disk.write_all(&[index as u8]).unwrap();
                }
            }
        }
    }
    disk.into_inner().unwrap().sync_all().unwrap();
    let image = dir.join("bench.box");
    time(
        Command::new("tar").arg("czf").arg(&image).arg("-C").arg(&content).args(["metadata.json", "box.img"]),
    );
    std::fs::remove_dir_all(content).unwrap();
    image
}
