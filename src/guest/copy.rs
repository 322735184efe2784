//! `lab cp`: files to and from a machine, by a tar stream over ssh.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::process::{Stream, quote};

use super::access::Access;
use super::archive::Tree;
use super::failed::no_room;
use super::hangup::{answer, watched};
use super::marks::NoRoom;
use super::refusal::SSH_FAILED;
use super::shell::{Mark, ROOM};
use super::unpack;

/// Copies a file or folder of the host to `to` in the guest (relative: to the login user's home), as the login user.
/// Like `cp -r`: into `to` where that is a folder.
///
/// # Errors
/// [`Kind::CopyFailed`] with what could not be read or written; ssh's own.
pub fn to_guest(access: &Access, from: &Path, to: impl AsRef<[u8]>, cancel: &Cancel) -> Result<()> {
    let to = in_home(to.as_ref());
    let name = name_of(from)?;
    let mark = Mark::new();
    let tree = Tree::scan(from, Some("copy"))?;
    if let Some(path) = tree.skipped.first() {
        return Err(Error::new(
            Kind::CopyFailed,
            format!("{} is neither a file, a folder nor a symlink", path.display()),
        )
        .hint("nothing was copied"));
    }
    // Unpacked beside its place under a name of its own, then moved: it is there whole or not at all,
    // unless a folder of that name is there, which it is merged into.
    let command = format!(
        r#"to={to}; name={name}
case $to in */) [ -d "$to" ] || {{ echo "$to is not a folder" >&2; exit 1; }} ;; esac
[ ! -d "$to" ] || to=${{to%/}}/$name
parent=${{to%/*}}; [ "$parent" != "$to" ] || parent=.
mark() {{ echo "$*"; }}
{ROOM}
room {kib} "${{parent:-/}}" || exit 1
temp=$(mktemp -d "${{parent:-/}}/.lab-cp.XXXXXX") || exit 1
trap 'rm -rf "$temp"' 0
trap 'exit 1' 1 2 13 15
head -c {size} | tar -x -p -f - -C "$temp" || exit 1
if [ -d "$to" ] && [ -d "$temp/copy" ]; then cp -R -P -p "$temp/copy/." "$to/"
elif [ -d "$temp/copy" ] && [ -e "$to" ]; then echo "$to is not a folder" >&2; exit 1
elif [ -d "$to" ]; then echo "$to is a folder" >&2; exit 1
else mv -f "$temp/copy" "$to"; fi"#,
        to = word(to),
        name = word(&name),
        size = tree.size(),
        kib = tree.size() / 1024,
    );
    let unsent = Mutex::new(None);
    let failed = Cancel::new();
    let (greet, greeting) = mpsc::channel();
    let (mut said, mut begun, mut room) = (String::new(), false, None);
    let status = watched(
        || cancel.is_cancelled(),
        &failed,
        || {
            let (failed, unsent, tree) = (&failed, &unsent, &tree);
            access.session().arg(mark.command_with_input(&command)).stream(
                failed,
                move |stdin| {
                    let sent = answer(stdin, &greeting, failed)
                        .and_then(|greeted| if greeted { tree.write(stdin) } else { Ok(()) });
                    if let Err(error) = sent
                        && error.kind() != io::ErrorKind::BrokenPipe
                    {
                        // The guest would wait for the rest for ever.
                        *unsent.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        failed.cancel();
                    }
                    Ok(())
                },
                |stream, line| match stream {
                    Stream::Out if mark.is(line) => {
                        begun = true;
                        // An error means that nobody waits any more.
                        let _ = greet.send(());
                    }
                    Stream::Out if begun && line.starts_with("no-room ") => room = no_room_of(line),
                    // What came before is not about the copy.
                    Stream::Err if mark.is(line) => said.clear(),
                    _ => note(&mut said, line.as_bytes(), true),
                },
            )
        },
    );
    if let Some(source) = unsent.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(Error::new(Kind::CopyFailed, format!("could not copy {}: {source}", from.display())));
    }
    if let Some(room) = room {
        return Err(no_room(&access.machine, &room));
    }
    let what = format!("{} to {}:{}", from.display(), access.machine, String::from_utf8_lossy(to));
    finish(access, &what, code(cancel, begun, status)?, begun, &said)
}

/// The exit status; none where the guest was hung up on, since it never said that it listens.
fn code(cancel: &Cancel, begun: bool, status: Result<std::process::ExitStatus>) -> Result<Option<i32>> {
    match status {
        Ok(status) => Ok(status.code()),
        Err(error) if error.kind() == Kind::Interrupted && !begun && !cancel.is_cancelled() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The room that the guest says it lacks.
fn no_room_of(line: &str) -> Option<NoRoom> {
    let mut words = line.splitn(4, ' ').skip(1);
    let (needed, free) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(NoRoom { needed, free, folder: words.next()?.to_owned() })
}

/// Copies a file or folder of the guest to `to` on the host. Like `cp -r`. The guest is not trusted: nothing is
/// written outside `to`.
///
/// # Errors
/// [`Kind::CopyFailed`] with what could not be read or written; ssh's own.
pub fn to_host(access: &Access, from: impl AsRef<[u8]>, to: &Path, cancel: &Cancel) -> Result<()> {
    let from = in_home(from.as_ref());
    let end = from.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let start = from[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    // `.` and `/` have no name: what they hold goes into `to`.
    let (folder, name): (&[u8], &[u8]) = match &from[start..end] {
        b"" => (b"/", b"."),
        b"." | b".." => (from, b"."),
        name if start == 0 => (b"./", name),
        name => (&from[..start], name),
    };
    let command = format!("exec tar -c -f - -C {} {}", word(folder), word(&[b"./", name].concat()));
    let name = &os_name(name);
    let target = if name != "." && to.is_dir() { to.join(name) } else { to.to_owned() };
    let mark = Mark::new();
    let mut errors = String::new();
    let mut start = Start { mark: mark.bytes(), seen: Vec::new(), begun: false };
    let failed = Cancel::new();
    let streamed = || {
        std::thread::scope(|scope| {
            let (send, receive) = mpsc::sync_channel::<Vec<u8>>(16);
            let unpacker =
                scope.spawn(|| unpack::unpack(Pieces { receive, piece: Vec::new(), at: 0 }, name, &target));
            let status =
                access.session().arg(mark.command(&command)).bytes(&failed, |stream, bytes| match stream {
                    Stream::Out => {
                        let archive = start.after(bytes);
                        // The unpacker has stopped reading: it knows why.
                        if !archive.is_empty() && send.send(archive.to_vec()).is_err() {
                            failed.cancel();
                        }
                    }
                    Stream::Err => note(&mut errors, bytes, false),
                });
            drop(send);
            Ok((status, unpacker.join()))
        })
    };
    let (status, unpacked) = watched(|| cancel.is_cancelled(), &failed, streamed)?;
    cancel.check()?;
    let what = format!("{}:{} to {}", access.machine, String::from_utf8_lossy(from), to.display());
    let unpacked = unpacked.map_err(|_| Error::internal("unpacking panicked"))?;
    // What was said before the mark is not about the copy.
    let mark = String::from_utf8_lossy(&start.mark).into_owned();
    let said = errors.rsplit_once(&mark).map_or(errors.as_str(), |(_, after)| after);
    match (status, unpacked) {
        // What the guest said comes first: an archive that ends early is but what follows from it.
        (Ok(status), unpacked) => {
            finish(access, &what, status.code(), start.begun, said).and(unpacked.map(|_| ()))
        }
        (Err(error), Ok(_)) => Err(error),
        (Err(_), Err(error)) => Err(error),
    }
}

/// Where lab's own bytes begin in what a guest says: behind its mark.
struct Start {
    mark: Vec<u8>,
    /// What has come and may be the mark's begin.
    seen: Vec<u8>,
    begun: bool,
}

impl Start {
    /// Takes in what has come; what of it belongs to lab.
    fn after<'a>(&'a mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.begun {
            return bytes;
        }
        self.seen.extend_from_slice(bytes);
        match self.seen.windows(self.mark.len()).position(|window| window == self.mark) {
            Some(at) => {
                self.begun = true;
                self.seen.get(at + self.mark.len()..).unwrap_or_default()
            }
            None => {
                let kept = self.seen.len().min(self.mark.len());
                self.seen.drain(..self.seen.len() - kept);
                &[]
            }
        }
    }
}

fn finish(access: &Access, what: &str, status: Option<i32>, begun: bool, errors: &str) -> Result<()> {
    match status {
        Some(0) if begun => Ok(()),
        Some(SSH_FAILED) => Err(access.refused(errors)),
        _ if !begun => Err(access.no_mark(errors)),
        _ => {
            let error = Error::new(Kind::CopyFailed, format!("could not copy {what}"));
            let error = if errors.trim().is_empty() { error } else { error.detail(errors.trim()) };
            Err(if errors.contains("No space left on device") {
                error.hint(format!(
                    "the guest's disk is full: `lab exec {} -- df -h` shows where",
                    access.machine
                ))
            } else if errors.contains("ermission denied") {
                error.hint(format!(
                    "{} has no right to: copy to or from its home, and `sudo` the rest in `lab ssh {}`",
                    access.user, access.machine
                ))
            } else {
                error
            })
        }
    }
}

/// Keeps what the guest complains of, within bounds.
fn note(errors: &mut String, bytes: &[u8], line: bool) {
    const LIMIT: usize = 4096;
    if errors.len() < LIMIT {
        errors.push_str(&String::from_utf8_lossy(bytes));
        if line {
            errors.push('\n');
        }
    }
}

/// A path in the guest as its shell takes it, quoted, from the home folder: `~/x`, which the host's
/// shell leaves alone after `web1:`, would not be expanded.
fn in_home(path: &[u8]) -> &[u8] {
    match path {
        b"" | b"~" | b"~/" => b".",
        path => path.strip_prefix(b"~/").unwrap_or(path),
    }
}

/// A path in the guest as one word for its shell. A path is bytes there; those that are no text go as octal numbers.
fn word(path: &[u8]) -> String {
    match str::from_utf8(path) {
        Ok(text) => quote(text),
        Err(_) => {
            let octal: String = path.iter().map(|byte| format!("\\0{byte:03o}")).collect();
            format!("\"$(printf %b '{octal}')\"")
        }
    }
}

/// A name of the guest's as one of the host's.
#[cfg(unix)]
fn os_name(name: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(name.to_vec())
}

#[cfg(not(unix))]
fn os_name(name: &[u8]) -> OsString {
    String::from_utf8_lossy(name).into_owned().into()
}

/// The last component of a path of the host; of `.` or `..` that of the folder that it means.
fn name_of(path: &Path) -> Result<Vec<u8>> {
    let whole = match path.file_name() {
        Some(name) => name.to_owned(),
        None => {
            path.canonicalize().ok().and_then(|path| path.file_name().map(ToOwned::to_owned)).ok_or_else(
                || Error::new(Kind::CopyFailed, format!("{} has no name to copy it under", path.display())),
            )?
        }
    };
    Ok(whole.into_encoded_bytes())
}

/// What comes over a channel, as something to read.
struct Pieces {
    receive: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl io::Read for Pieces {
    fn read(&mut self, mut buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.receive.recv() {
                Ok(piece) => (self.piece, self.at) = (piece, 0),
                Err(_) => return Ok(0),
            }
        }
        let left = self.piece.get(self.at..).unwrap_or_default();
        let count = buffer.write(left)?;
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_folder_may_be_written_as_in_a_shell() {
        for (path, expected) in
            [("~/x", "x"), ("~", "."), ("", "."), ("/a", "/a"), ("~x", "~x"), ("a/~/b", "a/~/b")]
        {
            assert_eq!(in_home(path.as_bytes()), expected.as_bytes());
        }
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_arrive_in_the_guests_shell() {
        for path in [&b"datei\xe4.txt"[..], b"a b'c\xff$(x)\\n\"", b"plain", b"it's"] {
            let line = format!("printf %s {}", word(path));
            let said = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
            assert_eq!(said.stdout, path, "{line}");
        }
    }

    #[test]
    fn what_comes_before_the_mark_is_left_out() {
        let whole = b"Welcome\n\nlab-x\nbytes\n\nlab-x\nmore";
        for size in [1, 3, 7, 100] {
            let mut start = Start { mark: b"\nlab-x\n".to_vec(), seen: Vec::new(), begun: false };
            let mut got = Vec::new();
            for piece in whole.chunks(size) {
                got.extend_from_slice(start.after(piece));
            }
            assert_eq!(got, b"bytes\n\nlab-x\nmore", "{size}");
        }
    }

    #[test]
    fn a_folder_is_called_by_its_own_name() {
        assert_eq!(name_of(Path::new("a/b/")).unwrap(), b"b");
        let here = std::env::current_dir().unwrap();
        assert_eq!(name_of(Path::new(".")).unwrap(), here.file_name().unwrap().as_encoded_bytes());
        assert!(name_of(Path::new("/")).is_err());
    }
}
