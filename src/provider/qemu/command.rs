//! QEMU's command line, as a pure function of the machine and a few facts of this computer.
//!
//! It has two halves. The **board** is what the guest can see: processor, memory, devices and where
//! they sit. RAM that was saved can only be loaded into the same board, so a suspended machine is
//! started with the board it had (see [`super::suspend`]), whatever the Labfile says by now. The rest
//! (ports, sockets, files) belongs to this computer and may differ at every start.
//!
//! PCI addresses are those of VirtualBox's chipset: the network cards in slots 3 and 8, the system
//! disk in 0xd. Boxes come from there, and a guest's names for its cards (`enp0s3`, `enp0s8`) are
//! made of them. With hot-plugging by ACPI switched off, since else systemd prefers its slot numbers
//! and says `ens3`.

use sha2::{Digest, Sha256};

use super::accel::Accelerator;
use super::files::{CONSOLE, Channel, DISK, Files, PID, SEED};
use super::run::Run;
use super::settings::Settings;
use super::version::Version;
use crate::boxes::{Arch, DiskController, Firmware, Hardware, NicModel};
use crate::error::{Error, Kind, Result};
use crate::provider::MachineSpec;
use crate::provider::local::Behind;

/// Name of the disk's block node, for jobs that save and load RAM.
pub(super) const DISK_NODE: &str = "disk";

/// The display: a guest without one may not boot.
const DISPLAY: &str = "VGA,addr=0x2";

/// Where the guest gets its random numbers.
const ENTROPY: &str = "virtio-rng-pci,rng=entropy,addr=0x10";

/// Name of the seed's block node.
const SEED_NODE: &str = "seed";

/// The translation buffer in MiB. QEMU's own default is a GiB, which a guest fills by and by: it makes
/// a class's laptop swap. A guest of 256 MiB that had used all its memory and started every program it
/// has was measured at 374 MiB with 64 here, at 446 with 128, at 593 with 256, none slower than the
/// others beyond the noise; what is wanted is the guest's memory + 200 at most.
const TCG_BUFFER_MIB: u32 = 112;

/// The processor that is emulated where none is lent: 64 bit and SSE 4.2 (`x86-64-v2`, which today's
/// distributions ask for), no AVX (slow to translate), and the same on every version of QEMU, as
/// `max` is not.
const TCG_CPU: &str = "Nehalem";

/// How the guest begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake<'a> {
    /// It boots.
    Boot,
    /// It waits, stopped, with the RAM of this snapshot.
    Load(&'a str),
}

/// Whether this provider has what `hardware` asks for.
///
/// # Errors
/// [`Kind::NoProvider`], naming it.
pub(super) fn supports(hardware: &Hardware) -> Result<()> {
    let cannot = |what: &str| Err(Error::new(Kind::NoProvider, format!("the QEMU provider {what}")));
    match hardware {
        _ if cfg!(not(unix)) => cannot("does not run on this system yet"),
        Hardware { arch: Arch::Aarch64, .. } => cannot("does not run ARM machines yet"),
        Hardware { firmware: Firmware::Efi, .. } => {
            cannot("does not boot by EFI yet, and the box asks for it")
        }
        Hardware { disk_controller: DiskController::BusLogic, .. } => {
            cannot("has no BusLogic disk controller, and the box asks for it")
                .map_err(|error: Error| error.hint("export the box again with its disk on SATA or IDE"))
        }
        _ => Ok(()),
    }
}

