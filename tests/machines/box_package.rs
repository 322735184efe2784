//! A machine becomes a box, a box becomes a machine, and Vagrant's own tools are content with both.

use std::io::Read;
use std::path::Path;
use std::process::Command;

use crate::common::TestLab;

/// The members of a tar.gz, by name.
fn members(path: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()));
    let member = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        Read::read_to_end(&mut entry, &mut bytes).unwrap();
        (entry.path().unwrap().to_str().unwrap().trim_start_matches("./").to_owned(), bytes)
    };
    archive.entries().unwrap().map(member).collect()
}

/// Vagrant, with a home of its own and away from the network.
fn vagrant(home: &Path, dir: &Path, args: &[&str]) -> String {
    let output = Command::new("vagrant")
        .args(args)
        .current_dir(dir)
        .env("VAGRANT_HOME", home)
        .env("VAGRANT_CHECKPOINT_DISABLE", "1")
        .env("VAGRANT_NO_COLOR", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "vagrant {args:?}\n{said}\n{errors}");
    said
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn a_machine_goes_through_a_box_and_vagrant_and_is_itself() {
    let lab = TestLab::with_demo_box(
        "[lab]\nbox = \"demo\"\nprovision = [{ name = \"mark\", inline = \"echo made by lab >/srv/mark\" }]\n[machine.web1]\n",
    );
    lab.lab(&["up"]).ok();

    // While a machine was made from it, a box stays; it is whole, and so is what was made from it.
    let listed = lab.lab(&["box", "list"]).ok().stdout;
    assert!(listed.contains(lab.dir().to_str().unwrap()), "{listed}");
    lab.lab(&["box", "remove", "demo"]).exits(6).says(&["in use by web1", "lab destroy -C"]);
    lab.lab(&["box", "verify", "demo"]).ok().says(&["checking the base image for qemu"]);

    lab.lab(&["box", "package", "web1"]).exits(7).says(&["not shut down", "lab halt web1"]);
    lab.lab(&["box", "package", "web2"]).exits(2).says(&["no machine web2", "did you mean web1"]);
    lab.lab(&["halt"]).ok();
    lab.lab(&["box", "package", "web1"]).ok().says(&[
        "web1.box is written",
        "private key",
        "lab box add web1",
    ]);
    lab.lab(&["box", "package", "web1"]).exits(2).says(&["exists already", "--force"]);
    let made = lab.dir().join("web1.box");
    let packed = members(&made);
    let names = [
        "Vagrantfile",
        "box-disk001.vmdk",
        "box.mf",
        "box.ovf",
        "info.json",
        "metadata.json",
        "vagrant_private_key",
    ];
    assert_eq!(packed.keys().map(String::as_str).collect::<Vec<_>>(), names);
    // The lab is as it was.
    lab.lab(&["up"]).ok();
    assert_eq!(lab.ssh("web1", "cat /srv/mark").trim(), "made by lab");
    lab.lab(&["destroy", "--yes"]).ok();

    // Vagrant takes it, and gives it back by its own `repackage`.
    let vagrant_home = lab.root().join("vagrant");
    let out = lab.root().join("out");
    std::fs::create_dir(&out).unwrap();
    vagrant(&vagrant_home, &out, &["box", "add", "--name", "from-lab", made.to_str().unwrap()]);
    let listed = vagrant(&vagrant_home, &out, &["box", "list", "-i"]);
    assert!(listed.contains("from-lab (virtualbox, 0)") && listed.contains("Packaged-by: lab"), "{listed}");
    vagrant(&vagrant_home, &out, &["box", "repackage", "from-lab", "virtualbox", "0"]);
    let repackaged = out.join("package.box");
    assert_eq!(members(&repackaged)["box-disk001.vmdk"], packed["box-disk001.vmdk"]);

    // What Vagrant packed is a machine again, with all that was in it; and in a home that never saw demo.
    let labfile = format!("lab.box = {:?}\n[machine.again]\n", repackaged.to_str().unwrap());
    let second = TestLab::bare(&labfile);
    second.lab(&["box", "add", "by-vagrant", repackaged.to_str().unwrap()]).ok();
    second.lab(&["box", "verify"]).ok();
    let shown = second.lab(&["box", "show", "by-vagrant", "--json"]).ok().json();
    assert_eq!(shown["manifest"]["notes"], serde_json::json!([]));
    second.lab(&["up"]).ok();
    assert_eq!(second.ssh("again", "cat /srv/mark; hostname"), "made by lab\nagain");
    second.insecure_key_opens_nothing("again");
    second.lab(&["destroy", "--yes"]).ok();
}
