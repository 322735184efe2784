//! What the benchmarks of `lab up` share: the floor's way into a machine, as a plain script would find it.

use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Whether an sshd says its first words within 0.3 s, as a script would ask with `nc -w`.
pub(crate) fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let mut banner = [0; 4];
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-"
}

/// Whether ssh runs `true` there, with the key at `key`.
pub(crate) fn ssh_true(port: u16, key: &Path) -> bool {
    Command::new("ssh")
        .args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=QUIET"])
        .args([
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "HostKeyAlgorithms=+ssh-rsa",
            "-o",
            "IdentitiesOnly=yes",
        ])
        .args(["-o", "PubkeyAcceptedKeyTypes=+ssh-rsa", "-l", "vagrant", "-p", &port.to_string(), "-i"])
        .arg(key)
        .args(["127.0.0.1", "true"])
        .stdin(Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// The middle one, or the upper of the two.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
