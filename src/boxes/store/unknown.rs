//! The error for a name that nothing has.

use super::base::Store;
use crate::boxes::catalogue::Catalogue;
use crate::boxes::index::Index;
use crate::error::{Error, Kind};

impl Store {
    /// The error for a name that nothing has.
    pub(super) fn unknown(&self, name: &str) -> Error {
        // A catalogue that cannot be read has been reported before this.
        self.unknown_in(name, &Catalogue::load(None).unwrap_or_default())
    }

    pub(super) fn unknown_in(&self, name: &str, catalogue: &Catalogue) -> Error {
        let error = Error::new(Kind::BoxNotFound, format!("there is no box called {name}"));
        if name.contains('/') {
            return error
                .detail("neither a file of that path is there, nor has a box of that name been added")
                .detail(format!("nor does the registry know it: {}/{name}", self.registry))
                .hint(format!("check its name, or download the box and type: lab box add {name} FILE"));
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
