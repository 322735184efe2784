use super::*;
use crate::boxes::archive::Unpacked;
use crate::boxes::disk::tests::{DESCRIPTOR, qcow2, vmdk};
use crate::boxes::hardware::Mac;
use crate::boxes::ovf::tests::SATA;
use crate::cancel::Cancel;
use crate::error::Kind;

fn unpacked(bare: bool) -> Unpacked {
    let notes = vec!["left out: x/y".into()];
    Unpacked { digest: String::new(), size: 0, unpacked: 0, bare, files: Default::default(), notes }
}

fn inspected(files: &[(&str, &[u8])]) -> Result<Findings> {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let (cancel, mut hear) = (Cancel::new(), |_| {});
    let mut task = Task { cancel: &cancel, progress: &mut hear };
    let found = inspect(dir.path(), &unpacked(false), None, &mut task);
    #[cfg(unix)]
    if let Ok(Findings { key: Some(key), .. }) = &found {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.path().join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    found
}

#[test]
fn a_virtualbox_box() {
    let disk = vmdk(DESCRIPTOR);
    let mut files: Vec<(&str, &[u8])> = vec![
        ("metadata.json", br#"{"provider":"virtualbox"}"#),
        ("box.ovf", SATA.as_bytes()),
        ("box-disk001.vmdk", &disk),
        ("Vagrantfile", b"Vagrant.configure('2') { |config|\n config.vm.base_mac = \"08002712CE01\"\n}\n"),
    ];
    let found = inspected(&files).unwrap();
    assert_eq!((found.format, found.disk.as_str()), (Format::Virtualbox, "box-disk001.vmdk"));
    assert_eq!((found.disk_format, found.user.as_str()), (DiskFormat::Vmdk, "vagrant"));
    assert_eq!(found.hardware.base_mac, Some(Mac([8, 0, 0x27, 0x12, 0xce, 0x01])));
    assert_eq!(found.notes, ["left out: x/y"]);

    let without_metadata = inspected(&files[1..]).unwrap();
    assert_eq!(without_metadata.format, Format::Virtualbox);
    let ova = inspected(&files[1..3]).unwrap();
    assert_eq!((ova.format, ova.hardware.base_mac), (Format::Ova, Some(Mac([8, 0, 0x27, 0xaa, 0xbb, 0xcc]))));

    let key =
        b"config.ssh.private_key_path = File.expand_path('../key', __FILE__)\nconfig.ssh.username = 'joe'\n";
    files[3].1 = key;
    let absent = inspected(&files).unwrap();
    assert_eq!((absent.key, absent.notes.len()), (None, 2));
    files.push(("key", b"-----BEGIN"));
    let found = inspected(&files).unwrap();
    assert_eq!((found.key.as_deref(), found.user.as_str()), (Some("key"), "joe"));
}

#[test]
fn a_libvirt_box() {
    let disk = qcow2();
    let metadata = br#"{"provider":"libvirt","format":"qcow2","virtual_size":20}"#;
    let found = inspected(&[
        ("metadata.json", metadata),
        ("box.img", &disk),
        ("Vagrantfile", b"  libvirt.disk_bus = 'sata'\n"),
    ])
    .unwrap();
    assert_eq!((found.format, found.disk_format), (Format::Libvirt, DiskFormat::Qcow2));
    assert_eq!(found.hardware.disk_controller, DiskController::Sata);
    assert_eq!(found.hardware.nic, NicModel::Virtio);
    let second = br#"{"provider":"libvirt","disks":[{"path":"a.qcow2"},{"path":"b.qcow2"}]}"#;
    let found = inspected(&[("metadata.json", second), ("a.qcow2", &disk)]).unwrap();
    assert_eq!(found.disk, "a.qcow2");
    assert_eq!(found.notes, ["left out: x/y", "a further disk is left out: b.qcow2"]);
}

#[test]
fn a_bare_disk() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("disk.qcow2"), qcow2()).unwrap();
    let (cancel, mut hear) = (Cancel::new(), |_| {});
    let mut task = Task { cancel: &cancel, progress: &mut hear };
    let found = inspect(dir.path(), &unpacked(true), None, &mut task).unwrap();
    assert_eq!((found.format, found.hardware.disk_controller), (Format::Disk, DiskController::VirtioBlk));
}

