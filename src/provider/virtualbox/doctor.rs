//! VirtualBox: version, kernel module, who else holds the processor, extension pack, allowed ranges.

use super::ranges;
use super::settings::KEY;
use super::version::Version;
use crate::error::Kind;
use crate::finding::{Check, Outcome};
use crate::host::Host;
use crate::provider::routes::Range;
use crate::provider::{Examined, PrivateNetwork};

const NAME: &str = KEY.name;

/// Versions that are known to fail, with where, and where that is told: not those that fail for everyone, which
/// nobody has any more.
const KNOWN_BAD: &[Bad] = &[
    // github.com/VirtualBox/virtualbox, issue 28.
    Bad {
        versions: [(7, 1, 0), (7, 1, 10)],
        kernel: (6, 15),
        what: "its kernel module does not build on Linux 6.15 and later",
    },
    // github.com/hashicorp/vagrant, issue 13716.
    Bad {
        versions: [(7, 1, 12), (7, 1, 12)],
        kernel: (6, 14),
        what: "machines were seen to hang on Linux 6.14 and later",
    },
];

struct Bad {
    /// The first and the last of them.
    versions: [(u32, u32, u32); 2],
    /// From which kernel on.
    kernel: (u32, u32),
    what: &'static str,
}

/// Linux from which on KVM takes the processor's virtualisation when its module is loaded, and VirtualBox finds it
/// taken (github.com/VirtualBox/virtualbox, issues 141 and 188).
const KVM_HOLDS_FROM: (u32, u32) = (6, 12);
/// VirtualBox from which on it asks KVM for it, and needs KVM to have it (the same, issue 711).
const ASKS_KVM_FROM: (u32, u32, u32) = (7, 2, 10);
/// Folders of extension packs.
const PACKS: [&str; 2] = ["/usr/lib/virtualbox/ExtensionPacks", "/opt/VirtualBox/ExtensionPacks"];

/// All that is to be said of it.
pub(super) fn checks(seen: &Examined<'_>) -> Vec<Check> {
    let &Examined { host, said, chosen, network } = seen;
    let bad = trouble(chosen);
    let said = match said {
        Ok(said) => said,
        Err(error) if error.kind() == Kind::ProgramMissing && chosen.is_some_and(|name| name != NAME) => {
            return vec![Check::skipped(NAME, "VirtualBox is not installed, and not needed")];
        }
        Err(error) => return vec![Check::of_error(NAME, bad, error, "machines cannot run on VirtualBox")],
    };
    let mut checks =
        vec![Check::pass(NAME, format!("VirtualBox {}", said.version), "a version that lab knows")];
    let Some(version) = Version::parse(&said.version) else { return checks };
    if let Some(check) = known_bad(host, version, bad) {
        checks = vec![check];
    } else if version.is_unknown() {
        let what = format!("VirtualBox {version} is newer than those that lab was tried with, up to 7.2");
        checks = vec![
            Check::warning(NAME, what, "it may say things that lab does not understand")
                .todo("update lab; if there is trouble, take VirtualBox 7.2"),
        ];
    }
    if host.os == "linux" {
        checks.push(module(host, version, bad));
        checks.push(rival(host, version, bad));
    }
    checks.extend(packs(host, version));
    checks.extend(network.and_then(|network| range(host, &network, version, bad)));
    checks
}

/// How bad it is if it does not work.
fn trouble(chosen: Option<&str>) -> Outcome {
    if chosen == Some(NAME) { Outcome::Failure } else { Outcome::Warning }
}

fn known_bad(host: &Host, version: Version, bad: Outcome) -> Option<Check> {
    let number = (version.major, version.minor, version.micro);
    let kernel = host.kernel()?;
    let found = KNOWN_BAD.iter().find(|one| {
        let [first, last] = one.versions;
        (first..=last).contains(&number) && kernel >= one.kernel
    })?;
    let check =
        Check::new(NAME, bad, format!("VirtualBox {version}: {}", found.what), "machines may not start");
    Some(check.todo("install the latest 7.2: https://www.virtualbox.org/wiki/Linux_Downloads"))
}

fn module(host: &Host, version: Version, bad: Outcome) -> Check {
    const MODULE: &str = "virtualbox-module";
    let load = "Debian, Ubuntu: sudo apt-get install virtualbox-dkms linux-headers-$(uname -r); others: sudo /sbin/vboxconfig; \
                with Secure Boot on, the module has to be signed";
    if !host.has("/dev/vboxdrv") {
        let what = if host.module("vboxdrv") {
            "the module is loaded, but there is no /dev/vboxdrv"
        } else {
            "vboxdrv is not loaded"
        };
        return Check::new(MODULE, bad, what, "no machine can be started").todo(load);
    }
    let loaded = host.line("/sys/module/vboxdrv/version").and_then(|text| Version::parse(&text));
    match loaded {
        Some(loaded) if loaded != version => {
            let what = format!("the module is of {loaded}, the program of {version}");
            Check::new(MODULE, bad, what, "no machine can be started")
                .todo("restart this computer, or reload the module: sudo /sbin/vboxconfig")
        }
        _ => Check::pass(MODULE, "/dev/vboxdrv is there", "machines can be started"),
    }
}

