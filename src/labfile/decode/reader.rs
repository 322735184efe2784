//! One table of a Labfile, read by the keys that its section knows.

use toml::de::DeTable;

use super::slot::Slot;
use super::unknown;
use crate::labfile::keys::Section;
use crate::labfile::raw::Cx;

/// A table and its section.
pub(super) struct Reader<'t, 'i> {
    section: &'static Section,
    table: &'t DeTable<'i>,
    /// The keys that unknown ones were probably meant to be.
    meant: Vec<&'static str>,
}

impl<'t, 'i> Reader<'t, 'i> {
    /// Opens `table`, and reports the keys that its section does not know. `title` is the section's own name, with the
    /// machine's in it.
    pub(super) fn new(
        cx: &mut Cx<'_>,
        section: &'static Section,
        title: &str,
        table: &'t DeTable<'i>,
    ) -> Self {
        let mut meant = Vec::new();
        for (name, value) in table {
            if section.key(name.get_ref()).is_none() {
                let key = cx.is_patient().then(|| unknown::meant(section, name.get_ref(), value.get_ref()));
                let key = key.flatten();
                meant.extend(key.map(|key| key.name));
                cx.push(unknown::key(section, title, name, value, key));
            }
        }
        Reader { section, table, meant }
    }

    pub(super) fn section(&self) -> &'static Section {
        self.section
    }

    /// Whether an unknown key was probably meant to be `name`.
    pub(super) fn means(&self, name: &str) -> bool {
        self.meant.contains(&name)
    }

    /// What is written for the key `name`.
    pub(super) fn get(&self, name: &str) -> Option<Slot<'t, 'i>> {
        let key = self.section.key(name);
        debug_assert!(key.is_some(), "{name} is not in the table of {}", self.section.title);
        let (written, value) = self.table.iter().find(|(key, _)| key.get_ref() == name)?;
        Some(Slot { key: key?, key_span: written.span(), value, item: false })
    }
}
