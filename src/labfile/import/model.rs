//! What a Vagrantfile says that a Labfile can say too.

use super::notes::Notes;
use crate::labfile::model::Forward;

/// Where something stands: the file (0 is the Vagrantfile) and the line, from 1; 0 for nowhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: u16,
    pub(super) line: u32,
}

/// A value and where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Whether there was a `Vagrant.configure` or `Vagrant::Config.run` at all.
    pub(super) configured: bool,
    /// What holds for every machine.
    pub(super) all: Settings,
    /// The machines, in their order; empty where none is defined.
    pub(super) machines: Vec<(String, Settings)>,
    /// Machines were left out: the place of one, and why.
    pub(super) lost: Option<(Place, String)>,
    pub(super) notes: Notes,
}

/// What is said of one machine, or of all.
#[derive(Debug, Default, Clone)]
pub(super) struct Settings {
    pub(super) image: Option<At<String>>,
    pub(super) image_version: Option<At<String>>,
    pub(super) image_url: Option<At<String>>,
    pub(super) hostname: Option<At<String>>,
    /// By the provider that says so.
    pub(super) memory_mib: Vec<(String, At<i64>)>,
    pub(super) cpus: Vec<(String, At<i64>)>,
    pub(super) addresses: Vec<At<Option<Address>>>,
    pub(super) forwards: Vec<At<Forward>>,
    /// Ports of all that this machine does not forward.
    pub(super) no_forwards: Vec<u16>,
    pub(super) provisioners: Vec<Provisioner>,
    pub(super) copies: Vec<At<Copy>>,
    /// Folders of all that this machine does not get.
    pub(super) no_copies: Vec<String>,
    pub(super) customize: Vec<Vec<String>>,
    pub(super) gui: Option<bool>,
    pub(super) boot_timeout: Option<i64>,
    pub(super) halt_timeout: Option<i64>,
    /// The places of what says that the guest is Windows.
    pub(super) windows: Vec<Place>,
    /// Where the machine is defined.
    pub(super) defined: Place,
    /// What is said of `/vagrant`, if anything.
    pub(super) vagrant_folder: Option<At<VagrantFolder>>,
}

/// What a Vagrantfile says of `/vagrant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VagrantFolder {
    /// It is shared by hand.
    Shared,
    /// It is switched off.
    Off,
    /// Another folder stands there.
    Other,
}

/// An address on a private network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) ip: std::net::Ipv4Addr,
    /// The length of the netmask, where one is given.
    pub(super) prefix: Option<u8>,
}

/// A file or folder to copy in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) from: String,
    pub(super) to: String,
}

/// A provisioner, or the beginning of one.
#[derive(Debug, Default, Clone)]
pub(super) struct Provisioner {
    pub(super) place: Place,
    pub(super) name: Option<String>,
    pub(super) kind: String,
    pub(super) inline: Option<String>,
    pub(super) path: Option<String>,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) user: bool,
    pub(super) always: bool,
    /// One of the same name that comes later does not move it behind the others.
    pub(super) keeps_order: bool,
    /// Of a file provisioner.
    pub(super) source: Option<String>,
    pub(super) destination: Option<String>,
    /// A note has been made; it is left out.
    pub(super) dropped: bool,
}

impl Provisioner {
    /// What a provisioner of the same name says anew.
    pub(super) fn take_over(&mut self, newer: Provisioner) {
        self.place = newer.place;
        if newer.inline.is_some() || newer.path.is_some() {
            (self.inline, self.path) = (newer.inline, newer.path);
        }
        if !newer.args.is_empty() {
            self.args = newer.args;
        }
        if !newer.env.is_empty() {
            self.env = newer.env;
        }
        self.user |= newer.user;
        self.always |= newer.always;
        self.keeps_order |= newer.keeps_order;
        self.source = newer.source.or(self.source.take());
        self.destination = newer.destination.or(self.destination.take());
        self.dropped |= newer.dropped;
    }
}