#[test]
fn what_cannot_be_used_is_refused() {
    let (good, metadata) = (vmdk(DESCRIPTOR), br#"{"provider":"virtualbox"}"#);
    let ovf = SATA.as_bytes();
    let kind = |files: &[(&str, &[u8])]| inspected(files).unwrap_err().kind();
    assert_eq!(kind(&[]), Kind::BadBox);
    assert_eq!(kind(&[("metadata.json", b"{")]), Kind::BadBox);
    assert_eq!(kind(&[("metadata.json", br#"{"provider":"hyperv"}"#)]), Kind::BadBox);
    assert_eq!(kind(&[("metadata.json", metadata), ("box.ovf", ovf)]), Kind::BadBox);
    assert_eq!(kind(&[("box.ovf", ovf), ("box-disk001.vmdk", b"text")]), Kind::BadBox);
    assert_eq!(kind(&[("a.ovf", ovf), ("b.ovf", ovf), ("box-disk001.vmdk", &good)]), Kind::BadBox);
    assert_eq!(kind(&[("box.ovf", b"\xff\xfe")]), Kind::BadBox);
    let escaping = br#"{"provider":"libvirt","disks":[{"path":"../../x"}]}"#;
    assert_eq!(kind(&[("metadata.json", escaping)]), Kind::HostileBox);
    // Any image of the box, not only the system's.
    let mut backed = qcow2();
    backed[15] = 1;
    let files: [(&str, &[u8]); 3] = [("box.ovf", ovf), ("box-disk001.vmdk", &good), ("other", &backed)];
    assert_eq!(kind(&files), Kind::HostileBox);
}

#[test]
fn an_archive_without_a_machine_says_what_is_in_it() {
    let packed = [0x1f, 0x8b, 8, 0];
    for (files, what, hint) in [
        (
            &[("lucid32.box", &packed[..])][..],
            "another archive in it, lucid32.box",
            "lab box add NAME lucid32.box",
        ),
        (&[("README", b"hello"), ("disk.qcow2", &qcow2())], "a disk image in it, disk.qcow2", "tar -xf"),
        (&[("x.zip", b"PK\x03\x04")], "a zip archive in it, x.zip", "tar -xf"),
        (&[("manifest.json", b"[]"), ("repositories", b"{}")], "an image for containers", "disk"),
        (&[], "no files at its top", "cd FOLDER"),
        (&[("README", b"hello")], "neither an OVF nor a metadata.json", "Vagrant box"),
    ] {
        let error = inspected(files).unwrap_err();
        assert!(error.message().contains(what), "{what}: {error}");
        assert!(error.hints().join("\n").contains(hint), "{what}: {error:?}");
    }
}

#[test]
fn what_a_box_says_is_bounded_and_cannot_be_an_option_or_an_escape() {
    let disk = qcow2();
    let of = |metadata: &[u8], vagrantfile: &[u8]| {
        inspected(&[("metadata.json", metadata), ("box.img", &disk), ("Vagrantfile", vagrantfile)])
    };
    let libvirt = br#"{"provider":"libvirt"}"#;
    for user in ["-oProxyCommand=x", "a\u{1b}[2J", "a b", "", "a/b"] {
        let found = of(libvirt, format!("c.ssh.username = \"{user}\"\n").as_bytes()).unwrap();
        assert_eq!(found.user, "vagrant", "{user:?}");
        assert!(found.notes.iter().any(|note| note.contains("cannot be one")), "{:?}", found.notes);
    }
    assert_eq!(of(libvirt, b"c.ssh.username = \"ec2-user\"\n").unwrap().user, "ec2-user");
    let error = of(b"{\"provider\":\"a\\u001b[2J\"}", b"").unwrap_err();
    assert!(!error.message().contains('\u{1b}'), "{error:?}");
    let long = vec![b' '; 300 << 10];
    for error in [of(&long, b"").unwrap_err(), of(libvirt, &long).unwrap_err()] {
        assert_eq!(error.kind(), Kind::BadBox);
        assert!(error.message().contains("larger than 256.0 KiB, the limit"), "{error}");
    }
}
