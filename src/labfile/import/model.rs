//! What a Vagrantfile says that a Labfile can say too.

use super::Note;
use crate::labfile::model::Forward;

/// A value and the line it stands in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) line: usize,
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
    pub(super) notes: Vec<Note>,
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
    pub(super) provisioners: Vec<Provisioner>,
    pub(super) copies: Vec<At<Copy>>,
    pub(super) customize: Vec<Vec<String>>,
    pub(super) gui: bool,
    pub(super) boot_timeout: Option<i64>,
    pub(super) halt_timeout: Option<i64>,
    /// `/vagrant` has been switched off, or shared by hand.
    pub(super) has_no_vagrant_folder: bool,
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
    pub(super) line: usize,
    pub(super) name: Option<String>,
    pub(super) kind: String,
    pub(super) inline: Option<String>,
    pub(super) path: Option<String>,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) user: bool,
    pub(super) always: bool,
    /// Of a file provisioner.
    pub(super) source: Option<String>,
    pub(super) destination: Option<String>,
    /// A note has been made; it is left out.
    pub(super) dropped: bool,
}