/// What the guest sees of its machine, as arguments; the Labfile's own come last.
pub(super) fn board(machine: &MachineSpec, accelerator: Accelerator) -> Result<Vec<String>> {
    supports(&machine.hardware)?;
    let hardware = &machine.hardware;
    let settings: Settings = machine.own.settings.read()?;
    let cards = Behind::of(machine)?;
    let mut args = Args::default();
    args.add("-uuid", machine.id.as_str());
    args.add("-machine", settings.machine.as_deref().unwrap_or("pc"));
    let cpu = match accelerator {
        Accelerator::Tcg => TCG_CPU,
        Accelerator::Kvm | Accelerator::Hvf => "host",
        Accelerator::Whpx => "Westmere",
    };
    args.add("-cpu", settings.cpu.as_deref().unwrap_or(cpu));
    args.add("-smp", hardware.cpus.to_string());
    args.add("-m", format!("{}M", hardware.memory_mib));
    args.add("-rtc", "base=utc");
    args.add("-boot", "strict=on");
    for hotplug in ["acpi-root-pci-hotplug", "acpi-pci-hotplug-with-bridge-support"] {
        args.add("-global", format!("PIIX4_PM.{hotplug}=off"));
    }
    args.add("-device", DISPLAY);
    args.disk(hardware.disk_controller);
    if machine.seed.is_some() {
        args.seed(hardware.disk_controller);
    }
    args.nic(hardware.nic, "nat", &cards.nat_mac.to_string(), "0x3");
    args.nic(hardware.nic, "private", &cards.private_mac.to_string(), "0x8");
    args.add("-device", ENTROPY);
    args.add("-serial", "chardev:console");
    args.0.extend(settings.args.iter().cloned());
    if let Some(arg) = settings.args.iter().find(|arg| arg.trim_start_matches('-') == "daemonize") {
        return Err(Error::new(Kind::BadLabfile, format!("QEMU cannot be given {arg}"))
            .of(&machine.name)
            .detail("lab puts QEMU into the background itself, and tells by it whether the machine runs")
            .hint(format!("take {arg} out of [machine.{}.qemu] args", machine.name)));
    }
    Ok(args.0)
}

/// The first option of `saved`, a board that was kept, that is none of those that [`board`] writes for any hardware of the
/// machine; `None` where there is none.
///
/// # Errors
/// Those of reading the machine's settings.
pub(super) fn strange_option(machine: &MachineSpec, saved: &[String]) -> Result<Option<String>> {
    let settings: Settings = machine.own.settings.read()?;
    let devices = devices();
    let plain = |text: &str, more: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c) || more.contains(c))
    };
    let mut left = saved;
    while let [option, value, rest @ ..] = left {
        let known = match option.as_str() {
            "-uuid" => *value == machine.id,
            // The type may be pinned; options are the Labfile's alone.
            "-machine" => {
                let (kind, options) = value.split_once(',').unwrap_or((value, ""));
                let wanted = settings.machine.as_deref().unwrap_or_default();
                value == wanted
                    || plain(kind, "")
                        && (options.is_empty()
                            || wanted.split_once(',').is_some_and(|(_, more)| more == options))
            }
            "-cpu" => settings.cpu.as_ref() == Some(value) || plain(value, "+,="),
            "-smp" => value.parse::<u32>().is_ok(),
            "-m" => value.strip_suffix('M').is_some_and(|mib| mib.parse::<u32>().is_ok()),
            "-rtc" => value == "base=utc",
            "-boot" => value == "strict=on",
            "-global" => value.starts_with("PIIX4_PM.acpi-") && plain(value, "="),
            "-device" => devices.contains(&without_mac(value)),
            "-serial" if value == "chardev:console" => {
                // All that follows is the Labfile's.
                let strange = !rest.is_empty() && *rest != *settings.args;
                return Ok(strange.then(|| rest.join(" ")));
            }
            _ => false,
        };
        if !known {
            return Ok(Some(format!("{option} {value}")));
        }
        left = rest;
    }
    Ok(left.first().cloned())
}

/// The values of `-device` on all boards, those of network cards without their addresses.
fn devices() -> Vec<String> {
    use DiskController::{BusLogic, Ide, LsiLogic, LsiLogicSas, Sata, VirtioBlk, VirtioScsi};
    let mut args = Args::default();
    args.add("-device", DISPLAY);
    for controller in [Ide, Sata, LsiLogic, LsiLogicSas, BusLogic, VirtioScsi, VirtioBlk] {
        args.disk(controller);
        args.seed(controller);
    }
    for model in [NicModel::E1000, NicModel::Pcnet, NicModel::Virtio] {
        args.nic(model, "nat", "", "0x3");
        args.nic(model, "private", "", "0x8");
    }
    args.add("-device", ENTROPY);
    args.0.retain(|arg| arg != "-device");
    args.0
}

/// The value of `-device` with the address of a network card taken out.
fn without_mac(device: &str) -> String {
    let is_mac = |text: &str| text.len() == 17 && text.chars().all(|c| c.is_ascii_hexdigit() || c == ':');
    let words = device.split(',').map(|word| match word.strip_prefix("mac=") {
        Some(mac) if is_mac(mac) => "mac=",
        _ => word,
    });
    words.collect::<Vec<_>>().join(",")
}

