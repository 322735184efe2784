//! Which of the words that a Labfile hands to QEMU and VBoxManage stay inside the machine.
//!
//! These are lists of what is known to be harmless, since both programs learn new ways to open files, listen and start
//! others with every release (QEMU's `-netdev …,helper=`, `-plugin`, any device's `romfile=`; VBoxManage's `--uartmode`,
//! `--recording-file`, `VBoxInternal/…/Path`). The rest needs the user's word.

use std::ops::Range;

/// QEMU devices that are hardware and nothing else.
#[rustfmt::skip]
const DEVICES: &[&str] = &[
    "virtio-rng-pci", "virtio-balloon-pci", "virtio-keyboard-pci", "virtio-mouse-pci", "virtio-tablet-pci",
    "virtio-gpu-pci", "virtio-vga", "VGA", "qxl-vga", "qemu-xhci", "nec-usb-xhci", "usb-ehci", "piix3-usb-uhci",
    "usb-kbd", "usb-mouse", "usb-tablet", "i6300esb", "ib700", "pvpanic", "vmgenid", "intel-iommu", "AC97",
    "intel-hda", "hda-output", "sga",
];

/// Properties of devices that name nothing outside of the machine.
const PROPERTIES: &[&str] =
    &["id", "bus", "addr", "max-bytes", "period", "xres", "yres", "port", "multifunction"];

/// QEMU options whose values name nothing outside of the machine, whatever they are.
const OPTIONS: &[&str] =
    &["rtc", "vga", "k", "boot", "usb", "no-hpet", "no-fd-bootchk", "win2k-hack", "icount"];

/// Options of `modifyvm` that set the machine's own hardware and nothing else. A number in an option is left out here.
#[rustfmt::skip]
const MODIFYVM: &[&str] = &[
    "accelerated", "acceleratedvideo", "acpi", "apic", "audio", "audio-codec", "audio-controller",
    "audio-driver", "audio-enabled", "audio-out", "audiocontroller", "audioout", "bios-apic",
    "bios-boot-menu", "bios-logo-display-time", "bios-logo-fade-in", "bios-logo-fade-out",
    "bios-system-time-offset", "biosapic", "biosbootmenu", "bioslogodisplaytime", "bioslogofadein",
    "bioslogofadeout", "biossystemtimeoffset", "boot", "cable-connected", "cableconnected", "chipset",
    "cpu-execution-cap", "cpu-profile", "cpuexecutioncap", "cpuhotplug", "cpuid-portability-level", "cpus",
    "description", "firmware", "graphics-controller", "graphicscontroller", "groups", "guest-memory-balloon",
    "guestmemoryballoon", "hardwareuuid", "hpet", "hwvirtex", "ibpb-on-vm-entry", "ibpb-on-vm-exit", "ioapic",
    "keyboard", "large-pages", "largepages", "ld-flush-on-sched", "ld-flush-on-vm-entry", "long-mode",
    "longmode", "mds-clear-on-sched", "mds-clear-on-vm-entry", "memory", "monitor-count", "monitorcount",
    "mouse", "nat-dns-host-resolver", "nat-dns-proxy", "nat-net", "natdnshostresolver", "natdnsproxy",
    "natnet", "nested-hw-virt", "nested-paging", "nestedpaging", "nic-boot-prio", "nic-speed", "nic-type",
    "nicbootprio", "nicspeed", "nictype", "os-type", "ostype", "pae", "page-fusion", "pagefusion",
    "paravirt-provider", "paravirtprovider", "rtc-use-utc", "rtcuseutc", "spec-ctrl", "triple-fault-reset",
    "usb", "usb-ehci", "usb-ohci", "usb-xhci", "usbehci", "usbohci", "usbxhci", "virt-vmsave-vmload", "vram",
    "vtx-ux", "vtx-vpid", "vtxux", "vtxvpid", "xapic",
];

/// The words of `args` that are not known to be harmless, an option with its values each.
pub(super) fn reaching_qemu_args(args: &[&str]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < args.len() {
        let values = args.iter().skip(at + 1).take_while(|word| !word.starts_with('-')).count();
        let words = args.get(at..=at + values).unwrap_or_default();
        if !is_harmless_option(words) {
            found.push(at..at + words.len());
        }
        at += words.len().max(1);
    }
    found
}

fn is_harmless_option(words: &[&str]) -> bool {
    let option = |word: &str| word.strip_prefix("--").or_else(|| word.strip_prefix('-')).map(str::to_owned);
    match words {
        [word] => option(word).is_some_and(|name| OPTIONS.contains(&name.as_str())),
        [word, value] => match option(word).as_deref() {
            Some("device") => is_harmless_device(value),
            Some(name) => OPTIONS.contains(&name),
            None => false,
        },
        _ => false,
    }
}

fn is_harmless_device(value: &str) -> bool {
    let mut parts = value.split(',');
    let known = parts.next().is_some_and(|name| DEVICES.contains(&name));
    known && parts.all(|part| part.split_once('=').is_some_and(|(name, _)| PROPERTIES.contains(&name)))
}

