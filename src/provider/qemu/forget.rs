//! Ending machines that no state knows any more: what is in their folders tells enough.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::daemon;
use super::files::{Channel, Files, LOG};
use super::run::{self, Run};
use crate::error::{Error, Kind, Result};
use crate::process::{self, Process};
use crate::provider::Lost;
use crate::unlink;

/// How long a killed process may take to be gone: the kernel has its memory to free.
const KILL_PATIENCE: Duration = Duration::from_secs(15);
/// Pause between two looks whether it is.
const GLANCE: Duration = Duration::from_millis(20);

/// What is left of a lab whose state is lost: its machines' folders, and its folder of sockets.
#[derive(Debug, Default)]
pub(super) struct Remains {
    /// The machines' folders, those that there are.
    dirs: Vec<PathBuf>,
    /// The folder of sockets, where it is known.
    run_dir: Option<PathBuf>,
}

/// What is left of `lost`.
///
/// # Errors
/// [`crate::error::Kind::StateDamaged`].
pub(super) fn of(lost: Lost<'_>) -> Result<Remains> {
    let run: Run = lost.own.map(|own| own.read()).transpose()?.unwrap_or_default();
    let entries = fs::read_dir(lost.machines).into_iter().flatten().flatten();
    let dirs = entries.map(|entry| entry.path()).filter(|path| path.join(LOG).is_file());
    let run_dir = Some(run.run_dir).filter(|dir| !dir.as_os_str().is_empty());
    Ok(Remains { dirs: dirs.collect(), run_dir })
}

/// The machines of `remains` that still run.
pub(super) fn strays(remains: &Remains) -> Result<Vec<String>> {
    let mut titles = Vec::new();
    for dir in &remains.dirs {
        if daemon::is_alive(&Files::without_state(dir, Path::new("")))? {
            titles.push(name(dir));
        }
    }
    for process in running(remains) {
        let title = title(&process);
        if !titles.contains(&title) {
            titles.push(title);
        }
    }
    Ok(titles)
}

/// Ends the QEMU of each machine, and removes its sockets. Other files stay.
pub(super) fn all(remains: &Remains) -> Result<()> {
    for dir in &remains.dirs {
        let sockets = sockets(dir);
        let run_dir = sockets.first().and_then(|socket| socket.parent()).unwrap_or(Path::new(""));
        let (folder, control) =
            (dir.canonicalize().ok(), sockets.first().map(|path| path.display().to_string()));
        // No state tells its id: it works in the machine's folder, or has the machine's socket.
        daemon::kill(&name(dir), &Files::without_state(dir, run_dir), |process| {
            (process.folder.is_some() && process.folder == folder)
                || control.as_deref().is_some_and(|control| process.mentions(control))
        })?;
        for socket in &sockets {
            unlink::file(socket)?;
        }
        if let Some(run_dir) = sockets.first().and_then(|socket| socket.parent()) {
            // Other machines' sockets may be in it still, and other labs' folders in the one above.
            let _ = fs::remove_dir(run_dir).and_then(|()| run_dir.parent().map_or(Ok(()), fs::remove_dir));
        }
    }
    // Nobody is to write to a disk that has been deleted: it needs no tables, and QEMU is not asked.
    let until = Instant::now() + KILL_PATIENCE;
    while let Some(process) = running(remains).into_iter().next() {
        process::kill(process.pid, |again| again.args == process.args);
        if Instant::now() >= until {
            return Err(Error::new(Kind::Monitor, "its QEMU could not be killed")
                .of(&title(&process))
                .hint(format!("process {} has to be ended by hand", process.pid)));
        }
        thread::sleep(GLANCE);
    }
    match &remains.run_dir {
        Some(run_dir) => run::remove(run_dir),
        None => Ok(()),
    }
}

fn name(dir: &Path) -> String {
    dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Those whose sockets are, or were, in the lab's folder of sockets: they are found though all their files are gone.
fn running(remains: &Remains) -> Vec<Process> {
    let Some(run_dir) = &remains.run_dir else { return Vec::new() };
    let socket = format!(
        "socket,id={},path={}/",
        Channel::Control.id(),
        run_dir.display().to_string().replace(',', ",,")
    );
    process::processes().into_iter().filter(|process| process.mentions(&socket)).collect()
}

/// The name of the machine that it is.
fn title(process: &Process) -> String {
    let guest = process.args.iter().find_map(|arg| arg.strip_prefix("guest="));
    guest.map_or("a machine", |guest| guest.rsplit('/').next().unwrap_or(guest)).to_owned()
}

/// The sockets of the QEMU that was last started in `dir`, as the command says that stands in its log.
fn sockets(dir: &Path) -> Vec<PathBuf> {
    let Ok(log) = fs::File::open(dir.join(LOG)) else { return Vec::new() };
    let lines = BufReader::new(log).lines().map_while(std::result::Result::ok);
    let Some(command) = lines.filter(|line| line.starts_with("$ ")).last() else { return Vec::new() };
    let socket = |channel: Channel| {
        let (_, rest) = command.split_once(&format!("socket,id={},path=", channel.id()))?;
        let (path, _) = rest.split_once(",server=on")?;
        let path = PathBuf::from(path.replace(",,", ","));
        path.is_absolute().then_some(path)
    };
    Channel::ALL.into_iter().filter_map(socket).collect()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::process::Cmd;

    #[test]
    fn a_machine_without_a_state_is_ended_and_its_sockets_go() {
        let root = tempfile::tempdir().unwrap();
        let (dir, run) = (root.path().join("machines/web1"), root.path().join("run/0b5e1b8a"));
        for folder in [&dir, &run] {
            fs::create_dir_all(folder).unwrap();
        }
        let socket = run.join("40ed71cc50fb.c");
        fs::write(&socket, "").unwrap();
        let command = format!(
            "$ old -chardev socket,id=control,path=/x,server=on\n\
             said\n$ qemu -chardev socket,id=control,path={},server=on,wait=off -mon x\n",
            socket.display()
        );
        fs::write(dir.join(LOG), command).unwrap();
        let log = fs::File::options().append(true).open(dir.join(LOG)).unwrap();
        log.try_lock().unwrap();
        let mut child = Cmd::new("sleep").arg("60").dir(&dir).daemon(&log).unwrap();
        drop(log);
        fs::write(dir.join("qemu.pid"), child.id().to_string()).unwrap();
        let machines = root.path().join("machines");
        let lost = |machines| of(Lost { machines, kept: Path::new("kept"), own: None }).unwrap();
        assert_eq!(strays(&lost(&machines)).unwrap(), ["web1"]);
        all(&lost(&machines)).unwrap();
        assert!(child.wait().unwrap().code().is_none());
        assert!(!run.exists());
        // Again, and where there is nothing.
        all(&lost(&machines)).unwrap();
        all(&lost(&root.path().join("none"))).unwrap();
    }
}
