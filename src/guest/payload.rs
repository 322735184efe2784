//! What a provisioning session sends into a guest: a small command that unpacks an archive, and the
//! archive with the driver, the plan, the scripts and the folders to be copied.

use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::process::quote;

use super::archive::{self, Tree};
use super::keys::INSECURE_PUBLIC_KEYS;
use super::restart::{GOING_DOWN, speaks_of_restart};
use super::shell::{self, assign};
use super::step::{Action, Step};

/// The driver; what it expects before it stands in its head.
const DRIVER: &str = include_str!("driver.sh");
/// What decides whether the next login works: its text, which the driver reads.
const LOGIN: &str = include_str!("login.sh");

/// Where distributions put busybox.
const BUSYBOX: &str = "/bin/busybox";

/// From how many bytes on it is looked whether the guest has room for what comes: a look costs an emulated guest some 40 ms.
const LOOK_FOR_ROOM: u64 = 4 << 20;

/// Everything of one session, ready to be sent.
#[derive(Debug)]
pub(super) struct Payload {
    token: String,
    driver: String,
    setup: Option<String>,
    parts: Vec<Part>,
    size: u64,
}

#[derive(Debug)]
enum Part {
    /// A script, and for the login user a file that runs it.
    Script {
        run: Option<String>,
        file: String,
        text: Vec<u8>,
    },
    Copy {
        tree: Tree,
        size: u64,
    },
}

impl Payload {
    /// Makes the session of `setup` (the set-up script, if it is to run) and `steps` for the login user
    /// `user`, who is let in with the public `key`. Scripts and folders are looked at now.
    ///
    /// # Errors
    /// [`crate::error::Kind::CopyFailed`] for a file that cannot be read; [`crate::error::Kind::Internal`]
    /// for what a Labfile cannot hold.
    pub(super) fn new(
        setup: Option<String>,
        steps: &[Step],
        user: &str,
        key: &str,
        token: &str,
        state: &str,
    ) -> Result<Payload> {
        let mut driver = assign("token", token)
            + &assign("user", user)
            + &assign("state", state)
            + &assign("key", key)
            + &assign("insecure", &INSECURE_PUBLIC_KEYS.join("\n"))
            + GOING_DOWN
            + LOGIN
            + DRIVER
            + if setup.is_some() {
                "set_up\ndrop_insecure_keys alike\n"
            } else {
                "drop_insecure_keys proven\n"
            };
        if !steps.is_empty() {
            driver.push_str("note_login\n");
        }
        let mut parts = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let (line, part) = plan(index, step, user)?;
            driver.push_str(&line);
            parts.push(part);
        }
        driver.push_str("finish\n");
        let mut payload = Payload { token: token.to_owned(), driver, setup, parts, size: 0 };
        payload.size = archive::measure(|out| payload.put(out, false));
        Ok(payload)
    }

    /// The command for the guest's login shell: [`Payload::bootstrap`] in a shell with the rights that `sudo`
    /// (`sudo -n `, or nothing) gives.
    ///
    /// That shell is busybox's where there is one: Debian's and Ubuntu's busybox-static runs the small
    /// commands that the session is made of in its own process. In an emulated guest, a program of
    /// coreutils takes 20 to 40 ms to start, and there are some twenty. One older than 1.28 (2017, the first
    /// whose shell has LINENO), whose `wait` and `trap` nobody has tried here, gives way to `sh`.
    pub(super) fn command(&self, sudo: &str, state: &str) -> String {
        let bootstrap = quote(&self.bootstrap(state));
        shell::for_login_shell(&format!(
            "test -x {BUSYBOX} && \
             exec {sudo}{BUSYBOX} ash -c 'test \"$LINENO\" || exec /bin/sh -c \"$1\"; eval \"$1\"' lab {bootstrap}; \
             exec {sudo}/bin/sh -c {bootstrap}"
        ))
    }

    /// The command that unpacks the archive in the guest and runs the driver, as root.
    pub(super) fn bootstrap(&self, state: &str) -> String {
        // Sessions whose shell is gone were cut off by a power failure: their files go. One that lives is
        // that of a `lab` just killed, about to stop its step: it is waited for, or the step would run
        // twice at once. Not for long, since the number may be another process's by now.
        // The set-up needs the time, which is told when it will be read: a login may take a busy guest seconds.
        let room = if self.size < LOOK_FOR_ROOM {
            String::new()
        } else {
            // Unpacking needs no room to speak of beside the files.
            format!("room {} \"$state\" || exit 1\n", self.size / 1024 + 1)
        };
        format!(
            r#"umask 022; state={state}; dir=$state/session.$$; token={token}; boot=
mark() {{ printf '\n\001%s %s\n' "$token" "$*"; }}
{{ read -r boot </proc/sys/kernel/random/boot_id; }} 2>/dev/null
mark in "$boot"
{WAIT_FOR_WORD}
epoch=$word
for old in "$state"/session.*; do
tries=0
while [ -d "$old" ] && [ "$old" != "$dir" ] && kill -0 "${{old##*.}}" 2>/dev/null && [ "$tries" -lt 40 ]
do tries=$((tries + 1)); sleep 0.1 2>/dev/null || sleep 1; done
[ ! -d "$old" ] || {{ [ "$old" != "$dir" ] && kill -0 "${{old##*.}}" 2>/dev/null; }} || rm -rf "$old"
done
{ROOM}
mkdir -p "$state/steps" || exit 1
{room}mkdir -p "$dir" || exit 1
head -c {size} | tar -x -f - -C "$dir" || {{ rm -rf "$dir"; exit 1; }}
. "$dir/driver""#,
            state = quote(state),
            token = quote(&self.token),
            WAIT_FOR_WORD = shell::WAIT_FOR_WORD,
            ROOM = shell::ROOM,
            size = self.size,
        )
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// The guest's end, as a broken pipe; a file that has changed or gone.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.put(out, true)
    }

    /// What was left out of the copies: the step's place, and the path.
    pub(super) fn skipped(&self, index: usize) -> &[std::path::PathBuf] {
        match self.parts.get(index) {
            Some(Part::Copy { tree, .. }) => &tree.skipped,
            _ => &[],
        }
    }

    /// The archive; with `contents` false, zeros in place of what is copied.
    fn put(&self, out: &mut dyn Write, contents: bool) -> io::Result<()> {
        let bytes = |out: &mut dyn Write, path: &str, bytes: &[u8]| {
            archive::put_file(out, path, bytes.len() as u64, |out| out.write_all(bytes))
        };
        bytes(out, "driver", self.driver.as_bytes())?;
        if let Some(setup) = &self.setup {
            bytes(out, "setup", setup.as_bytes())?;
        }
        archive::put_pipe(out, "output")?;
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Script { run, file, text } => {
                    archive::put_folder(out, &format!("{index}/"))?;
                    if let Some(run) = run {
                        bytes(out, &format!("{index}/run"), run.as_bytes())?;
                    }
                    bytes(out, &format!("{index}/{file}"), text)?;
                }
                Part::Copy { tree, size } => {
                    archive::put_file(out, &format!("{index}.tar"), *size, |out| {
                        if contents {
                            tree.write(out)
                        } else {
                            io::copy(&mut io::Read::take(io::repeat(0), *size), out).map(|_| ())
                        }
                    })?;
                }
            }
        }
        archive::put_end(out)
    }
}

