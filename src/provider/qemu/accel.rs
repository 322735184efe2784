//! Which accelerator executes the guest: the processor's own virtualisation only where it is real.

use std::fs;
use std::path::Path;

use crate::boxes::Arch;
use crate::error::{Error, Kind, Result};

/// The environment variable that overrules the choice.
pub(super) const WISH: &str = "LAB_QEMU_ACCEL";

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Accelerator {
    /// Linux's virtualisation.
    Kvm,
    /// macOS's.
    Hvf,
    /// Windows's.
    Whpx,
    /// None: QEMU translates.
    Tcg,
}

impl Accelerator {
    /// Reads the value of [`WISH`].
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub(super) fn parse(text: &str) -> Result<Self> {
        match text {
            "kvm" => Ok(Accelerator::Kvm),
            "hvf" => Ok(Accelerator::Hvf),
            "whpx" => Ok(Accelerator::Whpx),
            "tcg" => Ok(Accelerator::Tcg),
            _ => Err(Error::new(Kind::Usage, format!("{WISH} is '{text}', which is no accelerator"))
                .hint(format!("set {WISH} to tcg, kvm, hvf or whpx, or unset it"))),
        }
    }
}

/// An accelerator, and why it is not a better one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) accelerator: Accelerator,
    /// For people; empty for hardware virtualisation.
    pub(super) why: String,
}

impl Choice {
    /// As shown to people.
    pub(super) fn describe(&self) -> String {
        match self.accelerator {
            Accelerator::Kvm => "KVM".to_owned(),
            Accelerator::Hvf => "HVF".to_owned(),
            Accelerator::Whpx => "WHPX".to_owned(),
            Accelerator::Tcg => format!("TCG (software emulation: {})", self.why),
        }
    }
}

/// What is known of this computer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host<'a> {
    /// As [`std::env::consts::OS`].
    pub(super) os: &'a str,
    /// As [`std::env::consts::ARCH`].
    pub(super) arch: &'a str,
    /// Linux's door to KVM.
    pub(super) kvm: &'a Path,
    /// Linux's list of processors with their flags.
    pub(super) cpuinfo: &'a Path,
}

impl Host<'static> {
    /// This computer.
    pub(super) fn here() -> Self {
        Host {
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            kvm: Path::new("/dev/kvm"),
            cpuinfo: Path::new("/proc/cpuinfo"),
        }
    }
}

/// Chooses for a guest of `guest`'s kind; a `wish` is followed without a look at the computer.
pub(super) fn choose(host: Host<'_>, guest: Arch, wish: Option<Accelerator>) -> Choice {
    let with = |accelerator, why: &str| Choice { accelerator, why: why.to_owned() };
    if let Some(accelerator) = wish {
        return with(accelerator, &format!("asked for by {WISH}"));
    }
    let native = match guest {
        Arch::I386 | Arch::X86_64 => host.arch == "x86_64",
        Arch::Aarch64 => host.arch == "aarch64",
    };
    if !native {
        return with(
            Accelerator::Tcg,
            &format!("the guest is made for another processor than this {}", host.arch),
        );
    }
    match host.os {
        "linux" => match kvm_obstacle(host) {
            None => with(Accelerator::Kvm, ""),
            Some(why) => with(Accelerator::Tcg, &why),
        },
        "macos" => with(Accelerator::Hvf, ""),
        "windows" => with(Accelerator::Whpx, ""),
        other => with(Accelerator::Tcg, &format!("no hardware virtualisation is known on {other}")),
    }
}

/// Why KVM is not to be used, if so.
fn kvm_obstacle(host: Host<'_>) -> Option<String> {
    let kvm = host.kvm.display();
    match fs::OpenOptions::new().read(true).write(true).open(host.kvm) {
        Ok(_) => {}
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            return Some(format!(
                "there is no {kvm}; is virtualisation switched on in the BIOS set-up, and the kvm module loaded?"
            ));
        }
        Err(source) if source.kind() == std::io::ErrorKind::PermissionDenied => {
            return Some(format!(
                "no permission to open {kvm}; `sudo usermod -aG kvm $USER` and a new login give it"
            ));
        }
        Err(source) => return Some(format!("{kvm} cannot be opened: {source}")),
    }
    // On x86 only: elsewhere KVM has no such flags, and no paravirtual kin either.
    if host.arch != "x86_64" || has_virtualisation(host.cpuinfo) {
        return None;
    }
    Some(format!("the processor has neither vmx nor svm, so {kvm} would be slower"))
}

/// Whether a processor in `cpuinfo` has Intel's or AMD's virtualisation.
fn has_virtualisation(cpuinfo: &Path) -> bool {
    let Ok(text) = fs::read_to_string(cpuinfo) else { return false };
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| key.trim() == "flags")
        .any(|(_, flags)| flags.split_ascii_whitespace().any(|flag| matches!(flag, "vmx" | "svm")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Linux computer with these flags, and a /dev/kvm or none.
    fn choice(flags: &str, with_kvm: bool) -> Choice {
        let dir = tempfile::tempdir().unwrap();
        let (kvm, cpuinfo) = (dir.path().join("kvm"), dir.path().join("cpuinfo"));
        if with_kvm {
            fs::write(&kvm, "").unwrap();
        }
        let text = format!("processor\t: 0\nmodel name\t: vmx svm\nflags\t\t: {flags}\nvmx flags\t: vnmi\n");
        fs::write(&cpuinfo, text).unwrap();
        let host = Host { os: "linux", arch: "x86_64", kvm: &kvm, cpuinfo: &cpuinfo };
        choose(host, Arch::I386, None)
    }

    #[test]
    fn kvm_needs_its_device_and_the_processors_flag() {
        for flag in ["vmx", "svm"] {
            assert_eq!(choice(&format!("fpu {flag} sse2"), true).describe(), "KVM");
        }
        let paravirtual = choice("fpu sse2 vmxnet", true);
        assert_eq!(paravirtual.accelerator, Accelerator::Tcg);
        assert!(paravirtual.why.contains("neither vmx nor svm"), "{paravirtual:?}");
        let without = choice("fpu vmx", false);
        assert_eq!(without.accelerator, Accelerator::Tcg);
        assert!(without.why.contains("there is no "), "{without:?}");
    }

    #[test]
    fn other_systems_have_their_own() {
        let host = |os, arch| Host { os, arch, kvm: Path::new("/none"), cpuinfo: Path::new("/none") };
        let chosen = |os, arch, guest| choose(host(os, arch), guest, None).accelerator;
        assert_eq!(chosen("macos", "x86_64", Arch::X86_64), Accelerator::Hvf);
        assert_eq!(chosen("macos", "aarch64", Arch::Aarch64), Accelerator::Hvf);
        assert_eq!(chosen("macos", "aarch64", Arch::X86_64), Accelerator::Tcg);
        assert_eq!(chosen("windows", "x86_64", Arch::I386), Accelerator::Whpx);
        assert_eq!(chosen("freebsd", "x86_64", Arch::X86_64), Accelerator::Tcg);
    }

    #[test]
    fn a_wish_is_followed_and_a_misspelt_one_refused() {
        let host = Host { os: "linux", arch: "x86_64", kvm: Path::new("/none"), cpuinfo: Path::new("/none") };
        let wished = choose(host, Arch::X86_64, Accelerator::parse("kvm").ok());
        assert_eq!(wished.accelerator, Accelerator::Kvm);
        let error = Accelerator::parse("KVM!").unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (Kind::Usage, "LAB_QEMU_ACCEL is 'KVM!', which is no accelerator")
        );
    }
}