/// All arguments. File names in them are relative to the machine's folder.
pub(super) fn arguments(
    machine: &MachineSpec,
    board: &[String],
    accelerator: Accelerator,
    wake: Wake<'_>,
    version: Version,
) -> Result<Vec<String>> {
    let mut args = Args::default();
    args.0.extend(["-nodefaults", "-no-user-config"].map(str::to_owned));
    args.add("-name", format!("guest={}", escape(&format!("{}/{}", machine.lab, machine.name))));
    args.add("-display", "none");
    args.add("-accel", accelerate(accelerator));
    args.add("-pidfile", PID);
    for channel in Channel::ALL {
        let (id, path) = (channel.id(), Files::of(machine).socket_text(channel)?);
        args.add("-chardev", format!("socket,id={id},path={},server=on,wait=off", escape(&path)));
        args.add("-mon", format!("chardev={id},mode=control"));
    }
    args.add("-chardev", format!("file,id=console,path={CONSOLE},append=on"));
    args.add(
        "-blockdev",
        format!("driver=qcow2,node-name={DISK_NODE},discard=unmap,file.driver=file,file.filename={DISK},file.discard=unmap"),
    );
    if machine.seed.is_some() {
        let seed = "read-only=on,file.driver=file,file.read-only=on";
        args.add("-blockdev", format!("driver=raw,node-name={SEED_NODE},{seed},file.filename={SEED}"));
    }
    args.add("-netdev", nat(&Behind::of(machine)?.ports(machine)));
    let run: Run = machine.own.lab.read()?;
    args.add("-netdev", private(&machine.lab_id, run.network_port));
    args.add("-object", "rng-builtin,id=entropy");
    // The card pretends to negotiate its speed for half a second. Linux looks at once, and then every two
    // seconds: a machine answered that much later, or not, by chance. Not a part of the board, which
    // other versions have to take as well.
    if machine.hardware.nic == NicModel::E1000 && version.can_skip_negotiation() {
        args.add("-global", "e1000.autonegotiation=off");
    }
    if let Wake::Load(snapshot) = wake {
        args.0.push("-S".to_owned());
        args.add("-loadvm", snapshot);
    }
    args.0.extend(board.iter().cloned());
    Ok(args.0)
}

/// `-accel`'s value.
fn accelerate(accelerator: Accelerator) -> String {
    match accelerator {
        Accelerator::Kvm => "kvm".to_owned(),
        Accelerator::Hvf => "hvf".to_owned(),
        Accelerator::Whpx => "whpx,kernel-irqchip=off".to_owned(),
        // Threads are left to QEMU: one per CPU of the guest where that is safe, which an x86 guest's
        // memory order on an ARM computer is not.
        Accelerator::Tcg => format!("tcg,tb-size={TCG_BUFFER_MIB}"),
    }
}

/// NIC 1: behind the host's own connection, like VirtualBox's NAT (which has no IPv6 either: a guest
/// that tries it first would wait for a time-out). Ports are open to this computer alone.
fn nat(ports: &[(u16, u16)]) -> String {
    let mut nat = "user,id=nat,ipv6=off".to_owned();
    for (host, guest) in ports {
        nat.push_str(&format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}"));
    }
    nat
}

/// NIC 2: a cable made of multicast on the loopback interface. Labs are kept apart by the port, which
/// no other lab of this user holds, and by the group, which is made of the lab's id: the kernel hands
/// a datagram only to sockets that are bound to both.
fn private(lab_id: &str, port: u16) -> String {
    let [a, b, c, ..]: [u8; 32] = Sha256::digest(lab_id.as_bytes()).into();
    format!("socket,id=private,mcast=230.{a}.{b}.{c}:{port},localaddr=127.0.0.1")
}

/// `text` as a value inside a list of QEMU options: commas doubled.
fn escape(text: &str) -> String {
    text.replace(',', ",,")
}

/// A command line in the making.
#[derive(Debug, Default)]
struct Args(Vec<String>);

impl Args {
    fn add(&mut self, option: &str, value: impl Into<String>) {
        self.0.extend([option.to_owned(), value.into()]);
    }

