//! A disk that is too small for a download, or gets too small meanwhile. A tmpfs plays the disk, which only
//! root can mount: for others these tests fail and say so, rather than passing without having looked.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{a_box, partial, strays};
use crate::common::TestLab;
use crate::common::box_server::{BoxServer, Reply};

/// A tmpfs of so many MiB at a path, for as long as the value lives.
struct Small(PathBuf);

impl Small {
    fn mount(path: &Path, mib: u32) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let size = format!("size={mib}m,mode=0755");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "lab-test"]).arg(path).status();
        assert!(mount.unwrap().success(), "mounting a tmpfs needs root: run the tests as root");
        Small(path.to_owned())
    }

    fn resize(&self, mib: u32) {
        let size = format!("remount,size={mib}m");
        assert!(Command::new("mount").args(["-o", &size]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
#[ignore = "needs root for a small disk: run by scripts/test"]
fn too_little_room_is_said_before_the_download() {
    let lab = TestLab::bare("");
    let small = Small::mount(lab.home(), 80);
    let body = a_box(1, 20_000_000);
    let server = BoxServer::start(move |_, request| Reply::file(&body, request));
    let url = server.url("/net.box");
    lab.lab(&["box", "add", "net", &url]).exits(5).says(&[
        "no room for the download",
        "38.",
        "are free",
        "hint:",
    ]);
    assert_eq!(strays(lab.home()), [""; 0]);
    small.resize(200);
    lab.lab(&["box", "add", "net", &url]).ok();
    assert_eq!(strays(lab.home()), [""; 0]);
}

#[test]
#[ignore = "needs root for a small disk: run by scripts/test"]
fn a_disk_that_fills_up_meanwhile_costs_no_more_than_seconds() {
    let lab = TestLab::bare("");
    let small = Small::mount(lab.home(), 150);
    let body = a_box(2, 30_000_000);
    let filler = lab.home().join("somebody-elses");
    let to_fill = filler.clone();
    let server = BoxServer::start(move |n, request| {
        if n == 0 {
            // The room has been asked for; then somebody else takes it, which is over long before the last byte has come.
            let reply = Reply::file(&body, request).trickle(1_000_000, std::time::Duration::from_millis(600));
            let file = std::fs::File::create(&to_fill).unwrap();
            std::thread::spawn(move || {
                // After a note of what has come; it is written about every two seconds.
                std::thread::sleep(std::time::Duration::from_millis(3000));
                let _ = std::io::copy(&mut std::io::repeat(1), &mut &file);
            });
            return reply;
        }
        Reply::file(&body, request)
    });
    let url = server.url("/net.box");
    lab.lab(&["box", "add", "net", &url]).exits(5).says(&["disk is full", "hint:"]);
    assert_eq!(lab.lab(&["box", "list", "--json"]).ok().stdout, "");
    assert!(partial(lab.home()) > 0);
    std::fs::remove_file(&filler).unwrap();
    lab.lab(&["box", "add", "net", &url]).ok();
    assert!(server.requests()[1].range().is_some_and(|from| from > 0), "it went on");
    assert_eq!(strays(lab.home()), [""; 0]);
    drop(small);
}

#[test]
#[ignore = "needs root for a small disk: run by scripts/test"]
fn a_download_without_an_end_stops_before_the_disk_is_full_and_is_not_kept() {
    let lab = TestLab::bare("");
    let _small = Small::mount(lab.home(), 300);
    let server = BoxServer::start(|_, _| Reply::endless());
    lab.lab(&["box", "add", "net", &server.url("/net.box")]).exits(5).says(&["no room", "are free"]);
    assert_eq!(strays(lab.home()), [""; 0]);
}
