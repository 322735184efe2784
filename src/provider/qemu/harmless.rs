//! Which of the words that a Labfile hands to QEMU stay inside the machine.
//!
//! These are lists of what is known to be harmless, since QEMU learns new ways to open files, listen and start other
//! programs with every release (`-netdev …,helper=`, `-plugin`, any device's `romfile=`). The rest needs the user's word.

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

/// The words of `args` that are not known to be harmless, an option with its values each.
pub(super) fn reaching(args: &[&str]) -> Vec<Range<usize>> {
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

#[cfg(test)]
mod tests {
    use super::{is_harmless_cpu, is_harmless_machine};

    fn reaching(args: &[&str]) -> Vec<String> {
        super::reaching(args).into_iter().map(|words| args[words].join(" ")).collect()
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
}