/// Whether a machine type is a name alone: its properties (`firmware=`, `dumpdtb=`, `kernel=` …) open files.
pub(super) fn is_harmless_machine(machine: &str) -> bool {
    machine.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

/// Whether a processor model is a name with features that are switched on and off.
pub(super) fn is_harmless_cpu(cpu: &str) -> bool {
    cpu.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ',' | '=' | '+'))
}

/// Whether a call of VBoxManage only sets hardware of the lab's own machine.
pub(super) fn is_harmless_call(call: &[String]) -> bool {
    let words: Vec<&str> = call.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["modifyvm", "{id}", settings @ ..] => are_harmless_settings(settings),
        // What begins with VBoxInternal configures the emulator itself, which loads libraries and opens files by it.
        ["setextradata", "{id}", key, ..] => {
            !key.to_ascii_lowercase().starts_with("vboxinternal")
                || key.starts_with("VBoxInternal2/SharedFoldersEnableSymlinksCreate/")
        }
        _ => false,
    }
}

/// Pairs of an option and its value; some options have their number as a word of its own.
fn are_harmless_settings(settings: &[&str]) -> bool {
    let mut words = settings.iter().peekable();
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else { return false };
        let (option, inline) = match option.split_once('=') {
            Some((option, _)) => (option, true),
            None => (option, false),
        };
        let name: String = option.chars().filter(|c| !c.is_ascii_digit()).collect();

        if !MODIFYVM.contains(&name.as_str()) {
            return false;
        }
        if !inline {
            words.next();
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaching(args: &[&str]) -> Vec<String> {
        reaching_qemu_args(args).into_iter().map(|words| args[words].join(" ")).collect()
    }

    #[test]
    fn hardware_is_harmless() {
        let args = [
            "-device",
            "virtio-rng-pci",
            "--device",
            "qemu-xhci,id=usb",
            "-rtc",
            "base=utc",
            "-usb",
            "-vga",
            "std",
        ];
        assert_eq!(reaching(&args), [""; 0]);
    }

    #[test]
    fn everything_else_is_shown_with_its_value() {
        for args in [
            vec!["-netdev", "bridge,id=z,helper=/bin/sh -c id"],
            vec!["-virtfs", "local,path=/root,mount_tag=h,security_model=none"],
            vec!["-drive", "file=/etc/shadow,format=raw,if=virtio"],
            vec!["-serial", "file:/root/.bashrc"],
            vec!["-plugin", "./evil.so"],
            vec!["-vnc", "0.0.0.0:0"],
            vec!["-device", "virtio-rng-pci,romfile=/etc/shadow"],
            vec!["-device", "loader,file=/etc/shadow,addr=0"],
            vec!["-device=virtio-rng-pci"],
            vec!["-global", "virtio-net-pci.romfile=/etc/shadow"],
            vec!["stray"],
            vec!["-usb", "stray", "stray"],
            vec!["-an-option-of-the-year-2040"],
        ] {
            assert_eq!(reaching(&args), [args.join(" ")], "{args:?}");
        }
        let mixed = ["-device", "virtio-rng-pci", "-vnc", ":1", "-usb"];
        assert_eq!(reaching(&mixed), ["-vnc :1"]);
    }

    #[test]
    fn machines_and_processors_are_names() {
        assert!(is_harmless_machine("q35") && is_harmless_machine("pc-i440fx-8.2"));
        assert!(!is_harmless_machine("pc,firmware=/etc/shadow") && !is_harmless_machine("virt,dumpdtb=x"));
        assert!(is_harmless_cpu("qemu64,+ssse3,-svm,model-id=x") && !is_harmless_cpu("host,x=/etc"));
    }

    #[test]
    fn vboxmanage_may_set_the_machines_own_hardware() {
        let call = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for harmless in [
            "modifyvm {id} --vram 16",
            "modifyvm {id} --natdnshostresolver1 on --natdnsproxy1 on",
            "modifyvm {id} --nat-dns-host-resolver1=on",
            "modifyvm {id} --memory 512 --cpus 2 --ioapic on --x2apic on --accelerate3d off",
            "modifyvm {id} --cpu-profile host --usb off --nictype2 virtio",
            "setextradata {id} GUI/MaxGuestResolution any",
            "setextradata {id} VBoxInternal2/SharedFoldersEnableSymlinksCreate/v 1",
        ] {
            assert!(is_harmless_call(&call(harmless)), "{harmless}");
        }
        for reaching in [
            "unregistervm Work --delete",
            "modifyvm Work --vram 16",
            "extpack install --replace ./evil",
            "convertfromraw /etc/passwd /tmp/x.vdi",
            "setextradata global GUI/x y",
            "setextradata {id} VBoxInternal/PDM/Devices/evil/Path /tmp",
            "modifyvm {id} --uart1 0x3F8 4 --uartmode1 file /root/.bashrc",
            "modifyvm {id} --recording-file /root/.bashrc",
            "modifyvm {id} --vrde on",
            "modifyvm {id} --natpf1 x,tcp,0.0.0.0,22,,22",
            "modifyvm {id} --nic3 bridged",
            "modifyvm {id} --vram 16 --clipboard-mode bidirectional",
            "sharedfolder add {id} --name h --hostpath /",
        ] {
            assert!(!is_harmless_call(&call(reaching)), "{reaching}");
        }
        assert!(!is_harmless_call(&[]));
    }
}
