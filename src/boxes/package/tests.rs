use super::*;
use crate::boxes::Source;
use crate::boxes::store::tests::Fixture;
use crate::boxes::{Add, Login};

fn hardware(disk_controller: DiskController, nic: NicModel) -> Hardware {
    Hardware {
        arch: Arch::I386,
        memory_mib: 320,
        cpus: 2,
        firmware: Firmware::Bios,
        disk_controller,
        nic,
        base_mac: Some(Mac([8, 0, 0x27, 0xaa, 0xbb, 0xcc])),
    }
}

/// Packages a machine of this hardware and adds the box.
fn round_trip(hardware: &Hardware, disk: &[u8], user: &str, key: bool) -> crate::boxes::BoxImage {
    let fixture = Fixture::new();
    let (file, key_file) = (fixture.lab.join("disk"), fixture.lab.join("key"));
    std::fs::write(&file, disk).unwrap();
    std::fs::write(&key_file, "-----BEGIN").unwrap();
    let mac = hardware.base_mac.unwrap();
    let package = Package { name: "web1", hardware, mac, user, key: key.then_some(key_file.as_path()) };
    let workspace = tempfile::tempdir().unwrap();
    let to = fixture.lab.join("web1.box");
    let task = &mut Task { cancel: &Cancel::new(), progress: &mut |_| {} };
    let packed = package.write(&file, workspace.path(), &to, task).unwrap();
    assert!(!fixture.lab.join("web1.box.part").exists());
    let image = fixture.add(&Add::new(Source::File(to))).unwrap();
    assert_eq!(image.digest, packed.sha256);
    assert_eq!(fixture.store.list().unwrap()[0].manifest.as_ref().unwrap().notes, Vec::<String>::new());
    if let Some(key) = &image.login.key {
        assert_eq!(std::fs::read_to_string(key).unwrap(), "-----BEGIN");
    }
    image
}

#[test]
fn what_is_packaged_is_read_as_it_was() {
    use DiskController as D;
    let mut disk = vec![0; 1 << 20];
    disk[..4].copy_from_slice(b"boot");
    for controller in [D::Ide, D::Sata, D::LsiLogic, D::LsiLogicSas, D::BusLogic, D::VirtioScsi] {
        for nic in [NicModel::E1000, NicModel::Pcnet, NicModel::Virtio] {
            let hardware = hardware(controller, nic);
            let image = round_trip(&hardware, &disk, "vagrant", true);
            assert_eq!(image.hardware, hardware);
            assert_eq!((image.login.user.as_str(), image.disk_format.as_str()), ("vagrant", "vmdk"));
            assert!(image.login.key.is_some());
        }
    }
}

#[test]
fn a_disk_on_virtio_makes_a_box_for_libvirt() {
    let mut disk = crate::boxes::disk::tests::qcow2();
    disk[31] = 1;
    let hardware =
        Hardware { arch: Arch::X86_64, cpus: 1, ..hardware(DiskController::VirtioBlk, NicModel::Virtio) };
    let image = round_trip(&hardware, &disk, "pupil", false);
    assert_eq!(image.hardware, Hardware { base_mac: None, ..hardware });
    assert_eq!(image.login, Login { user: "pupil".into(), key: None, seeded: false });
    assert_eq!(image.disk_format, "qcow2");
}

#[test]
fn what_no_box_can_say_is_refused() {
    let mut hardware = hardware(DiskController::Sata, NicModel::E1000);
    hardware.firmware = Firmware::Efi;
    assert_eq!(Package::format(&hardware).unwrap_err().kind(), Kind::WrongState);
}
