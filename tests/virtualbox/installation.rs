//! A VirtualBox of its own for each test: a registry of machines that no user and no other test has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::{TestLab, demo_box, signal, wait_for};

/// Where the server that all calls of VBoxManage talk to may be.
const SERVERS: [&str; 3] = [
    "/usr/lib/virtualbox/VBoxSVC",
    "/opt/VirtualBox/VBoxSVC",
    "/Applications/VirtualBox.app/Contents/MacOS/VBoxSVC",
];

/// A registry (`VBOX_USER_HOME`), a server's socket (`VBOX_IPC_SOCKETID`), the server behind it, and a
/// `LAB_HOME`. Make it before the labs in it: they go first.
pub(crate) struct VirtualBox {
    dir: tempfile::TempDir,
    server: Child,
    adapters_before: BTreeSet<String>,
}

/// What VirtualBox knows of, each as a line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Inventory {
    /// `"name" {uuid}`
    pub(crate) machines: BTreeSet<String>,
    /// The files of disks.
    pub(crate) disks: BTreeSet<String>,
    /// The files of discs.
    pub(crate) discs: BTreeSet<String>,
    /// Host-only adapters with their addresses.
    pub(crate) adapters: BTreeSet<String>,
    /// Networks with a DHCP server.
    pub(crate) dhcp_servers: BTreeSet<String>,
}

impl VirtualBox {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("lab-virtualbox-").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("registry")).unwrap();
        let program = SERVERS.into_iter().find(|path| Path::new(path).exists());
        let program =
            program.unwrap_or_else(|| panic!("there is no VirtualBox here: run scripts/test-virtualbox"));
        // Calls that find no server, and start one at the same moment, get in each other's way.
        let mut server = Command::new(program);
        server.arg("--pidfile").arg(dir.path().join("server.pid")).envs(environment(dir.path()));
        let server = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut virtualbox = VirtualBox { dir, server, adapters_before: BTreeSet::new() };
        let socket = virtualbox.sockets().join("ipcd");
        wait_for("VBoxSVC", Duration::from_secs(30), || socket.exists().then_some(()));
        virtualbox.adapters_before = virtualbox.inventory().adapters;
        virtualbox
    }

    /// Its own folder.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What makes a program use this one.
    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        environment(self.dir())
    }

    fn sockets(&self) -> PathBuf {
        PathBuf::from(format!("/tmp/.vbox-{}-ipc", name(self.dir())))
    }

    /// A lab with this VirtualBox, in whose home the box `demo` is the demo box.
    pub(crate) fn lab(&self, text: &str) -> TestLab {
        let mut lab = TestLab::bare(text).at_home(&self.dir().join("home")).env("LAB_PROVIDER", "virtualbox");
        for (variable, value) in environment(self.dir()) {
            lab = lab.env(variable, &value);
        }
        if !lab.lab(&["box", "list"]).ok().stdout.contains("demo") {
            lab.lab(&["box", "add", "demo", demo_box().to_str().unwrap()]).ok();
        }
        lab
    }

    /// VBoxManage, as a user calls it.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("VBoxManage");
        command.args(args).envs(environment(self.dir())).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command
    }

    /// What VBoxManage answers; fails the test where it fails.
    #[track_caller]
    pub(crate) fn manage(&self, args: &[&str]) -> String {
        self.try_to_manage(args).unwrap_or_else(|error| panic!("VBoxManage {args:?}: {error}"))
    }

    /// What VBoxManage answers, or how it failed.
    pub(crate) fn try_to_manage(&self, args: &[&str]) -> Result<String, String> {
        let output = self.command(args).output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() {
            Ok(stdout.into_owned())
        } else {
            Err(format!("{}\n{stdout}\n{stderr}", output.status))
        }
    }

    pub(crate) fn inventory(&self) -> Inventory {
        let values = |what: &str, key: &str| -> BTreeSet<String> {
            let list = self.manage(&["list", what]);
            list.lines().filter_map(|line| Some(line.strip_prefix(key)?.trim().to_owned())).collect()
        };
        // The block of an adapter has its name first and its address somewhere below.
        let adapters = self.manage(&["list", "hostonlyifs"]);
        let adapters = adapters.split("\n\n").filter_map(|block| {
            let value = |key: &str| block.lines().find_map(|line| Some(line.strip_prefix(key)?.trim()));
            Some(format!("{} {}", value("Name:")?, value("IPAddress:")?))
        });
        Inventory {
            machines: self.machines().into_iter().map(|(name, uuid)| format!("{name:?} {uuid}")).collect(),
            disks: values("hdds", "Location:"),
            discs: values("dvds", "Location:"),
            adapters: adapters.collect(),
            dhcp_servers: values("dhcpservers", "NetworkName:"),
        }
    }

    /// Names and UUIDs of all machines.
    pub(crate) fn machines(&self) -> Vec<(String, String)> {
        let list = self.manage(&["list", "vms"]);
        // Names may hold quotes and braces: what comes last is the UUID.
        let parse = |line: &str| {
            let (name, uuid) = line.strip_suffix('}')?.rsplit_once("\" {")?;
            Some((name.strip_prefix('"')?.to_owned(), uuid.to_owned()))
        };
        list.lines().filter_map(parse).collect()
    }

    /// The UUID of the one machine whose name holds `part`.
    #[track_caller]
    pub(crate) fn find(&self, part: &str) -> String {
        let machines = self.machines();
        let found: Vec<_> = machines.iter().filter(|(name, _)| name.contains(part)).collect();
        assert_eq!(found.len(), 1, "machines called {part:?}: {machines:#?}");
        found[0].1.clone()
    }

    /// One value of `showvminfo --machinereadable`.
    #[track_caller]
    pub(crate) fn info(&self, uuid: &str, key: &str) -> String {
        let info = self.manage(&["showvminfo", uuid, "--machinereadable"]);
        let value = info.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim_matches('"') == key).then(|| value.trim_matches('"').to_owned())
        });
        value.unwrap_or_else(|| panic!("no {key} in\n{info}"))
    }

    /// Cuts a machine's power, and waits until VirtualBox lets go of it.
    pub(crate) fn power_off(&self, uuid: &str) {
        self.manage(&["controlvm", uuid, "poweroff"]);
        wait_for("the machine to be off", Duration::from_secs(60), || {
            let running = self.manage(&["list", "runningvms"]);
            (!running.contains(uuid)).then_some(())
        });
        // The process that ran it holds the lock for a moment more.
        wait_for("the machine's lock", Duration::from_secs(60), || {
            self.try_to_manage(&["modifyvm", uuid, "--description", ""]).ok()
        });
    }

    /// A machine of the user's, with a disk of its own in its folder. Gives its UUID.
    pub(crate) fn create_machine(&self, name: &str) -> String {
        let folder = self.dir().join("users machines");
        let made = self.manage(&[
            "createvm",
            "--name",
            name,
            "--register",
            "--basefolder",
            folder.to_str().unwrap(),
            "--ostype",
            "Linux_64",
        ]);
        let uuid = made.lines().find_map(|line| line.strip_prefix("UUID: ")).unwrap().trim().to_owned();
        let settings = self.info(&uuid, "CfgFile");
        let disk = Path::new(&settings).with_file_name("own.vdi");
        self.manage(&["createmedium", "disk", "--filename", disk.to_str().unwrap(), "--size", "1"]);
        self.attach(&uuid, 0, &disk, true);
        uuid
    }

    /// A disk of the user's, in a place of its own.
    pub(crate) fn create_disk(&self, name: &str) -> PathBuf {
        let path = self.dir().join(name);
        self.manage(&["createmedium", "disk", "--filename", path.to_str().unwrap(), "--size", "1"]);
        path
    }

    /// Attaches a disk to a machine that is off, at `port` of a controller of its own where `make` says so.
    pub(crate) fn attach(&self, uuid: &str, port: u8, disk: &Path, make: bool) {
        let controller = if make { "users".to_owned() } else { self.info(uuid, "storagecontrollername0") };
        if make {
            self.manage(&["storagectl", uuid, "--name", &controller, "--add", "scsi"]);
        } else {
            self.manage(&["storagectl", uuid, "--name", &controller, "--portcount", "4"]);
        }
        let (port, disk) = (port.to_string(), disk.to_str().unwrap());
        self.manage(&[
            "storageattach",
            uuid,
            "--storagectl",
            &controller,
            "--port",
            &port,
            "--device",
            "0",
            "--type",
            "hdd",
            "--medium",
            disk,
        ]);
    }
}

