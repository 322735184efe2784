//! Labs beside each other.

use crate::common::TestLab;
use crate::installation::VirtualBox;
use crate::{HASTY, destroy, remove_box, up_hastily};

/// A lab of one machine, on a network of its own.
fn text(network: u8) -> String {
    format!(
        "[lab]\nbox = \"demo\"\nmemory = \"128 MiB\"\nboot_timeout = \"15 min\"\n[network]\nprivate = \"192.168.{network}.0/24\"\n\
         [machine.solo]\nip = \"192.168.{network}.10\"\n"
    )
}

/// Whether this computer reaches a machine's ssh at its private address.
fn reached(network: u8) -> bool {
    let address = std::net::SocketAddr::from(([192, 168, network, 10], 22));
    std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_secs(10)).is_ok()
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn two_labs_at_once_do_not_meet() {
    let virtualbox = VirtualBox::new();
    let before = virtualbox.inventory();
    let (a, b) = (virtualbox.lab(&text(56)), virtualbox.lab(&text(57)));

    // Both import the box at the same moment, and both get it.
    let (up_a, up_b) = (a.start_piped(&["up"]), b.start_piped(&["up"]));
    let (up_a, up_b) = (a.finish(up_a).ok(), b.finish(up_b).ok());
    eprintln!("two labs at once took {:?} and {:?}", up_a.took, up_b.took);
    let there = virtualbox.inventory();
    assert_eq!(there.machines.len(), before.machines.len() + 3, "two machines and one base: {there:#?}");
    assert_eq!(there.adapters.len(), before.adapters.len() + 2, "{there:#?}");
    assert!(reached(56) && reached(57));

    // A third one on a network that is taken does not get into it, and says so.
    let c = virtualbox.lab(&HASTY.replace("192.168.56.", "192.168.57.").replace("solo", "third"));
    up_hastily(&c).says(&["another lab has the private network 192.168.57.0/24"]);
    assert_eq!(virtualbox.inventory().adapters, there.adapters);
    assert_eq!(virtualbox.info(&virtualbox.find("third"), "nic2"), "intnet");
    destroy(&c);
    assert_eq!(virtualbox.inventory(), there);

    // The first goes; the second has its network still, and the box cannot be removed.
    destroy(&a);
    assert!(reached(57));
    assert_eq!(virtualbox.inventory().adapters.len(), before.adapters.len() + 1);
    b.lab(&["box", "remove", "demo"]).exits(6).says(&["in use"]);
    assert_eq!(b.status("solo")["ready"], true);
    destroy(&b);
    remove_box(&b);
    assert_eq!(virtualbox.inventory(), before);
}

#[test]
#[ignore = "drives the real VirtualBox: run by scripts/test"]
fn a_base_stays_while_another_lab_uses_it() {
    let virtualbox = VirtualBox::new();
    let before = virtualbox.inventory();
    let two = |network: u8| HASTY.replace("192.168.56.", &format!("192.168.{network}."));
    let (a, b): (TestLab, TestLab) = (virtualbox.lab(&two(56)), virtualbox.lab(&two(57)));
    up_hastily(&a);
    up_hastily(&b);
    destroy(&a);
    // B's disk is whole: its machine starts from off.
    let uuid = virtualbox.find("solo");
    virtualbox.power_off(&uuid);
    up_hastily(&b);
    destroy(&b);
    // And the base is, too, when nobody uses it any more: the next lab needs no import.
    up_hastily(&a);
    destroy(&a);
    remove_box(&a);
    assert_eq!(virtualbox.inventory(), before);
}
