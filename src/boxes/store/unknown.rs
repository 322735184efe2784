//! The error for a name that no box has.

use super::base::Store;
use crate::boxes::catalogue::Catalogue;
use crate::boxes::index::Index;
use crate::error::{Error, Kind};

/// Source: hashicorp/vagrant#13836 and the pages that it leads to.
const END_OF_REGISTRY: &str = "the public Vagrant registry is being switched off: features are limited from November 2026, and its end is \
                               announced for 31 December 2026 or, in other places, 15 March 2027 (hashicorp/vagrant#13836)";

/// The boxes of the catalogue that the distributions themselves publish.
fn some_of(catalogue: &Catalogue) -> String {
    let names: Vec<_> =
        catalogue.names().filter(|name| name.starts_with("debian") || name.starts_with("ubuntu")).collect();
    names.join(", ")
}

impl Store {
    /// The error for a name that no box has.
    pub(super) fn unknown(&self, name: &str) -> Error {
        // A catalogue that cannot be read has been reported before this.
        self.unknown_in(name, &Catalogue::load(None).unwrap_or_default())
    }

    /// The error for a box that the registry does not have. `is_gone`: it says that it had the box once (410).
    pub(super) fn not_in_registry(&self, name: &str, is_gone: bool) -> Error {
        if !is_gone {
            return self.unknown(name);
        }
        let message = format!("the registry does not give out the box {name} any more");
        let error = Error::new(Kind::BoxNotFound, message)
            .detail(format!("{} answered that it is gone (status 410)", self.registry.below(name)))
            .detail(END_OF_REGISTRY);
        error
            .hint(format!(
                "if you have the box as a file (a stick, a neighbour), type: lab box add {name} FILE"
            ))
            .hint(format!(
                "or take a box of the catalogue: {}",
                some_of(&Catalogue::load(None).unwrap_or_default())
            ))
    }

    /// An error with the date from which the public registry answers no more, if it is about that registry.
    pub(super) fn with_end_of_registry(&self, error: Error) -> Error {
        match self.registry.as_str().contains("vagrantcloud.com")
            || self.registry.as_str().contains("hashicorp")
        {
            true if !error.details().iter().any(|line| line == END_OF_REGISTRY) => {
                error.detail(END_OF_REGISTRY)
            }
            _ => error,
        }
    }

    pub(super) fn unknown_in(&self, name: &str, catalogue: &Catalogue) -> Error {
        let error = Error::new(Kind::BoxNotFound, format!("there is no box called {name}"));
        if name.contains('/') {
            let error = error
                .detail("neither a file of that path is there, nor has a box of that name been added")
                .detail(format!("nor does the registry know it: {}/{name}", self.registry));
            return self
                .with_end_of_registry(error)
                .hint(format!("check its name, or download the box and type: lab box add {name} FILE"))
                .hint(format!("or take a box of the catalogue: {}", some_of(catalogue)));
        }
        let added = Index::read(&self.layout).map(|index| index.names.into_keys().collect());
        let mut names: Vec<String> = added.unwrap_or_default();
        names.extend(catalogue.names().map(str::to_owned));
        let nearest = names
            .iter()
            .map(|known| (strsim::damerau_levenshtein(known, name), known))
            .filter(|(distance, _)| *distance <= 2)
            .min();
        let error = match nearest {
            Some((_, known)) => error.hint(format!("did you mean {known}?")),
            None => error,
        };
        error.hint(format!(
            "`lab box list` shows those that there are; to add one: lab box add {name} FILE-OR-URL"
        ))
    }
}