/// A registry and a server's socket of its own.
fn environment(dir: &Path) -> [(&'static str, String); 2] {
    let registry = dir.join("registry").to_str().unwrap().to_owned();
    [("VBOX_USER_HOME", registry), ("VBOX_IPC_SOCKETID", name(dir))]
}

fn name(dir: &Path) -> String {
    dir.file_name().unwrap().to_str().unwrap().to_owned()
}

impl Drop for VirtualBox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the test left, so that the next one is not the one that fails.
            let quiet = |args: &[&str]| self.command(args).output().ok();
            let text = |args: &[&str]| {
                quiet(args)
                    .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
                    .unwrap_or_default()
            };
            eprintln!("VirtualBox has:\n{}{}", text(&["list", "vms"]), text(&["list", "hdds"]));
            for line in text(&["list", "runningvms"]).lines() {
                if let Some((_, uuid)) = line.rsplit_once(" {") {
                    quiet(&["controlvm", uuid.trim_end_matches('}'), "poweroff"]);
                }
            }
            for line in text(&["list", "hostonlyifs"]).lines() {
                let Some(adapter) = line.strip_prefix("Name:").map(str::trim) else { continue };
                if !self.adapters_before.iter().any(|before| before.starts_with(&format!("{adapter} "))) {
                    quiet(&["hostonlyif", "remove", adapter]);
                }
            }
        }
        signal(self.server.id(), rustix::process::Signal::TERM);
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(self.sockets());
    }
}
