//! Which provider runs a lab.

use crate::boxes::Hardware;
use crate::error::{Error, Kind, Result};
use crate::provider::Entry;
use crate::provider::{Availability, Block, Lost, Provider, SharedDir};

use super::context::Context;
use super::disk::files::LabFiles;

/// The provider called `name`.
///
/// # Errors
/// [`Kind::NoProvider`] where there is none of that name.
pub(super) fn by_name(name: &str, context: &Context<'_>) -> Result<Box<dyn Provider>> {
    Ok(make(context.providers.named(name)?, context))
}

fn make(entry: &Entry, context: &Context<'_>) -> Box<dyn Provider> {
    (entry.make)(SharedDir(context.home.bases()))
}

/// All providers.
pub(super) fn all(context: &Context<'_>) -> Vec<Box<dyn Provider>> {
    context.providers.entries().map(|entry| make(entry, context)).collect()
}

/// A provider to make a lab with.
pub(super) struct Chosen {
    /// The provider.
    pub provider: Box<dyn Provider>,
    /// What it says of itself.
    pub availability: Availability,
    /// Why it is not the most wanted one, in one line for people.
    pub why: Option<String>,
}

/// The choice of a provider to make a lab with, in the order in which they are wanted.
pub(super) struct Choice<'a> {
    context: &'a Context<'a>,
    asked: Option<&'a Entry>,
    left: Vec<&'a Entry>,
    passed_over: Vec<String>,
    last: Option<Error>,
}

impl<'a> Choice<'a> {
    /// The choice of the provider that is `asked` for, or among all.
    ///
    /// # Errors
    /// [`Kind::NoProvider`] where there is none of that name.
    pub(super) fn of(asked: Option<&str>, context: &'a Context<'a>) -> Result<Self> {
        let asked = asked.filter(|name| *name != "auto");
        let asked = asked.map(|name| context.providers.named(name)).transpose()?;
        let left = asked.map_or_else(|| context.providers.automatic().collect(), |entry| vec![entry]);
        Ok(Choice { context, asked, left, passed_over: Vec::new(), last: None })
    }

    /// The next one that works on this computer. `fits`: machines of these kinds are to run on it.
    ///
    /// # Errors
    /// Why the one asked for does not; or why none does.
    pub(super) fn next(&mut self, fits: &[Hardware]) -> Result<Chosen> {
        while !self.left.is_empty() {
            let entry = self.left.remove(0);
            let provider = make(entry, self.context);
            match self.look(provider.as_ref(), fits) {
                Err(error) if self.asked.is_some() => return Err(error),
                Err(error) => {
                    self.passed_over.push(format!("not {}: {}", entry.name, error.message()));
                    self.last = Some(error);
                }
                Ok(Availability { doubt: Some(doubt), .. }) if self.asked.is_none() => {
                    self.passed_over.push(format!("not {}: {doubt}", entry.name));
                }
                Ok(availability) => {
                    let why = self.passed_over.join("; ");
                    let why = (!why.is_empty()).then(|| format!("{}, {why}", entry.name));
                    return Ok(Chosen { provider, availability, why });
                }
            }
        }
        let none = || Error::new(Kind::NoProvider, "no provider can run this lab on this computer");
        let error = self.last.take().unwrap_or_else(none);
        Err(self.passed_over.iter().fold(error, |error, line| error.detail(line)))
    }

    /// The next one after `chosen`, which cannot run what `fits`, as `error` says.
    ///
    /// # Errors
    /// `error` where that one was asked for, or is the last.
    pub(super) fn instead(&mut self, chosen: &Chosen, error: Error, fits: &[Hardware]) -> Result<Chosen> {
        if self.asked.is_some() {
            return Err(error);
        }
        self.passed_over.push(format!("not {}: {}", chosen.provider.name(), error.message()));
        self.last = Some(error);
        self.next(fits)
    }

    fn look(&self, provider: &dyn Provider, fits: &[Hardware]) -> Result<Availability> {
        let cancel = &self.context.cancel;
        let mut availability = None;
        for hardware in fits {
            availability = Some(provider.check(hardware, cancel)?);
        }
        availability.map_or_else(|| provider.available(cancel), Ok)
    }
}

/// The machines that still run of the lab of `files`, whose `.lab` was deleted. `own` is what its provider decided of it.
///
/// # Errors
/// Those of the providers.
pub(super) fn strays(files: &LabFiles, context: &Context<'_>, own: &Block) -> Result<Vec<String>> {
    let (machines, kept) = (files.machines(), files.kept());
    let lost = Lost { machines: &machines, kept: &kept, own: Some(own) };
    let each = all(context).into_iter().map(|provider| provider.strays(lost, &context.cancel));
    Ok(each.collect::<Result<Vec<_>>>()?.concat())
}

/// Has no provider keep machines of the lab of `files`, which is without a state.
///
/// # Errors
/// Those of a provider that has such machines and cannot let go of them.
pub(super) fn forget(files: &LabFiles, context: &Context<'_>, own: Option<&Block>) -> Result<()> {
    let (machines, kept) = (files.machines(), files.kept());
    let lost = Lost { machines: &machines, kept: &kept, own };
    all(context).iter().try_for_each(|provider| provider.forget(lost, &context.cancel))
}
