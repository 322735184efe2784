//! What boxes ask of VirtualBox beyond their disk, and what becomes of a machine that is made a box.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use crate::common::{demo_box, tree};
use crate::direct::provider_does;
use crate::installation::VirtualBox;
use crate::{HASTY, destroy, hastily, up_hastily};

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn a_machine_becomes_a_box() {
    hastily(|virtualbox, lab| {
        up_hastily(lab);
        let uuid = virtualbox.find("solo");
        virtualbox.power_off(&uuid);
        let there = virtualbox.inventory();

        // The same bytes that VirtualBox itself gives, with holes, and nothing of it stays in its lists.
        let (own, theirs) = (lab.root().join("own.raw"), lab.root().join("theirs.raw"));
        let started = std::time::Instant::now();
        provider_does(virtualbox, lab, "solo", &format!("export {}", own.display()));
        eprintln!("an export took {:.1} s", started.elapsed().as_secs_f64());
        assert_eq!(virtualbox.inventory(), there);
        let disk = virtualbox.info(&uuid, "disk-ImageUUID-0-0");
        virtualbox.manage(&["clonemedium", "disk", &disk, theirs.to_str().unwrap(), "--format", "RAW"]);
        virtualbox.manage(&["closemedium", "disk", theirs.to_str().unwrap()]);
        assert!(same(&own, &theirs), "{} is not {}", own.display(), theirs.display());
        let (taken, size) = (own.metadata().unwrap().blocks() * 512, own.metadata().unwrap().len());
        assert!(taken < size / 2, "{taken} of {size} bytes are on the disk");

        let to = lab.root().join("again.box");
        lab.lab(&["box", "package", "solo", "--output", to.to_str().unwrap()]).ok();
        lab.lab(&["box", "add", "again", to.to_str().unwrap()]).ok();
        assert_eq!(virtualbox.inventory(), there);
        destroy(lab);
        lab.lab(&["box", "remove", "again"]).ok();
    });
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn what_the_catalogue_asks_for_comes_before_the_labfile() {
    hastily(|virtualbox, lab| {
        let customize = |vram: &str| format!(r#"["modifyvm", "{{id}}", "--vram", "{vram}"]"#);
        let entry = format!(
            r#"{{"name": "demo", "description": "demo", "guest": {{"family": "debian"}}, "arch": "x86_64", "hints": ["none"],
                "virtualbox": {{"customize": [["modifyvm", "{{id}}", "--paravirtprovider", "legacy"], {}]}}}}"#,
            customize("9")
        );
        lab.write("lab/own.json", &entry);
        let own = format!("[machine.solo.virtualbox]\ncustomize = [{}]\n", customize("17"));
        lab.labfile(&(HASTY.replace("[lab]\n", "[lab]\ncatalog = \"own.json\"\n") + &own));
        up_hastily(lab);
        let uuid = virtualbox.find("solo");
        assert_eq!(virtualbox.info(&uuid, "paravirtprovider"), "legacy");
        assert_eq!(virtualbox.info(&uuid, "vram"), "17");
    });
}

fn same(a: &Path, b: &Path) -> bool {
    let open = |path: &Path| std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let (mut a, mut b) = (open(a), open(b));
    let (mut of_a, mut of_b) = (vec![0; 1 << 20], Vec::new());
    loop {
        let count = a.read(&mut of_a).unwrap();
        of_b.clear();
        (&mut b).take(count as u64).read_to_end(&mut of_b).unwrap();
        if of_a[..count] != of_b {
            return false;
        }
        if count == 0 {
            return b.read(&mut of_a).unwrap() == 0;
        }
    }
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn a_disk_without_a_user_gets_its_seed() {
    let virtualbox = VirtualBox::new();
    let before = virtualbox.inventory();
    let lab = virtualbox.lab(HASTY);
    // The demo box's disk without what the box says of it, so that nobody knows of a user.
    let unpacked = Command::new("tar").arg("xf").arg(demo_box()).arg("-C").arg(lab.root()).status().unwrap();
    assert!(unpacked.success());
    let disk =
        tree(lab.root()).into_iter().find(|path| path.extension().is_some_and(|end| end == "vmdk")).unwrap();
    lab.labfile(&HASTY.replace("\"demo\"", &format!("{:?}", disk.to_str().unwrap())));
    up_hastily(&lab);
    let seed = lab.dir().join(".lab/machines/solo/seed.iso");
    let discs = virtualbox.inventory().discs;
    assert!(discs.contains(seed.to_str().unwrap()), "{discs:?}");
    let info = virtualbox.manage(&["showvminfo", &virtualbox.find("solo"), "--machinereadable"]);
    assert!(info.contains(&format!("-1-0\"=\"{}\"", seed.display())), "{info}");
    let bytes = std::fs::read(&seed).unwrap();
    assert!(bytes.windows(6).any(|word| word == b"cidata"));

    destroy(&lab);
    lab.lab(&["box", "prune", "--yes"]).ok();
    assert_eq!(virtualbox.inventory(), before);
}
