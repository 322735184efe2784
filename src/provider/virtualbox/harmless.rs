//! Which calls of VBoxManage that a Labfile asks for stay inside the machine.
//!
//! This is a list of what is known to be harmless, since VBoxManage learns new ways to open files, listen and start other
//! programs with every release (`--uartmode`, `--recording-file`, `VBoxInternal/…/Path`). The rest needs the user's word.

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