    /// The system disk, on a controller of the model that the guest has a driver for.
    fn disk(&mut self, controller: DiskController) {
        let drive = format!("drive={DISK_NODE},bootindex=1");
        let (controller, disk) = match controller {
            // The chipset's own.
            DiskController::Ide => (None, format!("ide-hd,bus=ide.0,{drive}")),
            DiskController::Sata => (Some("ich9-ahci"), format!("ide-hd,bus=storage.0,{drive}")),
            // VirtualBox's is a 53c1030, which QEMU does not have; `supports` refuses BusLogic.
            DiskController::LsiLogic | DiskController::BusLogic => {
                (Some("lsi53c895a"), format!("scsi-hd,bus=storage.0,{drive}"))
            }
            DiskController::LsiLogicSas => (Some("mptsas1068"), format!("scsi-hd,bus=storage.0,{drive}")),
            DiskController::VirtioScsi => (Some("virtio-scsi-pci"), format!("scsi-hd,bus=storage.0,{drive}")),
            DiskController::VirtioBlk => (None, format!("virtio-blk-pci,addr=0xd,{drive}")),
        };
        if let Some(controller) = controller {
            self.add("-device", format!("{controller},id=storage,addr=0xd"));
        }
        self.add("-device", disk);
    }

    /// The disc with the seed, where a guest with a driver for its system disk has one for the disc, too:
    /// kernels for clouds know no IDE.
    fn seed(&mut self, controller: DiskController) {
        let device = match controller {
            DiskController::VirtioBlk => "virtio-blk-pci,addr=0xe",
            DiskController::Sata => "ide-cd,bus=storage.1",
            DiskController::VirtioScsi => "scsi-cd,bus=storage.0",
            _ => "ide-cd,bus=ide.1",
        };
        self.add("-device", format!("{device},drive={SEED_NODE}"));
    }

