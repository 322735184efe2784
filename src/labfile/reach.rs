//! Everything in a Labfile that asks for more than its guests, ports on loopback, and files inside its folder.

use super::beyond::{Beyond, Reach, outside};
use super::model::Labfile;
use crate::boxes::Source;
use crate::boxes::catalogue::Catalogue;
use crate::provider::table::TABLE;
use crate::section::About;

/// What `labfile` asks for, in the order of its lines: what stands in it, and what the catalogue that it names brings for
/// the boxes of its machines. An empty list means that nothing of this computer is in its reach.
///
/// A port is in no Labfile's reach: all of them are on 127.0.0.1.
pub fn reaches(labfile: &Labfile) -> Vec<Reach> {
    let mut reaches = labfile.reaches.clone();
    reaches.extend(of_catalogue(labfile));
    reaches.sort_by_key(|reach| reach.line);
    reaches
}

/// What the Labfile's own catalogue brings. One that cannot be read brings nothing: `up` does not get past it either.
fn of_catalogue(labfile: &Labfile) -> Vec<Reach> {
    let Some(folder) = &labfile.catalogue else { return Vec::new() };
    let Ok(catalogue) = Catalogue::load(Some(folder)) else { return Vec::new() };
    let mut found = Vec::new();
    let mut push = |what: Beyond| {
        if !found.iter().any(|reach: &Reach| reach.what == what) {
            found.push(Reach { line: labfile.catalogue_line, what });
        }
    };
    for machine in &labfile.machines {
        let Some(entry) = catalogue.get(&machine.image) else { continue };
        let Some(file) = entry.from.as_ref().filter(|file| file.starts_with(folder)) else { continue };
        for provider in TABLE.entries().filter(|provider| provider.box_settings) {
            for remark in (provider.look)(&entry.settings(provider.name)) {
                if let About::Reaching(what) = remark.what {
                    push(Beyond::Provider { what, catalogue: Some(file.clone()) });
                }
            }
        }
        let base = file.parent().unwrap_or(folder);
        for url in entry
            .versions
            .iter()
            .flat_map(|release| &release.sources)
            .filter_map(|source| source.url.as_ref())
        {
            if let Ok(Source::File(path)) = Source::parse(url, base)
                && let Some(real) = outside(&labfile.dir, &path)
            {
                push(Beyond::Box { written: url.clone(), real });
            }
        }
    }
    found
}
