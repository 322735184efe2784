//! The processor's virtualisation: whether there is one, and whether it is real.
//!
//! Who holds it matters to VirtualBox alone, whose checks say so.

use std::time::Duration;

use super::{Check, Host};
use crate::cancel::Cancel;
use crate::process::Cmd;

const NAME: &str = "virtualisation";
const PATIENCE: Duration = Duration::from_secs(3);

/// What the processor has.
pub(super) fn checks(host: &Host, cancel: &Cancel) -> Vec<Check> {
    match host.os {
        "linux" => linux(host),
        "macos" => vec![macos(cancel)],
        "windows" => vec![windows(cancel)],
        other => vec![Check::skipped(NAME, format!("not looked at on {other}"))],
    }
}

fn linux(host: &Host) -> Vec<Check> {
    let mut checks = vec![if host.arch == "x86_64" { x86(host) } else { door(host) }];
    if host
        .line("/proc/sys/kernel/osrelease")
        .is_some_and(|release| release.to_lowercase().contains("microsoft"))
    {
        checks.push(
            Check::warning(
                "nested",
                "this is Windows' Subsystem for Linux",
                "VirtualBox cannot run in it; QEMU can, with KVM only where nested virtualisation is on",
            )
            .todo("run lab's Windows version, or use QEMU: `lab up --provider qemu`"),
        );
    } else if host.processor_has(&["hypervisor"]) == Some(true) {
        let vendor = host.line("/sys/class/dmi/id/sys_vendor");
        let product = host.line("/sys/class/dmi/id/product_name");
        let words: Vec<String> = vendor.into_iter().chain(product).collect();
        let of = if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) };
        checks.push(
            Check::warning(
                "nested",
                format!("this computer is itself a virtual machine{of}"),
                "machines within it are slow, or cannot use the processor's virtualisation at all",
            )
            .todo("run lab on the computer itself, or switch nested virtualisation on for this one"),
        );
    } else {
        checks.push(Check::pass("nested", "a computer of its own", "no hypervisor is below it"));
    }
    checks
}

fn x86(host: &Host) -> Check {
    let kvm = host.has("/dev/kvm");
    match host.processor_has(&["vmx", "svm"]) {
        None => Check::skipped(NAME, "/proc/cpuinfo cannot be read"),
        Some(true) => door(host),
        Some(false) if kvm => Check::warning(
            NAME,
            "there is a /dev/kvm, but the processor has neither vmx nor svm",
            "it is a paravirtual one that can be slower than software: lab does not use it",
        )
        .todo("give machines time, or run lab on a computer with VT-x or AMD-V"),
        Some(false) => Check::warning(
            NAME,
            "the processor shows neither VT-x (vmx) nor AMD-V (svm)",
            "VirtualBox cannot run 64-bit machines, QEMU emulates them: several times slower",
        )
        .todo("switch it on in the computer's firmware (BIOS, UEFI): \"Intel Virtualization Technology\", \"SVM\""),
    }
}

/// The processor can, as far as is known: the way to it.
fn door(host: &Host) -> Check {
    let opened = std::fs::OpenOptions::new().read(true).write(true).open(host.path("/dev/kvm"));
    match opened {
        Ok(_) => Check::pass(NAME, "there, and /dev/kvm can be opened", "QEMU runs machines at full speed"),
        Err(source) if source.kind() == std::io::ErrorKind::PermissionDenied => Check::warning(
            NAME,
            "no permission to open /dev/kvm",
            "QEMU emulates machines: several times slower",
        )
        .todo("sudo usermod -aG kvm $USER, then log in anew"),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            if host.module("vboxdrv") {
                return Check::pass(
                    NAME,
                    "there; KVM's module is not loaded, VirtualBox's is",
                    "VirtualBox has the processor to itself; QEMU would emulate",
                );
            }
            Check::warning(
                NAME,
                "there, but there is no /dev/kvm",
                "QEMU emulates machines: several times slower",
            )
            .todo("sudo modprobe kvm_intel (or kvm_amd); if that fails, the firmware (BIOS, UEFI) has it off")
        }
        Err(source) => {
            Check::warning(NAME, format!("/dev/kvm cannot be opened: {source}"), "QEMU emulates machines")
                .todo("find out who else uses it: sudo lsof /dev/kvm")
        }
    }
}