/// The end of a script's path in the guest, by which its messages are recognised.
pub(super) fn script_path(index: usize, step: &Step) -> String {
    format!("/{index}/{}", script_file(&step.name))
}

/// A step's line of the plan, and what it needs in the archive.
fn plan(index: usize, step: &Step, user: &str) -> Result<(String, Part)> {
    let id = &step.id;
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err(Error::internal(format!("`{id}` is no id for a provisioner")));
    }
    let force = u8::from(step.force);
    match &step.action {
        Action::Script { text, args, env, root } => {
            let file = script_file(&step.name);
            let path = format!("\"$dir\"/{index}/{file}");
            // Who logs in as root has no other user to be.
            let (who, command, run) = if *root || user == "root" {
                ("root", command(&path, text, args, env)?, None)
            } else {
                // `sudo -i` hands words through the user's shell, each release with its own idea of how
                // to quote them: it gets words that need no quotes. And that shell's exit status says
                // nothing of the script, which a profile may have kept from running: the script's own
                // status goes into a file.
                let command = command(&format!("\"${{0%/*}}\"/{file}"), text, args, env)?;
                let run = format!(
                    "echo begun >\"${{0%/*}}/status\"\ncd || cd /\n{command}\necho \"$?\" >\"${{0%/*}}/status\"\n"
                );
                ("user", String::new(), Some(run))
            };
            let mut line = format!("step {index} {id} {force} {who} {command}\n");
            if speaks_of_restart(text) {
                line.push_str("await_restart\n");
            }
            Ok((line, Part::Script { run, file, text: text.clone() }))
        }
        Action::Copy { from, to } => {
            if !to.starts_with('/') || to.contains('\0') {
                return Err(Error::internal(format!("`{to}` is no absolute path in the guest")));
            }
            let is_dir = from.is_dir();
            let tree = Tree::scan(from, (!is_dir).then_some(".lab-copy"))?;
            let kind = if tree.is_dir { "folder" } else { "file" };
            let name = from.file_name().unwrap_or_default().to_string_lossy();
            let size = tree.size();
            let room = if size < LOOK_FOR_ROOM { 0 } else { size / 1024 + 1 };
            let line = format!(
                "copy {index} {id} {force} {kind} {:o} {} {} {room}\n",
                tree.mode & 0o777,
                quote(to),
                quote(&name)
            );
            Ok((line, Part::Copy { tree, size }))
        }
    }
}