fn rival(host: &Host, version: Version, bad: Outcome) -> Check {
    const RIVAL: &str = "virtualbox-rival";
    let Some(kvm) = ["kvm_intel", "kvm_amd"].into_iter().find(|name| host.module(name)) else {
        return Check::pass(
            RIVAL,
            "neither kvm_intel nor kvm_amd is loaded",
            "VirtualBox has the processor to itself",
        );
    };
    // Missing before 6.12, where a running machine alone takes it.
    let holds = host.line("/sys/module/kvm/parameters/enable_virt_at_load");
    let holds =
        holds.map_or(host.kernel().is_some_and(|kernel| kernel >= KVM_HOLDS_FROM), |value| value != "N");
    let asks = (version.major, version.minor, version.micro) >= ASKS_KVM_FROM;
    if holds && !asks {
        let what = format!("{kvm} holds the processor's virtualisation, from its loading on");
        return Check::new(RIVAL, bad, what, "VirtualBox cannot start machines (VERR_VMX_IN_VMX_ROOT_MODE)").todo(format!(
            "sudo modprobe -r {kvm}; for good: echo 'options kvm enable_virt_at_load=0' | sudo tee /etc/modprobe.d/virtualbox.conf"
        ));
    }
    if !holds && asks && host.kernel().is_some_and(|kernel| kernel >= KVM_HOLDS_FROM) {
        let what = format!("{kvm} is loaded with enable_virt_at_load=0");
        return Check::new(
            RIVAL,
            Outcome::Warning,
            what,
            "VirtualBox 7.2.10 and later may not start machines",
        )
        .todo("take `options kvm enable_virt_at_load=0` out of /etc/modprobe.d, then restart this computer");
    }
    if host.line(&format!("/sys/module/{kvm}/refcnt")).is_some_and(|count| count != "0") {
        let what = format!("{kvm} is in use: another virtual machine runs");
        return Check::new(RIVAL, Outcome::Warning, what, "machines of both at once may not start, or crash")
            .todo("stop machines of QEMU, libvirt, Android's emulator first");
    }
    Check::pass(RIVAL, format!("{kvm} is loaded and nobody uses it"), "VirtualBox can have the processor")
}

/// Extension packs of another version: VirtualBox then calls them unusable, and machines that need one do not start.
fn packs(host: &Host, version: Version) -> Vec<Check> {
    const PACK: &str = "virtualbox-extension";
    let folders = PACKS.iter().flat_map(|folder| std::fs::read_dir(host.path(folder)).into_iter().flatten());
    let mut checks = Vec::new();
    for folder in folders.flatten() {
        let Ok(text) = std::fs::read_to_string(folder.path().join("ExtPack.xml")) else { continue };
        let said =
            text.split_once("<Version").and_then(|(_, rest)| rest.split_once('>')?.1.split('<').next());
        let name = folder.file_name().to_string_lossy().replace('_', " ");
        match said.and_then(Version::parse) {
            Some(own) if own != version => checks.push(
                Check::warning(
                    PACK,
                    format!("{name} is of {own}, VirtualBox of {version}"),
                    "VirtualBox does not use it: settings that need it fail",
                )
                .todo("install the pack of VirtualBox's version, or remove it (lab does not need it)"),
            ),
            _ => checks.push(Check::pass(PACK, name, "of VirtualBox's version")),
        }
    }
    checks
}