/// Unverified: `sysctl(8)` of macOS has `kern.hv_support`, 1 where the Hypervisor framework works.
fn macos(cancel: &Cancel) -> Check {
    let said = Cmd::new("sysctl").args(["-n", "kern.hv_support"]).timeout(PATIENCE).run(cancel);
    match said.as_deref().map(str::trim) {
        Ok("1") => {
            Check::pass(NAME, "there (kern.hv_support)", "machines of this processor run at full speed")
        }
        Ok(_) => Check::warning(NAME, "this Mac has no Hypervisor framework", "machines are emulated")
            .todo("give them time (`boot_timeout` in the Labfile)"),
        Err(_) => Check::skipped(NAME, "sysctl did not say"),
    }
}

/// Unverified: the service `vmcompute` runs where Hyper-V holds the processor (Hyper-V, WSL 2, memory integrity).
fn windows(cancel: &Cancel) -> Check {
    let said = Cmd::new("sc").args(["query", "vmcompute"]).timeout(PATIENCE).output(cancel);
    match said {
        Ok(said) if said.stdout.contains("RUNNING") => Check::warning(
            NAME,
            "Hyper-V holds the processor's virtualisation",
            "VirtualBox runs through it, more slowly, with a green turtle in its window",
        )
        .todo("switch off \"Virtual Machine Platform\" in Windows' features, if WSL 2 is not needed"),
        Ok(_) => Check::pass(NAME, "Hyper-V does not run", "VirtualBox has the processor to itself"),
        Err(_) => Check::skipped(NAME, "sc did not say"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Check, Outcome};
    use super::*;
    use crate::host::Fake;

    fn found(files: &[(&str, &str)], name: &str) -> Check {
        let checks = checks(&Fake::new(files).host, &Cancel::new());
        checks.into_iter().find(|check| check.name == name).unwrap()
    }

    const REAL: (&str, &str) = ("/proc/cpuinfo", "flags : fpu vmx\n");
    const NONE: (&str, &str) = ("/proc/cpuinfo", "flags : fpu hypervisor\n");

    #[test]
    fn a_real_one_is_told_from_a_paravirtual_one_and_none() {
        assert_eq!(found(&[REAL, ("/dev/kvm", "")], NAME).outcome, Outcome::Pass);
        let paravirtual = found(&[NONE, ("/dev/kvm", "")], NAME);
        assert!(paravirtual.outcome == Outcome::Warning && paravirtual.what.contains("neither vmx nor svm"));
        let none = found(&[NONE], NAME);
        assert!(none.outcome == Outcome::Warning && none.todo.unwrap().contains("BIOS"));
        let unloaded = found(&[REAL], NAME);
        assert!(unloaded.outcome == Outcome::Warning && unloaded.todo.unwrap().contains("modprobe"));
        assert_eq!(found(&[REAL, ("/sys/module/vboxdrv/version", "7")], NAME).outcome, Outcome::Pass);
        assert_eq!(found(&[], NAME).outcome, Outcome::Skipped);
    }

    #[test]
    fn a_virtual_computer_is_known_as_one() {
        assert_eq!(found(&[REAL], "nested").outcome, Outcome::Pass);
        let nested = found(&[NONE, ("/sys/class/dmi/id/sys_vendor", "QEMU\n")], "nested");
        assert!(nested.outcome == Outcome::Warning && nested.what.contains("(QEMU)"), "{nested:?}");
        let release = ("/proc/sys/kernel/osrelease", "5.15.153.1-microsoft-standard-WSL2\n");
        let wsl = found(&[REAL, release], "nested");
        assert!(wsl.outcome == Outcome::Warning && wsl.what.contains("Subsystem for Linux"), "{wsl:?}");
    }
}
