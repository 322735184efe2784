//! Ending machines that no state knows any more: what is in their folders tells enough.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::daemon;
use super::files::{Channel, Files, LOG};
use crate::error::Result;
use crate::unlink;

/// Kills the QEMU of each machine whose folder lies in `folder`, and removes its sockets. Other files stay.
pub(super) fn all(folder: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for dir in entries.flatten().map(|entry| entry.path()).filter(|path| path.join(LOG).is_file()) {
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sockets = sockets(&dir);
        let run_dir = sockets.first().and_then(|socket| socket.parent()).unwrap_or(Path::new(""));
        daemon::kill(&name, &Files::without_state(&dir, run_dir))?;
        for socket in &sockets {
            unlink::file(socket)?;
        }
        if let Some(run_dir) = sockets.first().and_then(|socket| socket.parent()) {
            // Other machines' sockets may be in it still, and other labs' folders in the one above.
            let _ = fs::remove_dir(run_dir).and_then(|()| run_dir.parent().map_or(Ok(()), fs::remove_dir));
        }
    }
    Ok(())
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
        let mut child = Cmd::new("sleep").arg("60").daemon(&log).unwrap();
        drop(log);
        fs::write(dir.join("qemu.pid"), child.id().to_string()).unwrap();
        all(&root.path().join("machines")).unwrap();
        assert!(child.wait().unwrap().code().is_none());
        assert!(!run.exists());
        // Again, and where there is nothing.
        all(&root.path().join("machines")).unwrap();
        all(&root.path().join("none")).unwrap();
    }
}