    /// A network card, without a ROM: nothing here boots from the network.
    fn nic(&mut self, model: NicModel, netdev: &str, mac: &str, slot: &str) {
        let model = match model {
            NicModel::E1000 => "e1000",
            NicModel::Pcnet => "pcnet",
            NicModel::Virtio => "virtio-net-pci",
        };
        self.add("-device", format!("{model},netdev={netdev},mac={mac},addr={slot},romfile="));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::machine;
    use super::*;
    use crate::provider::{Block, SeedUser};

    fn line(machine: &MachineSpec, accelerator: Accelerator, wake: Wake<'_>) -> String {
        let board = board(machine, accelerator).unwrap();
        let version = Version { major: 7, minor: 2, micro: 0 };
        let args = arguments(machine, &board, accelerator, wake, version).unwrap();
        // One option per line.
        args.join(" ").replace(" -", "\n-")
    }

    #[test]
    fn a_bios_machine_with_sata_and_e1000() {
        insta::assert_snapshot!(line(&machine(), Accelerator::Tcg, Wake::Boot), @r"
        -nodefaults
        -no-user-config
        -name guest=demo/web1
        -display none
        -accel tcg,tb-size=112
        -pidfile qemu.pid
        -chardev socket,id=control,path=/run/lab/40ed71cc50fb.c,server=on,wait=off
        -mon chardev=control,mode=control
        -chardev socket,id=query,path=/run/lab/40ed71cc50fb.q,server=on,wait=off
        -mon chardev=query,mode=control
        -chardev file,id=console,path=console.log,append=on
        -blockdev driver=qcow2,node-name=disk,discard=unmap,file.driver=file,file.filename=disk.qcow2,file.discard=unmap
        -netdev user,id=nat,ipv6=off,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=tcp:127.0.0.1:8080-:80
        -netdev socket,id=private,mcast=230.116.50.246:5601,localaddr=127.0.0.1
        -object rng-builtin,id=entropy
        -global e1000.autonegotiation=off
        -uuid 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0
        -machine pc
        -cpu Nehalem
        -smp 1
        -m 256M
        -rtc base=utc
        -boot strict=on
        -global PIIX4_PM.acpi-root-pci-hotplug=off
        -global PIIX4_PM.acpi-pci-hotplug-with-bridge-support=off
        -device VGA,addr=0x2
        -device ich9-ahci,id=storage,addr=0xd
        -device ide-hd,bus=storage.0,drive=disk,bootindex=1
        -device e1000,netdev=nat,mac=08:00:27:aa:bb:01,addr=0x3,romfile=
        -device e1000,netdev=private,mac=08:00:27:aa:bb:02,addr=0x8,romfile=
        -device virtio-rng-pci,rng=entropy,addr=0x10
        -serial chardev:console
        ");
    }

    #[test]
    fn a_board_that_was_kept_has_nothing_but_what_lab_writes() {
        let mut machine = machine();
        let settings = Settings { args: vec!["-vnc".into(), ":1".into()], ..Settings::default() };
        machine.own.settings = Block::of(&settings).unwrap();
        let kept = board(&machine, Accelerator::Kvm).unwrap();
        let strange = |change: &dyn Fn(&mut Vec<String>)| {
            let mut kept = kept.clone();
            change(&mut kept);
            strange_option(&machine, &kept).unwrap()
        };
        let set = |kept: &mut Vec<String>, option: &str, value: &str| {
            let at = kept.iter().position(|arg| arg == option).unwrap();
            kept[at + 1] = value.to_owned();
        };
        assert_eq!(strange(&|_| {}), None);
        assert_eq!(strange(&|kept| kept.truncate(kept.len() - 2)), None);
        for (option, value) in
            [("-m", "4096M"), ("-smp", "7"), ("-machine", "pc-i440fx-7.2"), ("-cpu", "Nehalem,+x2apic")]
        {
            assert_eq!(strange(&|kept| set(kept, option, value)), None, "{option} {value}");
        }
        for (option, value) in [
            ("-m", "256M,slots=1"),
            ("-machine", "dumpdtb=/home/ada/thesis"),
            ("-machine", "pc,dumpdtb=/x"),
            ("-uuid", "other"),
            ("-device", "vfio-pci,host=01:00.0"),
            ("-device", "e1000,netdev=nat,mac=08:00:27:aa:bb:01,addr=0x3,romfile=/etc/shadow"),
            ("-serial", "file:/home/ada/.bashrc"),
            ("-global", "driver=cfi.pflash01,property=secure"),
        ] {
            assert_eq!(strange(&|kept| set(kept, option, value)), Some(format!("{option} {value}")));
        }
        let shell = ["-netdev", "bridge,id=z,helper=/bin/sh -c id"].map(str::to_owned);
        assert!(strange(&|kept| kept.extend(shell.clone())).is_some());
        assert!(strange(&|kept| drop(kept.splice(0..0, shell.clone()))).is_some());
        assert!(strange(&|kept| kept.insert(0, "-S".to_owned())).is_some());
        for controller in [DiskController::Ide, DiskController::VirtioBlk, DiskController::LsiLogic] {
            machine.hardware.disk_controller = controller;
            let other = board(&machine, Accelerator::Tcg).unwrap();
            assert_eq!(strange_option(&machine, &other).unwrap(), None);
        }
    }

    #[test]
    fn only_a_card_and_a_version_that_have_negotiation_are_told_to_skip_it() {
        let told = |machine: &MachineSpec, major| {
            let version = Version { major, minor: 0, micro: 0 };
            let args = arguments(machine, &[], Accelerator::Tcg, Wake::Boot, version).unwrap();
            args.iter().any(|arg| arg.contains("autonegotiation"))
        };
        let mut machine = machine();
        assert!(told(&machine, 7));
        assert!(!told(&machine, 8));
        machine.hardware.nic = NicModel::Virtio;
        assert!(!told(&machine, 7));
    }

    #[test]
    fn a_suspended_machine_is_loaded_stopped() {
        let loaded = line(&machine(), Accelerator::Tcg, Wake::Load("ram"));
        assert!(loaded.contains("\n-S\n-loadvm ram\n"), "{loaded}");
    }

    #[test]
    fn every_controller_and_card_has_its_model() {
        let mut machine = machine();
        let mut devices = String::new();
        for (controller, nic) in [
            (DiskController::Ide, NicModel::Pcnet),
            (DiskController::LsiLogic, NicModel::E1000),
            (DiskController::LsiLogicSas, NicModel::E1000),
            (DiskController::VirtioScsi, NicModel::Virtio),
            (DiskController::VirtioBlk, NicModel::Virtio),
        ] {
            machine.hardware.disk_controller = controller;
            machine.hardware.nic = nic;
            let board = board(&machine, Accelerator::Tcg).unwrap();
            let of_interest = board
                .iter()
                .filter(|arg| arg.contains("bus=") || arg.contains("addr=0xd") || arg.contains("=nat"));
            devices.extend(of_interest.map(|arg| format!("{arg}\n")));
        }
        insta::assert_snapshot!(devices, @r"
        ide-hd,bus=ide.0,drive=disk,bootindex=1
        pcnet,netdev=nat,mac=08:00:27:aa:bb:01,addr=0x3,romfile=
        lsi53c895a,id=storage,addr=0xd
        scsi-hd,bus=storage.0,drive=disk,bootindex=1
        e1000,netdev=nat,mac=08:00:27:aa:bb:01,addr=0x3,romfile=
        mptsas1068,id=storage,addr=0xd
        scsi-hd,bus=storage.0,drive=disk,bootindex=1
        e1000,netdev=nat,mac=08:00:27:aa:bb:01,addr=0x3,romfile=
        virtio-scsi-pci,id=storage,addr=0xd
        scsi-hd,bus=storage.0,drive=disk,bootindex=1
        virtio-net-pci,netdev=nat,mac=08:00:27:aa:bb:01,addr=0x3,romfile=
        virtio-blk-pci,addr=0xd,drive=disk,bootindex=1
        virtio-net-pci,netdev=nat,mac=08:00:27:aa:bb:01,addr=0x3,romfile=
        ");
    }

    #[test]
    fn a_seed_hangs_where_the_guest_has_a_driver() {
        let mut machine = machine();
        machine.seed = Some(SeedUser { user: "lab".to_owned(), public_key: "/lab/id_rsa.pub".into() });
        let lines = line(&machine, Accelerator::Tcg, Wake::Boot);
        let node = "\n-blockdev driver=raw,node-name=seed,read-only=on,file.driver=file,file.read-only=on,file.filename=seed.iso\n";
        assert!(
            lines.contains(node) && lines.contains("\n-device ide-cd,bus=storage.1,drive=seed\n"),
            "{lines}"
        );
        machine.hardware.disk_controller = DiskController::VirtioBlk;
        let lines = line(&machine, Accelerator::Tcg, Wake::Boot);
        assert!(lines.contains("\n-device virtio-blk-pci,addr=0xe,drive=seed\n"), "{lines}");
    }

    #[test]
    fn the_processor_is_lent_where_there_is_kvm() {
        let line = line(&machine(), Accelerator::Kvm, Wake::Boot);
        assert!(line.contains("\n-accel kvm\n") && line.contains("\n-cpu host\n"), "{line}");
    }

    #[test]
    fn the_labfile_has_the_last_word() {
        let mut machine = machine();
        let mut settings = Settings {
            args: vec!["-device".to_owned(), "usb-ehci".to_owned()],
            cpu: Some("pentium3".to_owned()),
            machine: Some("q35".to_owned()),
        };
        machine.own.settings = Block::of(&settings).unwrap();
        let line = line(&machine, Accelerator::Kvm, Wake::Boot);
        assert!(line.contains("\n-machine q35\n-cpu pentium3\n"), "{line}");
        assert!(line.ends_with("\n-device usb-ehci"), "{line}");
        settings.args = vec!["--daemonize".to_owned()];
        machine.own.settings = Block::of(&settings).unwrap();
        assert_eq!(board(&machine, Accelerator::Kvm).unwrap_err().kind(), Kind::BadLabfile);
    }

    #[test]
    fn commas_in_names_and_paths_are_no_separators() {
        let mut machine = machine();
        machine.lab = "a,b".to_owned();
        machine.own.lab = Block::of(&Run { run_dir: "/run/c,d".into(), network_port: 5601 }).unwrap();
        let line = line(&machine, Accelerator::Tcg, Wake::Boot);
        assert!(line.contains("\n-name guest=a,,b/web1\n"), "{line}");
        assert!(line.contains(",path=/run/c,,d/40ed71cc50fb.q,server=on"), "{line}");
    }

    #[test]
    fn labs_have_networks_of_their_own() {
        assert_eq!(private("a", 5601), private("a", 5601));
        assert_ne!(private("a", 5601), private("b", 5601));
    }

    #[test]
    fn what_cannot_be_run_is_named() {
        let with = |change: &dyn Fn(&mut Hardware)| {
            let mut hardware = machine().hardware;
            change(&mut hardware);
            supports(&hardware).map_err(|error| (error.kind(), error.message().to_owned()))
        };
        let refused = |text: &str| Err((Kind::NoProvider, format!("the QEMU provider {text}")));
        assert_eq!(with(&|_| {}), Ok(()));
        assert_eq!(with(&|h| h.arch = Arch::Aarch64), refused("does not run ARM machines yet"));
        assert_eq!(
            with(&|h| h.firmware = Firmware::Efi),
            refused("does not boot by EFI yet, and the box asks for it")
        );
        assert!(with(&|h| h.disk_controller = DiskController::BusLogic).is_err());
    }
}
