//! What setup.sh writes and calls, for each way to configure a network: it is run on this computer in
//! a folder that stands for the guest's root, with stand-ins for the guest's tools on `PATH`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::setup::Identity;

const MAC: &str = "52:54:00:aa:bb:01";
const KEY: &str = "ssh-rsa AAAAB3LAB lab workshop";

/// Where the archive is, behind `deb`.
const OLD: &str = "http://old.example.org/ubuntu lucid main universe";

/// A guest's root folder and the shell that runs the script in it.
struct Guest {
    dir: tempfile::TempDir,
    shell: Vec<&'static str>,
}

impl Guest {
    /// A guest with the bare minimum; `tools` are there beside `ip`.
    fn new(shell: &[&'static str], tools: &[&str]) -> Guest {
        let guest = Guest { dir: tempfile::tempdir().unwrap(), shell: shell.to_vec() };
        for folder in ["etc", "proc/sys/kernel", "bin"] {
            fs::create_dir_all(guest.path(folder)).unwrap();
        }
        fs::create_dir_all(guest.path(&ssh(""))).unwrap();
        for (nic, mac) in [("lo", "00:00:00:00:00:00"), ("eth0", "08:00:27:d1:4c:2a"), ("eth1", MAC)] {
            guest.write(&format!("sys/class/net/{nic}/address"), &format!("{mac}\n"));
            guest.write(&format!("sys/class/net/{nic}/flags"), "0x1003\n");
            if nic != "lo" {
                fs::create_dir(guest.path(&format!("sys/class/net/{nic}/device"))).unwrap();
            }
        }
        // A bridge on top of the card carries the card's address.
        guest.write("sys/class/net/br0/address", &format!("{MAC}\n"));
        guest.write(
            "etc/hosts",
            "127.0.0.1\tlocalhost\n127.0.1.1\tweb1.lan web1\n::1 localhost ip6-localhost\n",
        );
        guest.write("etc/hostname", "debian\n");
        guest.write("proc/sys/kernel/hostname", "debian\n");
        // `ip` keeps the address in a file and shows it as iproute2 does.
        guest.tool(
            "ip",
            r#"case "$*" in
                *show*) [ -s "$LAB_ROOT/address" ] && printf '3: eth1    inet %s brd + scope global eth1\n' "$(cat "$LAB_ROOT/address")" ;;
                *flush*) : >"$LAB_ROOT/address" ;;
                'addr add'*) echo "$3" >"$LAB_ROOT/address" ;;
            esac"#,
        );
        guest.tool("date", &format!("[ \"$1\" != +%s ] || echo {}", now()));
        for tool in tools {
            guest.tool(tool, "");
        }
        guest
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, inside: &str) -> String {
        fs::read_to_string(self.path(inside)).unwrap_or_else(|error| panic!("{inside}: {error}"))
    }

    /// A stand-in that notes its call and runs `body`.
    fn tool(&self, name: &str, body: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\necho {name} \"$@\" >>\"$LAB_ROOT/calls\"\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, identity: &Identity) -> Result<String, String> {
        let _ = fs::remove_file(self.path("calls"));
        // Only what the script may rely on comes from this computer.
        let tools = self.path("host-bin");
        let _ = fs::create_dir(&tools);
        for tool in ["cat", "mv", "mkdir", "chown", "sleep"] {
            let _ = symlink(crate::process::find_on_path(tool).unwrap(), tools.join(tool));
        }
        let script = self.path("script");
        fs::write(&script, identity.script(&user(), self.dir.path().to_str().unwrap())).unwrap();
        let (program, args) = self.shell.split_first().unwrap();
        let output = Command::new(crate::process::find_on_path(program).unwrap())
            .args(args)
            .arg("-s")
            .stdin(Stdio::from(fs::File::open(&script).unwrap()))
            .env("PATH", format!("{}:{}", self.path("bin").display(), tools.display()))
            .env("LAB_ROOT", self.dir.path())
            // What the session tells the script beforehand.
            .env("epoch", now().to_string())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(errors, "", "{said}");
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }

    /// Every file below etc and root, with its text.
    fn files(&self) -> Vec<(PathBuf, String)> {
        fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    found.push((path.clone(), fs::read_to_string(&path).unwrap()));
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path("etc"), &mut found);
        walk(&self.dir.path().join(home()), &mut found);
        found.sort();
        found
    }
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// What `sh` says to `command`, less its line end.
fn ask(command: &str) -> String {
    let output = Command::new("sh").arg("-c").arg(command).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A user who exists, since the script asks the shell for the home folder: the one who runs the tests.
fn user() -> String {
    ask("id -un")
}

/// The user's home folder, less its first slash.
fn home() -> String {
    ask(&format!("echo ~{}", user())).trim_start_matches('/').to_owned()
}

/// A file in the user's `.ssh`.
fn ssh(file: &str) -> String {
    format!("{}/.ssh{file}", home())
}

fn identity() -> Identity {
    Identity {
        hostname: "web1".into(),
        address: "192.168.56.10".parse().unwrap(),
        prefix: 24,
        private_mac: MAC.parse().unwrap(),
        hosts: vec![
            ("192.168.56.10".parse().unwrap(), "web1".into()),
            ("192.168.56.20".parse().unwrap(), "db1".into()),
        ],
        authorized_key: KEY.into(),
        archived: vec![
            (
                "lucid".into(),
                vec![format!("deb {OLD}"), format!("deb {}", OLD.replace("lucid", "lucid-updates"))],
            ),
            ("karmic".into(), vec!["deb http://old.example.org/ubuntu karmic main".into()]),
        ],
    }
}

/// All of it, with one shell.
fn every_style(shell: &[&'static str]) {
    identity_files(shell);
    ifupdown(shell);
    netplan(shell);
    networkmanager(shell);
    networkd(shell);
    no_style(shell);
    clock(shell);
    hostile(shell);
    sources(shell);
}

fn sources(shell: &[&'static str]) {
    let release = |guest: &Guest, name: &str| {
        guest.write("etc/lsb-release", &format!("DISTRIB_ID=Ubuntu\nDISTRIB_CODENAME={name}\n"));
    };
    let list = "etc/apt/sources.list";
    let before = "# by the installer\ndeb http://us.archive.example.org/ubuntu/ lucid main\n\
                  deb-src http://security.example.org/ubuntu lucid-security main\n\
                  deb http://mirror.school/ubuntu lucid main # http://x.example.org/\ndeb cdrom:[x]/ lucid main";
    let guest = Guest::new(shell, &[]);
    guest.write(list, before);
    release(&guest, "lucid");
    run_twice(&guest);
    assert_eq!(
        guest.read(list),
        format!(
            "# by the installer\n# lab: deb http://us.archive.example.org/ubuntu/ lucid main\n\
             # lab: deb-src http://security.example.org/ubuntu lucid-security main\n\
             deb http://mirror.school/ubuntu lucid main # http://x.example.org/\ndeb cdrom:[x]/ lucid main\n\
             # lucid left the main mirrors:\ndeb {OLD}\ndeb {}\n",
            OLD.replace("lucid", "lucid-updates")
        )
    );
    // Another release, one that does not say which it is, and sources that need no help.
    for (name, text) in
        [("noble", before), ("", before), ("lucid", "deb http://mirror.school/ubuntu lucid main")]
    {
        let guest = Guest::new(shell, &[]);
        guest.write(list, text);
        release(&guest, name);
        run_twice(&guest);
        assert_eq!(guest.read(list), text, "{name}");
    }
}

fn run_twice(guest: &Guest) -> String {
    let said = guest.run(&identity()).unwrap();
    let (files, calls) = (guest.files(), guest.calls());
    let again = guest.run(&identity()).unwrap();
    assert_eq!(guest.files(), files, "the second run changed something: {again}");
    assert!(!again.contains("wrote"), "{again}");
    assert!(!guest.calls().contains("flush"), "{}", guest.calls());
    assert_eq!(guest.read("address"), "192.168.56.10/24\n");
    assert!(said.ends_with(&format!("web1 is 192.168.56.10 on eth1 ({})\n", style(&said))), "{said}");
    calls
}

fn style(said: &str) -> &str {
    said.rsplit_once('(').unwrap().1.trim_end_matches(")\n")
}

fn identity_files(shell: &[&'static str]) {
    let guest = Guest::new(shell, &[]);
    guest.write(&ssh("/authorized_keys"), "ssh-rsa OLD vagrant insecure public key"); // no line end
    run_twice(&guest);
    assert_eq!(guest.read("etc/hostname"), "web1\n");
    assert_eq!(guest.read("proc/sys/kernel/hostname"), "web1\n");
    assert_eq!(
        guest.read("etc/hosts"),
        "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n\
         # lab BEGIN\n192.168.56.10 web1\n192.168.56.20 db1\n# lab END\n"
    );
    assert_eq!(
        guest.read(&ssh("/authorized_keys")),
        format!("ssh-rsa OLD vagrant insecure public key\n{KEY}\n")
    );

    // Another identity takes the place of the first.
    let other = Identity {
        hostname: "db1".into(),
        address: "192.168.56.20".parse().unwrap(),
        hosts: vec![("192.168.56.20".parse().unwrap(), "db1".into())],
        ..identity()
    };
    guest.write(
        "etc/hosts",
        &(guest.read("etc/hosts") + "127.0.1.1 db1.lan other db1 # by hand\n10.1.1.1 db10\n"),
    );
    guest.run(&other).unwrap();
    assert_eq!(
        guest.read("etc/hosts"),
        "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n127.0.1.1 other\n10.1.1.1 db10\n\
         # lab BEGIN\n192.168.56.20 db1\n# lab END\n"
    );
    assert_eq!(guest.read("address"), "192.168.56.20/24\n");
    assert!(guest.calls().contains("ip -4 addr flush dev eth1"), "{}", guest.calls());

    // No .ssh folder, no hosts file, a cloud image.
    let bare = Guest::new(shell, &[]);
    fs::remove_dir(bare.path(&ssh(""))).unwrap();
    fs::remove_file(bare.path("etc/hosts")).unwrap();
    fs::create_dir_all(bare.path("etc/cloud/cloud.cfg.d")).unwrap();
    run_twice(&bare);
    let mode = |file: &str| bare.path(file).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&ssh("")), mode(&ssh("/authorized_keys"))), (0o700, 0o600));
    assert!(bare.read("etc/hosts").starts_with("127.0.0.1 localhost\n# lab BEGIN\n"));
    assert_eq!(
        bare.read("etc/cloud/cloud.cfg.d/99-lab.cfg"),
        "preserve_hostname: true\nmanage_etc_hosts: false\n"
    );
}

fn ifupdown(shell: &[&'static str]) {
    let guest = Guest::new(shell, &["ifup"]);
    let before = "# The primary network interface\nauto lo\niface lo inet loopback\n\nauto eth0 eth1\niface eth0 inet dhcp\n\
        iface eth1 inet dhcp\n    hostname x\n    metric 100\niface eth1 inet6 auto\n    privext 2\n\
        source interfaces.d/*\nallow-hotplug eth1\n";
    guest.write("etc/network/interfaces", before);
    guest.write(
        "etc/network/interfaces.d/box",
        "auto eth1\niface eth1 inet static\n  address 10.0.0.1/8\n# end\n",
    );
    guest.write("etc/network/interfaces.d/other", "auto eth2\niface eth2 inet dhcp");
    let calls = run_twice(&guest);
    assert_eq!(
        guest.read("etc/network/interfaces"),
        "# The primary network interface\nauto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n\
         iface eth1 inet6 auto\n    privext 2\nsource interfaces.d/*\n\
         # lab BEGIN\nauto eth1\niface eth1 inet static\n    address 192.168.56.10\n    netmask 255.255.255.0\n# lab END\n"
    );
    assert_eq!(guest.read("etc/network/interfaces.d/box"), "");
    assert_eq!(guest.read("etc/network/interfaces.d/other"), "auto eth2\niface eth2 inet dhcp");
    assert!(!calls.contains("ifup") && !calls.contains("eth0"), "{calls}");
}

fn netplan(shell: &[&'static str]) {
    // Ubuntu Server: networkd below, perhaps ifup installed and unused.
    let guest = Guest::new(shell, &["netplan", "networkctl", "ifup"]);
    guest.write("etc/netplan/50-cloud-init.yaml", "network: {version: 2}\n");
    guest.write("run/systemd/netif/state", "");
    guest.write("run/systemd/network/10-netplan-all-en.network", "[Match]\nName=en*\n");
    let calls = run_twice(&guest);
    assert_eq!(
        guest.read("etc/netplan/60-lab.yaml"),
        format!(
            "# Written by lab.\nnetwork:\n  version: 2\n  ethernets:\n    00-lab:\n      match: {{macaddress: \"{MAC}\"}}\n      \
             dhcp4: false\n      optional: true\n      addresses: [\"192.168.56.10/24\"]\n"
        )
    );
    let mode = guest.path("etc/netplan/60-lab.yaml").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // `apply` would take NIC 1 down and our connection with it.
    assert!(!calls.contains("netplan"), "{calls}");
    // What runs does not ask for an address by DHCP any more, without a reboot.
    let running = guest.read("run/systemd/network/10-netplan-00-lab.network");
    assert!(running.contains(MAC) && running.contains("\nAddress=192.168.56.10/24\n"), "{running}");
    assert!(calls.contains("networkctl reload"), "{calls}");
    // The next boot's is netplan's own.
    guest.write("run/systemd/network/10-netplan-00-lab.network", "by netplan");
    guest.run(&identity()).unwrap();
    assert_eq!(guest.read("run/systemd/network/10-netplan-00-lab.network"), "by netplan");
    assert!(!guest.calls().contains("networkctl"), "{}", guest.calls());
}

fn networkmanager(shell: &[&'static str]) {
    let guest = Guest::new(shell, &["nmcli", "ifup"]);
    guest.write("run/NetworkManager/NetworkManager.pid", "1");
    guest.write("etc/network/interfaces", "auto lo\niface lo inet loopback\n");
    fs::create_dir_all(guest.path("etc/NetworkManager/system-connections")).unwrap();
    let calls = run_twice(&guest);
    let file = "etc/NetworkManager/system-connections/lab-private.nmconnection";
    let text = guest.read(file);
    for line in [
        "mac-address=52:54:00:aa:bb:01",
        "address1=192.168.56.10/24",
        "uuid=6c616200-0000-4000-8000-525400aabb01",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in {text}");
    }
    assert_eq!(guest.path(file).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(calls.contains("nmcli -w 20 connection up lab-private"), "{calls}");
    assert!(!guest.read("etc/network/interfaces").contains("lab"));

    // Where ifupdown names the card, NetworkManager leaves it alone.
    guest.write("etc/network/interfaces", "iface eth1 inet dhcp\n");
    let said = guest.run(&identity()).unwrap();
    assert_eq!(style(&said), "ifupdown");
}

fn networkd(shell: &[&'static str]) {
    let guest = Guest::new(shell, &["networkctl"]);
    guest.write("run/systemd/netif/state", "OPER_STATE=routable\n");
    fs::create_dir_all(guest.path("etc/systemd/network")).unwrap();
    let calls = run_twice(&guest);
    assert_eq!(
        guest.read("etc/systemd/network/00-lab.network"),
        format!(
            "# Written by lab.\n[Match]\nMACAddress={MAC}\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nAddress=192.168.56.10/24\n"
        )
    );
    assert!(calls.contains("networkctl reload"), "{calls}");
}

fn no_style(shell: &[&'static str]) {
    let guest = Guest::new(shell, &[]);
    let said = guest.run(&identity()).unwrap();
    assert!(said.contains("192.168.56.10 is gone after a reboot"), "{said}");
    // A card that is not there is named; the wait for it is not.
    let other = Identity { private_mac: "52:54:00:00:00:99".parse().unwrap(), ..identity() };
    guest.tool("sleep", "");
    let said = guest.run(&other).unwrap_err();
    assert!(said.ends_with("lab: no network card has the address 52:54:00:00:00:99\n"), "{said}");
}

fn clock(shell: &[&'static str]) {
    let guest = Guest::new(shell, &[]);
    for (guest_clock, set) in [(1000, true), (now() - 3600, true), (now() + 7200, true), (now(), false)] {
        guest.tool("date", &format!("[ \"$1\" != +%s ] || echo {guest_clock}"));
        guest.run(&identity()).unwrap();
        assert_eq!(guest.calls().contains("date -u -s @"), set, "{guest_clock}");
    }
}

fn hostile(shell: &[&'static str]) {
    let guest = Guest::new(shell, &[]);
    let touched = guest.path("touched");
    let evil = format!("a'; touch {0}; $(touch {0}) `touch {0}` \\", touched.display());
    let identity = Identity {
        hostname: evil.clone(),
        hosts: vec![("10.0.0.1".parse().unwrap(), evil.clone())],
        authorized_key: evil.clone(),
        ..identity()
    };
    guest.run(&identity).unwrap();
    assert!(!touched.exists());
    assert_eq!(guest.read("etc/hostname"), format!("{evil}\n"));
    assert!(guest.read(&ssh("/authorized_keys")).ends_with(&format!("{evil}\n")));
}

#[test]
fn the_set_up_is_right_with_the_default_shell() {
    every_style(&["sh"]);
}

#[test]
#[ignore = "needs dash, bash and busybox; run by scripts/test"]
fn the_set_up_is_right_with_every_shell() {
    for shell in [&["dash"][..], &["bash", "--posix"], &["bash"], &["busybox", "sh"]] {
        every_style(shell);
    }
}

#[test]
fn the_fingerprint_changes_with_each_part() {
    let base = identity().fingerprint();
    assert_eq!(base.len(), 64);
    assert_eq!(base, identity().fingerprint());
    let changed = [
        Identity { hostname: "web2".into(), ..identity() },
        Identity { address: "192.168.56.11".parse().unwrap(), ..identity() },
        Identity { prefix: 25, ..identity() },
        Identity { hosts: Vec::new(), ..identity() },
        Identity { authorized_key: "x".into(), ..identity() },
        Identity { archived: Vec::new(), ..identity() },
    ];
    for other in changed {
        assert_ne!(other.fingerprint(), base, "{other:?}");
    }
}