/// The command that runs the script at `path` (as a shell reads it): what the kernel would make of its
/// `#!` line. The interpreter is named rather than left to the kernel, since the script's folder may
/// be mounted noexec.
fn command(path: &str, text: &[u8], args: &[String], env: &[(String, String)]) -> Result<String> {
    let mut words = Vec::new();
    if !env.is_empty() {
        words.push("env".to_owned());
    }
    for (name, value) in env {
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(valid) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Error::internal(format!("`{name}` is no name of an environment variable")));
        }
        words.push(word(&format!("{name}={value}"))?);
    }
    for part in interpreter(text) {
        words.push(word(&part)?);
    }
    words.push(path.to_owned());
    for arg in args {
        words.push(word(arg)?);
    }
    Ok(words.join(" "))
}

/// `value` as one word of a shell.
fn word(value: &str) -> Result<String> {
    if value.contains('\0') {
        return Err(Error::internal("an argument of a provisioner holds a NUL character"));
    }
    Ok(quote(value))
}

/// The interpreter and its one argument, as Linux reads `#!` lines; `/bin/sh` where there is none (by its
/// path: busybox would take `sh` for itself).
fn interpreter(text: &[u8]) -> Vec<String> {
    let line = text.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next());
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    let line = line.trim();
    match line.split_once([' ', '\t']) {
        _ if line.is_empty() => vec!["/bin/sh".into()],
        Some((program, arg)) => vec![program.into(), arg.trim().into()],
        None => vec![line.into()],
    }
}

/// A file name for a script: the end of what people call it, so that its own messages name it.
fn script_file(name: &str) -> String {
    let last = Path::new(name).file_name().unwrap_or_default().to_string_lossy();
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let file: String = last.chars().take(60).map(safe).collect();
    let file = file.trim_start_matches(['-', '.']);
    if file.is_empty() || file == "run" { "script".into() } else { file.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_is_what_the_kernel_would_take() {
        for (text, expected) in [
            ("echo", &["/bin/sh"][..]),
            ("", &["/bin/sh"]),
            ("#!/bin/bash\nx", &["/bin/bash"]),
            ("#! /bin/bash -e \nx", &["/bin/bash", "-e"]),
            ("#!/usr/bin/env python3\r\nx", &["/usr/bin/env", "python3"]),
            ("#!/usr/bin/perl -w -T", &["/usr/bin/perl", "-w -T"]),
            ("#!\nx", &["/bin/sh"]),
        ] {
            assert_eq!(interpreter(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn arguments_and_variables_reach_the_script_as_they_are() {
        let env = [("ROLE".into(), "it's \"ü\"\n$x".into())];
        let line = command("\"$dir\"/0/x", b"", &["--a b".into(), String::new()], &env).unwrap();
        assert_eq!(line, "env 'ROLE=it'\\''s \"ü\"\n$x' /bin/sh \"$dir\"/0/x '--a b' ''");
        for name in ["", "-x", "A=B", "1A", "A B"] {
            assert!(command("x", b"", &[], &[(name.into(), String::new())]).is_err(), "{name}");
        }
    }

    #[test]
    fn a_script_is_called_as_its_file() {
        for (name, file) in [
            ("provision/web.sh", "web.sh"),
            ("inline script 2", "inline-script-2"),
            ("../run", "run"),
            ("ü", "script"),
            ("..", "script"),
        ] {
            let expected = if file == "run" { "script" } else { file };
            assert_eq!(script_file(name), expected, "{name}");
        }
    }

    #[test]
    fn the_archive_is_as_long_as_it_says() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "text").unwrap();
        let step =
            |id: &str, action| Step { id: id.into(), name: "x".into(), action, force: false, timeout: None };
        let steps = [
            step("copy", Action::Copy { from: dir.path().into(), to: "/srv/a b".into() }),
            step("run", Action::Script { text: b"true".into(), args: vec![], env: vec![], root: true }),
        ];
        let payload = Payload::new(None, &steps, "vagrant", "", "token", "/s").unwrap();
        let mut bytes = Vec::new();
        payload.write(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, payload.size);
        let names: Vec<_> = tar::Archive::new(&bytes[..])
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["driver", "output", "0.tar", "1/", "1/x"]);
        assert!(payload.driver.contains("\ncopy 0 copy 0 folder "), "{}", payload.driver);
    }
}
