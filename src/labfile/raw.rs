//! What is written in a Labfile, piece by piece: decoded, but not yet compared.

use std::collections::{BTreeMap, HashSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::beyond::Beyond;
use super::lines::Span;
use super::model::{Check, Copy, Forward, Network, NetworkKind, Provisioner};
use super::problem::{Problem, Severity};
use super::scripts::Scripts;
use super::trust::{About, Believed};
use crate::boxes::versions::Constraint;
use crate::provider::Block;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// So many problems are kept at most. A person reads the first few; a text that is no Labfile at all has thousands.
pub(super) const PROBLEMS_MAX: usize = 1000;

/// While there are fewer problems than this, lab takes the time to look for what was meant.
const PATIENT_UNTIL: usize = 60;

/// What is known while a Labfile is read.
pub(super) struct Cx<'a> {
    /// The text.
    pub(super) text: &'a str,
    /// The folder that relative paths start in (absolute).
    pub(super) dir: &'a Path,
    /// The same with its links followed, where it is there.
    pub(super) real_dir: PathBuf,
    /// Whose files may be named: this user's, root's, and those of the Labfile's owner.
    pub(super) believed: Believed,
    /// Everybody may change the Labfile, as on a stick that knows no permissions.
    pub(super) is_open: bool,
    /// What is wrong so far.
    problems: Vec<Problem>,
    /// Whether one of them, or one that was left out, is a mistake.
    failed: bool,
    /// How many were left out.
    left_out: usize,
    /// What is known of the scripts that were looked at.
    pub(super) scripts: Scripts,
    /// Files that were looked at: once is enough, however many machines use them.
    pub(super) looked_at: HashSet<PathBuf>,
    /// What reaches beyond the Labfile's folder and its machines, and where it is written.
    pub(super) reaches: Vec<(Span, Beyond)>,
}

impl<'a> Cx<'a> {
    /// `path` is the Labfile's, which need not be there.
    pub(super) fn new(text: &'a str, dir: &'a Path, path: &Path) -> Self {
        let about = path.metadata().or_else(|_| dir.metadata()).as_ref().map(About::from).ok();
        let believed = about.map_or_else(Believed::here, |about| Believed::here().and_owner_of(about));
        Cx {
            believed,
            is_open: about.is_some_and(|about| about.writable),
            text,
            dir,
            real_dir: dir.canonicalize().unwrap_or_else(|_| dir.to_owned()),
            problems: Vec::new(),
            failed: false,
            left_out: 0,
            scripts: Scripts::default(),
            looked_at: HashSet::new(),
            reaches: Vec::new(),
        }
    }

    /// Reports a problem. Of very many, the later ones are only counted.
    pub(super) fn push(&mut self, problem: Problem) {
        let is_first_mistake = problem.severity == Severity::Error && !self.failed;
        self.failed |= is_first_mistake;
        if self.problems.len() < PROBLEMS_MAX || is_first_mistake {
            self.problems.push(problem);
        } else {
            self.left_out += 1;
        }
    }

    /// Whether there is a mistake.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }

    /// The problems so far.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Takes back problems that another one says better.
    pub(super) fn retract(&mut self, is_idle: impl Fn(&Problem) -> bool) {
        self.problems.retain(|problem| !is_idle(problem));
    }

    /// All problems. Where some were left out, the last one says so.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        if self.left_out > 0 {
            let message = format!("there are {} more problems, which are left out", self.left_out);
            let end = self.text.len();
            let problem = match self.failed {
                true => Problem::error("too-many", end..end, message),
                false => Problem::warning("too-many", end..end, message),
            };
            self.problems.push(problem.hint("mend the first ones, and check again"));
        }
        self.problems
    }

    /// Whether to look for what was meant, which takes time: not for those that nobody reads.
    pub(super) fn is_patient(&self) -> bool {
        self.problems.len() < PATIENT_UNTIL
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
    pub(super) settings: BTreeMap<&'static str, Block>,
}

/// A Labfile as it is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Raw {
    pub(super) name: Option<At<String>>,
    pub(super) provider: Option<String>,
    pub(super) catalogue: Option<At<PathBuf>>,
    pub(super) ready_snapshot: Option<bool>,
    pub(super) defaults: Common,
    /// `None` where nothing is said, or nothing that could be understood.
    pub(super) network: Option<At<Network>>,
    /// Whether a network is named, even if it was not understood.
    pub(super) names_a_network: bool,
    pub(super) network_kind: NetworkKind,
    pub(super) machines: Vec<RawMachine>,
    /// There are more machines than lab reads.
    pub(super) too_many_machines: bool,
    pub(super) checks: Vec<RawCheck>,
}

/// A check as it is written; what is missing has been reported.
#[derive(Debug, Clone)]
pub(super) struct RawCheck {
    pub(super) name: At<String>,
    pub(super) machine: Option<At<String>>,
    pub(super) rest: Check,
}