/// Whether VirtualBox allows the Labfile's range; the manual's "Host-Only Networking".
fn range(host: &Host, network: &PrivateNetwork, version: Version, bad: Outcome) -> Option<Check> {
    const RANGE: &str = "virtualbox-range";
    if network.internal || host.os == "windows" || !version.is_at_least(6, 1, 28) {
        return None;
    }
    let range = Range::of(network);
    let rules = host.read(ranges::ALLOWED);
    Some(if ranges::allows(rules.as_deref(), range) {
        Check::pass(RANGE, format!("{range} is allowed"), "the lab gets its host-only network")
    } else {
        let why = if rules.is_some() {
            "does not name it"
        } else {
            "is not there: only 192.168.56.0/21 is allowed"
        };
        Check::new(
            RANGE,
            bad,
            format!("{range}: {} {why}", ranges::ALLOWED),
            "VirtualBox refuses the lab's network",
        )
        .todo(format!(
            "{}; or take a range within 192.168.56.0/21",
            ranges::to_allow(rules.as_deref(), range)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Fake;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    fn outcome(check: &Check) -> Outcome {
        check.outcome
    }

    #[test]
    fn the_module_has_to_be_there_and_of_the_same_version() {
        let bad = Outcome::Failure;
        let of = |files: &[(&str, &str)]| outcome(&module(&Fake::new(files).host, version("7.0.20"), bad));
        let device = ("/dev/vboxdrv", "");
        assert_eq!(of(&[]), bad);
        assert_eq!(of(&[device]), Outcome::Pass);
        let loaded = "/sys/module/vboxdrv/version";
        assert_eq!(of(&[device, (loaded, "7.0.20_Debian r163906 (0x00330004)\n")]), Outcome::Pass);
        assert_eq!(of(&[device, (loaded, "7.0.16_Ubuntu r162802 (0x00330004)\n")]), bad);
    }

    #[test]
    fn kvm_that_holds_the_processor_is_a_rival() {
        let bad = Outcome::Failure;
        let of = |kernel: &str, parameter: Option<&str>, box_: &str| {
            let fake =
                Fake::new(&[("/proc/sys/kernel/osrelease", kernel), ("/sys/module/kvm_intel/refcnt", "0\n")]);
            let fake = parameter
                .into_iter()
                .fold(fake, |fake, value| fake.file("/sys/module/kvm/parameters/enable_virt_at_load", value));
            outcome(&rival(&fake.host, version(box_), bad))
        };
        assert_eq!(of("6.1.0-amd64", None, "7.0.20"), Outcome::Pass);
        assert_eq!(of("6.12.1", Some("Y\n"), "7.1.12"), bad);
        assert_eq!(of("6.12.1", Some("N\n"), "7.1.12"), Outcome::Pass);
        assert_eq!(of("6.17.0", Some("Y\n"), "7.2.10"), Outcome::Pass);
        assert_eq!(of("6.17.0", Some("N\n"), "7.2.10"), Outcome::Warning);
        let busy =
            Fake::new(&[("/proc/sys/kernel/osrelease", "6.1.0"), ("/sys/module/kvm_amd/refcnt", "2\n")]);
        assert_eq!(outcome(&rival(&busy.host, version("7.0.20"), bad)), Outcome::Warning);
        assert_eq!(outcome(&rival(&Fake::new(&[]).host, version("7.0.20"), bad)), Outcome::Pass);
    }

    #[test]
    fn known_bad_versions_are_named() {
        let of = |kernel: &str, box_: &str| {
            let fake = Fake::new(&[("/proc/sys/kernel/osrelease", kernel)]);
            known_bad(&fake.host, version(box_), Outcome::Failure).map(|check| check.what)
        };
        assert!(of("6.15.1-x64", "7.1.10").unwrap().contains("does not build"));
        assert_eq!(of("6.8.0", "7.1.10"), None);
        assert!(of("6.14.0", "7.1.12").is_some());
        assert_eq!(of("6.17.0", "7.2.22"), None);
    }

    #[test]
    fn ranges_are_held_to_what_the_computers_owner_allows() {
        let of = |rules: Option<&str>, (address, prefix, internal)| {
            let fake = rules.into_iter().fold(Fake::new(&[]), |fake, text| fake.file(ranges::ALLOWED, text));
            let network = PrivateNetwork { address: std::net::Ipv4Addr::from(address), prefix, internal };
            range(&fake.host, &network, version("7.0.20"), Outcome::Failure).map(|check| check.outcome)
        };
        let (usual, other) = (([192, 168, 56, 0], 24, false), ([10, 9, 8, 0], 24, false));
        assert_eq!(of(None, usual), Some(Outcome::Pass));
        assert_eq!(of(None, other), Some(Outcome::Failure));
        assert_eq!(of(Some("* 10.9.0.0/16\n"), other), Some(Outcome::Pass));
        assert_eq!(of(Some("* 10.9.0.0/16\n"), usual), Some(Outcome::Failure));
        assert_eq!(of(None, (other.0, other.1, true)), None);
    }

    #[test]
    fn packs_of_another_version_are_named() {
        let pack = |own: &str| {
            let text =
                format!("<VirtualBoxExtensionPack><Name>P</Name><Version revision=\"1\">{own}</Version>");
            let path = "/usr/lib/virtualbox/ExtensionPacks/Oracle_VirtualBox_Extension_Pack/ExtPack.xml";
            packs(&Fake::new(&[(path, &text)]).host, version("7.1.4"))
        };
        assert_eq!(outcome(&pack("7.1.4")[0]), Outcome::Pass);
        let other = pack("7.0.8");
        assert!(other[0].outcome == Outcome::Warning && other[0].what.contains("is of 7.0.8"), "{other:?}");
        assert_eq!(packs(&Fake::new(&[]).host, version("7.1.4")), []);
    }
}
