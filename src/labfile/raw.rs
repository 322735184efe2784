//! What is written in a Labfile, piece by piece: decoded, but not yet compared.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lines::Span;
use super::model::{
    Check, Copy, Forward, Network, NetworkKind, Provisioner, QemuSettings, VirtualBoxSettings,
};
use super::problem::Problem;
use crate::boxes::versions::Constraint;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// What is known while a Labfile is read.
pub(super) struct Cx<'a> {
    /// The text.
    pub(super) text: &'a str,
    /// The folder that relative paths start in (absolute).
    pub(super) dir: &'a Path,
    /// What is wrong so far.
    pub(super) problems: Vec<Problem>,
    /// Scripts that have had their warnings: one is enough, however many machines run them.
    pub(super) warned: HashSet<PathBuf>,
}

impl<'a> Cx<'a> {
    pub(super) fn new(text: &'a str, dir: &'a Path) -> Self {
        Cx { text, dir, problems: Vec::new(), warned: HashSet::new() }
    }

    pub(super) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// What is written at `span`.
    pub(super) fn written(&self, span: &Span) -> &'a str {
        self.text.get(span.clone()).unwrap_or_default()
    }
}

/// What may be said for all machines in `[lab]` as well as for one in its own section.
#[derive(Debug, Clone, Default)]
pub(super) struct Common {
    pub(super) image: Option<At<String>>,
    pub(super) box_version: Option<Constraint>,
    pub(super) memory_mib: Option<u32>,
    pub(super) cpus: Option<u32>,
    pub(super) boot_timeout: Option<Duration>,
    pub(super) halt_timeout: Option<Duration>,
    pub(super) provisioners: Vec<Provisioner>,
    pub(super) copies: Vec<Copy>,
    /// Whether a box is named, even if it was not understood.
    pub(super) names_a_box: bool,
}

/// A machine as it is written.
#[derive(Debug, Clone)]
pub(super) struct RawMachine {
    pub(super) name: At<String>,
    pub(super) common: Common,
    pub(super) ip: Option<At<Ipv4Addr>>,
    pub(super) forwards: Vec<At<Forward>>,
    pub(super) after: Vec<At<String>>,
    pub(super) qemu: QemuSettings,
    pub(super) virtualbox: VirtualBoxSettings,
}

/// A Labfile as it is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Raw {
    pub(super) name: Option<At<String>>,
    pub(super) provider: Option<String>,
    pub(super) catalogue: Option<PathBuf>,
    pub(super) ready_snapshot: Option<bool>,
    pub(super) defaults: Common,
    /// `None` where nothing is said, or nothing that could be understood.
    pub(super) network: Option<At<Network>>,
    /// Whether a network is named, even if it was not understood.
    pub(super) names_a_network: bool,
    pub(super) network_kind: NetworkKind,
    pub(super) machines: Vec<RawMachine>,
    pub(super) checks: Vec<RawCheck>,
}

/// A check as it is written; what is missing has been reported.
#[derive(Debug, Clone)]
pub(super) struct RawCheck {
    pub(super) name: At<String>,
    pub(super) machine: Option<At<String>>,
    pub(super) rest: Check,
}
