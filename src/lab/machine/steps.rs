//! What the Labfile wants run in a machine, as steps with stable ids.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::guest::contents;
use crate::guest::step::{Action, Step};
use crate::labfile::model::{Machine, Provisioner, Script};

use crate::lab::disk::state::Readiness;

/// What the digest of a copy begins with. Those of older releases have nothing in front: they say nothing of contents.
const COPY: &str = "contents:";

/// A [`Step`] with what decides whether it is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The step.
    pub step: Step,
    /// Digest of what would be run (text, arguments, environment) or copied; empty where it cannot be told.
    pub digest: String,
    /// Done on every boot rather than once.
    pub always: bool,
}

/// The steps of `machine`, copies first, in the Labfile's order.
///
/// A step's id comes from its name and its place among those of the same name: changing a script's
/// text keeps its id (it is then shown as changed), putting another one before it keeps it too.
///
/// # Errors
/// A script that cannot be read any more.
pub fn plan(machine: &Machine) -> Result<Vec<Planned>> {
    let mut seen = BTreeMap::new();
    let mut id = |kind: &str, name: &str| {
        let base = format!("{kind}-{}", slug(name));
        let count = seen.entry(base.clone()).or_insert(0u32);
        *count += 1;
        if *count == 1 { base } else { format!("{base}-{count}") }
    };
    let mut steps = Vec::new();
    for copy in &machine.copies {
        steps.push(Planned {
            digest: contents::digest(&copy.from)
                .map(|held| format!("{COPY}{}", digest([held.as_bytes(), copy.to.as_bytes()])))
                .unwrap_or_default(),
            step: Step {
                id: id("copy", &copy.to),
                name: format!("copy to {}", copy.to),
                action: Action::Copy { from: copy.from.clone(), to: copy.to.clone() },
                force: false,
                timeout: None,
            },
            always: false,
        });
    }
    for provisioner in &machine.provisioners {
        steps.push(script_step(provisioner, id("run", &provisioner.name))?);
    }
    Ok(steps)
}

fn script_step(provisioner: &Provisioner, id: String) -> Result<Planned> {
    let text = match &provisioner.script {
        Script::File(path) => std::fs::read(path).map_err(|source| Error::io("read", path, &source))?,
        Script::Inline(text) => text.clone().into_bytes(),
    };
    let args = provisioner.args.iter().map(String::as_bytes);
    let env = provisioner.env.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    let user: &[u8] = if provisioner.root { b"root" } else { b"user" };
    let parts = [user, text.as_slice()].into_iter().chain(args).chain([b"env".as_slice()]).chain(env);
    Ok(Planned {
        digest: digest(parts),
        step: Step {
            id,
            name: provisioner.name.clone(),
            action: Action::Script {
                text,
                args: provisioner.args.clone(),
                env: provisioner.env.clone(),
                root: provisioner.root,
            },
            force: provisioner.always,
            timeout: provisioner.timeout,
        },
        always: provisioner.always,
    })
}

/// The steps that an `up` still has to do.
pub fn pending<'a>(steps: &'a [Planned], readiness: &Readiness) -> Vec<&'a Planned> {
    let due = |planned: &&Planned| {
        let id = &planned.step.id;
        readiness.done(id).is_none() || (planned.always && !readiness.done_in_this_boot(id))
    };
    steps.iter().filter(due).collect()
}

/// Steps that were done with another text, or other files, than the Labfile has now.
pub fn changed<'a>(steps: &'a [Planned], readiness: &Readiness) -> Vec<&'a Planned> {
    let differs = |planned: &&Planned| {
        let comparable =
            |done: &str| !planned.is_copy() || (planned.digest.starts_with(COPY) && done.starts_with(COPY));
        readiness
            .done(&planned.step.id)
            .is_some_and(|done| done.digest != planned.digest && comparable(&done.digest))
    };
    steps.iter().filter(differs).collect()
}

impl Planned {
    fn is_copy(&self) -> bool {
        matches!(self.step.action, Action::Copy { .. })
    }

    /// That it is not any more what was done, in a sentence without a full stop.
    pub fn has_changed(&self) -> String {
        match &self.step.action {
            Action::Copy { from, to } => {
                let name = from.file_name().unwrap_or(from.as_os_str()).to_string_lossy();
                format!("{name} has changed since it was copied to {to}")
            }
            Action::Script { .. } => format!("{} has changed since it ran", self.step.name),
        }
    }
}

/// `name` in lower-case letters, digits and single dashes, 48 bytes at most.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.truncate(48);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "step".to_owned() } else { slug.to_owned() }
}

/// A digest of a list of byte strings that no two different lists share.
fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_short_words() {
        assert_eq!(slug("provision/web.sh"), "provision-web-sh");
        assert_eq!(slug("../Über/α"), "ber");
        assert_eq!(slug("äöü"), "step");
        assert_eq!(slug(&"x/".repeat(100)).len(), 47);
    }

    #[test]
    fn a_digest_tells_lists_apart() {
        assert_ne!(digest([b"ab".as_slice(), b"c"]), digest([b"a".as_slice(), b"bc"]));
    }
}
