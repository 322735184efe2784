//! A Labfile as data, once it is read and checked. Every list keeps the order of the file.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use super::beyond::Reach;
use crate::boxes::versions::Constraint;
use crate::provider::{Block, PrivateNetwork};
pub use crate::subnet::Subnet as Network;

/// A whole lab: its machines, their private network, what is run on them.
#[derive(Debug, Clone, PartialEq)]
pub struct Labfile {
    /// Where it was read from (absolute).
    pub path: PathBuf,
    /// The folder it stands in (absolute): relative paths in it start here, `.lab/` lies here.
    pub dir: PathBuf,
    /// `[lab] name`; the folder's name where it is not given.
    pub name: String,
    /// `[lab] provider`; `None` means "auto".
    pub provider: Option<String>,
    /// `[lab] catalog`: a file or folder with boxes that are known by name; absolute once read, known to exist.
    pub catalogue: Option<PathBuf>,
    /// `[lab] ready_snapshot`: whether `up` takes a snapshot of each machine that becomes ready.
    pub ready_snapshot: bool,
    /// The private network between the machines (NIC 2), with a prefix of 8 to 29 bits.
    pub network: Network,
    /// `[network] kind`.
    pub network_kind: NetworkKind,
    /// The machines, in the file's order. At least one.
    pub machines: Vec<Machine>,
    /// `[check.NAME]`, in the file's order.
    pub checks: Vec<Check>,
    /// What stands in it and reaches beyond its folder and its machines. [`super::reaches`] knows the rest.
    pub(super) reaches: Vec<Reach>,
    /// The line of `[lab] catalog`, from 1; 0 where there is none.
    pub(super) catalogue_line: usize,
}

impl Labfile {
    /// The private network, as providers are told of it.
    pub fn private_network(&self) -> PrivateNetwork {
        PrivateNetwork {
            address: self.network.address,
            prefix: self.network.prefix,
            internal: self.network_kind == NetworkKind::Internal,
        }
    }
}

/// Who is on a lab's private network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NetworkKind {
    /// The machines, and this computer where the provider can give it a place there.
    #[default]
    HostOnly,
    /// The machines alone.
    Internal,
}

/// One machine. What `[lab]` gives to all machines is already in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Its name: a valid host name label, at most 63 characters of a-z, 0-9 and `-`.
    pub name: String,
    /// The box it is made from: a catalogue name, an added box's name, a path or a URL, as written.
    pub image: String,
    /// `box_version`: which versions of it will do; `None` means any.
    pub box_version: Option<Constraint>,
    /// Its address on the private network. Given, or the lowest free one from .10 on.
    pub ip: Ipv4Addr,
    /// Memory in MiB; `None` means what the box says.
    pub memory_mib: Option<u32>,
    /// Number of virtual CPUs; `None` means what the box says.
    pub cpus: Option<u32>,
    /// Ports of this computer that lead to the machine.
    pub forwards: Vec<Forward>,
    /// Folders and files copied in before its provisioners run. Those of `[lab]` first.
    pub copies: Vec<Copy>,
    /// What runs in it. Those of `[lab]` first.
    pub provisioners: Vec<Provisioner>,
    /// Machines that must be ready before anything is run in this one.
    pub after: Vec<String>,
    /// How long it may take from start to an answer on ssh. Default 5 minutes.
    pub boot_timeout: Duration,
    /// How long a graceful shutdown may take before the power is cut. Default 30 seconds.
    pub halt_timeout: Duration,
    /// The sections of providers that it has, `[machine.NAME.PROVIDER]`, by their names.
    pub settings: BTreeMap<&'static str, Block>,
}

impl Machine {
    /// What only the provider called `provider` reads of it.
    pub fn settings(&self, provider: &str) -> Block {
        self.settings.get(provider).cloned().unwrap_or_default()
    }
}

/// A port of this computer that leads to a port of a machine. TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The port on this computer.
    pub host: u16,
    /// The port in the guest.
    pub guest: u16,
    /// `auto = true`: another free port is taken where `host` is in use.
    pub auto: bool,
}

/// `copy = [{ from = "site", to = "/srv/site" }]`: a file or folder of the host, copied in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// On the host; absolute once read.
    pub from: PathBuf,
    /// In the guest; absolute.
    pub to: String,
}

/// One thing that is run in a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisioner {
    /// For people: the script's path as written, `name = …`, or "inline script 2".
    pub name: String,
    /// What is run.
    pub script: Script,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment variables, in order.
    pub env: Vec<(String, String)>,
    /// Run as root (default) or as the box's user (`as = "user"`).
    pub root: bool,
    /// Run on every start of the machine (`run = "always"`) rather than once.
    pub always: bool,
    /// Time limit; `None` means none.
    pub timeout: Option<Duration>,
}

/// Something that a student is to achieve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// The machine it is run in; known to exist.
    pub machine: String,
    /// What is run, by `sh`.
    pub run: String,
    /// Text that its standard output must have in it.
    pub expect: Option<String>,
    /// The exit status that it must have.
    pub status: u8,
    /// Run as root (default) or as the box's user (`as = "user"`).
    pub root: bool,
    /// How long it may run.
    pub timeout: Duration,
    /// What it is worth.
    pub points: u32,
    /// What to tell who has not achieved it.
    pub hint: Option<String>,
}

/// The text of a provisioner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// `script = "provision/web.sh"`: a file on the host; absolute once read, known to exist.
    File(PathBuf),
    /// `inline = "…"`.
    Inline(String),
}
